"""Names in the configuration are checked before anything is trained."""

from typing import get_args

import pytest

from gesturebench.common.diffusion.guidance import ITERATIONS
from gesturebench.common.errors import InputError
from gesturebench.methods.rag_gesture.config import PRESETS, Schedule


def test_the_schedules_of_the_configuration_are_those_there_are():
    assert set(get_args(Schedule)) == set(ITERATIONS)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"conditions": {"text": "wrods"}}, "unknown feature 'wrods'.*did you mean 'words'"),
        (
            {"guidance": {"schedule": "decreasing_til_25"}},
            "schedule 'decreasing_til_25'.*did you mean 'decreasing_till_25'",
        ),
        ({"training": {"steps": -1}}, "training.steps = -1; expected greater than or equal to 0"),
    ],
)
def test_wrong_names_and_numbers_are_refused(values, says):
    with pytest.raises(InputError, match=says):
        PRESETS["tiny"].updated(values)
