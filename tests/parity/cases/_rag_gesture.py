"""What cases of RAG-Gesture share: sorting a file, the small network that four files use, and the toy denoiser."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gesturebench.common.diffusion.ddim import Predict
from gesturebench.common.diffusion.schedule import Schedule
from gesturebench.methods.rag_gesture.config import DenoiserConfig, PartScales, SamplingConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, Denoiser
from gesturebench.methods.rag_gesture.layout import QueryMask, TokenLayout
from gesturebench.methods.rag_gesture.sampler import LatentSampler
from tests.parity.frame import Golden

M = TypeVar("M", bound=nn.Module)

BLOCK = 1e-5
"""Tolerance of a chain of float32 operations, as measured for the reference itself."""
PLAIN, MASKED = 2e-5, 1e-4
"""Tolerances of the whole network. Masked: normalising a token pushed to -10^6 loses digits in any order of sums."""
CHAIN = 5e-5
"""Tolerance of 50 steps with the network: conditional and unconditional prediction weigh up to 7.5 and -6.5."""
FOREIGN_PARTS = {"upper": "upper", "hands": "hands", "face": "face", "lower": "lowertransl"}
KINDS: dict[str, tuple[QueryMask, float]] = {"nomask": ("none", PLAIN), "masked": ("released", MASKED)}
"""Query mask of our network, and the tolerance."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """Parameters, inputs and outputs of a file as tensors, and its configuration."""

    param: dict[str, Tensor]
    inputs: dict[str, Tensor]
    out: dict[str, Tensor]
    config: dict[str, Any]

    @classmethod
    def of(cls, golden: Golden) -> "Arrays":
        groups = [
            {k: torch.from_numpy(v) for k, v in golden.under(f"{kind}/").items()} for kind in ("param", "in", "out")
        ]
        return cls(*groups, golden.config())


def filled(module: M, parameters: dict[str, Tensor]) -> M:
    module.load_state_dict(parameters)
    return module.eval()


def layout_of(tokens: int) -> TokenLayout:
    """Four parts and three separators."""
    return TokenLayout((tokens - 3) // 4)


class SmallNetwork:
    """The network, conditions and part factors of `denoiser.npz`, which its neighbours use too."""

    def __init__(self, golden: Golden):
        self.file = Arrays.of(Golden(golden.folder / "denoiser.npz"))
        self.layout = layout_of(self.file.config["tokens"])

    def denoiser(self, query_mask: QueryMask) -> Denoiser:
        c, param = self.file.config, self.file.param
        config = DenoiserConfig(
            width=c["latent_dim"],
            layers=c["num_layers"],
            heads=c["num_heads"],
            time_width=c["time_embed_dim"],
            feed_forward=c["ff_size"],
            speakers=c["num_speakers"],
            query_mask=query_mask,
        )
        text, audio = (param[f"{name}_pre_proj.weight"].shape[1] for name in ("text", "audio"))
        return filled(Denoiser(config, self.layout, latent=c["vae_latent_dim"], text=text, audio=audio), param)

    @cached_property
    def told(self) -> Conditions:
        inputs = self.file.inputs
        return Conditions(inputs["word"], inputs["audio"], inputs["speaker_ids"][:, 0])

    @property
    def part_scale(self) -> Tensor:
        """(T, 1): the factor of every token."""
        return self.file.inputs["joint_scale"][:, None]

    @property
    def sampling(self) -> SamplingConfig:
        """Ours, with the mix and the part factors of the file."""
        c = self.file.config
        late = c["scale_func_cfg"]["both_coef"] + c["scale_func_cfg"]["text_coef"]
        scales = {part: c["per_joint_scale"][foreign] for part, foreign in FOREIGN_PARTS.items()}
        return SamplingConfig(
            coarse_scale=c["scale_func_cfg"]["coarse_scale"],
            late_weights=(late, 1 - late),
            part_scales=PartScales(**scales),
        )

    def sampler(self, query_mask: QueryMask) -> LatentSampler:
        return LatentSampler(self.denoiser(query_mask), self.sampling)


def schedule_of(golden: Golden) -> Schedule:
    """The schedule of the toy loops, which all loops of the folder use."""
    toy = Golden(golden.folder / "ddim_toy.npz")
    return Schedule(tuple(toy["in/timestep_map"].tolist()), toy["in/alphas_cumprod"])


def published_schedule() -> Schedule:
    return Schedule.respaced(SamplingConfig().sections)


def toy(inputs: dict[str, Tensor], schedule: Schedule) -> Predict:
    """x0 = tanh(x W + b + t / 1000 v) with the original timestep t."""

    def predict(x: Tensor, index: int) -> Tensor:
        t = schedule.timesteps[index]
        return torch.tanh(x @ inputs["W"] + inputs["b"] + t / 1000 * inputs["v"])

    return predict


def rows_in_use(sequence: Tensor) -> Tensor:
    """(B, T, L) -> (B, T, 1): tokens with any channel that is not zero."""
    return sequence.ne(0).any(-1, keepdim=True)
