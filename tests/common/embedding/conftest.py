from types import SimpleNamespace

import pytest

from gesturebench.common.budget import Training
from gesturebench.common.embedding.config import EmbeddingConfig, embedding_part
from gesturebench.common.embedding.fitting import fit_embedding
from gesturebench.common.fitting import FitContext
from tests.speaking import SpeakingStore

SMALL = EmbeddingConfig(
    dim=32, heads=2, hidden=48, motion_layers=1, speech_layers=1, motion_step=3, dropout=0.0,
    training=Training(steps=60, batch=16, lr=3e-3, save_every=5),
)  # fmt: skip


@pytest.fixture(scope="session")
def speaking() -> SpeakingStore:
    return SpeakingStore()


@pytest.fixture(scope="session")
def fit(speaking, tmp_path_factory):
    """Train with changes of a small configuration; the folder of the artifact."""

    def run(work=None, progress=None, store=speaking, **changes):
        config = SMALL.updated(changes)
        part = embedding_part(config)
        out, work = tmp_path_factory.mktemp("out"), work or tmp_path_factory.mktemp("work")
        told = {} if progress is None else {"progress": progress}
        fit_embedding(part.config, FitContext(store, out, work, place=part.place, **told))
        return SimpleNamespace(folder=out, config=config, work=work)

    return run


@pytest.fixture(scope="session")
def trained(fit):
    return fit()
