"""The commands `giftbridge notices ...`: whether notices arrive, and which were sent."""

from __future__ import annotations

from typing import TypedDict

import click

from app.admin.notices.outbox import Outbox, Sent, Standing, targets, try_out
from app.commands.installation import logs_to_stderr, opened
from app.commands.output import Column, json_option, note, print_json, print_table
from app.settings import variable


class Tried(TypedDict):
    ok: bool
    targets: dict[str, str]


class Listed(TypedDict):
    sent: list[Sent]
    targets: list[Standing]


TRIED = (Column("target"), Column(""), Column("what came back"))
SENT = (
    Column("date (UTC)", 1),
    Column("target"),
    Column("outcome"),
    Column("what"),
    Column("tries", 2, right=True),
    Column("id", 3),
)

OFF = (
    f"Nobody is told: set {variable('notices_webhook_url')} and {variable('notices_webhook_secret')}, or "
    f"{variable('notices_mail_to')}, {variable('notices_mail_from')} and {variable('notices_smtp_host')}."
)


@click.group("notices")
@click.pass_context
def notices(ctx: click.Context) -> None:
    """See whether people are told of what waits for them.

    The service sends a notice, once, of each thing that `giftbridge attention` lists: by webhook, by e-mail or both, as
    the settings GIFTBRIDGE_NOTICES_... say.
    """
    ctx.with_resource(logs_to_stderr())


@notices.command("test")
@json_option(Tried)
def test_command(as_json: bool) -> None:
    """Send a sample to each target, and say what came back.

    Exits with 1 when a target did not take it, or there is none.
    """
    with opened(providers_needed=False) as parts:
        tried = try_out(parts, targets(parts.settings))
    if as_json:
        print_json(Tried(ok=bool(tried) and not any(tried.values()), targets=tried))
    elif tried:
        rows = [(name, "wrong" if error else "ok", error or "it has the sample") for name, error in tried.items()]
        print_table(TRIED, rows)
    else:
        click.echo(OFF)
    if not tried or any(tried.values()):
        raise click.exceptions.Exit(1)


@notices.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@json_option(Listed)
def list_command(limit: int, as_json: bool) -> None:
    """List what was sent, newest first, and what waits to be sent."""
    with opened(providers_needed=False) as parts:
        outbox = Outbox(parts, targets(parts.settings))
        sent, standings = outbox.sent(limit), outbox.standings()
    if as_json:
        print_json(Listed(sent=sent, targets=standings))
        return
    if sent:
        print_table(SENT, [_row(one) for one in sent])
    else:
        click.echo("Nothing was sent yet.")
    for one in standings:
        if one.waiting:
            note(f"{one.waiting} wait for {one.target}{f': {one.error}' if one.error else ''}.")
    if not standings:
        note(OFF)


def _row(one: Sent) -> tuple[object, ...]:
    return one.date, one.target, one.outcome, one.what, one.tries, one.id
