"""The doctor of data folders: twelve kinds of damage, each alone and all in one corpus, and bytes at random."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gesturebench.common.corpus import doctor
from gesturebench.common.corpus.clip import Motion
from gesturebench.common.corpus.doctor import Findings, examine
from gesturebench.common.corpus.standin.generate import generate_corpus
from gesturebench.common.corpus.standin.presets import PRESETS
from gesturebench.common.motion.export import load_motion

from .conftest import smooth_motion, write_npz


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The stand-in corpus of the preset tiny, cut down to eleven clips of one sentence."""
    folder = tmp_path_factory.mktemp("tiny")
    sizes = {"speakers": 3, "clips": 4, "sentences": 1}
    generate_corpus(PRESETS["tiny"].updated(sizes), folder, workers=1)
    return folder


@pytest.fixture
def corpus(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "corpus")


def ids(corpus: Path) -> list[str]:
    return sorted(path.stem for path in (corpus / "smplxflame_30").iterdir())


def motion(corpus: Path, clip: str) -> Path:
    return corpus / "smplxflame_30" / f"{clip}.npz"


def wave(corpus: Path, clip: str) -> Path:
    return corpus / "wave16k" / f"{clip}.wav"


def truncate_npz(corpus: Path, clip: str) -> None:
    path = motion(corpus, clip)
    path.write_bytes(path.read_bytes()[:-200])


def remove_wav(corpus: Path, clip: str) -> None:
    wave(corpus, clip).unlink()


def empty_textgrid(corpus: Path, clip: str) -> None:
    (corpus / "textgrid" / f"{clip}.TextGrid").write_bytes(b"")


def reshape(corpus: Path, clip: str) -> None:
    whole = load_motion(motion(corpus, clip))
    write_npz(motion(corpus, clip), whole, poses=whole.poses.reshape(-1, 55, 3))


def put_nan(corpus: Path, clip: str) -> None:
    whole = load_motion(motion(corpus, clip))
    write_npz(motion(corpus, clip), whole, trans=np.where(whole.trans == whole.trans[5], np.nan, whole.trans))


def list_twice(corpus: Path, clip: str) -> None:
    with open(corpus / "train_test_split.csv", "a") as file:
        file.write(f"{clip},val\n")


def leave_out_of_csv(corpus: Path, clip: str) -> None:
    table = corpus / "train_test_split.csv"
    table.write_text("".join(line for line in table.read_text().splitlines(True) if not line.startswith(f"{clip},")))


def encode_wrongly(corpus: Path, clip: str) -> None:
    (corpus / "sem" / f"{clip}.txt").write_bytes("01_beat_align\t0\t1\t1\t0.1\tcafé\n".encode("latin-1"))


def empty_wav(corpus: Path, clip: str) -> None:
    soundfile.write(wave(corpus, clip), np.zeros(0), 16_000)


def other_rate(corpus: Path, clip: str) -> None:
    samples, _ = soundfile.read(wave(corpus, clip))
    times = np.arange(0, len(samples) / 16_000, 1 / 44_100)
    soundfile.write(wave(corpus, clip), np.interp(times, np.arange(len(samples)) / 16_000, samples), 44_100)


def betas_per_frame(corpus: Path, clip: str) -> None:
    whole = load_motion(motion(corpus, clip))
    drifting = whole.betas + np.linspace(0, 1, whole.n_frames)[:, None]
    write_npz(motion(corpus, clip), whole, betas=drifting.astype(np.float32))


def negative_times(corpus: Path, clip: str) -> None:
    (corpus / "prom" / f"{clip}.prom").write_text(f"{clip}\t-0.40\t0.30\thello\t1.0\t0.0\n")


Damage = Callable[[Path, str], None]
DAMAGE: dict[Damage, tuple[str, str, str]] = {
    truncate_npz: ("broken", "smplxflame_30/{}.npz", "truncated"),
    remove_wav: ("missing", "wave16k/{}.wav", "no such sound file"),
    empty_textgrid: ("broken", "textgrid/{}.TextGrid", "not a TextGrid"),
    reshape: ("broken", "smplxflame_30/{}.npz", "poses has shape"),
    put_nan: ("broken", "smplxflame_30/{}.npz", "trans[5, 0] is nan"),
    list_twice: ("broken", "train_test_split.csv", "{} is listed twice"),
    leave_out_of_csv: ("note", "train_test_split.csv", "{} is in no split"),
    encode_wrongly: ("broken", "sem/{}.txt", "not a text file"),
    empty_wav: ("broken", "wave16k/{}.wav", "no samples"),
    other_rate: ("note", "wave16k/{}.wav", "44100 Hz"),
    betas_per_frame: ("broken", "smplxflame_30/{}.npz", "betas change from frame to frame"),
    negative_times: ("broken", "prom/{}.prom", "line 1: starts at -0.4 s"),
}
"""Twelve ways to spoil a clip: severity, file and words of the finding."""


def told(findings: Findings, clip: str, severity: str, file: str, words: str) -> bool:
    return any(
        (f.severity, f.file) == (severity, file.format(clip)) and words.format(clip) in f.what and f.remedy
        for f in findings.findings
    )


def test_a_whole_corpus_has_nothing_to_tell(corpus):
    findings = examine(corpus)
    assert findings.findings == ()
    assert (findings.exit_code, findings.n_clips) == (0, 12)
    counts = {count.kind.name: (count.found, count.missing, count.broken) for count in findings.counts}
    assert counts["motion"] == counts["audio"] == counts["words"] == counts["truth"] == (12, 0, 0)
    assert counts["split table"] == counts["body model"] == counts["mean speed"] == (1, 0, 0)
    assert counts["transcript"] == (0, 12, 0)
    assert counts["FGD weights"] == (0, 1, 0), "optional files may miss"
    frames = sum(load_motion(motion(corpus, clip)).n_frames for clip in ids(corpus))
    assert findings.seconds * 30 + findings.dropped_frames == pytest.approx(frames)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_one_kind_of_damage_is_one_finding(corpus, damage):
    clip, expected = ids(corpus)[4], DAMAGE[damage]
    damage(corpus, clip)
    findings = examine(corpus)
    assert told(findings, clip, *expected), findings.findings
    assert len(findings.findings) == 1
    assert findings.exit_code == (0 if expected[0] == "note" else 1)


def test_all_twelve_kinds_in_one_corpus(corpus):
    clips = dict(zip(DAMAGE, ids(corpus), strict=True))
    for damage, clip in clips.items():
        damage(corpus, clip)
    findings = examine(corpus)
    assert [d.__name__ for d, clip in clips.items() if not told(findings, clip, *DAMAGE[d])] == []
    assert len(findings.findings) == 12
    assert findings.exit_code == 1
    counts = {count.kind.name: (count.found, count.missing, count.broken) for count in findings.counts}
    assert counts["motion"] == (12, 0, 4)
    assert counts["audio"] == (11, 1, 1)
    assert counts["words"] == counts["labels"] == counts["prominence"] == (12, 0, 1)
    assert counts["split table"] == (1, 0, 1)


def test_processes_find_the_same(corpus, monkeypatch):
    monkeypatch.setattr(doctor, "_CLIPS_PER_PROCESS", 1)
    for damage, clip in zip(DAMAGE, ids(corpus), strict=True):
        damage(corpus, clip)
    done: list[tuple[int, int]] = []
    two = examine(corpus, workers=2, progress=lambda *now: done.append(now))
    assert two == examine(corpus)
    assert done[-1] == (12, 12)


def test_constant_betas_per_frame_are_a_note(corpus):
    clip = ids(corpus)[0]
    whole = load_motion(motion(corpus, clip))
    write_npz(motion(corpus, clip), whole, betas=np.tile(whole.betas, (whole.n_frames, 1)))
    (finding,) = examine(corpus).findings
    assert (finding.severity, finding.file) == ("note", f"smplxflame_30/{clip}.npz")
    assert "stored per frame" in finding.what


def test_shared_files_are_examined(corpus):
    (corpus / "weights" / "vocab.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    (corpus / "weights" / "AESKConv_240_100.bin").write_bytes(b"weights")
    np.save(corpus / "weights" / "mean_vel_smplxflame_30.npy", np.zeros(3))
    body = corpus / "smplx_models" / "smplx" / "SMPLX_NEUTRAL_2020.npz"
    body.write_bytes(body.read_bytes()[:1000])
    broken = {finding.kind: finding.what for finding in examine(corpus).findings}
    assert broken.keys() == {"vocabulary", "FGD weights", "mean speed", "body model"}
    assert "it asks for os.system" in broken["vocabulary"] or "posix.system" in broken["vocabulary"]


def test_strangers_and_names(corpus):
    clip = ids(corpus)[0]
    shutil.copy(motion(corpus, clip), motion(corpus, "8_catherine_0_1_1"))
    shutil.copy(wave(corpus, clip), wave(corpus, "8_catherine_0_1_1"))
    shutil.copy(wave(corpus, clip), wave(corpus, "2_scott_0_9_9"))
    findings = {finding.file: finding.what for finding in examine(corpus).findings}
    assert "speaker 8 is not in BEAT2 English" in findings["smplxflame_30/8_catherine_0_1_1.npz"]
    assert "no motion" in findings["wave16k/2_scott_0_9_9.wav"]


def test_lengths_that_differ_much_are_a_note(corpus):
    clip = ids(corpus)[0]
    samples, rate = soundfile.read(wave(corpus, clip), dtype="int16")
    soundfile.write(wave(corpus, clip), np.concatenate([samples, np.zeros(3 * rate, np.int16)]), rate)
    (finding,) = examine(corpus).findings
    assert "motion is 3.0 s shorter than the audio" in finding.what


@pytest.mark.parametrize("name", ["", "smplxflame_30", "smplxflame_30/"])
def test_a_folder_without_clips(tmp_path, name):
    if name.endswith("/"):
        (tmp_path / name).mkdir()
    elif name:
        (tmp_path / name).write_text("a file in place of the folder")
    findings = examine(tmp_path)
    assert findings.exit_code == 1
    assert findings.n_clips == 0
    assert any(finding.kind == "motion" for finding in findings.findings)


def write_any(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_it_fail(tmp_path_factory, data):
    """Every kind of file as random bytes, or as its own beginning with one byte changed."""
    root, clip = tmp_path_factory.mktemp("fuzz"), "2_scott_0_1_1"
    (root / "smplxflame_30").mkdir()
    short: Motion = smooth_motion(4)
    write_npz(motion(root, clip), short)
    whole = bytearray(motion(root, clip).read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    motion(root, clip).write_bytes(bytes(whole))
    places = ["wave16k/{}.wav", "textgrid/{}.TextGrid", "sem/{}.txt", "prom/{}.prom", "truth/{}.json"]
    places += ["discourse_rels/{}_whisper_relations.json", "whisper_transcription/{}.json", "train_test_split.csv"]
    places += ["weights/vocab.pkl", "weights/mean_vel_smplxflame_30.npy"]
    heads = [
        b"",
        b"RIFF",
        b'File type = "ooTextFile"\nObject class = "TextGrid"\n',
        b"[",
        b'{"segments": [',
        b"\x80\x04",
    ]
    for place in places:
        write_any(root / place.format(clip), data.draw(st.sampled_from(heads)) + data.draw(st.binary(max_size=60)))
    findings = examine(root)
    assert findings.n_clips == 1
    assert all(finding.what and finding.remedy and "\n" not in finding.what for finding in findings.findings)


def test_the_command_says_it_in_lines_and_in_json(corpus, capsys):
    from gesturebench.data import check_data

    remove_wav(corpus, ids(corpus)[0])
    assert check_data(corpus, 1, as_json=False) == 1
    printed = capsys.readouterr().out
    assert f"missing: wave16k/{ids(corpus)[0]}.wav: no such sound file" in printed
    assert "https://huggingface.co/datasets/H-Liu1997/BEAT2 (Apache-2.0" in printed
    assert check_data(corpus, 1, as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 1
    assert told["findings"][0]["file"] == f"wave16k/{ids(corpus)[0]}.wav"
    assert {count["kind"]["name"]: count["missing"] for count in told["counts"]}["audio"] == 1
