"""EMAGE: part codecs, the audio network, its losses, generation of whole clips and their decoding."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from gesturebench.common.codecs.part_vqs import PartVQs
from gesturebench.common.codecs.prior_windows import part_rows
from gesturebench.common.codecs.vq_config import ConvConfig, VQConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.corpus.cutting import RELEASED_SAMPLES_PER_FRAME
from gesturebench.common.motion import rotations_legacy
from gesturebench.common.motion.seams import joined_windows
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.methods.emage.config import EmageConfig
from gesturebench.methods.emage.decoding import MotionDecoder, Predicted, channels_of
from gesturebench.methods.emage.hints import Hint
from gesturebench.methods.emage.inference import Told, predict
from gesturebench.methods.emage.losses import Codes, code_loss, latent_loss, seed_hidden
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
    """Networks and one clip of a golden file; motion (1, T, M)."""

    config: EmageConfig
    model: AudioModel
    vqs: PartVQs
    audio: Tensor
    speaker: Tensor
    motion: Tensor

    @property
    def decoder(self) -> MotionDecoder:
        return MotionDecoder(self.config.generation, self.vqs)


def setting(golden: Golden) -> Setting:
    given, config = tensors(golden, ""), emage_config(golden)
    codecs = {part: vq_vae(tensors(golden, f"vq_{part}/")) for part in PART_NAMES}
    trans_contact = torch.cat((given["trans"][None], given["contact"]), -1)
    return Setting(
        config,
        filled(AudioModel(config.network, config.priors.codec), tensors(golden, "param/")),
        PartVQs.of(codecs, autoencoder(tensors(golden, "vq_global/"))),
        given["audio_int16"].float() / 32768,
        given["speaker_id"][:, 0],
        channels_of(given["poses"][None], trans_contact, rotations_legacy),
    )


def emage_config(golden: Golden) -> EmageConfig:
    """Sizes from the parameters, everything as released; a part's weight c* above 0 means that it is decoded by its
    code."""
    parameters, c = golden.under("param/"), golden.config()
    layers = {
        name.split(".layers.")[0]: int(name.split(".layers.")[1].split(".")[0]) + 1
        for name in parameters
        if ".layers." in name
    }
    network = {
        "hidden": c["hidden_size"],
        "audio": c["audio_f"],
        "motion": c["motion_f"],
        "feed_forward": len(parameters["transformer_en_layer.linear1.weight"]),
        "face_layers": layers["face_motion_decoder"],
        "cross_layers": layers["audio_motion_cross_attn"],
        "speakers": len(parameters["speaker_embedding_body.weight"]),
        "window": c["pose_length"],
        "seed_frames": c["seed_frames"],
    }
    generation = {
        "routes": {part: "index" if c[f"c{part[0]}"] > 0 else "latent" for part in PART_NAMES},
        "start": "rest",
        "audio_hop": "released",
        "tail": "released",
        "seams": "released",
        "rotations": "legacy",
        "global_input": "raw",
    }
    codec = {"width": c["vae_codebook_size"], "codes": c["vae_codebook_size"]}
    return EmageConfig(network=network, priors={"codec": codec}, training={}, generation=generation)


@case("evaluators/emage_small.npz")
@torch.no_grad()
def audio_model(golden: Golden) -> Iterator[Check]:
    s = setting(golden)
    window = s.audio[None, : s.config.network.window * RELEASED_SAMPLES_PER_FRAME]
    yield near("wav_encoder_out", s.model.audio_encoder_body(window), golden["wav_encoder_out"])
    yield from forward_and_losses(golden, s, window)
    starts = {"nohint": (0.0, 0.0), "hint": tuple(golden["trans"][0, [0, 2]])}
    hints = {
        "nohint": Hint.nothing(s.motion.shape[1]),
        "hint": Hint(s.motion, torch.from_numpy(golden["hint_mask"]).bool()),
        "seedonly": Hint.seed(s.motion),
    }
    for name, hint in hints.items():
        (predicted,) = predict(s.model, s.decoder, [Told(s.audio, int(s.speaker), hint)], s.config)
        yield from predictions(golden, f"inference_{name}", whole(predicted))
        yield from motions(golden, f"decode_{name}", s.decoder, predicted, starts.get(name, starts["hint"]))


def whole(predicted: Predicted) -> Prediction:
    """All that is kept of the windows, one after another."""

    def joined(group: str, part: str) -> Tensor:
        windows = [getattr(window, group)[part][0] for window in predicted.windows]
        return joined_windows(windows, predicted.overlap, "second")[None, : predicted.frames]

    return Prediction(*({part: joined(group, part) for part in PART_NAMES} for group in ("latents", "logits")))


def forward_and_losses(golden: Golden, s: Setting, window: Tensor) -> Iterator[Check]:
    frames, heard = s.config.network.window, s.model.hear(window)
    motion = s.motion[:, :frames]
    hidden = seed_hidden(motion, s.config.network.seed_frames)
    seeded = s.model(heard, s.speaker, motion, hidden)
    yield from predictions(golden, "forward_seed", seeded)
    yield from predictions(golden, "forward_noaudio", s.model(heard, s.speaker, motion, hidden, use_audio=False))
    features = part_rows(s.motion, torch.from_numpy(golden["expressions"])[None])
    for part in PART_NAMES:
        yield same_codes(f"gt_index/{part}", s.vqs.codecs[part], features[part], golden[f"gt_index/{part}"])
    indices = s.vqs.indices(features)
    truth = Codes(indices, s.vqs.vectors(indices)).frames(0, frames)
    yield near("loss/rec_seed", latent_loss(seeded, truth), golden["loss/rec_seed"])
    yield near("loss/cls_seed", code_loss(seeded, truth), golden["loss/cls_seed"])


def predictions(golden: Golden, place: str, prediction: Prediction) -> Iterator[Check]:
    """Every array of a prediction that the file holds."""
    kinds = {"rec": prediction.latents, "cls": prediction.logits}
    for key in golden.groups(f"{place}/"):
        kind, part = key.split("_")
        yield near(f"{place}/{key}", kinds[kind][part], golden[f"{place}/{key}"])


def motions(
    golden: Golden, place: str, decoder: MotionDecoder, predicted: Predicted, start_xz: tuple[float, float]
) -> Iterator[Check]:
    motion = decoder.motion(predicted, np.zeros(300, np.float32), start_xz)
    yield near(f"{place}/expression", motion.expressions[None], golden[f"{place}/expression"])
    yield near(f"{place}/motion_axis_angle", motion.poses[None], golden[f"{place}/motion_axis_angle"], HALF_TURN)
    yield near(f"{place}/trans", motion.trans[None], golden[f"{place}/trans"])
    if f"{place}/all_motion4inference" in golden:
        channels = golden[f"{place}/all_motion4inference"]
        yield near(f"{place}/all_motion4inference", decoder.channels(whole(predicted)), channels, HALF_TURN)
