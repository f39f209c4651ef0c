"""ALBEF's losses: contrast with queues and momentum features, soft targets, hard negatives, matching.

The encoders are the golden file's own stand-ins; modality a is its image, b its text.
"""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, normalize

from gesturebench.methods.exges.retrieval import albef
from tests.parity.frame import Check, Golden, case, near, same

TOLERANCE = 1e-5
ONLINE = ("visual_encoder.fc", "text_encoder.fc", "text_encoder.fuse", "vision_proj", "text_proj")
MOMENTUM = ("visual_encoder_m.fc", "text_encoder_m.fc", "text_encoder_m.fuse", "vision_proj_m", "text_proj_m")


@case("exges/albef_retrieval.npz")
def albef_retrieval(golden: Golden) -> Iterator[Check]:
    """Targets by item: a queued copy of an item is a positive, and no item is a negative of itself."""
    yield from _compared(golden, ids=torch.from_numpy(golden["in/idx"]))
    found = _step(golden, 0.0, torch.from_numpy(golden["in/idx"]))
    yield near("nodistill_loss_ita", found.contrast.ita, golden["out/nodistill_loss_ita"], TOLERANCE)
    yield same("idx_queue", found.queues.ids, golden["out/idx_queue"][0])


@case("exges/albef_pretrain.npz")
def albef_pretrain(golden: Golden) -> Iterator[Check]:
    """Targets by place in the batch."""
    yield from _compared(golden, ids=torch.arange(golden.config()["batch"]))


def _compared(golden: Golden, ids: Tensor) -> Iterator[Check]:
    alphas = [name for name in dict.fromkeys(key.split("_")[0] for key in golden.under("out/")) if "alpha" in name]
    for name in alphas:
        found, values = _step(golden, float(name.removeprefix("alpha")), ids), golden.under(f"out/{name}_")
        yield near(f"{name} loss_ita", found.contrast.ita, values["loss_ita"], TOLERANCE)
        picks = [torch.from_numpy(values[f"itm_picks_{modality}"]) for modality in ("image", "text")]
        itm = _matching(found, *picks).loss
        yield near(f"{name} loss_itm", itm, values["loss_itm"], TOLERANCE)
        yield from _drawable(name, found, picks)
        yield from _gradients(name, found, itm, values)
    found = _step(golden, golden.config().get("alpha", 0.4), ids)
    yield from _features(found, golden)
    yield from _negatives(found, golden)


def _drawable(name: str, found: SimpleNamespace, picks: list[Tensor]) -> Iterator[Check]:
    """What the file drew, whose coins it does not hold, is what we can draw: every pick has some weight."""
    rows = torch.arange(len(found.ids))
    logits = found.contrast.b_to_a, found.contrast.a_to_b
    for modality, values, drawn in zip(("image", "text"), logits, picks):
        weights = albef.negative_weights(values, found.ids[:, None] == found.ids, least=0.0)
        yield same(f"{name} itm_picks_{modality}", weights[rows, drawn] > 0, torch.ones(len(rows), dtype=torch.bool))


def _gradients(name: str, found: SimpleNamespace, itm: Tensor, values: dict[str, np.ndarray]) -> Iterator[Check]:
    (found.contrast.ita + itm).backward()
    for key, parameter in (("temp", "temp"), ("vision_proj", "vision_proj.weight"), ("text_proj", "text_proj.weight")):
        yield near(f"{name} grad_{key}", found.weights[parameter].grad, values[f"grad_{key}"], TOLERANCE)


def _features(found: SimpleNamespace, golden: Golden) -> Iterator[Check]:
    """Features, the queues after the step, and the momentum weights."""
    out = golden.under("out/")
    for name, value in zip(("image_feat", "text_feat"), found.online):
        yield near(name, value, out[name], TOLERANCE)
    for name, value in zip(("image_feat_m", "text_feat_m"), found.teacher):
        yield near(name, value, out[name], TOLERANCE)
    yield near("image_queue", found.queues.a.T, out["image_queue"], TOLERANCE)
    yield near("text_queue", found.queues.b.T, out["text_queue"], TOLERANCE)
    yield same("queue_ptr", found.queues.pointer, out["queue_ptr"][0])
    for name in ("vision_proj", "text_proj"):
        yield near(f"momentum_{name}", found.weights[f"{name}_m.weight"], out[f"momentum_{name}_weight"], TOLERANCE)


def _negatives(found: SimpleNamespace, golden: Golden) -> Iterator[Check]:
    """Weights of negatives without our 1e-4, which the released code meant to add; matching of given picks."""
    out, same_item = golden.under("out/"), found.ids[:, None] == found.ids
    asked = {"image_weights_per_text": found.contrast.b_to_a, "text_weights_per_image": found.contrast.a_to_b}
    for name, logits in asked.items():
        weights = albef.negative_weights(logits, same_item, least=0.0)
        yield near(f"neg_{name}", weights, out[f"neg_{name}"], TOLERANCE)
    picks = (golden["in/neg_image_pick_per_text"], golden["in/neg_text_pick_per_image"])
    judged = _matching(found, *map(torch.from_numpy, picks))
    yield near("itm_inputs", judged.inputs, out["itm_inputs"], TOLERANCE)
    yield near("itm_logits", judged.logits, out["itm_logits"], TOLERANCE)
    yield near("itm_loss_with_picks", judged.loss, out["itm_loss_with_picks"], TOLERANCE)


def _step(golden: Golden, alpha: float, ids: Tensor) -> SimpleNamespace:
    """Momentum update, features, contrast, queues: the order of the released code."""
    settings = golden.config()
    weights = {name: torch.from_numpy(value.copy()) for name, value in golden.under("param/").items()}
    weights = {name: value.requires_grad_(value.is_floating_point()) for name, value in weights.items()}
    queues = albef.Queues(settings["queue_size"], settings["embed_dim"])
    queues.a.copy_(torch.from_numpy(golden["in/image_queue"].T))
    queues.b.copy_(torch.from_numpy(golden["in/text_queue"].T))
    queues.pointer.copy_(torch.from_numpy(golden["in/queue_ptr"])[0])
    if "in/idx_queue" in golden:
        queues.ids.copy_(torch.from_numpy(golden["in/idx_queue"][0]))
    parts = [f"{name}.{kind}" for name in ONLINE for kind in ("weight", "bias")]
    parts_m = [f"{name}.{kind}" for name in MOMENTUM for kind in ("weight", "bias")]
    albef.momentum_update([weights[n] for n in parts_m], [weights[n] for n in parts], settings["momentum"])
    tokens = torch.from_numpy(golden["in/image_tokens"]), torch.from_numpy(golden["in/text_tokens"])
    online, teacher = (_encoded(weights, tokens, suffix) for suffix in ("", "_m"))
    contrast = albef.contrast(online.features, teacher.features, queues, ids, weights["temp"], alpha)
    queues.enqueue(*teacher.features, ids)
    return SimpleNamespace(
        weights=weights, queues=queues, ids=ids, contrast=contrast, online=online.features, teacher=teacher.features,
        tokens=online.tokens,
    )  # fmt: skip


def _encoded(weights: dict[str, Tensor], tokens: tuple[Tensor, Tensor], suffix: str) -> SimpleNamespace:
    image = torch.tanh(_linear(weights, f"visual_encoder{suffix}.fc", tokens[0]))
    text = torch.tanh(_linear(weights, f"text_encoder{suffix}.fc", tokens[1]))
    heads = (f"vision_proj{suffix}", image), (f"text_proj{suffix}", text)
    features = tuple(normalize(_linear(weights, name, rows[:, 0]), dim=-1) for name, rows in heads)
    return SimpleNamespace(tokens=(image, text), features=features)


def _matching(found: SimpleNamespace, image_of_text: Tensor, text_of_image: Tensor) -> SimpleNamespace:
    image, text = found.tokens
    pairs = albef.pairs_to_judge(image_of_text, text_of_image)
    means = image.mean(1, keepdim=True)[pairs.a].expand(-1, text.shape[1], -1)
    fused = torch.tanh(_linear(found.weights, "text_encoder.fuse", torch.cat((text[pairs.b], means), -1)))
    logits = _linear(found.weights, "itm_head", fused[:, 0])
    return SimpleNamespace(inputs=fused[:, 0], logits=logits, loss=albef.matching_loss(logits, pairs.labels))


def _linear(weights: dict[str, Tensor], name: str, rows: Tensor) -> Tensor:
    return linear(rows, weights[f"{name}.weight"], weights[f"{name}.bias"])
