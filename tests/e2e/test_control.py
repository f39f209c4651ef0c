"""Keyframes of one's own, from the command line to the motion, and each way in which they can be wrong."""

import numpy as np
import pytest
import soundfile
import yaml

from gesturebench.common.motion.export import load_motion

ARMS = ("left_elbow", "right_elbow")
BENT = np.array([[[0, -1.2, 0], [0, 1.2, 0]], [[0, -0.4, 0], [0, 0.4, 0]]], np.float32)
KEYFRAMES = {"frames": [20, 70], "joints": ARMS, "values": BENT, "fps": 30}


@pytest.fixture(scope="module")
def talk(corpus, call, tmp_path_factory):
    """Generate for three seconds of sound with a small ExGes that meets what it is given exactly."""
    folder = tmp_path_factory.mktemp("control")
    config = {"keyframes": "none", "training.steps": 3, "sampling.hard_impose": "last"}
    rows = [{"label": "ExGes", "method": "exges", "config": config}]
    spec = {"title": "Control", "protocol": "standin", "preset": "tiny", "metrics": ["bc"], "data": str(corpus)}
    (folder / "grid.yaml").write_text(yaml.safe_dump(spec | {"rows": rows}))
    soundfile.write(folder / "talk.wav", np.random.default_rng(0).normal(0, 0.1, 48_000), 16_000)
    where = ("--grid", folder / "grid.yaml", "--runs", folder / "runs")
    assert call("run", *where[1:]).returncode == 0

    def generate(**keyframes):
        np.savez(folder / "keyframes.npz", **(KEYFRAMES | keyframes))
        options = ("--audio", folder / "talk.wav", "--out", folder / "talk.npz", "--control", folder / "keyframes.npz")
        return call("generate", "--method", "exges", *where, *options)

    return folder, generate


def test_motion_goes_through_the_keyframes(talk):
    folder, generate = talk
    done = generate()
    assert done.returncode == 0, done.stderr
    motion = load_motion(folder / "talk.npz")
    elbows = motion.poses.reshape(-1, 55, 3)[:, [18, 19]]
    assert motion.n_frames == 90
    np.testing.assert_allclose(elbows[[20, 70]], BENT, atol=1e-4)
    assert np.abs(elbows[45] - BENT).max() > 1e-2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"frames": [20, 90]}, "90"),
        ({"frames": [20, 20]}, "left_elbow"),
        ({"values": np.full_like(BENT, np.nan)}, "nan"),
        ({"joints": ("left_elbow", "LeftForeArm")}, "LeftForeArm"),
        ({"fps": 60}, "60"),
    ],
)
def test_what_cannot_be_followed_is_one_line(talk, change, told):
    folder, generate = talk
    (folder / "talk.npz").unlink(missing_ok=True)
    done = generate(**change)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert told in line
    assert "expected" in line
    assert not (folder / "talk.npz").exists()
