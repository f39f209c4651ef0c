"""Several frames as one token, and back. Legend: T frames, F features, p frames of a patch, N = T / p tokens."""

from collections.abc import Sequence

from torch import Tensor

from gesturebench.methods.remodiffuse.branches import Branches


def patched(rows: Tensor, patch: int) -> Tensor:
    """(..., T, F) -> (..., T / p, p F): frames of a patch side by side."""
    return rows.unflatten(-2, (-1, patch)).flatten(-2)


def unpatched(tokens: Tensor, patch: int) -> Tensor:
    """The inverse of `patched`."""
    return tokens.unflatten(-1, (patch, -1)).flatten(-3, -2)


def patched_mask(mask: Tensor, patch: int) -> Tensor:
    """(..., T) -> (..., T / p): a token is there if its first frame is."""
    return mask[..., ::patch]


class PatchedBranches:
    """`predict` of a network of tokens, on frames."""

    def __init__(self, branches: Branches, patch: int):
        self._branches, self._patch = branches, patch

    def predict(self, x_BTF: Tensor, step: int, needed: Sequence[str]) -> dict[str, Tensor]:
        found = self._branches.predict(patched(x_BTF, self._patch), step, needed)
        return {name: unpatched(tokens, self._patch) for name, tokens in found.items()}
