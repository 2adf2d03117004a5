"""The command `giftbridge sweep`."""

from __future__ import annotations

import click

from app.commands.installation import logs_to_stderr, opened
from app.commands.output import json_option, print_json, progress


@click.command("sweep")
@json_option(dict[str, int])
@click.pass_context
def sweep_command(ctx: click.Context, as_json: bool) -> None:
    """Look once at everything that is due, and say what was done.

    The service does the same by itself every few seconds; this is for a machine where it does not run.
    """
    ctx.with_resource(logs_to_stderr())
    with opened() as parts, progress("Sweeping"):
        done = parts.sweeper.sweep_once()
        parts.sweeper.stop()
    if as_json:
        print_json(done.counts)
    else:
        click.echo(f"Swept: {done}.")
