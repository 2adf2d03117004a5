"""The commands `giftbridge ledger ...`: what to do when Redis may have forgotten changes."""

from __future__ import annotations

import click

from app.admin import doubts
from app.commands.installation import logs_to_stderr, opened
from app.commands.output import Column, json_option, note, print_json, print_table
from app.commands.transaction_tables import print_summaries

COLUMNS = (Column("may lack what was written after (UTC)"), Column("noticed (UTC)"), Column("why"))


@click.group("ledger")
@click.pass_context
def ledger(ctx: click.Context) -> None:
    """See and end doubts about what Redis still knows.

    After a failover, or a start from older data, Redis may have forgotten settlements. Then giftbridge does not give
    back by itself what cards have paid for orders of before: first a person compares them with VTEX.
    """
    ctx.with_resource(logs_to_stderr())


@ledger.command("doubts")
@json_option
def doubts_command(as_json: bool) -> None:
    """List what Redis may have forgotten, and the orders that wait because of it."""
    with opened(providers_needed=False) as parts:
        found = doubts.doubts(parts)
    if as_json:
        print_json(found)
    elif not found.doubts:
        click.echo("No doubts: Redis has everything that was written.")
    else:
        print_table(COLUMNS, [(one.since, one.noticed, one.reason) for one in found.doubts])
        if found.waiting:
            print_summaries(found.waiting)
        note(
            f"{len(found.waiting)} open orders are not given back by themselves. Compare each with its order in VTEX: "
            "giftbridge transactions settle writes down a settlement that is missing here. "
            "Then giftbridge ledger trust."
        )


@ledger.command("trust")
@click.confirmation_option(prompt="Have you compared these orders with VTEX, or is it certain that nothing was lost?")
@json_option
def trust_command(as_json: bool) -> None:
    """End all doubts: from now on open orders are given back again when their time is over."""
    with opened(providers_needed=False) as parts:
        count = doubts.trust(parts)
    if as_json:
        print_json({"ended": count})
    else:
        click.echo(f"Doubts ended: {count}.")


@ledger.command("doubt")
@click.argument("reason")
@json_option
def doubt_command(reason: str, as_json: bool) -> None:
    """Say that Redis may have forgotten changes until now; for after a backup was restored.

    \b
    Example:
      giftbridge ledger doubt "restored the backup of Sunday"
    """
    with opened(providers_needed=False) as parts:
        found = doubts.doubt(parts, reason)
    if as_json:
        print_json(found)
    else:
        click.echo("Noted. Open orders of before are not given back until: giftbridge ledger trust.")
