"""The network: published sizes, its quirks, its ablations, and norms folded into convolutions."""

import json

import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.methods.mambatalk.config import PRESETS
from gesturebench.methods.mambatalk.fusion import as_long_as, fused
from gesturebench.methods.mambatalk.network import Network

BATCH = 2


def inputs(config, frames: int | None = None, seed: int = 0):
    draw, frames = torch.Generator().manual_seed(seed), frames or config.network.window
    audio = torch.randn(BATCH, frames * 16_000 // 30, 3, generator=draw)
    words = torch.randint(config.speech.word_rows, (BATCH, frames), generator=draw)
    speaker = torch.tensor([[1], [7]]).expand(-1, frames)
    motion = torch.randn(BATCH, frames, 337, generator=draw)
    return audio, words, speaker, motion, torch.rand(motion.shape, generator=draw) < 0.5


def test_it_has_the_published_names_and_shapes(request):
    path = request.config.getoption("golden").parent / "manifests" / "mambatalk_model.json"
    if not path.exists():
        pytest.skip("the manifests lie beside the full golden data")
    with torch.device("meta"):
        own = Network(PRESETS["paper"]).state_dict()
    published = json.loads(path.read_text())
    assert {name: [list(x.shape), str(x.dtype)] for name, x in own.items()} == {
        name: [entry["shape"], f"torch.{entry['dtype']}"] for name, entry in published.items()
    }


def test_parameters_are_as_many_as_published():
    with torch.device("meta"):
        network = Network(PRESETS["paper"])
    assert sum(parameter.numel() for parameter in network.parameters()) == 199_366_553
    assert sum(buffer.numel() for buffer in network.buffers()) == 227_378


def test_what_is_hidden_is_not_seen(untrained):
    made = untrained()
    audio, words, speaker, motion, hidden = inputs(made.config)
    other = torch.where(hidden, motion + 100, motion)
    first, second = (made.network(audio, words, speaker, x, hidden) for x in (motion, other))
    for part, latent in first.latents.items():
        assert torch.equal(latent, second.latents[part])


def test_one_row_of_a_speaker_stands_for_all_frames(untrained):
    """At inference a speaker is one row; attention among equal rows is each row's own value."""
    made = untrained()
    scan, rows = made.network.global_scan, made.network.speaker_encoder_body(torch.tensor([[3], [4]]))
    torch.testing.assert_close(scan.speaker(rows).expand(-1, 32, -1), scan.speaker(rows.expand(-1, 32, -1)))


def test_the_target_of_the_body_does_not_know_the_speaker_but_its_scans_do(untrained):
    """The released sum of motion and speaker is overwritten before the attention to speech reads it."""
    made = untrained()
    local, frames, width = made.network.local_scan, 8, made.config.network.hidden
    seen = []
    local.motion_cross_attn.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    motion, heard = torch.randn(1, frames, width), torch.randn(1, frames, made.config.network.audio)
    first, second = (local.body(motion, torch.full((1, 1, width), x), heard) for x in (0.0, 3.0))
    assert torch.equal(seen[0], seen[1])
    assert not torch.allclose(first["upper"], second["upper"])


def test_the_query_of_hidden_motion_starts_at_zero():
    assert not Network(PRESETS["tiny"]).global_scan.learnable_query.any()


def test_one_head_predicts_latents_and_scores_so_there_are_as_many_codes_as_channels():
    with pytest.raises(InputError, match=r"priors with as many codes \(16\) as channels \(32\)"):
        PRESETS["tiny"].updated({"priors": {"codec": {"codes": 16}}})
    PRESETS["tiny"].updated({"priors": {"codec": {"codes": 16}}, "network": {"target": "motion"}})


@pytest.mark.parametrize("scan", ["local_scan", "global_scan"])
def test_a_scan_that_is_left_out_has_no_parameters(scan, untrained):
    whole, made = untrained(), untrained(network={scan: "none"})
    missing = whole.network.state_dict().keys() - made.network.state_dict().keys()
    assert missing
    assert {name.split(".")[0] for name in missing} == {scan}
    assert {name.split(".")[1] for name in missing} <= {
        "face_scan",
        "body_scan",
        "upper_scan",
        "hands_scan",
        "lower_scan",
    }
    given = inputs(made.config)
    assert made.network(*given).latents["upper"].shape == whole.network(*given).latents["upper"].shape


def test_without_codes_features_are_predicted_and_nothing_is_scored(untrained):
    made = untrained(network={"target": "motion"})
    prediction = made.network(*inputs(made.config))
    assert {part: x.shape[-1] for part, x in prediction.latents.items()} == {
        "face": 106, "upper": 78, "hands": 180, "lower": 61,
    }  # fmt: skip
    assert prediction.scores == {}


@pytest.mark.parametrize(("samples", "audio"), [(17_066, 16), (9_000, 16), (9_000, 256)])
def test_folded_encoders_compute_the_same(samples, audio, untrained):
    """Also at widths that are worth tiles."""
    encoder = untrained(network={"audio": audio}).network.audio_pre_encoder_face
    x = torch.randn(2, samples, 3)
    torch.testing.assert_close(encoder.folded()(x), encoder(x), rtol=1e-5, atol=1e-5)
    assert encoder.feat_extractor[0].bn1.running_var.std() > 0  # there was something to fold


def test_a_missing_end_of_speech_is_a_copy_of_the_frames_before_in_their_order():
    rows = torch.arange(6.0)[None, :, None]
    assert as_long_as(rows, 4)[0, :, 0].tolist() == [0, 1, 2, 3]
    assert as_long_as(rows, 6) is rows or torch.equal(as_long_as(rows, 6), rows)
    assert as_long_as(rows, 8)[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 4, 5]


def test_sound_and_words_are_mixed_channel_by_channel():
    scores = torch.nn.Linear(4, 4, bias=True)
    torch.nn.init.zeros_(scores.weight)
    with torch.no_grad():
        scores.bias.copy_(torch.tensor([50.0, 0.0, 0.0, 0.0]))
    audio, words = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[5.0, 6.0]]])
    assert fused(audio, words, scores)[0, 0].tolist() == pytest.approx([1.0, 4.0])
