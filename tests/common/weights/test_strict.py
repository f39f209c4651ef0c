"""Every difference between what is there and what is expected stands in the error."""

import pytest
import torch

from gesturebench.common.errors import InputError
from gesturebench.common.weights.strict import NAMED, require_same

EXPECTED = {f"layer{k}.weight": torch.zeros(2, 3, device="meta") for k in range(20)}


def there() -> dict[str, torch.Tensor]:
    return {name: torch.ones(2, 3) for name in EXPECTED}


def told(found: dict[str, torch.Tensor]) -> str:
    with pytest.raises(InputError) as caught:
        require_same(found, EXPECTED, "file.pt", "ask again")
    return str(caught.value)


def test_equal_ones_pass():
    require_same(there(), EXPECTED, "file.pt", "ask again")


def test_each_kind_is_named():
    found = there()
    del found["layer3.weight"], found["layer5.weight"]
    found["layer3.wieght"] = torch.ones(2, 3)
    found["other"] = torch.ones(1)
    found["layer7.weight"] = torch.ones(3, 2)
    found["layer8.weight"] = torch.ones(2, 3, dtype=torch.float16)
    found["layer9.weight"][0, 0] = torch.inf
    assert told(found) == (
        "file.pt: 2 missing: layer3.weight (there is layer3.wieght), layer5.weight; "
        "2 superfluous: layer3.wieght, other; "
        "2 wrongly shaped: layer7.weight is float32 (3, 2), not float32 (2, 3), "
        "layer8.weight is float16 (2, 3), not float32 (2, 3); "
        "1 not finite: layer9.weight; expected 20 tensors; ask again"
    )


def test_many_are_counted():
    text = told({})
    assert f"20 missing: {', '.join(list(EXPECTED)[:NAMED])}, and 12 more; expected 20 tensors" in text
