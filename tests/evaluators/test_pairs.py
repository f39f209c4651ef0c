from dataclasses import replace

import numpy as np
import pytest

from gesturebench.evaluators.pairs import joint_positions, target_positions


def test_metrics_of_one_pair_share_the_positions(store):
    clip, prediction = store.clip(store.ids[0]), store.motion(store.ids[1])
    first = joint_positions(store.joints, prediction, clip)
    assert joint_positions(store.joints, prediction, clip) is first
    assert joint_positions(store.joints, replace(prediction), clip) is not first


def test_positions_are_read_only(store):
    clip = store.clip(store.ids[0])
    with pytest.raises(ValueError, match="read-only"):
        target_positions(store.joints, clip)[0, 0] = 1


def test_prediction_takes_the_body_of_the_clip(store):
    """A prediction with another shape and place stands like the clip's own motion in its pose."""
    clip = store.clip(store.ids[0])
    elsewhere = replace(clip.motion, betas=clip.motion.betas + 1, trans=clip.motion.trans + 1)
    np.testing.assert_array_equal(joint_positions(store.joints, elsewhere, clip), target_positions(store.joints, clip))


def test_conventions_are_kept_apart(store):
    clip = store.clip(store.ids[0])
    kept, zeroed = (target_positions(store.joints, clip, root) for root in ("kept", "zeroed"))
    assert np.abs(kept - zeroed).max() > 1e-3
    direct = store.joints.positions(clip.motion, trans=False, expressions=False).reshape(len(kept), -1)
    np.testing.assert_allclose(kept, direct, atol=1e-12)
