"""Settings of the search for a condition mixture, and the steps it makes. Imports nothing heavy."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesturebench.common.diffusion.mixture import MixtureConfig
from gesturebench.common.diffusion.mixture_search_config import MixtureSearchConfig, found
from gesturebench.common.embedding.config import EmbeddingConfig, embedding_part
from gesturebench.methods.base import Component

if TYPE_CHECKING:
    from gesturebench.methods.remodiffuse.config import RemodiffuseConfig

GRID, FINE = "mixture_grid", "mixture_fine"
EMBEDDING = "embedding"
"""The setting; the step is named after what it trains."""


class SearchConfig(MixtureSearchConfig):
    """With the evaluator whose space is searched in: the step is shared with metrics that read the same one."""

    embedding: EmbeddingConfig = EmbeddingConfig()


def search_components(config: "RemodiffuseConfig", trained: tuple[Component, ...]) -> tuple[Component, ...]:
    """The evaluator and the stages, after the `trained` parts; nothing if nothing is searched for."""
    search = config.search
    if search.stages == "none":
        return ()
    space = embedding_part(search.embedding)
    parts = [Component(space.name, space.fit, space.config, version=space.version, seeded=False, place=space.place)]
    needs = (*(part.name for part in trained), space.name)
    module, values = "gesturebench.methods.remodiffuse.searching", _sampled(config)
    wanted = {name: value for name, value in search.of_grid().items() if name != EMBEDDING}
    parts.append(Component(GRID, f"{module}:fit_grid", values | {"search": {"stages": "grid", **wanted}}, needs))
    if search.stages == "fine":
        wanted = search.model_dump(mode="json", exclude={EMBEDDING})
        parts.append(Component(FINE, f"{module}:fit_fine", values | {"search": wanted}, (*needs, GRID)))
    return tuple(parts)


def _sampled(config: "RemodiffuseConfig") -> dict[str, Any]:
    """What samples of single windows depend on beside the weights to be found."""
    sections = {"motion", "conditions", "use_retrieval", "retrieval", "denoiser"}
    ways = {"retrieval": {"shown", "index"}}
    fine = {"policy": "paper", "fine": list(config.mixture.fine), "fine_steps": config.mixture.fine_steps}
    sampling = config.model_dump(mode="json", include={"sampling": {"sections"}})
    return {**config.model_dump(mode="json", include=sections, exclude=ways), **sampling, "mixture": fine}


def mixture_of(config: "RemodiffuseConfig", artifacts: Mapping[str, Path]) -> MixtureConfig:
    """What generation mixes with: what was found, or what was set."""
    if config.search.stages == "none":
        return config.mixture
    return found(artifacts[FINE if config.search.stages == "fine" else GRID])
