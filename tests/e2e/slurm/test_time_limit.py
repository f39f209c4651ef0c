"""A training that is longer than the time limit of its partition."""

import pytest
from cluster_jobs import step

pytestmark = pytest.mark.slow


def test_a_training_longer_than_its_limit_has_several_lives_and_ends_in_the_same_bits(study, undisturbed, tmp_path):
    log = tmp_path / "log"
    training = step("training", does="train", steps=60, pause_s=1.1, log=str(log))
    toy = study(training, defaults={"partition": "short", "mem_gb": 0.4, "time_min": 1}, signal_delay_s=5)
    toy.launch()
    assert toy.follow() == 0
    outcomes = toy.outcomes("training")
    assert outcomes == ["timeout"] * (len(outcomes) - 1) + ["done"]
    assert len(outcomes) >= 2
    progress = [attempt.progress[0] for attempt in toy.attempts("training")[:-1]]
    assert progress == sorted(progress)
    assert len(log.read_text().split()) < 60 + 10 * len(outcomes)  # what was saved was not made again
    assert toy.store.record(toy["training"])["weights"] == undisturbed
