"""The command `giftbridge attention`: what waits for a person, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import click

from app.admin import attention
from app.admin.attention import Attention, Cursor, Kind
from app.commands.installation import logs_to_stderr, opened
from app.commands.output import clean, json_option, moment, note, print_json


class Listed(TypedDict):
    items: Sequence[Attention]
    next: str | None


def _cursor(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        return Cursor.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command("attention")
@click.option("--kind", "kinds", type=click.Choice([str(kind) for kind in Kind]), multiple=True, help="Only of a kind.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="About so many at most.")
@click.option("--after", callback=_cursor, metavar="NEXT", help="The page after the one that named this as its next.")
@json_option(Listed)
@click.pass_context
def attention_command(
    ctx: click.Context, kinds: tuple[str, ...], limit: int, after: Cursor | None, as_json: bool
) -> None:
    """List what waits for a person, and what mends it.

    Parked acts, refused settlements and cancellations, late successes, what is unresolved for long, what the last
    reconciliation found, doubts about Redis, a sweeper that is stuck, and holds that run out soon: each with what
    happened, what it means in money, and the command to begin with.

    Exits with 1 when something waits.

    \b
    Examples:
      giftbridge attention
      giftbridge attention --kind parked --kind refused
      giftbridge attention --json | jq -r '.items[] | [.kind, .order, .command] | @tsv'
    """
    ctx.with_resource(logs_to_stderr())
    with opened(providers_needed=False) as parts:
        found = attention.page(parts, limit, after, [Kind(kind) for kind in kinds] or tuple(Kind))
    if as_json:
        print_json(Listed(items=found.items, next=str(found.after) if found.after else None))
    elif not found.items:
        click.echo("Nothing waits for a person.")
    else:
        for item in found.items:
            click.echo(clean(_told(item)))
        if found.after:
            note(f"More: --after '{found.after}'")
    if found.items:
        raise click.exceptions.Exit(1)


def _told(item: Attention) -> str:
    about = ", ".join(filter(None, (item.provider, item.order, item.transaction, f"since {moment(item.since)} UTC")))
    return f"{item.kind}: {item.what}\n    {item.money}\n    {about}\n    {item.remedy}\n    {item.command}\n"
