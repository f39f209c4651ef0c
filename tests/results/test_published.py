"""Published numbers: read as printed, converted without rounding, and only where there is something to convert."""

from decimal import Decimal

import pytest

from gesturebench.common.errors import InputError
from gesturebench.results.published import published_names, read, scale_of


def test_every_file_is_read_and_says_where_from():
    assert published_names() == ["beat2", "exges", "mambatalk", "rag_gesture", "remodiffuse"]
    for name in published_names():
        values = read(name).values
        assert values
        assert all(value.source and value.table and value.method and value.metric for value in values)


def test_what_is_no_number_stays_text():
    control = read("exges").find("Table 1", "ExGes", "Fine-Grained Control")
    assert (control.text, control.value, control.raw) == ("yes", None, None)
    unstated = read("beat2").find("PantoMatrix issue 222", "EMAGE (audio), user report", "FGD")
    assert unstated.raw is None
    assert unstated.printed(Decimal(10)) == "33.068"


@pytest.mark.parametrize(
    ("table", "method", "metric", "scale", "printed"),
    [
        ("EMAGE Table 4", "EMAGE", "FGD", 10, "5.512"),
        ("PantoMatrix README", "EMAGE (audio)", "FGD", 10, "6.15"),
        ("PlanTalk list", "EMAGE", "BC", 10, "7.72"),
        ("EMAGE Table 6", "+ masked hints (full EMAGE)", "MSE", 10**8, "11.80"),
        ("SemTalk model card", "SemTalk", "MSE", 10**8, "6.153"),
        ("EMAGE Table 4", "EMAGE", "MSE", 1, "0.00000007680"),
    ],
)
def test_values_keep_their_digits_in_another_scale(table, method, metric, scale, printed):
    assert read("beat2").find(table, method, metric).printed(Decimal(scale)) == printed


def test_intervals_and_quotations_are_known():
    assert read("remodiffuse").find("Table 1", "ReMoDiffuse", "FID").printed(None) == "0.103 ±0.004"
    assert all(value.is_secondary for value in read("mambatalk").values)
    assert scale_of(read("exges").of("Table 1").values) == 10


def test_unknown_names_have_near_matches():
    with pytest.raises(InputError, match="did you mean 'exges'"):
        read("exgess")
    with pytest.raises(InputError, match="did you mean 'Table"):
        read("exges").of("Table1")
