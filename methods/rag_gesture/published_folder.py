"""The folders in which RAG-Gesture's weights are published: found, read and checked; and written, for the other way.

DIR/vae/<name with _upper_, _hands_, _face_, _lowerplustrans_>/<name>.yaml    `test_ckpt` names the file beside it
DIR/vae/<name>/<file>                 {"model_state": tensors}
DIR/diffusion/<name>/epoch_64.pth     {"meta": ..., "state_dict": tensors, "optimizer": ...}
DIR/diffusion/<name>/<config>.py      settings; optional
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from torch import Tensor

from gesturebench.common.codecs.config import PartVAEConfig
from gesturebench.common.codecs.part_codec import LATENTS
from gesturebench.common.errors import InputError, shown, unknown_name
from gesturebench.common.motion.skeleton import PART_NAMES
from gesturebench.common.progress import Progress, silent
from gesturebench.common.weights.artifact import Released, Tensors
from gesturebench.common.weights.hub import Repository
from gesturebench.common.weights.passport import hashed
from gesturebench.common.weights.pickles import read_checkpoint, tensors_of
from gesturebench.common.weights.settings import Settings, read_python, read_yaml
from gesturebench.common.weights.strict import require_same
from gesturebench.methods.rag_gesture.published import (
    FRAMES,
    PREFIXES,
    DenoiserSizes,
    denoiser_sizes,
    from_published,
    to_published,
    vae_config,
    vae_skeleton,
)

REPOSITORY = Repository("m-hamza-mughal/rag-gesture-weights", include=("vae/*", "diffusion/*"))
WORDS = {"upper": "upper", "hands": "hands", "face": "face", "lower": "lowerplustrans"}
"""Our name of a body part -> the word in the name of its folder."""
SCALED = {"upper": "upper", "hands": "hands", "face": "face", "lowertransl": "lower"}
"""Keys of the published `per_joint_scale` -> ours."""
STATE, VAE_STATE = "state_dict", "model_state"
CHECKPOINT, CONFIG = "epoch_64.pth", "basegesture_len150_beat.py"
DIFFUSION = "base_beatx_len150fps15_finalweights"
FPS = 15
TENSOR_SIZES = {"width", "layers", "heads", "time_width", "feed_forward", "speakers"}
"""Settings of the denoiser that its tensors have."""
_REMEDY = "download the folder again; see docs/weights.md for its layout"


@dataclass(frozen=True, eq=False)
class VAEFolder:
    """The published folder of one part's VAE."""

    part: str
    path: Path

    @property
    def settings_file(self) -> Path:
        return self.path / f"{self.path.name}.yaml"

    @cached_property
    def told(self) -> Settings:
        return read_yaml(self.settings_file)

    @cached_property
    def checkpoint(self) -> Path:
        named = self.told.get("test_ckpt")
        if not isinstance(named, str) or not PurePath(named).name:
            raise InputError(
                f"{self.settings_file}: test_ckpt = {shown(named)}",
                expected="the name of the checkpoint",
                remedy=_REMEDY,
            )
        return self.path / PurePath(named).name

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        return tensors_of(read_checkpoint(self.checkpoint), VAE_STATE, self.checkpoint)

    def config(self, tensors: Mapping[str, Tensor]) -> PartVAEConfig:
        return vae_config(tensors, self.told, self.path.name, self.part, str(self.settings_file))

    @cached_property
    def frames(self) -> int:
        """Frames per window."""
        frames = self.told.get("num_frames", FRAMES)
        if type(frames) is not int:
            raise InputError(f"{self.settings_file}: num_frames = {shown(frames)}", expected="a number", remedy=_REMEDY)
        return frames


@dataclass(frozen=True, eq=False)
class DiffusionFolder:
    """The published checkpoint of the denoiser, and the settings beside it."""

    checkpoint: Path

    @cached_property
    def settings_file(self) -> Path | None:
        files = sorted(self.checkpoint.parent.glob("*.py"))
        return next((file for file in files if file.name == CONFIG), files[0] if len(files) == 1 else None)

    @cached_property
    def told(self) -> Settings:
        return read_python(self.settings_file) if self.settings_file else {}

    @cached_property
    def state(self) -> dict[str, Tensor]:
        return tensors_of(read_checkpoint(self.checkpoint), STATE, self.checkpoint)

    @cached_property
    def parts(self) -> dict[str, dict[str, Tensor]]:
        """Components by our names, as far as names are known; `require` sees to the rest."""
        known = {name: tensor for name, tensor in self.state.items() if name.startswith(PREFIXES["denoiser"])}
        return from_published(known)

    @cached_property
    def sizes(self) -> DenoiserSizes:
        sizes = denoiser_sizes(self.parts.get("denoiser", {}), self.told, str(self.settings_file or self.checkpoint))
        if sizes.config.speakers == 1:
            raise InputError(
                f"{self.checkpoint}: weights of one speaker", expected="the variant for all speakers", remedy=_REMEDY
            )
        return sizes


def read(folder: Path, progress: Progress = silent) -> Released:
    """Everything in the folder, checked; hashes are formed here, tensors read when they are written."""
    root, vaes, diffusion = _find(folder)
    expected = {"denoiser": diffusion.sizes.skeleton()}
    tensors, configs = {"denoiser": (diffusion.parts.get("denoiser", {}), diffusion.checkpoint)}, {}
    for part, vae in vaes.items():
        name = f"vae_{part}"
        embedded = diffusion.parts.get(name)
        tensors[name] = (embedded, diffusion.checkpoint) if embedded else (vae.tensors, vae.checkpoint)
        configs[part] = vae.config(tensors[name][0])
        skeleton = vae_skeleton(configs[part], part)
        require_same(vae.tensors, skeleton, str(vae.checkpoint), _REMEDY)
        if embedded:
            expected[name] = skeleton
    require_same(diffusion.state, to_published(expected), str(diffusion.checkpoint), _REMEDY)
    sizes, settings = _sizes(vaes, configs, diffusion), _settings(configs, diffusion)
    widths = {"text": diffusion.sizes.text, "audio": diffusion.sizes.audio}
    sources = [*(file for vae in vaes.values() for file in (vae.settings_file, vae.checkpoint)), diffusion.checkpoint]
    sources += [diffusion.settings_file] if diffusion.settings_file else []
    files = tuple(hashed(sources, root, progress))
    parts = ((name, _part(name, own, str(path.relative_to(root)))) for name, (own, path) in tensors.items())
    return Released("rag_gesture", files, parts, sizes, settings, widths)


def _find(folder: Path) -> tuple[Path, dict[str, VAEFolder], DiffusionFolder]:
    """The folder that holds `vae` and `diffusion`, and what is in them."""
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder", expected="the published folders vae and diffusion", remedy=_REMEDY
        )
    root = next((place for place in (folder, folder / "experiments") if (place / "vae").is_dir()), folder)
    vaes = {part: VAEFolder(part, _only(root / "vae", f"*_{word}_*")) for part, word in WORDS.items()}
    found = sorted((root / "diffusion").glob("*/*.pth"))
    released = [path for path in found if path.name == CHECKPOINT] or found
    if len(released) != 1:
        names = ", ".join(str(path.relative_to(root)) for path in released) or "no checkpoint"
        raise InputError(f"{root / 'diffusion'}: {names}", expected=f"one <name>/{CHECKPOINT}", remedy=_REMEDY)
    return root, vaes, DiffusionFolder(released[0])


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(path for path in folder.glob(pattern) if path.is_dir())
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(f"{folder}: {names} named {pattern}", expected="one folder of that name", remedy=_REMEDY)
    return found[0]


def _sizes(
    vaes: Mapping[str, VAEFolder], configs: Mapping[str, PartVAEConfig], diffusion: DiffusionFolder
) -> dict[str, Any]:
    """Settings that the tensors have; the four VAEs differ in nothing but the heads of the lower body."""
    shared = configs["upper"].model_dump(exclude={"dropout"})
    frames = vaes["upper"].frames
    for part in PART_NAMES:
        own = configs[part].model_dump(exclude={"dropout"}) | {"frames": vaes[part].frames}
        wanted = shared | {"frames": frames} | ({"heads": own["heads"]} if part == "lower" else {})
        differing = [key for key in own if own[key] != wanted[key]]
        if differing:
            raise InputError(
                f"{vaes[part].path}: {differing[0]} is {own[differing[0]]}, of upper {wanted[differing[0]]}",
                expected="four VAEs of equal sizes (heads of the lower body apart)",
            )
    _require_common_sizes(shared, frames, diffusion)
    lower = configs["lower"].heads
    denoiser = diffusion.sizes.config.model_dump(include=TENSOR_SIZES)
    codec = {"vae": shared, "lower_heads": None if lower == shared["heads"] else lower, "frames": frames, "fps": FPS}
    return {"codec": codec, "denoiser": denoiser}


def _require_common_sizes(vae: Mapping[str, Any], frames: int, diffusion: DiffusionFolder) -> None:
    pairs = {
        "latents per part": (diffusion.sizes.slots, frames / vae["chunk"]),
        "latent width": (diffusion.sizes.latent, vae["width"]),
    }
    for what, (denoiser, codec) in pairs.items():
        if denoiser != codec:
            raise InputError(f"{diffusion.checkpoint}: {what} {denoiser}, of its VAEs {codec:g}", expected="equal ones")


def _settings(configs: Mapping[str, PartVAEConfig], diffusion: DiffusionFolder) -> dict[str, Any]:
    """What the weights were trained or released with, and could be changed: raw sampled latents, the released query
    mask, conditions without added positions; and from the configuration file what the mix of predictions is."""
    told, sampling = diffusion.told, {}
    if "per_joint_scale" in told:
        sampling["part_scales"] = _scales(told["per_joint_scale"], diffusion.settings_file)
    if "coarse_scale" in told:
        sampling["coarse_scale"] = told["coarse_scale"]
    if {"both_coef", "text_coef"} <= told.keys():
        conditional = round(told["both_coef"] + told["text_coef"], 9)
        sampling["late_weights"] = [conditional, round(1 - conditional, 9)]
    codec = {"posterior": "sampled", "standardise": False, "vae": {"dropout": configs["upper"].dropout}}
    return {
        "codec": codec,
        "denoiser": {"query_mask": "released"},
        "conditions": {"positions": False},
        **({"sampling": sampling} if sampling else {}),
    }


def _scales(values: Any, path: Path) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: per_joint_scale = {shown(values)}", expected=f"a number for {', '.join(SCALED)}")
    for name in values:
        if name not in SCALED:
            raise unknown_name(f"part of per_joint_scale in {path}", name, SCALED)
    return {SCALED[name]: value for name, value in values.items()}


def _part(name: str, tensors: Mapping[str, Tensor], source: str) -> Tensors:
    """Published latents are raw: mean zero and scale one say that to our codec."""
    if name == "denoiser":
        return Tensors(tensors, source)
    width = tensors["global_motion_token"].shape[1]
    raw = {"mean": np.zeros(width, np.float32), "scale": np.float32(1)}
    return Tensors(tensors, source, {LATENTS: raw})
