"""The commands `giftbridge backup` and `giftbridge restore`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from app.admin.backups import backup, file
from app.commands.installation import (
    check_ledger,
    connection_for_all,
    destination,
    located,
    logs_to_stderr,
    watch_seconds,
)
from app.commands.output import json_option, note, print_json
from app.settings import Settings

# Written to standard output instead of a file.
OUTPUT = Path("-")

replace_option = click.option(
    "--replace",
    metavar="LEDGER",
    help="The id of the ledger that is there already and is to be removed.",
)


@click.command("backup")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True))
@json_option(backup.Made)
@click.pass_context
def backup_command(ctx: click.Context, path: Path, as_json: bool) -> None:
    """Copy the ledger into FILE, while the service works on it.

    FILE must not exist. Only this user can read it: it has what the ledger has. `-` is standard output. What belongs
    together is copied as of one moment, and no payment waits for it.

    \b
    Example:
      giftbridge backup /var/backups/giftbridge-$(date +%F).gz
    """
    ctx.with_resource(logs_to_stderr())
    with located(Settings.from_environment()) as found, connection_for_all(found.redis_url) as connection:
        ledger_id = check_ledger(connection, found)
        if path == OUTPUT:
            backup.back_up(connection, ledger_id, sys.stdout.buffer)
            return
        with file.whole(path) as stream:
            made = backup.back_up(connection, ledger_id, stream)
    if as_json:
        print_json(made)
    else:
        click.echo(f"Ledger {made.ledger} as of {made.taken_at:%Y-%m-%d %H:%M:%S} UTC: {made.keys} keys in {path}.")


@click.command("restore")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@replace_option
@json_option(backup.Restored)
@click.pass_context
def restore_command(ctx: click.Context, path: Path, replace: str | None, as_json: bool) -> None:
    """Put the backup FILE into the Redis that the settings name, which is empty.

    No service may work there. All of FILE is checked before anything is written. What was written after the backup is
    forgotten, and the ledger knows: what cards have paid is not given back by itself until a person has compared these
    orders (giftbridge ledger doubts).

    \b
    Example:
      giftbridge restore /var/backups/giftbridge-2026-03-01.gz
    """
    ctx.with_resource(logs_to_stderr())
    settings = Settings.from_environment()
    with destination(settings) as connection:
        restored = backup.restore(
            connection,
            path,
            replace=replace,
            allow_unsafe=settings.redis_allow_unsafe,
            watch_seconds=watch_seconds(settings),
        )
    if as_json:
        print_json(restored)
        return
    click.echo(
        f"Ledger {restored.ledger} is as it was at {restored.taken_at:%Y-%m-%d %H:%M:%S} UTC ({restored.keys} keys)."
    )
    note(
        "It may lack what was written after. Start the service, then compare the orders in giftbridge ledger doubts "
        "with VTEX, and end the doubt with giftbridge ledger trust."
    )
