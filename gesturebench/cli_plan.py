"""The verb `gesturebench plan`."""

from typing import Annotated

import typer

from gesturebench.cli_options import Asked, takes_plan


@takes_plan
def plan(asked: Asked, format: Annotated[str, typer.Option(help="tree or json.")] = "tree") -> None:
    r"""What a grid would do: its steps, what is done, what cells share, what is left and what that will cost.

    Runs and changes nothing. Example: gesturebench plan 'rag_gesture\[retrieval=none,discourse]' --seeds 0..4
    """
    from gesturebench.planning import show_plan

    show_plan(asked.open(), asked.runs, format)
