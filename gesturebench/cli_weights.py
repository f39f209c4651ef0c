"""The verbs of `gesturebench weights`."""

from pathlib import Path
from typing import Annotated

import typer

weights_app = typer.Typer(
    no_args_is_help=True, help="Published weights: download them, turn them into ours, see what is there."
)

Method = Annotated[
    str,
    typer.Argument(
        metavar="METHOD",
        help="A method with published weights: rag_gesture, emage, mambatalk, remodiffuse, diffuse_style_gesture.",
    ),
]
DEFAULT_FOLDER = Path("weights")


@weights_app.command("import")
def import_(
    method: Method,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The published folders, as downloaded.")],
    out: Annotated[Path | None, typer.Option(help="New folder for them; default: weights/METHOD.")] = None,
) -> None:
    """Check published weights tensor by tensor and keep them as safetensors, with a passport. Example: gesturebench
    weights import rag_gesture experiments"""
    from gesturebench.weights import import_weights

    import_weights(method, folder, out or DEFAULT_FOLDER / method)


@weights_app.command()
def export(
    method: Method,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Imported weights.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="New folder in the published layout.")],
) -> None:
    """The inverse of import. Example: gesturebench weights export rag_gesture weights/rag_gesture experiments"""
    from gesturebench.weights import export_weights

    export_weights(method, folder, out)


@weights_app.command()
def fetch(
    method: Method,
    out: Annotated[Path | None, typer.Option(help="New folder for them; default: weights/METHOD.")] = None,
    download: Annotated[
        Path | None, typer.Option(help="Folder of the downloaded files; default: weights/REPOSITORY.")
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit on the hub.")] = "main",
) -> None:
    """Download published weights from the Hugging Face hub, then import them; a broken download goes on where it was. A
    token is read from HF_TOKEN. Example: gesturebench weights fetch rag_gesture --revision main"""
    from gesturebench.weights import fetch_weights

    fetch_weights(method, out or DEFAULT_FOLDER / method, download, revision)


@weights_app.command("list")
def list_(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder of imports.")] = DEFAULT_FOLDER,
) -> None:
    """Imported weights below a folder, with sizes and origins. Example: gesturebench weights list"""
    from gesturebench.weights import list_weights

    list_weights(folder)
