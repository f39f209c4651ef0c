"""MambaTalk: speech encoders, both scan modules, the network, a training step and generation of whole sequences."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from gesturebench.common.codecs.part_vqs import PartVQs
from gesturebench.common.codecs.prior_windows import part_rows
from gesturebench.common.codecs.vq_config import ConvConfig, VQConfig
from gesturebench.common.codecs.vq_vae import VQVAE, ConvAutoencoder
from gesturebench.common.motion import rotations_legacy
from gesturebench.common.motion.seams import joined_windows
from gesturebench.common.motion.skeleton import N_JOINTS, PART_NAMES
from gesturebench.methods.mambatalk.config import PRESETS, LossConfig, MambaTalkConfig
from gesturebench.methods.mambatalk.decoding import Decoder
from gesturebench.methods.mambatalk.global_scan import GlobalScan
from gesturebench.methods.mambatalk.inference import Talker, Track
from gesturebench.methods.mambatalk.local_scan import LocalScan
from gesturebench.methods.mambatalk.losses import Sample, Truth, step_losses
from gesturebench.methods.mambatalk.network import Network, Prediction
from gesturebench.methods.mambatalk.published import network_sizes
from gesturebench.methods.mambatalk.wave_encoder import WaveEncoder
from gesturebench.methods.published_priors import prior_sizes
from tests.parity.frame import Check, Golden, case, near, same

M = TypeVar("M", bound=nn.Module)
NETWORK_TOLERANCE = 1e-5
"""Of outputs behind nine scans and eleven layers of attention, in float32 on both sides."""
GRADIENT_TOLERANCE = 1e-5
HALF_TURN = 1e-4
"""Of rotations by way of quaternions, which are wrong near a half turn."""


def tensors(golden: Golden, prefix: str) -> dict[str, Tensor]:
    return {name: torch.from_numpy(value) for name, value in golden.under(prefix).items() if value.dtype.kind in "fiu"}


def filled(module: M, parameters: Mapping[str, Tensor]) -> M:
    module.load_state_dict(parameters)
    return module.eval()


def below(parameters: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}


def networks(golden: Golden) -> dict[str, dict[str, Tensor]]:
    """The tensors of every component of a file: those behind `vq_<part>.` and `global_motion.`, and the network's."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors(golden, "param/").items():
        first, _, rest = name.partition(".")
        is_prior = first.startswith("vq_") or first == "global_motion"
        found.setdefault(first if is_prior else "network", {})[rest if is_prior else name] = tensor
    return found


def configured(golden: Golden, parts: Mapping[str, Mapping[str, Tensor]], **generation: str) -> MambaTalkConfig:
    """Sizes as our reader of published weights finds them; the number of codes where no prior is in the file."""
    config, codes = golden.config(), golden.config()["cb"]
    sizes = network_sizes(parts.get("network", {}), str(golden.path))
    told = {"hidden": config["hidden"], "audio": config["audio_f"], "motion": config["motion_f"]}
    priors = {name: state for name, state in parts.items() if name != "network"}
    read = prior_sizes(priors, str(golden.path)) if "vq_upper" in priors else {}
    sizes = {"network": sizes["network"] | told, "speech": sizes["speech"], "generation": generation}
    return PRESETS["paper"].updated(sizes | {"priors": {"codec": {"width": codes, "codes": codes}} | read})


@case("mambatalk/wav_encoder.npz")
@torch.no_grad()
def wave_encoders(golden: Golden) -> Iterator[Check]:
    """As they are trained, and with their norms folded."""
    for features in (2, 3):
        encoder = WaveEncoder(features, golden.config()["out_dim"])
        filled(encoder, tensors(golden, f"param/ch{features}."))
        for length, samples in tensors(golden, f"in/ch{features}/").items():
            expected = golden[f"out/ch{features}/{length}"]
            yield near(f"ch{features}/{length}", encoder(samples), expected)
            yield near(f"ch{features}/{length} folded", encoder.folded()(samples), expected, NETWORK_TOLERANCE)


@case("mambatalk/global_scan.npz")
@torch.no_grad()
def global_scan(golden: Golden) -> Iterator[Check]:
    module = filled(GlobalScan(configured(golden, {}).network), tensors(golden, "param/"))
    given = tensors(golden, "in/")
    hidden = given["mask"].bool()
    motion, features = module(given["in_motion"], hidden, given["speaker_embedding_body"], given["face_features"])
    yield near("global_motion", motion, golden["out/global_motion"], NETWORK_TOLERANCE)
    yield near("global_features", features, golden["out/global_features"], NETWORK_TOLERANCE)


@case("mambatalk/local_scan.npz")
@torch.no_grad()
def local_scan(golden: Golden) -> Iterator[Check]:
    parameters, given = tensors(golden, "param/"), tensors(golden, "in/")
    codes = golden.config()["cb"]
    config = configured(golden, {"network": {f"local_scan.{name}": tensor for name, tensor in parameters.items()}})
    module = filled(LocalScan(config.network, dict.fromkeys(PART_NAMES, codes)), parameters)
    latents = module.body(given["global_motions"], given["speaker_embedding_body"], given["body_features"])
    latents["face"] = module.face(given["global_features"], given["face_latent_in"])
    yield from predictions(golden, "out/", Prediction(latents, module.scores(latents)))


@case("mambatalk/model.npz")
@torch.no_grad()
def network(golden: Golden) -> Iterator[Check]:
    parts = networks(golden)
    model = filled(Network(configured(golden, parts)), parts["network"])
    for found in golden.config()["cases"]:
        given = tensors(golden, f"in/{found['name']}/")
        told = (given["in_audio"], given["in_word"].long(), given["in_id"][..., 0])
        prediction = model(*told, given["in_motion"], given["mask"].bool())
        yield from predictions(golden, f"out/{found['name']}/", prediction)


def predictions(golden: Golden, place: str, prediction: Prediction) -> Iterator[Check]:
    """Every array of a prediction that the file holds."""
    kinds = {"rec": prediction.latents, "cls": prediction.scores}
    for key in golden.groups(place):
        kind, part = key.split("_")
        if part in kinds[kind]:
            yield near(f"{place}{key}", kinds[kind][part], golden[f"{place}{key}"], NETWORK_TOLERANCE)


def priors(config: MambaTalkConfig, parts: Mapping[str, Mapping[str, Tensor]]) -> PartVQs:
    codecs = {}
    for part in PART_NAMES:
        state = parts[f"vq_{part}"]
        features = state["encoder.main.0.weight"].shape[1]
        codecs[part] = filled(VQVAE(features, VQConfig.model_validate(config.priors.part_codec(part))), state)
    state = parts.get("global_motion")
    walk = ConvAutoencoder(61, ConvConfig.model_validate(config.priors.global_motion))
    return PartVQs.of(codecs, filled(walk, state) if state else walk)


def motion_of(given: Mapping[str, Tensor]) -> Tensor:
    """(B, T, M) by the released conversions, which lets rounding agree."""
    six = rotations_legacy.axis_angle_to_6d(given["pose"][..., :165].unflatten(-1, (N_JOINTS, 3)))
    return torch.cat((six.flatten(-2), given["trans"], given["pose"][..., 165:]), -1)


@case("mambatalk/stage2_loss.npz")
def training_step(golden: Golden) -> Iterator[Check]:
    parts, given = networks(golden), tensors(golden, "in/")
    config = configured(golden, parts)
    model, vqs = filled(Network(config), parts["network"]), priors(config, parts)
    motion = motion_of(given)
    indices = vqs.indices(part_rows(motion, given["facial"]))
    for part, index in indices.items():
        yield same(f"index_{part}", index, golden[f"out/index_{part}"])
    sample = Sample(
        given["audio"],
        given["word"].long(),
        given["id"][..., 0].long(),
        motion,
        given["self_mask"].bool(),
        Truth(indices, vqs.vectors(indices)),
    )
    losses = step_losses(model, sample, config.losses, config.network.seed_frames)
    yield from meters(golden, losses)
    losses["loss"].backward()
    yield from gradients(golden, model)
    doubled = LossConfig(masked="doubled")
    yield near("total, doubled", step_losses(model, sample, doubled, 4)["loss"], golden["out/total"])


def meters(golden: Golden, losses: Mapping[str, Tensor]) -> Iterator[Check]:
    yield near("total", losses["loss"], golden["out/total"])
    names = {"": ("latent", "cls_full"), "masked_": ("latent_self", "cls_self"), "again_": ("latent_word", "cls_word")}
    for task, (latent, codes) in names.items():
        yield near(f"meter/{latent}", losses[f"{task}latent"][None], golden[f"out/meter/{latent}"])
        yield near(f"meter/{codes}", losses[f"{task}codes"][None], golden[f"out/meter/{codes}"])


def gradients(golden: Golden, model: Network) -> Iterator[Check]:
    parameters = dict(model.named_parameters())
    silent = sorted(name for name, parameter in parameters.items() if parameter.grad is None)
    yield same("params_without_grad", silent, sorted(golden.config()["params_without_grad"]))
    for name, norm in golden.under("out/grad_norm/").items():
        yield near(f"grad_norm/{name}", parameters[name].grad.norm(), norm, GRADIENT_TOLERANCE)
    for name, gradient in golden.under("out/grad/").items():
        yield near(f"grad/{name}", parameters[name].grad, gradient, GRADIENT_TOLERANCE)


class GivenChannels:
    """Channels that are in the file already."""

    def __init__(self, rows: Tensor):
        self._rows = rows

    def piece(self, start: int, stop: int):
        return self._rows[start:stop].numpy()


@case("mambatalk/inference.npz")
def generation(golden: Golden) -> Iterator[Check]:
    parts, given = networks(golden), tensors(golden, "in/")
    config = configured(golden, parts, audio_hop="released", tail="released", seams="released", rotations="legacy")
    decoder = Decoder(config, priors(config, parts))
    talker = Watching(filled(Network(config), parts["network"]), decoder, config)
    motion = motion_of(given)[0]
    x, _, z = given["trans"][0, 0].tolist()
    words, speaker = given["word"][0].long().numpy(), int(given["id"][0, 0, 0])
    track = Track(GivenChannels(given["audio"][0]), words, speaker, motion[:4], (x, z), config)
    talker.walk([track])
    yield from codes(golden, track, decoder)
    yield near("seeds", torch.stack(talker.seeds), golden["out/seeds"], NETWORK_TOLERANCE)
    yield from predictions(golden, "out/window0/", talker.body[0])
    yield from predictions(golden, "out/window0/", talker.faces[0])
    yield from motions(golden, talker, track)


class Watching(Talker):
    """Keeps what the case compares beside the result: the seeds of every window, and raw outputs."""

    def __init__(self, *parts):
        super().__init__(*parts)
        self.seeds: list[Tensor] = []
        self.body: list[Prediction] = []
        self.faces: list[Prediction] = []

    def _step(self, tracks, k) -> None:
        self.seeds.append(torch.stack([track.seed for track in tracks]))
        super()._step(tracks, k)

    def _predicted(self, tracks, k, hint) -> Prediction:
        self.body.append(super()._predicted(tracks, k, hint))
        return self.body[-1]

    def _predicted_face(self, track, windows) -> Prediction:
        self.faces.append(super()._predicted_face(track, windows))
        return self.faces[-1]


def codes(golden: Golden, track: Track, decoder: Decoder) -> Iterator[Check]:
    whole = {part: joined_windows(x, 4, "first") for part, x in track.windows().items()}
    for part in ("upper", "hands", "lower"):
        yield same(f"index_{part}", whole[part][None], golden[f"out/index_{part}"])
    face = decoder.priors.vectors({"face": whole["face"][None]})["face"]
    yield near("face_latent", face, golden["out/face_latent"])


def motions(golden: Golden, talker: Talker, track: Track) -> Iterator[Check]:
    made = talker.motion(track, None)
    poses = torch.from_numpy(made.poses).unflatten(-1, (N_JOINTS, 3))
    six = rotations_legacy.axis_angle_to_6d(poses).flatten(-2)
    yield near("rec_pose", six[None], golden["out/rec_pose"], HALF_TURN)
    yield near("rec_trans", made.trans[None], golden["out/rec_trans"], NETWORK_TOLERANCE)
    yield near("rec_exps", made.expressions[None], golden["out/rec_exps"], NETWORK_TOLERANCE)
