"""Training, the artifact, and embedding with it."""

import json

import numpy as np
import pytest
import torch

from gesturebench.common.checkpoint import WEIGHTS
from gesturebench.common.corpus.clip import Speech
from gesturebench.common.embedding.artifact import (
    RECORD,
    identity_of,
    load_embedding,
    read_gate,
    read_record,
    read_transcripts,
)
from gesturebench.common.embedding.config import embedding_part, preset
from gesturebench.common.embedding.embed import embed_motion, embed_poses, embed_speech, embed_units, embedding_of
from gesturebench.common.embedding.spoken import spoken_units
from gesturebench.common.embedding.towers import motion_rows
from gesturebench.common.embedding.units import phrase_spans
from gesturebench.common.errors import InputError
from gesturebench.common.progress import Stopped
from tests.encoders import write_bert, write_wav2vec2
from tests.speaking import SpeakingStore


def spans_of(speaking, split="test"):
    clip = speaking.clip(speaking.split(split)[0])
    return clip, phrase_spans(clip.speech.words, clip.motion.n_frames, preset("tiny").units)


def losses_of(folder) -> list[float]:
    return [row["loss"] for row in json.loads((folder / "curve.json").read_text())]


def test_training_finds_what_speech_and_motion_share(trained):
    gate, losses = read_gate(trained.folder), losses_of(trained.folder)
    assert gate.informative
    assert gate.units >= 32
    assert gate.ceiling[2] > gate.floor[2] + 0.2
    assert losses[-1] < losses[0]


def test_the_margin_loss_learns_too(fit):
    folder = fit(loss="margin").folder
    gate, losses = read_gate(folder), losses_of(folder)
    assert gate.ceiling[2] > gate.floor[2]
    assert losses[-1] < 0.8 * losses[0]


def test_untrained_towers_do_not_pass_the_gate(fit):
    gate = read_gate(fit(training={"steps": 0}).folder)
    assert not gate.informative


def test_equal_seeds_give_equal_bits_also_after_a_stop(fit, trained, tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 37:
            raise Stopped

    with pytest.raises(Stopped):
        fit(work=tmp_path, progress=stop)
    assert (fit(work=tmp_path).folder / WEIGHTS).read_bytes() == (trained.folder / WEIGHTS).read_bytes()


def test_the_record_says_what_it_was_trained_on(speaking, trained):
    record = read_record(trained.folder)
    assert record["data"] == speaking.fingerprint
    assert set(record["clips"]) < set(speaking.split("train"))  # one of them says nothing
    assert record["units"] == len(read_transcripts(trained.folder))
    assert len(identity_of(trained.folder)) == 16


def test_motion_and_poses_are_embedded_alike_whatever_is_beside_them(speaking, trained):
    clip, spans = spans_of(speaking)
    together = embed_poses(trained.folder, clip.motion.poses, spans)
    for row, (start, stop) in zip(together, spans):
        motion = motion_rows(clip.motion.poses[start:stop:2])
        torch.testing.assert_close(embed_motion(trained.folder, motion[None])[0], row, atol=1e-4, rtol=1e-5)
        padded = torch.cat([motion, torch.ones(9, 330)])[None]
        found = embed_motion(trained.folder, padded, torch.tensor([len(motion)]))
        torch.testing.assert_close(found[0], row, atol=1e-4, rtol=1e-5)


def test_the_embedding_of_motion_has_gradients_and_the_network_none(trained):
    motion = torch.randn(3, 20, 337, generator=torch.Generator().manual_seed(0)).requires_grad_()
    embed_motion(trained.folder, motion, torch.tensor([20, 8, 15])).square()[:, :5].sum().backward()
    grad = motion.grad
    assert grad[..., :132].abs().sum() > 0
    assert not grad[1, 8:].any()
    assert not grad[..., 330:].any()
    assert all(p.grad is None for p in embedding_of(trained.folder).parameters())


def test_directional_derivatives_agree_with_differences(trained):
    rng = torch.Generator().manual_seed(1)
    motion, along = (torch.randn(1, 12, 330, generator=rng, dtype=torch.float64) for _ in range(2))
    model = load_embedding(trained.folder).double()
    lengths = torch.tensor([12])

    def value(x):
        return model.embed_motion(x, lengths)[0, 0]

    x = motion.clone().requires_grad_()
    (grad,) = torch.autograd.grad(value(x), x)
    with torch.no_grad():
        step = 1e-6
        difference = (value(motion + step * along) - value(motion - step * along)) / (2 * step)
    assert (grad * along).sum().item() == pytest.approx(difference.item(), rel=1e-5)


def test_speech_is_embedded_alike_from_the_store_and_from_the_sound(speaking, trained):
    clip, spans = spans_of(speaking)
    mel = speaking.feature("mel", clip.id)
    known = embed_units(trained.folder, spoken_units(clip.speech, spans, trained.config, mel=mel))
    torch.testing.assert_close(embed_speech(trained.folder, clip.speech, spans), known)
    assert embed_speech(trained.folder, clip.speech, []).shape == (0, trained.config.dim)
    assert embed_poses(trained.folder, clip.motion.poses, []).shape == (0, trained.config.dim)


def test_a_unit_without_words_is_embedded_by_its_audio(trained):
    silent = Speech("2_scott_0_1_1", np.zeros(80_000, np.float32), 2)
    assert embed_speech(trained.folder, silent, [(0, 90)]).isfinite().all()


def test_another_version_and_a_folder_without_weights_are_input_errors(trained, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        embedding_of(tmp_path)
    record = read_record(trained.folder)
    (tmp_path / RECORD).write_text(json.dumps({**record, "version": 0}))
    with pytest.raises(InputError, match="made by version 0; expected 1"):
        load_embedding(tmp_path)


def test_speech_without_phrases_cannot_be_trained_on(fit):
    with pytest.raises(InputError, match="the training split has 0 phrases"):
        fit(store=SpeakingStore(train=1, val=1, test=1))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    bert, wav2vec2 = write_bert(folder / "bert"), write_wav2vec2(folder / "wav2vec2")
    return {name: {"model": str(path), "revision": None} for name, path in (("bert", bert), ("wav2vec2", wav2vec2))}


def test_pretrained_encoders_are_read_once_and_again_at_evaluation(fit, models, monkeypatch, tmp_path):
    monkeypatch.setenv("GESTUREBENCH_CACHE", str(tmp_path))
    store = SpeakingStore(train=3, val=1, test=1, phrases=2)
    changes = {"text": "bert", "audio": "wav2vec2", **models, "training": {"steps": 2, "batch": 4}}
    first = fit(store=store, **changes)
    kept = sorted(path.stat().st_mtime_ns for path in (first.work / "spoken").iterdir())
    again = fit(store=store, work=first.work, **changes)
    assert sorted(path.stat().st_mtime_ns for path in (first.work / "spoken").iterdir()) == kept
    assert (first.folder / WEIGHTS).read_bytes() == (again.folder / WEIGHTS).read_bytes()
    assert read_record(first.folder)["widths"] == {"text": 32, "audio": 32}
    clip, spans = spans_of(store)
    assert embed_speech(first.folder, clip.speech, spans).isfinite().all()


def test_the_identity_of_models_is_in_the_key_and_their_place_is_not(models):
    config = preset("tiny").updated({"text": "bert", **models})
    part = embedding_part(config)
    assert part.config["bert"].startswith("sha256:")
    assert part.config["wav2vec2"] is None  # nobody reads it
    assert models["bert"]["model"] not in json.dumps(part.config)
    assert part.place["embedding"]["bert"]["model"] == models["bert"]["model"]
