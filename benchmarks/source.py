"""Where a plan's data comes from: a stand-in corpus that is generated, or a folder that is there."""

from dataclasses import dataclass
from pathlib import Path

from gesturebench.benchmarks.step import Step
from gesturebench.common.errors import InputError, unknown_name

STANDIN = "standin:"


@dataclass(frozen=True)
class StandinSource:
    """The stand-in corpus of a preset and seed."""

    preset: str
    seed: int = 0
    has_truth: bool = True
    is_standin: bool = True

    def steps(self, store_version: str) -> tuple[Step, ...]:
        from gesturebench.common.corpus.standin.presets import GENERATOR_VERSION, PRESETS

        if self.preset not in PRESETS:
            raise unknown_name("stand-in preset", self.preset, PRESETS)
        sizes = PRESETS[self.preset].model_dump(mode="json")
        spec = {"preset": sizes, "seed": self.seed, "version": GENERATOR_VERSION}
        corpus = Step("corpus", f"stand-in corpus {self.preset}", spec)
        prepare = Step("prepare", "clip store", {"version": store_version}, {"corpus": corpus})
        return corpus, prepare


@dataclass(frozen=True)
class FolderSource:
    """A BEAT2 folder, known by the content of its files and of its body model; `body` None means the folder's own."""

    root: Path
    fingerprint: str
    body: Path | None = None
    has_truth: bool = False
    is_standin: bool = False

    def steps(self, store_version: str) -> tuple[Step, ...]:
        place = {"root": str(self.root.resolve()), "body": str(self.body.resolve()) if self.body else None}
        return (Step("prepare", "clip store", {"version": store_version, "data": self.fingerprint}, place=place),)


def find_source(data: str, body: str | None, runs: Path, seed: int = 0) -> StandinSource | FolderSource:
    """Resolve `standin:PRESET` or a folder; a folder's files are hashed once and remembered under `runs` by path, size
    and time."""
    if data.startswith(STANDIN):
        return StandinSource(data.removeprefix(STANDIN), seed)
    root = Path(data)
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder",
            expected="a BEAT2 folder or standin:PRESET",
            remedy="pass --data DIR or --data standin:demo",
        )
    from gesturebench.common.corpus.beat2 import Beat2Folder
    from gesturebench.common.corpus.fingerprint import fingerprint

    file = body_file(body)
    identity = fingerprint(root, body=file, cache=runs / "fingerprints.json")
    folder = Beat2Folder(root)
    has_truth = (folder.root / "truth").is_dir()
    return FolderSource(root, identity, file, has_truth, is_standin=has_truth or folder.is_standin)


def body_file(body: str | None) -> Path | None:
    """The file of a body model that was named, `standin` for the one that is generated; None for none."""
    if body is None:
        return None
    if body == "standin":
        from gesturebench.common.corpus.standin.body import standin_body

        return standin_body()
    if not Path(body).is_file():
        raise InputError(
            f"{body}: no such file",
            expected="an SMPL-X .npz or `standin`",
            remedy="pass --body SMPLX_NEUTRAL_2020.npz or --body standin",
        )
    return Path(body)
