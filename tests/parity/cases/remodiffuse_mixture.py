"""ReMoDiffuse: weights of both, text, retr and none at every timestep, for either side of the coin."""

from collections.abc import Iterator

import numpy as np

from gesturebench.common.diffusion.mixture import ConditionMixture, MixtureConfig
from tests.parity.frame import Check, Golden, case, near


@case("remodiffuse/scale_func.npz")
def scale_func(golden: Golden) -> Iterator[Check]:
    c = golden.config()
    fine = (c["both_coef"], c["text_coef"], c["retr_coef"])
    config = MixtureConfig(policy="released", coarse_scale=c["coarse_scale"], fine=fine)
    mixture = ConditionMixture(config, golden["in/timesteps"].tolist())
    for key in golden.groups("out/"):
        coin = int(key.removeprefix("coef_coin"))
        ours = np.stack([mixture.weights(step, coin) for step in range(len(mixture))])
        yield near(key, ours, golden[f"out/{key}"], 1e-9)
