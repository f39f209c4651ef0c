import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesturebench.common.diffusion.guidance import coarse_to_fine_weights
from gesturebench.common.diffusion.mixture import BRANCHES, POLICIES, READ, ConditionMixture, MixtureConfig, mixed
from gesturebench.common.diffusion.respacing import kept_timesteps
from gesturebench.common.errors import InputError

TIMESTEPS = kept_timesteps((15, 15, 8, 6, 6))
PUBLISHED_FINE = (0.52351, -0.28419, 2.39872)
weight = st.floats(-12, 12)
configs = st.builds(
    MixtureConfig,
    policy=st.sampled_from(sorted(POLICIES)),
    coarse_scale=weight,
    coarse=st.tuples(weight, weight, weight),
    fine=st.tuples(weight, weight, weight),
    fine_steps=st.integers(1, 49),
    scale=weight,
    table=st.tuples(weight, weight, weight).map(lambda w: ((*w, 1 - sum(w)),)),
)


def predictions(rows: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(rows, 5, 3, generator=generator) for name in BRANCHES}


@given(configs)
def test_the_weights_of_every_step_sum_to_one(config):
    mixture = ConditionMixture(config, TIMESTEPS)
    rows = np.stack([[mixture.weights(step, coin) for step in range(len(mixture))] for coin in (0, 1)])
    assert rows.dtype == np.float64
    assert rows.shape == (2, 50, 4)
    assert np.allclose(rows.sum(-1), 1, rtol=0, atol=1e-6)


@given(configs, st.integers(0, 49), st.integers(0, 1))
def test_the_mix_is_the_weighted_sum_of_the_needed_branches_alone(config, step, coin):
    mixture, branches = ConditionMixture(config, TIMESTEPS), predictions()
    needed = mixture.needed(step, coin)
    expected = sum(w * branches[name].double() for w, name in zip(mixture.weights(step, coin), BRANCHES))
    x0 = mixture.mix(step, {name: branches[name] for name in needed}, coin)
    assert x0.dtype == torch.float32
    assert torch.allclose(x0.double(), expected, atol=1e-4)


@given(configs)
def test_equal_predictions_are_left_alone_by_every_policy(config):
    mixture, one = ConditionMixture(config, TIMESTEPS), predictions()["both"].double()
    for step in (0, 9, 30, 49):
        assert torch.allclose(mixture.mix(step, dict.fromkeys(BRANCHES, one)), one, atol=1e-4)


def test_the_released_rule_skips_half_of_the_branches():
    mixture = ConditionMixture(MixtureConfig(policy="released", fine=PUBLISHED_FINE), TIMESTEPS)
    assert mixture.evaluations == 42 * 2 + 8 * 4
    assert [mixture.needed(49, coin) for coin in (0, 1)] == [("both", "retr"), ("text", "none")]
    assert mixture.needed(7) == BRANCHES
    counts = {policy: ConditionMixture(MixtureConfig(policy=policy), TIMESTEPS).evaluations for policy in (
        "cfg_text", "both_only", "none", "released_mean")}  # fmt: skip
    assert counts == {"cfg_text": 100, "both_only": 50, "none": 50, "released_mean": 42 * 4 + 8}


def test_what_retrieval_does_not_change_is_the_two_branch_rule():
    """The published weights of RAG-Gesture are these with both of a branch's conditions added up."""
    mixture = ConditionMixture(MixtureConfig(coarse_scale=6.5, fine=PUBLISHED_FINE), TIMESTEPS)
    for step, t in enumerate(TIMESTEPS):
        told = coarse_to_fine_weights(t, coarse=6.5, late=(0.23932, 0.76068))
        for coin in (0, 1):
            w = mixture.weights(step, coin)
            assert (w[0] + w[1], w[2] + w[3]) == pytest.approx(told, abs=1e-12)


def test_the_mean_policy_is_the_mean_of_the_coin():
    fair, mean = (
        ConditionMixture(MixtureConfig(policy=p, fine=PUBLISHED_FINE), TIMESTEPS) for p in ("released", "released_mean")
    )
    for step in range(50):
        expected = (fair.weights(step, 0) + fair.weights(step, 1)) / 2
        assert np.allclose(mean.weights(step, 0), expected)
        assert np.allclose(mean.weights(step, 1), expected)


def test_the_paper_policy_changes_at_its_last_steps():
    mixture = ConditionMixture(
        MixtureConfig(policy="paper", coarse=(2.0, -1.5, 0.5), fine=PUBLISHED_FINE, fine_steps=10), TIMESTEPS
    )
    assert mixture.weights(10).tolist() == [2.0, -1.5, 0.5, 0.0]
    assert mixture.needed(10) == ("both", "text", "retr")
    assert mixture.weights(9) == pytest.approx([*PUBLISHED_FINE, -1.63804])
    assert mixture.evaluations == 40 * 3 + 10 * 4
    with pytest.raises(InputError, match="fine_steps = 10; expected fewer than the 8 steps"):
        ConditionMixture(MixtureConfig(policy="paper"), range(8))


def test_a_table_has_a_row_for_every_step_or_one_for_all():
    rows = ((1.0, 0.0, 0.0, 0.0), (0.0, 2.0, 0.0, -1.0))
    mixture = ConditionMixture(MixtureConfig(policy="fixed", table=rows), (0, 500))
    assert [mixture.needed(step) for step in range(2)] == [("both",), ("text", "none")]
    with pytest.raises(InputError, match="2 rows; expected one row for all steps, or one for each of the 50"):
        ConditionMixture(MixtureConfig(policy="fixed", table=rows), TIMESTEPS)
    with pytest.raises(InputError, match=r"four weights that sum to 1, not to 0\.9"):
        MixtureConfig.parse({"policy": "fixed", "table": [[0.9, 0, 0, 0]]}, "mixture")
    with pytest.raises(InputError, match="a table of weights with the policy fixed"):
        MixtureConfig.parse({"policy": "fixed"}, "mixture")


@pytest.mark.parametrize(
    ("policy", "conditions", "names"),
    [
        ("released", {"text"}, ("'released'", "'both'", "no retrieval", "cfg_text")),
        ("released_mean", {"text"}, ("'released_mean'", "no retrieval")),
        ("paper", {"text"}, ("'paper'", "no retrieval")),
        ("both_only", {"text"}, ("'both_only'", "no retrieval")),
        ("both_only", {"retrieval"}, ("no text",)),
        ("cfg_text", {"retrieval"}, ("'cfg_text'", "'text'", "no text")),
        ("cfg_text", set(), ("no text", "take none")),
    ],
)
def test_a_policy_that_asks_for_an_absent_condition_is_refused_by_name(policy, conditions, names):
    with pytest.raises(InputError) as refused:
        ConditionMixture(MixtureConfig(policy=policy), TIMESTEPS, conditions)
    assert all(name in str(refused.value) for name in names)
    assert not MixtureConfig(policy=policy).needs() <= conditions


@given(configs, st.sets(st.sampled_from(["text", "retrieval"])))
def test_a_policy_is_refused_exactly_where_its_needs_are_not_met(config, conditions):
    if config.needs() <= conditions:
        ConditionMixture(config, TIMESTEPS, conditions)
    elif config.policy != "fixed":
        with pytest.raises(InputError):
            ConditionMixture(config, TIMESTEPS, conditions)


def test_an_unknown_policy_gets_its_near_match():
    with pytest.raises(InputError, match="did you mean 'released'"):
        MixtureConfig.parse({"policy": "relased"}, "mixture")


def test_coins_come_from_their_generator_and_fall_on_both_sides():
    mixture = ConditionMixture(MixtureConfig(), TIMESTEPS)
    coins = mixture.coins(np.random.default_rng(3))
    assert coins == mixture.coins(np.random.default_rng(3))
    assert len(coins) == 50
    assert set(coins) == {0, 1}


def test_only_what_a_policy_reads_makes_the_key_of_a_run():
    for policy, read in READ.items():
        table = ((1.0, 0.0, 0.0, 0.0),)
        assert MixtureConfig(policy=policy, table=table).model_dump(mode="json").keys() == {"policy", *read}


def test_weights_may_carry_derivatives():
    branches = predictions()
    w = torch.tensor([0.7, 0.1, 0.4, -0.2], requires_grad=True)
    mixed(w, branches).sum().backward()
    assert torch.allclose(w.grad, torch.stack([branches[name].sum() for name in BRANCHES]), atol=1e-5)
