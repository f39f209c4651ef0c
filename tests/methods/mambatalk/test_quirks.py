"""Quirks of released code that are kept, and what they amount to; others are tested beside what they belong to."""

import numpy as np
import torch

from gesturebench.common.codecs.prior_windows import CONTACT, ROTATIONS, TRANSLATION
from gesturebench.common.corpus.audio import legacy_22050
from gesturebench.common.corpus.clip import Speech
from gesturebench.common.motion.parts import PART_FEATURES
from gesturebench.methods.mambatalk.config import SpeechConfig
from gesturebench.methods.mambatalk.network import Prediction, start_words_at
from gesturebench.methods.mambatalk.tokens import heard_audio

FRAMES = 32


def test_the_face_asks_as_its_speaker_at_all_frames(untrained):
    """But for positions: two frames of equal features, one period apart, are asked about alike."""
    made = untrained()
    local, width, seen = made.network.local_scan, made.config.network.hidden, []
    local.face_proj.register_forward_pre_hook(lambda _, given: seen.append(given[0][..., :width].clone()))
    speaker = torch.randn(1, 1, width)
    for features in (torch.zeros(1, FRAMES, width), torch.randn(1, FRAMES, width)):
        local.face(features, speaker)
    positions = local.position_embeddings.pe[:, :FRAMES]
    assert torch.equal(seen[0], seen[1])
    torch.testing.assert_close(seen[0] - positions, speaker.expand(1, FRAMES, -1))


def test_dropout_of_positions_reaches_the_speaker(untrained):
    """In training some of the face's query is dropped, whatever else drops nothing."""
    local = untrained(network={"dropout": 0.5}).network.local_scan
    features, speaker = torch.randn(1, FRAMES, 32), torch.randn(1, 1, 32)
    assert torch.equal(local.face(features, speaker), local.face(features, speaker))
    local.train()
    assert not torch.equal(local.face(features, speaker), local.face(features, speaker))


def test_the_face_is_its_latent_and_the_body_its_scores(untrained):
    made = untrained()
    codes, vectors = made.config.priors.codec.codes, made.decoder.priors.vectors
    wanted = {part: torch.randint(codes, (2, FRAMES)) for part in PART_FEATURES}
    other = {part: torch.randint(codes, (2, FRAMES)) for part in PART_FEATURES}
    scores = {part: torch.nn.functional.one_hot(index, codes).float() for part, index in wanted.items()}
    scores["face"] = torch.nn.functional.one_hot(other["face"], codes).float()
    latents = vectors(other) | vectors({"face": wanted["face"]})
    chosen = made.decoder.chosen(Prediction(latents, scores))
    assert all(torch.equal(chosen[part], index) for part, index in wanted.items())


def test_global_motion_is_given_predicted_contacts_and_no_translation(untrained):
    made = untrained()
    track, talker, seen = made.track(100), made.talker(), []
    talker.walk([track])
    walk, lower = made.decoder.priors.network, made.decoder.priors.codecs["lower"].decoder
    walk.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    lower.register_forward_hook(lambda _, given, decoded: seen.append(decoded.clone()))
    talker.motion(track, None)
    decoded, given = seen
    assert torch.equal(given[..., CONTACT], decoded[..., CONTACT])
    assert decoded[..., CONTACT].abs().sum() > 0
    assert not given[..., TRANSLATION].any()
    rows = given[..., ROTATIONS].unflatten(-1, (-1, 2, 3))
    torch.testing.assert_close(rows @ rows.mT, torch.eye(2).expand_as(rows @ rows.mT), atol=1e-5, rtol=0)


def test_both_branches_learn_words_of_their_own_from_one_start(untrained):
    network = untrained().network
    vectors = torch.randn_like(network.text_pre_encoder_face.weight)
    start_words_at(network, vectors)
    face, body = network.text_pre_encoder_face.weight, network.text_pre_encoder_body.weight
    assert torch.equal(face, vectors)
    assert torch.equal(body, vectors)
    assert face.data_ptr() != body.data_ptr()


def test_the_released_detour_of_audio_is_one_of_the_whole_recording():
    samples = np.random.default_rng(0).normal(0, 0.1, 9000).astype(np.float32)
    speech = Speech("1_ada_0_1_1", samples[:8000], 1, tail=samples[8000:])
    assert heard_audio(speech, SpeechConfig()) is speech.audio
    released = heard_audio(speech, SpeechConfig(resampling="legacy_22050"))
    np.testing.assert_array_equal(released, legacy_22050(samples)[:8000])
    assert 0 < np.abs(released - speech.audio).max() < 0.2
