"""Bodies as pictures: where joints are seen, what hides what, and videos that another decoder reads back."""

import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from gesturebench.common.corpus.clip import SAMPLE_RATE, Motion
from gesturebench.common.corpus.standin.body import standin_body
from gesturebench.common.errors import InputError
from gesturebench.common.motion.kinematics import JointModel
from gesturebench.common.motion.skeleton import JOINT
from gesturebench.common.rendering import Camera, check_video_file, film_frames, save_film
from gesturebench.common.rendering.banner import banner
from gesturebench.common.rendering.film import Notice
from gesturebench.common.rendering.limbs import SKIN, body_cones, body_points
from gesturebench.common.rendering.raster import PAPER, background, draw_cones

SIZE = 96, 120


@pytest.fixture(scope="module")
def joints(tmp_path_factory) -> JointModel:
    return JointModel.from_body_model(standin_body(tmp_path_factory.mktemp("cache")))


def standing(frames: int, fps: float = 30.0) -> Motion:
    """Arms down."""
    poses = np.zeros((frames, 165), np.float32)
    poses[:, 3 * JOINT["left_shoulder"] + 2], poses[:, 3 * JOINT["right_shoulder"] + 2] = -1.2, 1.2
    return Motion(
        poses, np.zeros((frames, 100), np.float32), np.zeros((frames, 3), np.float32), np.zeros(300, np.float32), fps
    )


def turned_head(motion: Motion, yaw: float) -> Motion:
    poses = motion.poses.copy()
    poses[:, 3 * JOINT["head"] + 1] = yaw
    return replace(motion, poses=poses)


def test_every_joint_is_in_the_picture_from_every_side(joints):
    motion = standing(2)
    moved = replace(motion, trans=motion.trans + np.array([1.5, 0.2, -2.0], np.float32))
    positions = [joints.positions(m) for m in (motion, moved)]
    for yaw in np.linspace(-np.pi, np.pi, 7):
        camera = Camera.around(positions, SIZE, yaw)
        seen = np.concatenate([camera.project(p)[..., :2].reshape(-1, 2) for p in positions])
        assert (seen > 0).all()
        assert (seen < SIZE).all()


def test_a_projection_keeps_lengths_across_the_line_of_sight():
    camera = Camera(SIZE, (0.0, 1.0), 50.0, 0.3)
    points = np.random.default_rng(0).normal(size=(20, 3))
    a, b = camera.project(points[:10]), camera.project(points[10:])
    distances = np.linalg.norm(points[:10] - points[10:], axis=1)
    np.testing.assert_allclose(np.linalg.norm(a - b, axis=1), 50 * distances)


def test_the_head_turns_with_its_joint(joints):
    """Nose and skull keep their distances, and a quarter turn to the left brings the nose to +x."""
    rest = joints.rest_joints(np.zeros(300))
    straight, left = (body_points(joints.positions(turned_head(standing(1), yaw)), rest)[0] for yaw in (0.0, np.pi / 2))
    head = JOINT["head"]
    extra = slice(55, 60)  # the points of the head
    from_head = [np.linalg.norm(points[extra] - points[head], axis=1) for points in (straight, left)]
    np.testing.assert_allclose(*from_head, atol=1e-9)
    nose = 57
    np.testing.assert_allclose((left[nose] - left[head])[0], (straight[nose] - straight[head])[2], atol=1e-9)


def one_cone(z: float, colour: tuple[int, int, int]) -> tuple[list, list, list]:
    return [[20.0, 20.0, z], [40.0, 20.0, z]], [6.0, 6.0], list(colour)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_cone_hides_the_other_in_whatever_order(order):
    cones = [one_cone(10, (200, 0, 0)), one_cone(50, (0, 200, 0))]
    ends, radii, colours = (np.array([cones[i][part] for i in order], float) for part in range(3))
    picture = draw_cones(ends, radii, colours, background((64, 64), 64))
    assert picture[20, 30, 1] > 100
    assert picture[20, 30, 0] == 0
    assert tuple(picture[50, 30]) == PAPER


def test_a_cone_covers_its_area():
    """Smoothed edges add up: the covered area is that of a stadium, 2 r l + pi r^2."""
    ends, radii, colours = np.array([[[16, 30, 0], [44, 30, 0]]]), np.array([[7.0, 7.0]]), np.full((1, 3), 100.0)
    black, white = (draw_cones(ends, radii, colours, np.full((64, 64, 3), grey, np.float32)) for grey in (0, 255))
    covered = 1 - (white[..., 0].astype(float) - black[..., 0]) / 255
    assert covered.sum() == pytest.approx(2 * 7 * 28 + np.pi * 49, rel=0.01)
    assert (covered[30, 10:50] == 1).all()


def test_what_is_outside_the_picture_is_no_error():
    cone = np.array([[[-90.0, 20, 0], [-50, 20, 0]], [[-5.0, 20, 0], [5, 20, 0]]])
    picture = draw_cones(cone, np.full((2, 2), 6.0), np.full((2, 3), 100.0), background((64, 64), 64))
    assert (picture[20, :8] != PAPER).all()
    assert (picture[:, 20:] == PAPER).all()


def test_hands_are_told_from_the_body_in_grey():
    cones = body_cones()
    grey = cones.colours @ (0.299, 0.587, 0.114)
    skin = (cones.colours == SKIN).all(1)
    assert grey[skin].min() > 1.8 * grey[~skin].max()


def test_a_moving_hand_is_seen_to_move(joints):
    motion = standing(2)
    motion.poses[1, 3 * JOINT["left_elbow"] + 1] = -1.5
    camera = Camera.around([joints.positions(motion)], SIZE)
    first, second = film_frames(motion, joints, camera)
    assert first.shape == (120, 96, 3)
    changed = (first != second).any(-1)
    assert changed[:, 48:].any(), "the subject's left is on the right"
    assert not changed[:, :40].any()


def test_a_notice_is_shown_for_its_time_alone(joints):
    motion = standing(10, fps=10)
    camera = Camera.around([joints.positions(motion)], SIZE)
    plain = list(film_frames(motion, joints, camera))
    told = list(film_frames(motion, joints, camera, Notice("Look here", 0.3, 0.6)))
    assert [bool((a != b).any()) for a, b in zip(plain, told)] == [3 <= i < 6 for i in range(10)]
    assert banner("Look here, and a long way beyond", 96)[:, [0, -1]].max() == 0, "words stay inside"


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_a_video_has_every_frame_and_sound_at_its_time(tmp_path, joints, ending, seconds):
    """Sound that is too short is continued with silence, too long is cut; a click stays where it was."""
    av = pytest.importorskip("av")
    motion = standing(30)
    audio = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    click = SAMPLE_RATE // 4
    audio[click : click + 400] = np.sin(np.arange(400))
    path = tmp_path / f"a{ending}"
    camera = Camera.around([joints.positions(motion)], SIZE)
    save_film(path, motion, joints, audio, camera=camera)
    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    with av.open(str(path)) as file:
        pieces = list(file.decode(audio=0))
        sound = np.concatenate([piece.to_ndarray()[0] for piece in pieces])
        rate, start_s = pieces[0].sample_rate, float(pieces[0].pts * pieces[0].time_base)
    assert len(frames) == 30
    drawn = np.stack(list(film_frames(motion, joints, camera))).astype(float)
    assert np.abs(np.stack(frames) - drawn).mean() < 6, "grey levels"
    assert len(sound) / rate == pytest.approx(1.0, abs=0.1)
    assert np.abs(sound).argmax() / rate + start_s == pytest.approx(click / SAMPLE_RATE, abs=0.05)


def test_equal_motion_gives_equal_bytes(tmp_path, joints):
    pytest.importorskip("av")
    for name in ("a.mp4", "b.mp4"):
        save_film(tmp_path / name, standing(4), joints, np.zeros(3000, np.float32))
    a, b = ((tmp_path / name).read_bytes() for name in ("a.mp4", "b.mp4"))
    assert a == b


def test_frames_are_as_far_apart_as_the_motion_says(tmp_path, joints):
    av = pytest.importorskip("av")
    motion = standing(15, fps=15)
    save_film(tmp_path / "a.mp4", motion, joints, camera=Camera.around([joints.positions(motion)], SIZE))
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert not file.streams.audio
        times = [frame.time for frame in file.decode(video=0)]
    assert [b - a for a, b in pairwise(times)] == pytest.approx([1 / 15] * 14, abs=1e-3)


def test_what_cannot_be_written_is_refused_first(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"unknown ending of a video '\.avi'"):
        check_video_file(tmp_path / "a.avi")
    for size in ((97, 120), (2, 2), (5000, 100)):
        with pytest.raises(InputError, match="even sides"):
            Camera.around([np.zeros((1, 55, 3))], size)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'gesturebench\[render\]'"):
        check_video_file(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())
