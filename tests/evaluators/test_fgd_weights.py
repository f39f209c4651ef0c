import numpy as np
import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.evaluators.fgd_training import Scale, new_autoencoder
from gesturebench.evaluators.fgd_weights import foreign_names, load_published, save_published


@pytest.fixture(scope="module")
def model():
    """Random weights in the published shape."""
    return new_autoencoder(3, Scale(torch.randn(330, generator=torch.Generator().manual_seed(0)), 1.0, 1.0))


@pytest.fixture
def content(tmp_path, model):
    """What a published file holds, to be damaged and written."""
    save_published(model, tmp_path / "whole.bin")
    return torch.load(tmp_path / "whole.bin", weights_only=True)


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_round_trip(tmp_path, model, prefix):
    path = tmp_path / "weights.bin"
    save_published(model, path, prefix)
    content = torch.load(path, weights_only=True)
    assert list(content) == ["model_state"]
    assert all(
        name.startswith(f"{prefix}{part}") for name, part in zip(content["model_state"], ["encoder.layers.0."] * 9)
    )
    back = load_published(path)
    assert not back.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name


def test_names_and_sizes_are_the_published_ones(model):
    names = foreign_names(model, "module.")
    assert len(names) == 56
    assert all(foreign == f"module.{own}" for own, foreign in names.items())
    state = model.state_dict()
    assert state["encoder.layers.0.0.residual.0.weight"].shape == (330, 330, 4)
    assert state["encoder.layers.1.0.common.0.weight"].shape == (120, 210)
    assert state["encoder.layers.2.0.shortcut.mask"].shape == (240, 120, 1)
    assert state["decoder.main.12.weight"].shape == (330, 240, 3)
    assert state["fc_logvar.bias"].shape == (240,)


def test_other_entries_of_the_dictionary_are_left_alone(tmp_path, content, model):
    torch.save({**content, "epoch": 100, "optimizer_state": {"lr": 3e-4}}, tmp_path / "more.bin")
    assert torch.equal(load_published(tmp_path / "more.bin").fc_mu.bias, model.fc_mu.bias)


MASK = "module.encoder.layers.1.0.shortcut.mask"
POOL = "module.encoder.layers.0.0.common.0.weight"
BIAS = "module.fc_mu.bias"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (BIAS, None, r"no tensor module.fc_mu.bias; expected the 56 tensors"),
        ("module.extra", torch.zeros(2), r"superfluous tensor module.extra"),
        ("extra", torch.zeros(2), r"no tensor decoder.*and 112 more"),
        (BIAS, torch.zeros(241), r"fc_mu.bias is torch.float32 \(241,\), not torch.float32 \(240,\)"),
        (BIAS, torch.zeros(240).double(), r"fc_mu.bias is torch.float64"),
        (BIAS, torch.full((240,), torch.nan), r"fc_mu.bias holds numbers that are not finite"),
        (MASK, torch.ones(210, 210, 1), r"encoder.layers.1.0.shortcut.mask belongs to another skeleton"),
        (POOL, torch.zeros(210, 330), r"encoder.layers.0.0.common.0.weight belongs to another skeleton"),
    ],
)
def test_anything_else_than_the_network_is_refused(tmp_path, content, name, value, message):
    state = content["model_state"]
    if value is None:
        del state[name]
    else:
        state[name] = value
    torch.save(content, tmp_path / "damaged.bin")
    with pytest.raises(InputError, match=f"damaged.bin: .*{message}"):
        load_published(tmp_path / "damaged.bin")


def test_files_that_hold_no_weights_are_refused(tmp_path, content):
    whole = (tmp_path / "whole.bin").read_bytes()
    (tmp_path / "cut.bin").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.bin").write_text("<html>not found</html>")
    (tmp_path / "empty.bin").touch()
    torch.save(content["model_state"], tmp_path / "bare.bin")
    torch.save([1, 2], tmp_path / "list.bin")
    torch.save({"model_state": {"a": 1}}, tmp_path / "numbers.bin")
    for name in ("cut", "text", "empty", "bare", "list", "numbers", "absent"):
        with pytest.raises(InputError, match=rf"{name}.bin: "):
            load_published(tmp_path / f"{name}.bin")


class Payload:
    def __reduce__(self):
        return np.save, ("/nonexistent/never", np.zeros(1))


def test_code_in_the_file_is_not_run(tmp_path, content):
    torch.save({**content, "extra": Payload()}, tmp_path / "code.bin")
    with pytest.raises(InputError, match=r"code.bin: not readable as weights \(UnpicklingError\)"):
        load_published(tmp_path / "code.bin")
