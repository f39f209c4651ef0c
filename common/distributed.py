"""The processes (ranks) that train one model together: who this one is, and the few things they do together.

Every rank holds the whole model and draws its own part of the batch; gradients are averaged over ranks after each
backward pass, so all take the same step. What joins them is `accelerate`, imported when there are several.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from gesturebench.common.device import device
from gesturebench.common.errors import InputError
from gesturebench.common.processes import RANKS, PeerLost, require_accelerate

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """`count` processes, of which this is number `index`. With one there is nothing to do together."""

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one writes: checkpoints, artifacts and progress are the first rank's."""
        return self.index == 0

    @property
    def axes(self) -> tuple[object, ...]:
        """What this rank's seeds depend on besides the training's own axes."""
        return () if self.count == 1 else ("rank", self.index)

    @torch.no_grad()
    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Put the mean over ranks in place of every gradient; a parameter that this rank did not use counts as 0."""
        if self.count == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        whole = self.mean(torch.cat([parameter.grad.reshape(-1) for parameter in parameters]))
        parts = whole.split([parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad.copy_(part.view_as(parameter))

    def mean(self, values: Tensor) -> Tensor:
        """The mean over ranks, the same bits on each."""
        if self.count == 1:
            return values
        from accelerate.utils import reduce

        with _together():
            return reduce(values, "mean")

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows of all ranks, one rank after another, on each."""
        if self.count == 1:
            return rows
        from accelerate.utils import gather

        with _together():
            return gather(rows.contiguous())

    def any(self, flag: bool) -> bool:
        """Whether it is true on some rank."""
        return flag if self.count == 1 else bool(self.mean(torch.tensor(float(flag), device=device())) > 0)

    def of_first(self, value: T) -> T:
        """The first rank's value, on every rank."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        with _together():
            return broadcast_object_list([value], from_process=0)[0]

    def start_alike(self, tensors: Iterable[Tensor]) -> None:
        """Give all ranks the first one's tensors: equal seeds give equal weights on equal machines only."""
        if self.count == 1:
            return
        from accelerate.utils import broadcast

        with _together(), torch.no_grad():
            for tensor in tensors:
                tensor.copy_(broadcast(tensor.clone(), from_process=0))


def joined(processes: int) -> Ranks:
    """The ranks of a training on `processes`, of which this process must be one."""
    present = int(os.environ.get(RANKS, "1"))
    if present != processes:
        raise InputError(
            f"a training on {processes} processes was started on {present}",
            expected="as many as its configuration says (training.processes)",
            remedy="let the runner start it, as a step of a grid",
        )
    return Ranks() if processes == 1 else _joined_by_accelerate()


def _joined_by_accelerate() -> Ranks:
    require_accelerate()
    from accelerate import PartialState

    here, where = int(os.environ["LOCAL_WORLD_SIZE"]), device()
    if where.type == "cuda" and here > torch.cuda.device_count():
        raise InputError(
            f"{here} processes on a machine with {torch.cuda.device_count()} GPUs",
            expected="a GPU for each",
            remedy="ask for more GPUs, set fewer training.processes, or GESTUREBENCH_DEVICE=cpu",
        )
    with _together():
        state = PartialState(cpu=where.type == "cpu")
    return Ranks(state.process_index, state.num_processes)


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """What the ranks do in common fails when one of them is gone; only that, so that the cause is not mistaken."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(f"lost touch with another process of this training ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
