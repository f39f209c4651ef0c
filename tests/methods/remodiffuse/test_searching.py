"""The search for a mixture on a network, a database and an evaluator that were really fitted, at toy size."""

import json
import pickle

import numpy as np
import pytest
import torch

from gesturebench.common.diffusion.mixture import MixtureConfig
from gesturebench.common.diffusion.mixture_search_config import FOUND, found
from gesturebench.common.embedding.config import embedding_part
from gesturebench.common.errors import InputError
from gesturebench.common.fitting import FitContext
from gesturebench.common.progress import Stopped
from gesturebench.methods.registry import get_method
from gesturebench.methods.remodiffuse.searching import POINTS, PROGRESS, Candidates, Search, fit_fine, fit_grid, judged
from gesturebench.methods.remodiffuse.searching_config import FINE, GRID

SEARCHED = {"mixture": {"policy": "paper"}, "search": {"stages": "fine"}}
ON = {"mixture": {"policy": "paper"}, "search": {"stages": "grid"}}


@pytest.fixture(scope="module")
def parts(small):
    """Components of the searched method by name, and their artifacts."""
    method = get_method("remodiffuse")
    components = {part.name: part for part in method.components(small.config("remodiffuse", **SEARCHED))}
    return components, small.artifacts("remodiffuse", **SEARCHED)


def context(parts, name, store, folder, **options) -> FitContext:
    upstream = {need: parts[1][need] for need in parts[0][name].needs}
    (folder / "out").mkdir(parents=True)
    (folder / "work").mkdir()
    return FitContext(store, folder / "out", folder / "work", 0, upstream, **options)


def record(folder) -> dict:
    return json.loads((folder / FOUND).read_text())


def test_the_grid_keeps_its_best_point(parts):
    grid = record(parts[1][GRID])
    distances = [distance for *_, distance in grid["points"]]
    assert distances == sorted(distances)
    assert grid["distance"] == distances[0]
    assert np.isfinite(distances).all()
    assert grid["mixture"]["coarse"] == [*grid["points"][0][:2], 1 - sum(grid["points"][0][:2])]


def test_the_fine_weights_are_no_worse_than_where_they_began(parts):
    fine, grid = record(parts[1][FINE]), record(parts[1][GRID])
    assert fine["measured"][0][:4] == [0, 1.0, 0.0, 0.0]
    assert fine["measured"][0][4] == pytest.approx(grid["distance"], rel=1e-3)  # both stages judge the same 8 clips
    assert fine["distance"] == min(distance for *_, distance in fine["measured"])
    assert fine["mixture"]["coarse"] == grid["mixture"]["coarse"]
    assert [step for step, *_ in fine["measured"]] == [0, 3, 6]
    assert fine["measured"][1][1:4] != [1.0, 0.0, 0.0]


def test_generation_uses_what_was_found(small, parts, store):
    searched = small.load("remodiffuse", **SEARCHED)
    weights = found(parts[1][FINE])
    set_by_hand = small.load("remodiffuse", mixture=weights.model_dump(mode="json"))
    speech = store.speech(store.split("test")[0])
    ours, theirs = (method.generate([speech], seed=1)[0].poses for method in (searched, set_by_hand))
    assert np.array_equal(ours, theirs)
    other = small.load("remodiffuse", mixture={"policy": "both_only"}).generate([speech], seed=1)[0].poses
    assert not np.allclose(ours, other, atol=1e-4)


def test_an_interrupted_grid_goes_on_with_equal_results(parts, store, tmp_path):
    def stopping(done: int, total: int) -> None:
        if done == 7:
            raise Stopped

    begun = context(parts, GRID, store, tmp_path, progress=stopping)
    values = parts[0][GRID].config
    with pytest.raises(Stopped):
        fit_grid(values, begun)
    files = {path: path.stat().st_mtime_ns for path in (begun.work / POINTS).iterdir()}
    assert len(files) == 7
    fit_grid(values, FitContext(store, begun.out, begun.work, 0, begun.upstream))
    whole = record(parts[1][GRID])
    assert record(begun.out)["mixture"] == whole["mixture"]
    assert record(begun.out)["distance"] == pytest.approx(whole["distance"], rel=1e-4)
    untouched = [path for path, time in files.items() if path.stat().st_mtime_ns == time]
    assert untouched, "points that the first round left behind are not sampled again"


def test_an_interrupted_refinement_goes_on_with_equal_results(parts, store, tmp_path):
    def stopping(done: int, total: int) -> None:
        if done:
            raise Stopped

    begun = context(parts, FINE, store, tmp_path, progress=stopping)
    with pytest.raises(Stopped):
        fit_fine(parts[0][FINE].config, begun)
    assert json.loads((begun.work / PROGRESS).read_text())["step"] == 3
    fit_fine(parts[0][FINE].config, FitContext(store, begun.out, begun.work, 0, begun.upstream))
    again, whole = record(begun.out), record(parts[1][FINE])
    assert np.allclose(again["measured"], whole["measured"], rtol=1e-4)


def test_a_clips_samples_do_not_depend_on_their_batch(parts, store, tmp_path):
    search = Search(parts[0][GRID].config, parts[1], store, 0, tmp_path)
    candidates = Candidates(search, 5)
    whole = candidates.sampled((0.5, 1.0), slice(0, 5))
    apart = torch.cat([candidates.sampled((0.5, 1.0), rows) for rows in (slice(0, 2), slice(2, 5))])
    assert torch.allclose(whole, apart, atol=1e-3)
    assert not torch.allclose(whole, candidates.sampled((1.0, 0.0), slice(0, 5)), atol=1e-2)


def test_another_process_judges_as_this_one_does(parts, store, tmp_path):
    """A search goes to processes as its pickle; this stands for one of them."""
    scores = []
    for name in ("here", "there"):
        (tmp_path / name / POINTS).mkdir(parents=True)
        search = Search(parts[0][GRID].config, parts[1], store, 0, tmp_path / name)
        scores.append(judged(search if name == "here" else pickle.loads(pickle.dumps(search)), ((1.0, -1.0), 4)))
    assert scores[0] == scores[1]


def test_what_makes_the_key_of_each_stage(small):
    method = get_method("remodiffuse")

    def keys(**overrides):
        return {part.name: part.config for part in method.components(small.config("remodiffuse", **overrides))}

    plain, grid, both = keys(), keys(**ON), keys(**SEARCHED)
    assert plain.keys() < grid.keys() < both.keys()
    assert all(plain[name] == grid[name] for name in plain)
    assert grid[GRID] == both[GRID]
    later = keys(**{**SEARCHED, "search": {"stages": "fine", "lr": 0.5}})
    assert later[GRID] == both[GRID]
    assert later[FINE] != both[FINE]
    space = small.config("remodiffuse", **ON).search.embedding
    assert grid["contrastive_evaluator"] == embedding_part(space).config
    assert small.config("remodiffuse").search.model_dump(mode="json") == {"stages": "none"}


def test_a_search_finds_the_weights_of_one_policy_alone(small):
    with pytest.raises(InputError, match=r"search\.stages = 'grid' with mixture\.policy = 'released'.*policy=paper"):
        small.config("remodiffuse", search={"stages": "grid"})
    with pytest.raises(InputError, match=r"'paper'.*'both'.*no retrieval"):
        small.config("remodiffuse", use_retrieval=False, **ON)


def test_a_run_without_retrieval_names_the_policy_it_cannot_have(small):
    for policy in ("released", "released_mean", "both_only"):
        with pytest.raises(InputError, match=f"'{policy}'.*no retrieval.*cfg_text"):
            small.config("remodiffuse", use_retrieval=False, mixture={"policy": policy})
    assert small.config("remodiffuse", use_retrieval=False, mixture={"policy": "cfg_text"}).mixture == MixtureConfig(
        policy="cfg_text", fine_steps=3
    )
