"""EMAGE: part codecs, the audio network, its losses, generation of whole clips and their decoding."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.codecs.vq_config import ConvConfig, VQConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.motion import rotations_legacy
from gesturebench.common.motion.skeleton import N_JOINTS, PART_JOINTS, PART_NAMES
from gesturebench.methods.emage.config import SAMPLES_PER_FRAME, EmageConfig
from gesturebench.methods.emage.decoding import Decoded, MotionDecoder, motion_channels
from gesturebench.methods.emage.inference import Hint, predict
from gesturebench.methods.emage.losses import code_loss, latent_loss, true_codes
from gesturebench.methods.emage.network import AudioModel, Prediction
from tests.parity.frame import Check, Golden, case, near, same

M = TypeVar("M", bound=torch.nn.Module)
NEAR_TIE = 1e-5
"""Codes whose scores differ by less, relative to the largest score, are equally good in float32."""
HALF_TURN = 1e-3
"""Tolerance of axis-angle: near a half turn the released formula moves the angle by up to 5e-4 rad for one unit in the
last place of a decoded number."""


def tensors(golden: Golden, prefix: str) -> dict[str, Tensor]:
    return {name: torch.from_numpy(value) for name, value in golden.under(prefix).items() if value.dtype.kind in "fi"}


def depth(parameters: dict[str, Tensor]) -> int:
    """Layers of an encoder, from its names: layer i is at position 3 i."""
    return 1 + max(int(name.split(".")[2]) for name in parameters if name.startswith("encoder.main.")) // 3


def filled(module: M, parameters: dict[str, Tensor]) -> M:
    module.load_state_dict(parameters)
    return module.eval()


def vq_vae(parameters: dict[str, Tensor]) -> VQVAE:
    width, features, _ = parameters["encoder.main.0.weight"].shape
    codes = len(parameters["quantizer.embedding.weight"])
    return filled(VQVAE(features, VQConfig(width=width, layers=depth(parameters), codes=codes)), parameters)


def autoencoder(parameters: dict[str, Tensor]) -> ConvAutoencoder:
    width, features, _ = parameters["encoder.main.0.weight"].shape
    return filled(ConvAutoencoder(features, ConvConfig(width=width, layers=depth(parameters))), parameters)


def same_codes(name: str, codec: VQVAE, features: Tensor, golden: np.ndarray) -> Check:
    """The nearest codes; where another code is as near up to rounding, either will do."""
    distances = codec.quantizer.distances(codec.encoder(features))
    theirs = torch.from_numpy(golden)
    excess = distances.gather(-1, theirs[..., None])[..., 0] - distances.amin(-1)
    tied = excess <= NEAR_TIE * distances.amax()
    return same(name, torch.where(tied, theirs, codec.indices(features)), golden)


@case("evaluators/emage_vq_small.npz")
@torch.no_grad()
def codecs(golden: Golden) -> Iterator[Check]:
    codec, given = vq_vae(tensors(golden, "param/")), tensors(golden, "")
    reconstruction, quantised = codec(given["x"])
    yield near("pre_latent", codec.encoder(given["x"]), given["pre_latent"])
    yield same_codes("index", codec, given["x"], golden["index"])
    yield near("latent", codec.latent(given["x"]), given["latent"])
    yield near("rec", reconstruction, given["rec"])
    yield near("embedding_loss", quantised.loss, given["embedding_loss"])
    yield near("perplexity", quantised.perplexity, given["perplexity"])
    yield near("decode", codec.decode_indices(given["index"]), given["decode"])
    yield near("decode_from_latent", codec.decode_latent(given["noisy_latent"]), given["decode_from_latent"])
    yield near("vae_rec", autoencoder(tensors(golden, "vae_param/"))(given["vae_x"]), given["vae_rec"])


@dataclass(frozen=True, eq=False)
class Setting:
    """Networks and one clip of a golden file."""

    model: AudioModel
    decoder: MotionDecoder
    codecs: dict[str, VQVAE]
    audio: Tensor
    speaker: Tensor
    motion: Tensor
    """(1, T, M)."""


def setting(golden: Golden) -> Setting:
    given, config = tensors(golden, ""), model_config(golden)
    codecs = {part: vq_vae(tensors(golden, f"vq_{part}/")) for part in PART_NAMES}
    global_motion = autoencoder(tensors(golden, "vq_global/"))
    trans_contact = torch.cat((given["trans"][None], given["contact"]), -1)
    return Setting(
        filled(AudioModel(config), tensors(golden, "param/")),
        MotionDecoder(config, codecs, global_motion),
        codecs,
        given["audio_int16"][None].float() / 32768,
        given["speaker_id"][:, 0],
        motion_channels(given["poses"][None], trans_contact, rotations_legacy),
    )


def model_config(golden: Golden) -> EmageConfig:
    """Sizes from the parameters; a part's weight c* above 0 means that it is decoded by its code."""
    parameters, c = golden.under("param/"), golden.config()
    layers = {
        name.split(".layers.")[0]: int(name.split(".layers.")[1].split(".")[0]) + 1
        for name in parameters
        if ".layers." in name
    }
    return EmageConfig(
        hidden=c["hidden_size"],
        audio=c["audio_f"],
        motion=c["motion_f"],
        codes=c["vae_codebook_size"],
        feed_forward=len(parameters["transformer_en_layer.linear1.weight"]),
        face_layers=layers["face_motion_decoder"],
        cross_layers=layers["audio_motion_cross_attn"],
        speakers=c["speaker_dims"],
        window=c["pose_length"],
        seed_frames=c["seed_frames"],
        routes={part: "index" if c[f"c{part[0]}"] > 0 else "latent" for part in PART_NAMES},
        rotations="legacy",
        tail="released",
    )


@case("evaluators/emage_small.npz")
@torch.no_grad()
def audio_model(golden: Golden) -> Iterator[Check]:
    s = setting(golden)
    window = s.audio[:, : s.model.config.window * SAMPLES_PER_FRAME]
    yield near("wav_encoder_out", s.model.audio_encoder_body(window), golden["wav_encoder_out"])
    yield from forward_and_losses(golden, s, window)
    starts = {"nohint": np.zeros((1, 2)), "hint": golden["trans"][None, 0, [0, 2]]}
    hints = {
        "nohint": None,
        "hint": Hint(s.motion, torch.from_numpy(golden["hint_mask"]).bool()),
        "seedonly": Hint.seed(s.motion),
    }
    for name, hint in hints.items():
        prediction = predict(s.model, s.decoder, s.audio, s.speaker, hint)
        yield from predictions(golden, f"inference_{name}", prediction)
        yield from motions(golden, f"decode_{name}", s.decoder, prediction, starts.get(name, starts["hint"]))


def forward_and_losses(golden: Golden, s: Setting, window: Tensor) -> Iterator[Check]:
    frames, seed = s.model.config.window, s.model.config.seed_frames
    motion = s.motion[:, :frames]
    hidden = torch.ones_like(motion, dtype=torch.bool)
    hidden[:, :seed] = False
    seeded = s.model(window, s.speaker, motion, hidden)
    yield from predictions(golden, "forward_seed", seeded)
    yield from predictions(golden, "forward_noaudio", s.model(window, s.speaker, motion, hidden, use_audio=False))
    features = part_features(golden, s.motion)
    for part in PART_NAMES:
        yield same_codes(f"gt_index/{part}", s.codecs[part], features[part], golden[f"gt_index/{part}"])
    truth = true_codes(s.codecs, features).frames(0, frames)
    yield near("loss/rec_seed", latent_loss(seeded, truth), golden["loss/rec_seed"])
    yield near("loss/cls_seed", code_loss(seeded, truth), golden["loss/cls_seed"])


def part_features(golden: Golden, motion: Tensor) -> dict[str, Tensor]:
    """What the codecs read, cut from the network's channels."""
    six = motion[..., : 6 * N_JOINTS].unflatten(-1, (N_JOINTS, 6))
    beside = {"face": torch.from_numpy(golden["expressions"])[None], "lower": motion[..., 6 * N_JOINTS :]}
    return {
        part: torch.cat((six[..., list(joints), :].flatten(-2), beside.get(part, motion[..., :0])), -1)
        for part, joints in PART_JOINTS.items()
    }


def predictions(golden: Golden, place: str, prediction: Prediction) -> Iterator[Check]:
    """Every array of a prediction that the file holds."""
    kinds = {"rec": prediction.latents, "cls": prediction.logits}
    for key in golden.groups(f"{place}/"):
        kind, part = key.split("_")
        yield near(f"{place}/{key}", kinds[kind][part], golden[f"{place}/{key}"])


def motions(
    golden: Golden, place: str, decoder: MotionDecoder, prediction: Prediction, start_xz: np.ndarray
) -> Iterator[Check]:
    decoded: Decoded = decoder.decode(prediction)
    yield near(f"{place}/expression", decoded.expressions, golden[f"{place}/expression"])
    yield near(f"{place}/motion_axis_angle", decoded.poses, golden[f"{place}/motion_axis_angle"], HALF_TURN)
    yield near(f"{place}/trans", decoded.translation(start_xz), golden[f"{place}/trans"])
    if f"{place}/all_motion4inference" in golden:
        channels = golden[f"{place}/all_motion4inference"]
        yield near(f"{place}/all_motion4inference", decoder.channels(prediction), channels, HALF_TURN)
