"""ReMoDiffuse's encoders of motion and text, the loss that trains them, and its metrics."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gesturebench.common.embedding.actor import ActorEncoder
from gesturebench.common.embedding.contrastive import losses_of_pairs
from gesturebench.common.embedding.matching import distance_matrix, matched_distances, r_precision
from gesturebench.common.embedding.t2m import TextMotionEvaluator
from gesturebench.evaluators.embedding import mean_and_interval
from gesturebench.evaluators.embedding_spread import diversity, multimodality
from gesturebench.evaluators.frechet import Moments, frechet_distance
from gesturebench.evaluators.rareness import balanced_mean, rareness, tail_mean
from tests.parity.frame import Check, Golden, case, near


def tensors(golden: Golden, prefix: str) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in golden.under(prefix).items()}


def filled(model: nn.Module, golden: Golden, prefix: str) -> nn.Module:
    model.load_state_dict(tensors(golden, prefix))
    return model.eval()


@case("remodiffuse/actor_encoder.npz")
@torch.no_grad()
def actor_encoder(golden: Golden) -> Iterator[Check]:
    given, config = tensors(golden, "in/"), golden.config()
    outputs = {"mu_only": ("mu_only",), "mu_var": ("mu_var_mu", "mu_var_logvar")}
    for name, its in outputs.items():
        model = ActorEncoder(
            config["input_feats"],
            config["latent_dim"],
            heads=config["num_heads"],
            hidden=config["ff_size"],
            layers=config["num_layers"],
            queries=len(its),
            learned=config["max_seq_len_learned"] if f"param/{name}.pos_encoder.pe" in golden else None,
        )
        found = filled(model, golden, f"param/{name}.")(given["motion"], given["motion_mask"])
        for query, output in enumerate(its):
            yield near(output, found[:, query], golden[f"out/{output}"], 1e-5)


@case("remodiffuse/contrastive_loss.npz")
def contrastive_loss(golden: Golden) -> Iterator[Check]:
    given = tensors(golden, "in/")
    other = given["motion"][given["shifted_index"]]
    losses = losses_of_pairs(given["text"], given["motion"], other, golden.config()["margin"])
    names = {"loss": "loss", "loss_pos": "matched", "loss_neg": "mismatched"}
    for key, name in names.items():
        yield near(key, losses[name], golden[f"out/{key}"])


@case("remodiffuse/t2m_evaluator.npz")
@torch.no_grad()
def t2m_evaluator(golden: Golden) -> Iterator[Check]:
    given, config = tensors(golden, "in/"), golden.config()
    model = TextMotionEvaluator(
        config["input_feats"],
        movement=(config["movement_hidden"], config["movement_latent"]),
        motion=config["motion_hidden"],
        text=config["text_hidden"],
        latent=config["latent"],
        words=config["word_size"],
        classes=config["pos_size"],
    )
    filled(model, golden, "param/")
    text = model.embed_text(given["word_emb"], given["pos_onehot"], given["cap_lens"])
    yield near("movements", model.movement_encoder(given["motion"]), golden["out/movements"], 1e-5)
    yield near(
        "motion_emb", model.embed_motion(given["motion"], given["motion_length"]), golden["out/motion_emb"], 1e-5
    )
    yield near("text_emb", text, golden["out/text_emb"], 1e-5)


@case("remodiffuse/metrics.npz")
def metrics(golden: Golden) -> Iterator[Check]:
    given, config = golden.under("in/"), golden.config()
    text, motion, batch = given["text_emb"], given["motion_emb"], config["batch_size"]
    precision = r_precision(text, motion, batch=batch, k=config["top_k"], drop_last=False)
    mean, half_width = mean_and_interval(given["replications"])
    found = {
        "dist_matrix_batch0": distance_matrix(text[:batch], motion[:batch]),
        "r_precision": precision,
        "mm_dist": matched_distances(text, motion).mean(),
        "diversity": diversity(motion, given["div_first"], given["div_second"]),
        "multimodality": multimodality(given["mm_acts"], given["mm_first"], given["mm_second"]),
        "mean": mean,
        "conf_interval": half_width,
    }
    for key, value in found.items():
        yield near(key, value, golden[f"out/{key}"])
    fid = frechet_distance(Moments.of(given["gt_motion_emb"]), Moments.of(motion))
    yield near("fid", fid, golden["out/fid"], 1e-4)


@case("remodiffuse/rareness_metrics.npz")
def rareness_metrics(golden: Golden) -> Iterator[Check]:
    given = golden.under("in/")
    rare, distance = rareness(given["query_text_features"], given["train_text_features"]), given["mm_distance"]
    yield near("rareness", rare, golden["out/rareness"], 1e-9)
    yield near("tail5_mm", tail_mean(distance, rare), golden["out/tail5_mm"], 1e-9)
    yield near("balanced_mm", balanced_mean(distance, rare), golden["out/balanced_mm"], 1e-9)
