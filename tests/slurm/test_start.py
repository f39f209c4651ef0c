"""The first thing that runs in a job."""

import pickle

import pytest

from gesturebench.slurm.payload import Payload
from gesturebench.slurm.start import _put_pickle


@pytest.mark.parametrize(
    ("variables", "file", "element"),
    [
        ({"JOB_ID": "17", "ARRAY_JOB_ID": "12", "ARRAY_TASK_ID": "3"}, "12_3_submitted.pkl", 3),
        ({"JOB_ID": "17"}, "17_submitted.pkl", 0),
    ],
)
def test_what_to_do_is_known_from_the_name_of_the_job(tmp_path, monkeypatch, variables, file, element):
    """The submitter was killed before it had put the pickle there."""
    for name, value in ({"JOB_NAME": "gesture-0123456789-2"} | variables).items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    _put_pickle(jobs)
    (path,) = jobs.iterdir()
    assert path.name == file
    wanted = pickle.loads(path.read_bytes())
    assert (wanted.function, wanted.args) == (Payload(tmp_path, 2), (element,))
    path.write_bytes(b"of the submitter")
    _put_pickle(jobs)
    assert path.read_bytes() == b"of the submitter"
