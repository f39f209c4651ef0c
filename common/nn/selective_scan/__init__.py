"""The selective scan of Mamba-1 (Gu & Dao 2023, algorithm 2): one function, several back ends.

    h_t = exp(delta_t A) h_(t-1) + delta_t u_t B_t        y_t = <C_t, h_t> + D u_t, times SiLU(z_t)

Legend of all files here: B batch, D channels, L length, N states of a channel, G groups of channels that share B and C.
Tensors of the operator are (B, D, L), as in the published interface. See docs/selective-scan.md.
"""

from gesturebench.common.nn.selective_scan.backends import BACKENDS, backends_here
from gesturebench.common.nn.selective_scan.operator import selective_scan

__all__ = ["BACKENDS", "backends_here", "selective_scan"]
