"""The verbs of `gesturebench metrics`."""

import typer

metrics_app = typer.Typer(help="Every metric: what it is, and what it sees. Example: gesturebench metrics")


@metrics_app.callback(invoke_without_command=True)
def metrics(context: typer.Context) -> None:
    """Every metric and its columns. Example: gesturebench metrics"""
    if context.invoked_subcommand is None:
        from gesturebench.commands import show_metrics

        show_metrics()
