"""RAG-Gesture against the numbers of the reference implementation: blocks, network, diffusion loops, codecs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from gesturebench.common.diffusion import ddim
from gesturebench.common.diffusion.guidance import coarse_to_fine_weights, insert, iterations
from gesturebench.common.diffusion.schedule import Schedule, add_noise, scaled_linear_betas, section_timesteps
from gesturebench.common.motion.skeleton import PART_JOINTS
from gesturebench.common.nn.efficient_attention import EfficientCrossAttention, EfficientSelfAttention, attend
from gesturebench.common.nn.positions import timestep_embedding
from gesturebench.common.nn.stylization import Stylization
from gesturebench.methods.rag_gesture.config import DenoiserConfig
from gesturebench.methods.rag_gesture.denoiser import Conditions, DecoderLayer, Denoiser, FeedForward
from gesturebench.methods.rag_gesture.layout import TokenLayout
from gesturebench.methods.rag_gesture.sampler import Carry, Insertion

from .conftest import close, filled

LAYOUT = TokenLayout(10)
SCHEDULE = Schedule.respaced([15, 15, 8, 6, 6])
WIDTH, HEADS, TIME = 32, 4, 64
KINDS = {"nomask": ("none", 2e-5), "masked": ("released", 1e-4)}
"""Query mask and tolerance: normalising a token pushed to -10^6 loses digits in any order of summation."""
FOREIGN_PARTS = {"upper": "upper", "hands": "hands", "face": "face", "lower": "lowertransl"}


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def told(case) -> Conditions:
    inputs = case("denoiser").inputs
    return Conditions(inputs["word"], inputs["audio"], inputs["speaker_ids"][:, 0])


@pytest.fixture(scope="module")
def part_scale(case) -> Tensor:
    """(T, 1): the factor of every token in the golden runs; ours is one everywhere."""
    scale = torch.ones(LAYOUT.tokens, 1)
    for part, foreign in FOREIGN_PARTS.items():
        scale[LAYOUT.part(part)] = case("denoiser").config["per_joint_scale"][foreign]
    return scale


@pytest.fixture(scope="module")
def network(case):
    def build(query_mask: str) -> Denoiser:
        config = DenoiserConfig(
            width=WIDTH, layers=3, heads=HEADS, time_width=TIME, feed_forward=48, speakers=5, query_mask=query_mask
        )
        return filled(Denoiser(config, LAYOUT, latent=32, text=24, audio=24), case("denoiser").param)

    return build


def test_timestep_embedding(case):
    g = case("timestep_embedding")
    close(timestep_embedding(g.inputs["t"], g.config["dim"]), g.out["emb"])


def test_stylization_block(case):
    g = case("stylization_block")
    close(filled(Stylization(WIDTH, TIME), g.param)(g.inputs["h"], g.inputs["emb"]), g.out["y"])


def test_feed_forward(case):
    g = case("ffn")
    block = filled(FeedForward(WIDTH, 48, TIME), g.param)
    close(block(g.inputs["x"], block.proj_out.scale_shift(g.inputs["emb"])), g.out["y"])


def test_self_attention(case):
    g = case("self_attention")
    block = filled(EfficientSelfAttention(WIDTH, HEADS, TIME), g.param)
    close(block(g.inputs["x"], block.proj_out.scale_shift(g.inputs["emb"]), g.inputs["src_mask"]), g.out["y"])


@pytest.mark.parametrize(
    ("output", "dropped_row", "masked"),
    [("y_nomask", True, False), ("y_masked", True, True), ("y_nocond_type", False, False)],
)
def test_cross_attention(case, output, dropped_row, masked):
    g = case("cross_attention")
    block = filled(EfficientCrossAttention(WIDTH, WIDTH, HEADS, TIME), g.param)
    context = block.context(g.inputs["xf"], g.inputs["cond_type"][:, 0, 0] if dropped_row else None)
    style = block.proj_out.scale_shift(g.inputs["emb"])
    y = block(g.inputs["x"], style, context, g.inputs["query_mask"][0] if masked else None)
    close(g.inputs["x"] + y, g.out[output], 1e-4 if masked else 1e-5)


@pytest.mark.parametrize(("output", "masked"), [("y_nomask", False), ("y_masked", True)])
def test_decoder_layer(case, output, masked):
    g = case("decoder_layer")
    config = DenoiserConfig(width=WIDTH, heads=HEADS, time_width=TIME, feed_forward=48)
    layer = filled(DecoderLayer(config), g.param)
    style, keep = layer.style(g.inputs["emb"]), g.inputs["cond_type"][:, 0, 0]
    text, audio, _ = layer.answers(g.inputs["xf_text"], g.inputs["xf_audio"], g.inputs["xf_spk"][:, :1], keep)
    speaker = layer.ca_blocks["xf_spk"]  # eleven different rows here, so it has to attend like the others
    after = layer.sa_block(g.inputs["x"], style.attention, g.inputs["src_mask"])
    answer = attend(speaker.query(speaker.norm(after)), speaker.context(g.inputs["xf_spk"], keep), HEADS)
    query_mask = g.inputs["query_mask"][0] if masked else None
    y = layer(g.inputs["x"], style, (text, audio, answer), g.inputs["src_mask"], query_mask)
    close(y, g.out[output], 1e-4 if masked else 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_denoiser(case, network, told, part_scale, kind):
    g, (query_mask, atol) = case("denoiser"), KINDS[kind]
    denoiser = network(query_mask)
    answers = denoiser.answers(told)
    for k, t in enumerate(g.inputs["timesteps"].tolist()):
        styles = denoiser.styles(torch.tensor([t]))
        conditional = denoiser(g.inputs["motion"], styles, answers)
        unconditional = denoiser(g.inputs["motion"], styles, None)
        close(conditional, g.out[f"{kind}/cond"][k], atol)
        close(unconditional, g.out[f"{kind}/uncond"][k], atol)
        w, rest = coarse_to_fine_weights(t)
        mixed = w * conditional * part_scale + rest * unconditional / part_scale
        close(mixed, g.out[f"{kind}/mixed"][k], 15 * atol)  # weights reach 7.5 and -6.5


def test_denoiser_with_dropped_rows(case, network, told):
    g = case("denoiser")
    keep = g.inputs["train_cond_type"][:, 0, 0] % 10 != 0
    denoiser = network("released")
    styles = denoiser.styles(g.inputs["train_timesteps"])
    close(denoiser(g.inputs["motion"], styles, denoiser.answers(told, keep)), g.out["train_pred"], 1e-4)


def test_guidance_weights(case):
    g = case("cfg_mixing")
    scale = g.inputs["joint_scale"][:, None]
    for k, t in enumerate(g.inputs["timesteps"].tolist()):
        w, rest = coarse_to_fine_weights(t)
        close(w * g.inputs["cond"] * scale + rest * g.inputs["uncond"] / scale, g.out["mixed"][k], 1e-5)
        for row in (row for row in g.config["coefficients"] if row["timestep"] == t):
            c = row["coef"]  # four numbers and a coin in the reference, two numbers here
            assert w == pytest.approx(c["both_coef"] + c["text_coef"], abs=1e-12)
            assert rest == pytest.approx(c["retr_coef"] + c["none_coef"], abs=1e-12)


def test_forward_noising(case):
    g = case("q_sample")
    alpha_bar = torch.from_numpy(np.cumprod(1 - scaled_linear_betas()))[g.inputs["t"]][:, None, None]
    close(add_noise(g.inputs["x_start"], g.inputs["noise"], alpha_bar), g.out["x_t"], 1e-6)


def test_betas(golden):
    expected = golden("rag_gesture/schedules.json")
    betas = scaled_linear_betas()
    assert len(betas) == expected["betas_scaled_linear"]["n"]
    for place, name in ((0, "first"), (1, "second"), (-1, "last")):
        assert betas[place] == pytest.approx(expected["betas_scaled_linear"][name], rel=1e-12)
    alpha_bar = np.cumprod(1 - betas)
    for step, value in expected["alphas_cumprod_1000"].items():
        assert alpha_bar[int(step)] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(SCHEDULE.alpha_bar, expected["spaced_alphas_cumprod_50"], rtol=1e-12)


@pytest.mark.parametrize(
    ("group", "name", "steps", "counts"),
    [
        ("respaced", "15,15,8,6,6", 1000, [15, 15, 8, 6, 6]),
        ("respaced_other", "10,10,3,2,2", 1000, [10, 10, 3, 2, 2]),
        ("respaced_other", "300:10,15,20", 300, [10, 15, 20]),
    ],
)
def test_respaced_timesteps(golden, group, name, steps, counts):
    assert section_timesteps(steps, counts) == golden("rag_gesture/schedules.json")[group][name]


def test_guidance_iterations(golden):
    expected = golden("rag_gesture/schedules.json")["guidance_schedules"]
    assert len(expected) == 9
    for name, counts in expected.items():
        assert iterations(name) == [*counts[:49], 0], name  # the noisiest entry is listed there, but never used


def toy(inputs: dict[str, Tensor]) -> ddim.Predict:
    """x0 = tanh(x W + b + t / 1000 v) with the original timestep t."""

    def predict(x: Tensor, index: int) -> Tensor:
        t = SCHEDULE.timesteps[index]
        return torch.tanh(x @ inputs["W"] + inputs["b"] + t / 1000 * inputs["v"])

    return predict


def test_ddim(case):
    g = case("ddim_toy")
    assert list(SCHEDULE.timesteps) == g.inputs["timestep_map"].tolist()
    predict, states, guesses = toy(g.inputs), [], []

    def recorded(x: Tensor, index: int) -> Tensor:
        states.append(x)
        guesses.append(predict(x, index))
        return guesses[-1]

    final = ddim.sample(recorded, g.inputs["noise"], SCHEDULE)
    close(torch.stack([*states[1:], final]), g.out["samples"])
    close(torch.stack([guesses[0], guesses[-1]]), g.out["pred_xstart_first_last"])
    noises = [
        ddim.predicted_noise(states[k], guesses[k], float(SCHEDULE.alpha_bar[index])) for k, index in ((0, 49), (-1, 0))
    ]
    close(torch.stack(noises), g.out["eps_first_last"], 1e-4)  # the cleanest step divides by 0.03


def test_ddim_inversion(case):
    g = case("ddim_inversion_toy")
    levels = ddim.invert(toy(g.inputs), g.inputs["start"], SCHEDULE)
    close(levels, g.out["inverted"], 2e-6 * float(g.out["inverted"].abs().max()))  # noise grows to 77


def test_ddim_outpainting(case):
    g = case("ddim_outpaint_toy")
    sequence = g.inputs["in_seq"]
    mask = sequence.ne(0).any(-1, keepdim=True)
    carry = Carry(sequence, mask, g.inputs["step_noise"].flip(0), SCHEDULE)
    states = []
    ddim.sample(
        toy(g.inputs),
        g.inputs["noise"],
        SCHEDULE,
        before_step=lambda x, index: (states.append(x), carry(x, index))[1],
    )
    close(torch.stack(states[1:]), g.out["samples"][:-1])


@pytest.mark.parametrize(("count", "lr"), [(1, 0.1), (10, 0.1), (23, 0.1), (7, 50.0)])
def test_guidance_update(case, count, lr):
    """There the objective is a mean over all elements, here a sum: the same contraction at lr / elements."""
    g = case("guidance_update")
    x, target = g.inputs["x"], g.inputs["inverted"]
    mask = target.ne(0).any(-1, keepdim=True)
    close(insert(x, target, mask, count, lr / x.numel()), g.out[f"iters{count}_lr{lr}"], 1e-5)


def guided(denoiser: Denoiser, told: Conditions, scale: Tensor) -> ddim.Predict:
    """The published mix with the factors per part of the golden runs."""
    answers = denoiser.answers(told)

    def predict(x: Tensor, index: int) -> Tensor:
        t = SCHEDULE.timesteps[index]
        (w, rest), styles = coarse_to_fine_weights(t), denoiser.styles(torch.tensor([t]))
        return w * denoiser(x, styles, answers) * scale + rest * denoiser(x, styles, None) / scale

    return predict


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_with_the_network(case, network, told, part_scale, kind):
    g, (query_mask, atol) = case("sampling_network"), KINDS[kind]
    states = []

    def watched(x: Tensor, index: int) -> Tensor:
        states.append(x)
        return x

    predict = guided(network(query_mask), told, part_scale)
    final = ddim.sample(predict, g.inputs["noise"], SCHEDULE, before_step=watched)
    close(torch.stack(states[1:])[[0, 9, 24, 48]], g.out[f"{kind}/steps_0_9_24_48"], max(atol, 5e-5))
    close(final, g.out[f"{kind}/final"], max(atol, 5e-5))


def test_inversion_with_the_network(case, network, told, part_scale):
    g = case("sampling_network")
    predict = guided(network("none"), told.rows(slice(0, 1)), part_scale)
    levels = ddim.invert(predict, g.inputs["start_latent"], SCHEDULE)
    close(levels[[0, 10, 30, 49]], g.out["inversion_0_10_30_49"], 5e-5)


def step_noise(inputs: dict[str, Tensor], name: str) -> Tensor:
    """(S, B, T, L) by diffusion index; it is stored by loop iteration and only for the tokens that use it."""
    positions, rows = inputs[f"{name}_step_noise_positions"], inputs[f"{name}_step_noise"]
    noise = torch.zeros(len(rows), *positions.shape, rows.shape[-1])
    noise[:, positions] = rows
    return noise.flip(0)


def sampled(g: SimpleNamespace, predict: ddim.Predict, change: ddim.Predict | None = None) -> Tensor:
    return ddim.sample(predict, g.inputs["start_noise"], SCHEDULE, before_step=change)


@pytest.fixture
def released(network, told, part_scale) -> ddim.Predict:
    return guided(network("released"), told, part_scale)


def test_inference_plain(case, released):
    g = case("rag_inference")
    close(sampled(g, released), g.out["base/final"], 1e-4)


def test_inference_outpainting(case, released):
    g = case("rag_inference")
    latents = g.inputs["raw_motion_latents"][:, 0]
    carry = Carry(latents, latents.ne(0).any(-1, keepdim=True), step_noise(g.inputs, "outpaint"), SCHEDULE)
    close(sampled(g, released, carry), g.out["outpaint/final"], 1e-4)


def test_inference_continuing_a_window(case, released):
    g = case("rag_inference")
    latents, mask = torch.zeros(2, 43, 32), torch.zeros(2, 43, 1, dtype=torch.bool)
    for part in PART_JOINTS:
        tokens = LAYOUT.part(part)
        latents[:, tokens.start] = g.inputs["prev_latent"][:, tokens.stop - 1]
        mask[:, tokens.start] = True
    carry = Carry(latents, mask, step_noise(g.inputs, "prev"), SCHEDULE)
    close(sampled(g, released, carry), g.out["prev_latent/final"], 1e-4)


def test_inference_latent_initialisation(case, network, told, part_scale, released):
    g = case("rag_inference")
    levels, mask = torch.zeros(51, 2, 43, 32), torch.zeros(2, 43, 1, dtype=torch.bool)
    for row, plan in enumerate(g.config["plans"]):
        for point, source in plan["retr"].items():
            found = {
                key: g.inputs[f"retr/{row}/{point}/retr_{key}"] for key in ("motion_latent", "text", "audio", "spkid")
            }
            own = Conditions(found["text"], found["audio"], found["spkid"][:, 0])
            inverted = ddim.invert(guided(network("released"), own, part_scale), found["motion_latent"], SCHEDULE)
            target = LAYOUT.tokens_of(*plan["query"][point])
            levels[1:, row, target] = inverted[:, 0, LAYOUT.tokens_of(*source)]
            mask[row, target] = True
    start = Insertion(levels, mask).initialise(g.inputs["start_noise"])
    close(ddim.sample(released, start, SCHEDULE), g.out["inversion_only/final"], 1e-4)


def test_training_loss_and_gradients(case, network, told):
    """Gradients that pass the tokens pushed to -10^6 are only good to 10% in float32 (against float64), so agreement
    to half a percent of the largest entry is more than the reference itself supports.
    """
    g = case("training_loss")
    weights = torch.zeros(LAYOUT.tokens)
    for part, foreign in FOREIGN_PARTS.items():
        weights[LAYOUT.part(part)] = g.config["body_part_lossweights"][foreign]
    alpha_bar = torch.from_numpy(np.cumprod(1 - scaled_linear_betas()))[g.inputs["t"]][:, None, None]
    denoiser = network("released")
    with torch.enable_grad():
        keep = g.inputs["cond_type"][:, 0, 0] % 10 != 0
        x_t = add_noise(g.inputs["x_start"], g.inputs["noise"], alpha_bar)
        prediction = denoiser(x_t, denoiser.styles(g.inputs["t"]), denoiser.answers(told, keep))
        error = (prediction - g.inputs["x_start"]).square().mean(-1) * weights
        loss = error.sum() / (len(error) * LAYOUT.mask().sum())
        loss.backward()
    assert loss.item() == pytest.approx(float(g.out["recon_loss"]), rel=1e-5)
    parameters = dict(denoiser.named_parameters())
    gradients = {name.removeprefix("grad/"): value for name, value in g.out.items() if name.startswith("grad/")}
    assert len(gradients) == 7
    for name, expected in gradients.items():
        close(parameters[name].grad, expected, 1e-2 * float(expected.abs().max()))
    close(denoiser.out.weight.grad, gradients["out.weight"], 1e-6)
