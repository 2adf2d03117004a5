"""The command `giftbridge report`: what was taken, given back and held, for the accountant."""

from __future__ import annotations

import csv
import sys
from datetime import datetime, timedelta

import click

from app.admin import totals
from app.admin.totals import NAMES, DayTotals
from app.commands.installation import logs_to_stderr, opened
from app.commands.output import Column, json_option, print_json, print_table

# Without another wish, as many days until today.
DAYS = 30

DAY = click.DateTime(["%Y-%m-%d"])

AMOUNTS = (*NAMES, "held")

COLUMNS = (
    Column("day (UTC)"),
    Column("provider"),
    Column("currency"),
    *(Column(name.replace("_", " "), right=True) for name in AMOUNTS),
)


@click.command("report")
@click.option(
    "--from", "first", type=DAY, help=f"The first day (UTC); {DAYS} days until the last one, where not given."
)
@click.option("--to", "last", type=DAY, help="The last day (UTC); today, where not given.")
@click.option("--provider", help="Only of this provider.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
@json_option(list[DayTotals])
@click.pass_context
def report(
    ctx: click.Context, first: datetime | None, last: datetime | None, provider: str | None, as_csv: bool, as_json: bool
) -> None:
    """Say what was taken, given back and held, by day and provider, for accounting.

    A day counts what was done on it, whenever it was asked for. "held" is what was authorized and neither settled nor
    voided by the end of the day. "credited" was added to cards, "taken back" is what of that was taken again. Amounts
    of different currencies stand in lines of their own. Days are kept for 400 days.

    \b
    Examples:
      giftbridge report
      giftbridge report --from 2030-01-01 --to 2030-01-31 --csv > january.csv
      giftbridge report --provider acme --json
    """
    ctx.with_resource(logs_to_stderr())
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json, not both")
    with opened(providers_needed=False) as parts:
        until = last.date() if last else parts.totals.today()
        since = first.date() if first else until - timedelta(days=DAYS - 1)
        if since > until:
            raise click.UsageError("--from must not be after --to")
        found = totals.of(parts, since, until, [provider] if provider else ())
    if as_json:
        print_json(found)
    elif as_csv:
        lines = csv.writer(sys.stdout)
        lines.writerow(("day", "provider", "currency", *AMOUNTS))
        lines.writerows(map(_cells, found))
    elif found:
        print_table(COLUMNS, map(_cells, found))
    else:
        click.echo(f"Nothing was done from {since} to {until}, and nothing held.")


def _cells(row: DayTotals) -> tuple[object, ...]:
    return row.day, row.provider, row.currency, *(getattr(row, name) for name in AMOUNTS)
