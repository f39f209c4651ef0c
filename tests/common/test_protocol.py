"""Protocols: what their hash holds, which clips they ask for, and how a passport tells findings apart."""

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest

from gesturebench.common.corpus.passport import Passport, encoders_of
from gesturebench.common.corpus.protocol import Protocol, get_protocol, hash_of_ids
from gesturebench.common.corpus.protocols import ENGLISH, PROTOCOLS, SPEAKER_2_TEST
from gesturebench.common.corpus.units import Cut, Unit
from gesturebench.common.errors import InputError


def store(*ids: str, n: int = 640, source: str = "DIR"):
    return SimpleNamespace(
        ids=ids, split=lambda name: ids, n_frames=lambda i: n, path=Path("p"), info={"source": source}
    )


def test_every_protocol_has_a_hash_of_its_own():
    hashes = [protocol.hash for protocol in PROTOCOLS.values()]
    assert len(set(hashes)) == len(hashes)
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "val"}, {"speakers": (1,)}, {"ids": ("a",)}, {"cut": Cut(window=300)}, {"length": "shorter"},
        {"reference": "raggesture_export"}, {"encoder": "0" * 64}, {"evaluators": {"bc": {"mask": 3}}}, {"name": "b"},
    ],
)  # fmt: skip
def test_the_hash_changes_with_every_setting(changes):
    protocol = Protocol(name="a", description="")
    assert protocol.model_copy(update=changes).hash != protocol.hash


def test_the_hash_leaves_words_alone():
    protocol = Protocol(name="a", description="")
    assert protocol.model_copy(update={"description": "b", "reproduces": ("c",)}).hash == protocol.hash


def test_the_shared_part_of_a_plain_protocol_names_its_clips_alone():
    assert Protocol(name="a", description="").comparison() == {"split": "test", "fps": 30, "speakers": None}
    assert get_protocol("emage-spk2").comparison()["cut"] == {"whole_seconds": True, "multiple": 8, "window": None}


def test_the_released_split_of_speaker_2():
    assert len(SPEAKER_2_TEST) == 15
    assert len(ENGLISH) == 25
    assert get_protocol("emage-spk2").split_hash == get_protocol("raggesture-spk2").split_hash
    assert hash_of_ids(reversed(SPEAKER_2_TEST)) == hash_of_ids(SPEAKER_2_TEST)


def test_the_released_split_of_speaker_2_is_that_of_the_released_table():
    path = Path(__file__).parents[3] / "shared" / "data" / "real" / "beat2_stats" / "beat2_speaker2_splits.csv"
    if not path.exists():
        pytest.skip("the table is not in the checkout")
    with open(path, newline="") as file:
        assert {row["id"] for row in csv.DictReader(file) if row["type"] == "test"} == set(SPEAKER_2_TEST)


def test_a_missing_clip_is_named():
    protocol = get_protocol("emage-spk2")
    there = [i for i in SPEAKER_2_TEST if i != "2_scott_0_3_3"]
    with pytest.raises(InputError) as error:
        protocol.units(store(*there, "1_wayne_0_1_1"))
    assert str(error.value) == (
        "protocol 'emage-spk2' needs 15 test clips, found 14: 2_scott_0_3_3 is missing; "
        "run `gesturebench data check DIR`"
    )
    assert protocol.clips(store(*there), partial=True) == tuple(sorted(there))


def test_a_clip_too_many_is_named():
    with pytest.raises(InputError, match="needs 15 test clips, found 16: 2_scott_0_9_9 is not one of them"):
        get_protocol("emage-spk2").clips(store(*SPEAKER_2_TEST, "2_scott_0_9_9"))


def test_absent_speakers_are_named():
    ids = [f"{number}_x_0_1_1" for number in ENGLISH]
    protocol = get_protocol("raggesture-all")
    assert len(protocol.clips(store(*ids))) == 25
    with pytest.raises(InputError, match="test clips of 25 speakers, found 24: 13 is missing"):
        protocol.clips(store(*(i for i in ids if not i.startswith("13_"))))
    assert len(protocol.clips(store("1_x_0_1_1"), partial=True)) == 1


def test_clips_that_are_too_short_for_any_unit():
    with pytest.raises(InputError, match=r"none of 1 clips is long enough.*windows of 300 frames"):
        get_protocol("raggesture-all").units(store("1_x_0_1_1", n=299), partial=True)


def test_units_of_windows():
    units = get_protocol("raggesture-all").units(store("1_x_0_1_1", n=640), partial=True)
    assert units == (Unit("1_x_0_1_1/0", "1_x_0_1_1", 0, 300), Unit("1_x_0_1_1/1", "1_x_0_1_1", 300, 600))


def test_unknown_names_have_near_matches():
    with pytest.raises(InputError, match=r"unknown protocol 'emage-spk3'.*did you mean 'emage-spk2'"):
        get_protocol("emage-spk3")


UNITS = (Unit("a/0", "a", 0, 300), Unit("a/1", "a", 300, 600), Unit("b/0", "b", 0, 300))


@pytest.mark.parametrize(
    "changes",
    [
        {"units": UNITS[:2]}, {"data": "e"}, {"data": None}, {"encoders": {"fgd": "1"}}, {"partial": True},
        {"protocol": get_protocol("raggesture-spk2")},
    ],
)  # fmt: skip
def test_a_passport_changes_with_what_was_found(changes):
    whole = {"protocol": get_protocol("raggesture-all"), "units": UNITS, "data": "d"}
    assert Passport(**(whole | changes)).hash != Passport(**whole).hash


def test_a_passport_counts_clips_and_units():
    record = Passport(get_protocol("raggesture-all"), UNITS, "d").record()
    assert (record["clips"], record["bound"]["units"]) == (2, 3)
    assert Protocol.parse(record["definition"]) == get_protocol("raggesture-all")


def test_a_pinned_encoder():
    pinned = Protocol(name="a", description="", encoder="ab" * 32)
    assert encoders_of({"fgd": {"encoder": "ab" * 8}, "bc": {}}, pinned) == {"fgd": "ab" * 8}
    with pytest.raises(InputError, match=r"fgd: encoder cdcd; expected abababababababab"):
        encoders_of({"fgd": {"encoder": "cdcd"}}, pinned)


BOUND = sorted(name for name, protocol in PROTOCOLS.items() if protocol.is_bound)


def test_protocols_that_are_bound_to_beat2():
    assert set(PROTOCOLS) - set(BOUND) == {"standin", "beat2", "self"}


@pytest.mark.parametrize("name", BOUND)
def test_what_is_left_of_a_protocol_on_the_standin(name):
    """Cuts and settings, and nothing that asks for clips, speakers or weights of BEAT2."""
    protocol = get_protocol(name)
    here = protocol.on_standin()
    for field in ("split", "fps", "cut", "length", "reference"):
        assert getattr(here, field) == getattr(protocol, field)
    assert here.evaluators.keys() == protocol.evaluators.keys()
    for metric, settings in protocol.evaluators.items():
        assert here.evaluators[metric].items() - settings.items() <= {("encoder", "trained")}
    assert here.reproduces == ()
    assert here.hash != protocol.hash
    assert here.clips(store("1_ada_0_1_1", "9_hugo_0_1_1")) == ("1_ada_0_1_1", "9_hugo_0_1_1")
    assert not here.is_bound
    assert here.on_standin() is here


@pytest.mark.parametrize("name", BOUND)
def test_the_protocol_of_the_standin_has_a_name(name):
    here = get_protocol(name).on_standin()
    assert get_protocol(here.name) == here
    assert Protocol.parse(here.model_dump(mode="json")) == here


def test_a_protocol_that_suits_the_standin_stays():
    assert get_protocol("beat2").on_standin() is get_protocol("beat2")
    with pytest.raises(InputError, match="unknown protocol 'beat2-on-standin'"):
        get_protocol("beat2-on-standin")
