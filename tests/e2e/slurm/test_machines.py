"""One training over two machines of a real Slurm job: the same bits as two processes on one machine."""

from pathlib import Path

import pytest

from gesturebench.benchmarks import steps
from gesturebench.benchmarks.job import Job
from gesturebench.benchmarks.resources import Resources
from gesturebench.benchmarks.step import Step
from gesturebench.common.checkpoint import WEIGHTS
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import StandinPreset
from gesturebench.common.corpus.store import build_store
from gesturebench.common.files import write_json
from gesturebench.common.progress import silent

pytestmark = pytest.mark.slow

VAE = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 24, "chunk": 5, "decoder_depth": "as_encoder",
       "pre_norm": True}  # fmt: skip
TRAINING = {"steps": 20, "batch": 4, "processes": 2}
SPEC = {
    "fit": "gesturebench.common.codecs.part_codec:fit_part_vae",
    "config": {"codec": {"vae": VAE, "frames": 30, "training": TRAINING}, "part": "hands"},
    "seed": 0,
}


def prepared(folder: Path) -> None:
    """A tiny clip store as the finished artifact of a step."""
    corpus = folder.parents[1] / "corpus"
    generate_corpus(StandinPreset(speakers=1, clips=3, sentences=1, test_share=0.34, val_share=0.33), corpus, workers=1)
    build_store(corpus, folder)
    write_json(folder / "record.json", {"status": "done"})


def test_two_machines_make_what_two_processes_make(study, tmp_path):
    data = Step("prepare", "data", {"name": "data"})
    fit = Step("fit", "vae", SPEC, {"store": data}, resources=Resources(nodes=2, cpus=1, mem_gb=2))
    toy = study(fit)
    prepared(data.folder(toy.store.runs))
    toy.launch(execute="gesturebench.benchmarks.steps:execute")
    assert toy.follow() == 0
    store = {"store": data.folder(toy.store.runs)}
    local = Job("fit", "k", "local", SPEC, {}, store, {"store": data.key}, tmp_path / "out", tmp_path / "work")
    steps.execute(local, silent)
    assert (fit.folder(toy.store.runs) / WEIGHTS).read_bytes() == (tmp_path / "out" / WEIGHTS).read_bytes()
