"""The published checkpoint becomes our network bit by bit and back, and whatever is wrong is said in one line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from gesturebench.common.errors import InputError
from gesturebench.common.weights.artifact import TENSORS, write_import
from gesturebench.common.weights.passport import Passport
from gesturebench.methods.remodiffuse import published_clip, published_export, published_folder
from gesturebench.methods.remodiffuse.denoiser_config import DenoiserConfig
from gesturebench.methods.remodiffuse.published import DenoiserSizes, from_published, load, to_published
from gesturebench.weights import export_weights, fetch_weights, import_weights
from tests.methods.remodiffuse.small_network import FEATURES, FRAMES, SMALL, TEXT

CLIP = {"ln_final.weight": (64,), "text_projection": (64, 24), "token_embedding.weight": (40, 64),
        "positional_embedding": (9, 64), "visual.ln_post.weight": (128,), "visual.conv1.weight": (128, 3, 4, 4),
        "visual.positional_embedding": (5, 128), "transformer.resblocks.1.ln_1.bias": (64,),
        "transformer.resblocks.0.ln_1.bias": (64,), "visual.transformer.resblocks.0.ln_1.bias": (128,)}  # fmt: skip
"""The tensors that tell the sizes of a small CLIP."""
SETTINGS = """
import os
heads = 4
model = dict(
    model=dict(
        ca_block_cfg=dict(num_heads=heads),
        text_encoder=dict(pretrained_model='clip', num_heads=2),
        retrieval_cfg=dict(num_heads=2, stride=3, sa_block_cfg=dict(num_heads=8)),
        scale_func_cfg=dict(coarse_scale=6.5, both_coef=0.5, text_coef=-0.25, retr_coef=2.5)),
    inference_type='ddim')
os.mkdir('MARK')
"""


def drawn(skeleton: dict[str, Tensor]) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {name: 0.2 * torch.randn(tensor.shape, generator=draw) for name, tensor in skeleton.items()}


def small_clip() -> dict[str, Tensor]:
    told = {name: torch.empty(shape, device="meta") for name, shape in CLIP.items()}
    return drawn(published_clip.skeleton(told))


@pytest.fixture
def state() -> dict[str, Tensor]:
    """A checkpoint with CLIP, by published names."""
    denoiser = drawn(DenoiserSizes(SMALL, FEATURES, FRAMES, TEXT).skeleton())
    return to_published({"denoiser": denoiser, "clip": small_clip()})


def written(state: dict[str, Tensor], root: Path, settings: str | None = SETTINGS, name: str = "latest.pth") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    torch.save({"meta": {"epoch": 40}, "state_dict": state, "optimizer": {"state": {}}}, root / name)
    if settings is not None:
        (root / "remodiffuse_t2m.py").write_text(settings.replace("MARK", str(root / "ran")))
    return root


def imported(state: dict[str, Tensor], folder: Path, **more) -> tuple[Path, Passport]:
    passport, _ = write_import(published_folder.read(written(state, folder / "theirs", **more)), folder / "own")
    return folder / "own", passport


# The map of names


@pytest.mark.parametrize(("dataset", "features"), [("t2m", 263), ("kit", 251)])
def test_the_map_agrees_with_the_manifests_both_ways(dataset, features, request):
    path = request.config.getoption("golden").parent / "manifests" / f"remodiffuse_{dataset}.json"
    if not path.exists():
        pytest.skip("the manifests lie beside the full golden data")
    entries = json.loads(path.read_text()).items()
    whole = {name: (tuple(entry["shape"]), entry["dtype"]) for name, entry in entries}
    told = {name: torch.empty(shape, device="meta") for name, (shape, _) in whole.items()}
    parts = from_published(told)
    sizes = DenoiserSizes(DenoiserConfig(), features, 196, 512)
    own = {"denoiser": sizes.skeleton(), "clip": published_clip.skeleton(parts["clip"])}
    assert {part: {name: t.shape for name, t in tensors.items()} for part, tensors in own.items()} == {
        part: {name: t.shape for name, t in tensors.items()} for part, tensors in parts.items()
    }
    back = to_published(own)
    assert {name: (tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in back.items()} == whole
    assert (len(back), len(own["clip"])) == (542, 302)
    counts = {part: sum(t.numel() for t in tensors.values()) for part, tensors in own.items()}
    assert counts["clip"] == 151_277_313
    assert counts["denoiser"] == {263: 46_966_791, 251: 46_948_347}[features]


def test_a_name_of_nothing_of_ours_is_refused():
    with pytest.raises(InputError, match=r"tensor optimizer.lr; expected a name that begins with model\."):
        from_published({"optimizer.lr": 1})


# A whole import


def test_tensors_are_imported_bit_by_bit(state, tmp_path):
    folder, passport = imported(state, tmp_path)
    for part, tensors in from_published(state).items():
        ours = load_file(folder / part / TENSORS)
        assert ours.keys() == tensors.keys()
        assert all(torch.equal(ours[name], tensor) for name, tensor in tensors.items())
    assert passport.sizes["denoiser"]["prompt_feed_forward"] == SMALL.prompt_feed_forward
    assert passport.sizes["motion"] == {"frames": FRAMES}
    assert passport.widths == {"features": FEATURES, "text": TEXT}
    assert passport.parameters == sum(tensor.numel() for tensor in state.values())


def test_settings_tell_what_no_tensor_does_and_are_not_run(state, tmp_path):
    _, passport = imported(state, tmp_path)
    sizes = passport.sizes["denoiser"]
    retrieval = sizes["retrieval"]
    assert (sizes["heads"], sizes["prompt_heads"]) == (4, 2)
    assert (retrieval["stride"], retrieval["caption_heads"], retrieval["motion_heads"]) == (3, 2, 8)
    assert passport.settings["mixture"] == {"policy": "released", "coarse_scale": 6.5, "fine": [0.5, -0.25, 2.5]}
    assert not (tmp_path / "theirs" / "ran").exists()


def test_without_settings_heads_are_the_published_ones(state, tmp_path):
    _, passport = imported(state, tmp_path, settings=None)
    sizes = passport.sizes["denoiser"]
    assert (sizes["heads"], sizes["prompt_heads"], sizes["retrieval"]["stride"]) == (8, 4, 4)
    assert passport.settings == {}


def test_a_checkpoint_without_clip_is_accepted(state, tmp_path):
    without = {name: tensor for name, tensor in state.items() if not name.startswith("model.clip.")}
    folder, passport = imported(without, tmp_path)
    assert set(passport.parts) == {"denoiser"}
    assert load(folder).config.layers == SMALL.layers


def test_the_loaded_network_holds_the_checkpoint(state, tmp_path):
    folder, _ = imported(state, tmp_path)
    network = load(folder)
    own = to_published({"denoiser": network.state_dict()})
    assert all(torch.equal(tensor, state[name]) for name, tensor in own.items())
    assert network.database.stride == 3
    x, prompt = torch.zeros(1, FRAMES, FEATURES), network.encode_prompt(torch.zeros(1, 9, TEXT))
    assert network(x, torch.tensor([5]), prompt, None, True, False, torch.ones(1, FRAMES)).isfinite().all()


def test_an_export_is_read_back_as_the_same_weights(state, tmp_path):
    folder, passport = imported(state, tmp_path)
    published_export.write(folder, tmp_path / "again")
    back, _ = write_import(published_folder.read(tmp_path / "again"), tmp_path / "back")
    assert (back.sizes, back.settings, back.widths) == (passport.sizes, passport.settings, passport.widths)
    assert {name: part.files for name, part in back.parts.items()} == {n: p.files for n, p in passport.parts.items()}
    exported = torch.load(tmp_path / "again" / "latest.pth", weights_only=True)["state_dict"]
    assert exported.keys() == state.keys()
    assert all(torch.equal(exported[name], tensor) for name, tensor in state.items())


def test_the_command_line_takes_them_and_says_that_no_run_does(state, tmp_path, capsys):
    import_weights("remodiffuse", written(state, tmp_path / "theirs"), tmp_path / "own")
    said = capsys.readouterr().out
    assert f"{len(state)} tensors" in said
    assert "a network for another kind of motion: no run takes it" in said
    export_weights("remodiffuse", tmp_path / "own", tmp_path / "again")
    assert (tmp_path / "again" / "latest.pth").is_file()
    with pytest.raises(InputError, match="remodiffuse: its weights are on no hub; expected a folder that you download"):
        fetch_weights("remodiffuse", tmp_path / "fetched", None, "main")


# CLIP's text tower


def restated(clip: dict[str, Tensor], ids: Tensor) -> tuple[Tensor, Tensor]:
    """OpenAI's text transformer, plainly: token features, and the projected one with the largest id."""
    x = clip["token_embedding.weight"][ids] + clip["positional_embedding"][: ids.shape[1]]
    width, heads = x.shape[-1], x.shape[-1] // published_clip.HEAD
    ahead = torch.full((ids.shape[1],) * 2, -torch.inf).triu(1)

    def norm(name: str, rows: Tensor) -> Tensor:
        return torch.nn.functional.layer_norm(rows, (width,), clip[f"{name}.weight"], clip[f"{name}.bias"])

    def linear(name: str, rows: Tensor) -> Tensor:
        return rows @ clip[f"{name}.weight"].T + clip[f"{name}.bias"]

    for k in range(2):
        block = f"transformer.resblocks.{k}"
        joined = norm(f"{block}.ln_1", x) @ clip[f"{block}.attn.in_proj_weight"].T + clip[f"{block}.attn.in_proj_bias"]
        q, key, value = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in joined.chunk(3, -1))
        weights = (q @ key.mT / published_clip.HEAD**0.5 + ahead).softmax(-1)
        x = x + linear(f"{block}.attn.out_proj", (weights @ value).transpose(1, 2).flatten(-2))
        hidden = linear(f"{block}.mlp.c_fc", norm(f"{block}.ln_2", x))
        x = x + linear(f"{block}.mlp.c_proj", hidden * torch.sigmoid(1.702 * hidden))
    x = norm("ln_final", x)
    return x, x[torch.arange(len(ids)), ids.argmax(1)] @ clip["text_projection"]


def test_the_text_tower_reads_as_openais(state, tmp_path):
    pytest.importorskip("transformers")
    folder, _ = imported(state, tmp_path)
    clip = from_published(state)["clip"]
    ids = torch.tensor([[38, 5, 7, 39, 0, 0], [38, 3, 2, 1, 4, 39]])
    tokens, sentence = restated(clip, ids)
    with torch.no_grad():
        ours = published_clip.text_tower(folder)(input_ids=ids)
    assert torch.allclose(ours.last_hidden_state, tokens, atol=1e-5)
    assert torch.allclose(ours.text_embeds, sentence, atol=1e-5)


# What is wrong is said


def test_all_that_differs_stands_in_one_error(state, tmp_path):
    state["model.out.bais"] = state.pop("model.out.bias")
    del state["model.database.motion_pos_embedding"], state["model.clip.visual.proj"]
    state["stranger.weight"] = torch.zeros(2)
    state["model.text_ln.bias"] = torch.zeros(9)
    state["model.joint_embed.bias"] = state["model.joint_embed.bias"].half()
    state["model.time_embed.0.bias"].fill_(torch.nan)
    with pytest.raises(InputError) as caught:
        imported(state, tmp_path)
    told = str(caught.value)
    assert "latest.pth: 3 missing" in told
    assert "model.out.bias (there is model.out.bais)" in told
    assert "model.database.motion_pos_embedding" in told
    assert "model.clip.visual.proj" in told
    assert "2 superfluous: model.out.bais, stranger.weight" in told
    assert "model.text_ln.bias is float32 (9,), not float32 (8,)" in told
    assert "model.joint_embed.bias is float16 (16,), not float32 (16,)" in told
    assert "1 not finite: model.time_embed.0.bias" in told
    assert "\n" not in told


def test_heads_that_do_not_divide_the_width_are_refused(state, tmp_path):
    settings = "model = dict(ca_block_cfg=dict(num_heads=3))"
    with pytest.raises(InputError, match="3 heads for 16 channels; expected heads of equal width"):
        imported(state, tmp_path, settings=settings)


def test_folders_without_one_checkpoint_are_refused(state, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; expected a folder with latest\.pth"):
        published_folder.read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no checkpoint; expected one latest\.pth"):
        published_folder.read(tmp_path / "empty")
    root = written(state, tmp_path / "two", name="epoch_1.pth")
    (root / "epoch_2.pth").write_bytes(b"")
    with pytest.raises(InputError, match=r"two: epoch_1\.pth, epoch_2\.pth; expected one latest\.pth"):
        published_folder.read(root)


def test_the_checkpoint_may_lie_one_folder_below(state, tmp_path):
    written(state, tmp_path / "theirs" / "remodiffuse_t2m")
    found = published_folder.read(tmp_path / "theirs")
    assert [file.path for file in found.files] == ["remodiffuse_t2m/latest.pth", "remodiffuse_t2m/remodiffuse_t2m.py"]


def test_weights_of_another_method_are_no_network_of_this_one(state, tmp_path):
    folder, _ = imported(state, tmp_path)
    (folder / "passport.json").write_text((folder / "passport.json").read_text().replace('"remodiffuse"', '"emage"'))
    with pytest.raises(InputError, match="weights of emage; expected weights of remodiffuse"):
        load(folder)
