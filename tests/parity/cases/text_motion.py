"""Metrics on embeddings, with the draws of numpy's legacy generator whose seeds the keys name."""

import re
from collections.abc import Iterator

import numpy as np

from gesturebench.common.embedding.matching import distance_matrix, matched_distances, r_precision, top_k
from gesturebench.evaluators.embedding import mean_and_interval
from gesturebench.evaluators.embedding_spread import diversity, drawn_pairs, multimodality
from tests.parity.frame import Check, Golden, case, near, same


@case("evaluators/text_motion.npz")
def text_motion(golden: Golden) -> Iterator[Check]:
    text, motion, k = golden["text_emb"], golden["motion_emb"], golden["top_k"].shape[1]
    distances = distance_matrix(text, motion)
    yield near("dist", distances, golden["dist"])
    yield same("top_k", top_k(distances, k), golden["top_k"])
    yield near("r_precision", r_precision(text, motion, batch=len(text), k=k), golden["r_precision"])
    yield near("mm_dist", matched_distances(text, motion).mean(), golden["mm_dist"])
    yield from drawn(golden)
    mean, half_width = mean_and_interval(golden["stat_values"])
    yield near("stat_mean", mean, golden["stat_mean"])
    yield near("stat_conf", half_width, golden["stat_conf"])


def drawn(golden: Golden) -> Iterator[Check]:
    for key in golden:
        found = re.fullmatch(r"(diversity|multimodality)_seed(\d+)_n(\d+)", key)
        if not found:
            continue
        random, pairs = np.random.RandomState(int(found[2])), int(found[3])
        if found[1] == "diversity":
            first, second = drawn_pairs(len(golden["activations"]), pairs, random)
            yield same("diversity_idx1", first, golden["diversity_idx1"])
            yield same("diversity_idx2", second, golden["diversity_idx2"])
            yield near(key, diversity(golden["activations"], first, second), golden[key])
        else:
            samples = golden["mm_activations"]
            yield near(key, multimodality(samples, *drawn_pairs(samples.shape[1], pairs, random)), golden[key])
