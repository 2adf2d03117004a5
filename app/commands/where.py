"""The command `giftbridge where`."""

from __future__ import annotations

from typing import TypedDict

import click

from app.commands.installation import check_ledger, connected, located, logs_to_stderr, shown_url
from app.commands.output import Column, json_option, print_json, print_table
from app.settings import Settings


class Where(TypedDict):
    ledger: str
    redis: str
    data: str | None
    providers: str
    service: str | None


COLUMNS = (Column("what"), Column("where"))


@click.command("where")
@json_option(Where)
@click.pass_context
def where(ctx: click.Context, as_json: bool) -> None:
    """Say which ledger the commands work on, and where everything is.

    That is the ledger the settings name, else that of the running service, else the one in the default data directory.
    A command never makes a ledger: where there is none, it says where it looked.

    \b
    Example:
      giftbridge where --json | jq -r .ledger
    """
    ctx.with_resource(logs_to_stderr())
    with located(Settings.from_environment()) as found, connected(found) as connection:
        told: Where = {
            "ledger": check_ledger(connection, found),
            "redis": shown_url(found.redis_url),
            "data": str(found.data) if found.data else None,
            "providers": str(found.settings.providers.absolute()),
            "service": str(found.service) if found.service else None,
        }
    if as_json:
        print_json(told)
    else:
        print_table(COLUMNS, [(what, place or "-") for what, place in told.items()])
