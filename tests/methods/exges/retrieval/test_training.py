"""Training the retrieval module: it learns, resumes in the same bits, keeps its best weights and says what it is
worth."""

import numpy as np
import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.common.files import read_json
from gesturebench.common.progress import Stopped
from gesturebench.methods.exges.retrieval import albef
from gesturebench.methods.exges.retrieval.components import MOTION_BASE, RETRIEVER
from gesturebench.methods.exges.retrieval.config import RetrievalConfig
from gesturebench.methods.exges.retrieval.encoders import frame_contribution, frame_mask, frame_similarity, pooled
from gesturebench.methods.exges.retrieval.fitting import DIAGNOSTICS, VECTORS, drawn_batch, new_module
from gesturebench.methods.exges.retrieval.motion_base import MotionBase
from gesturebench.methods.exges.retrieval.validation import own_ranks


def taught(retrieval, **contrast):
    config = retrieval.config.updated({"contrast": contrast})
    base = MotionBase(retrieval.artifacts[MOTION_BASE])
    return new_module(config, base, 0), base


def losses(module, base, progress: float = 1.0, seed: int = 0):
    batch = drawn_batch(base, 8, torch.Generator().manual_seed(seed))
    return module.train().losses({**batch, "progress": torch.full((8,), progress)})


def test_it_learns_whose_sound_it_is(retrieval):
    """The same eight pairs again and again: their losses fall far below what guessing costs."""
    module, base = taught(retrieval, alpha=0.0)
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], 1e-2)
    curve = []
    for _ in range(60):
        found = losses(module, base)
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        curve.append(found["ita"].item())
    assert curve[-1] < 0.5 * curve[0]


def test_the_teacher_is_never_trained_but_follows(retrieval):
    module, base = taught(retrieval)
    before = module.teacher["audio"].embed.weight.clone()
    with torch.no_grad():
        module.module.audio.embed.weight.add_(1.0)
    losses(module, base)["loss"].backward()
    assert all(parameter.grad is None for parameter in module.teacher.parameters())
    moved = module.teacher["audio"].embed.weight - before
    torch.testing.assert_close(moved, torch.full_like(moved, 0.005), atol=1e-5, rtol=0)
    assert (module.queues.ids[:8] >= 0).all()
    assert int(module.queues.pointer) == 8


def test_distillation_rises_during_the_first_epoch(retrieval):
    module, _ = taught(retrieval)
    epochs = module._epochs
    shares = [module._alpha(torch.tensor([share])).item() for share in (0.0, 0.5 / epochs, 1 / epochs, 1.0)]
    assert shares == pytest.approx([0.0, 0.2, 0.4, 0.4], abs=1e-6)
    literal, _ = taught(retrieval, loss="literal")
    assert literal._alpha(torch.tensor([0.0])).item() == pytest.approx(0.4)


def test_the_literal_reading_has_no_truth_in_its_contrast(retrieval):
    """Its contrastive part is that of alpha 1; the total weighs both parts."""
    literal, base = taught(retrieval, loss="literal")
    full, _ = taught(retrieval, alpha=1.0)
    one, other = losses(literal, base), losses(full, base)
    torch.testing.assert_close(one["ita"], other["ita"])
    torch.testing.assert_close(one["loss"], 0.4 * one["ita"] + 0.6 * one["itm"])
    torch.testing.assert_close(other["loss"], other["ita"] + other["itm"])


def test_negatives_may_be_random(retrieval):
    hard, base = taught(retrieval)
    random, _ = taught(retrieval, negatives="random")
    found = [losses(module, base)["itm"].item() for module in (hard, random)]
    assert found[0] != found[1]


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_padding_changes_nothing(retrieval, pooling):
    module = new_module(
        retrieval.config.updated({"network": {"pooling": pooling}}), MotionBase(retrieval.artifacts[MOTION_BASE]), 0
    ).module.eval()
    rows = torch.randn(2, 40, module.motion.scale.mean.numel(), generator=torch.Generator().manual_seed(0))
    longer = torch.cat((rows, torch.full((2, 20, rows.shape[-1]), 7.0)), 1)
    with torch.no_grad():
        own = module.motion(rows, frame_mask(torch.tensor([40, 33]), 40))
        padded = module.motion(longer, frame_mask(torch.tensor([40, 33]), 60))
        judged = [module.matches(encoded, encoded) for encoded in (own, padded)]
    torch.testing.assert_close(own.vector, padded.vector)
    torch.testing.assert_close(judged[0], judged[1])
    torch.testing.assert_close(own.vector.norm(dim=1), torch.ones(2))


def test_a_vector_pools_its_frames_and_frames_answer_for_it():
    frames, vector = torch.randn(5, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([0.1, 0.2, 0.3, 0.4])
    whole = pooled(frames[None], torch.ones(1, 5, dtype=torch.bool), "max")[0]
    parts = frame_contribution(frames, vector)
    torch.testing.assert_close(parts.sum(), whole @ vector)
    by_hand = torch.stack([frame @ vector / frame.norm() for frame in frames])
    torch.testing.assert_close(frame_similarity(frames, vector), by_hand)


def test_the_temperature_stays_in_its_bounds(retrieval):
    module, base = taught(retrieval)
    with torch.no_grad():
        module.module.temperature.fill_(3.0)
    losses(module, base)
    assert module.module.temperature.item() == pytest.approx(albef.TEMPERATURES[1])


def test_what_a_killed_training_ends_in_is_the_same(retrieval, tmp_path):
    """Best weights are asked for, a stop comes after the third of six steps, between two checkpoints."""
    config = retrieval.config.updated({"contrast": {"kept": "best", "validate_epochs": 0.5}})
    whole = retrieval.fit(RETRIEVER, config)

    def stop(done: int, total: int) -> None:
        if total == 6 and done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        retrieval.fit(RETRIEVER, config, work=tmp_path, progress=stop)
    resumed = retrieval.fit(RETRIEVER, config, work=tmp_path)
    for name in ("weights.safetensors", VECTORS, DIAGNOSTICS):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name
    scores = {row["step"]: row["recall_at_10"] for row in read_json(whole / DIAGNOSTICS)["validation"]}
    assert max(scores) == 6
    assert len(scores) >= 2


def test_seeds_give_different_modules(retrieval):
    other = retrieval.fit(RETRIEVER, seed=1)
    assert (other / VECTORS).read_bytes() != (retrieval.artifacts[RETRIEVER] / VECTORS).read_bytes()


def test_diagnostics_say_what_it_is_worth(retrieval):
    found = read_json(retrieval.artifacts[RETRIEVER] / DIAGNOSTICS)
    n = found["segments"]
    assert n > 4
    assert -1 <= found["gate"] <= 1
    for direction in ("audio_to_motion", "motion_to_audio"):
        values = [found[direction][f"recall_at_{k}"] for k in (1, 5, 10)]
        assert values == sorted(values)
        assert 1 <= found[direction]["median_rank"] <= n
    assert found["chance"]["recall_at_5"] == pytest.approx(min(1, 5 / n))
    assert 0 <= found["matching_accuracy"]["balanced"] <= 1
    assert {"recall_at_10", "gap"} == set(found["teacher"])
    assert 0.001 <= found["temperature"] <= 0.5


def test_vectors_of_the_base_are_unit_vectors(retrieval):
    vectors = np.load(retrieval.artifacts[RETRIEVER] / VECTORS)
    assert vectors.shape == (len(MotionBase(retrieval.artifacts[MOTION_BASE])), retrieval.config.network.joint)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_space_that_is_a_point_scores_chance():
    assert own_ranks(torch.zeros(5, 5)).tolist() == [3.0] * 5
    assert own_ranks(torch.eye(3)).tolist() == [1.0] * 3


def test_a_queue_is_a_multiple_of_the_batch():
    with pytest.raises(InputError, match=r"contrast.queue \(100\) that is a multiple of the batch"):
        RetrievalConfig.parse({"contrast": {"queue": 100}}, "retrieval")
