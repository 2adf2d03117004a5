"""The command `giftbridge reconcile`: where the ledger and the backends disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypedDict

import click

from app.admin.reconciliation import results
from app.admin.reconciliation.reconcile import Reconciliation
from app.admin.reconciliation.results import Result, Trigger
from app.admin.reconciliation.run import Difference
from app.commands.installation import logs_to_stderr, opened
from app.commands.output import Column, clean, json_option, note, print_json, print_table, progress


class Results(TypedDict):
    results: list[Result]


COLUMNS = (
    Column("transaction"),
    Column("what"),
    Column("ledger"),
    Column("backend"),
    Column("repaired"),
    Column("card", 2),
    Column("provider", 1),
    Column("key at the backend", 3),
)

RESULTS = (
    Column("provider"),
    Column("finished (UTC)"),
    Column("differences left"),
    Column("repaired", 2, right=True),
    Column("transactions", 1, right=True),
    Column("cards", 3, right=True),
    Column("took", 4, right=True),
    Column("by", 5),
    Column("opened since", 6),
)

# What a line comes to.
LEFT, REPAIRED, MISSED = "left", "repaired", "not compared"

# Shown in one table; a month's differences in full are for --json.
SHOWN = 200


@click.command("reconcile")
@click.argument("provider", required=False)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Only transactions opened since then (UTC).",
)
@click.option(
    "--every-card",
    is_flag=True,
    help="Look at each card the backend has, where it lists no account: finds what was done on cards that the ledger "
    "does not know. Takes long.",
)
@click.option("--repair", is_flag=True, help="Do what is provably right; what is not stays for a person.")
@click.option("--last", "show_last", is_flag=True, help="Compare nothing: show what was found last.")
@click.option("--history", "show_history", is_flag=True, help="Compare nothing: show what the last 50 runs found.")
@json_option(Difference | Results)
@click.pass_context
def reconcile_command(
    ctx: click.Context,
    provider: str | None,
    since: datetime | None,
    every_card: bool,
    repair: bool,
    show_last: bool,
    show_history: bool,
    as_json: bool,
) -> None:
    """Compare the ledger with the backends.

    Transaction by transaction: of PROVIDER, or of all providers. What happened less than a lease and the backend's
    read lag before is left to the next time, and so is what the ledger may have forgotten after its retention.
    Below the table stands what each difference means in money, and what mends it.

    What was found is kept. The service compares by itself where GIFTBRIDGE_RECONCILE_EVERY says how often; --last
    shows what came of it.

    Exits with 1 when a difference was found that is not repaired, or something could not be compared. With --json, one
    line for each.

    \b
    Examples:
      giftbridge reconcile
      giftbridge reconcile acme --since 2030-01-31
      giftbridge reconcile acme --repair --json > differences.jsonl
      giftbridge reconcile acme --every-card
      giftbridge reconcile acme --last
    """
    ctx.with_resource(logs_to_stderr())
    if show_last or show_history:
        _show_kept(provider, only_last=show_last, as_json=as_json)
        return
    kept: list[Difference] = []
    counts: Counter[str] = Counter()
    with opened() as parts:
        if provider is not None and parts.registry.get(provider) is None:
            raise click.UsageError(f"{parts.settings.providers} has no provider {provider}")
        moment = since.replace(tzinfo=UTC) if since else None
        run = Reconciliation(parts, provider, moment, repair=repair, every_card=every_card)
        for difference in results.recorded(parts, run, _watched(run), Trigger.HAND):
            counts[_standing(difference)] += 1
            if as_json:
                print_json(difference)
            elif len(kept) < SHOWN:
                kept.append(difference)
    if kept:
        _print_differences(kept)
    if counts.total() > len(kept) and not as_json:
        note(f"The first {len(kept)} of {counts.total()}; --json has all.")
    if not as_json:
        found = f"Differences: {counts[LEFT]} left, {counts[REPAIRED]} repaired." if counts else "No differences."
        missed = f" Not compared: {counts[MISSED]}." if counts[MISSED] else ""
        click.echo(f"{found}{missed} Transactions compared: {run.compared}.")
    if counts[LEFT] or counts[MISSED]:
        raise click.exceptions.Exit(1)


def _show_kept(provider: str | None, *, only_last: bool, as_json: bool) -> None:
    """Show what runs have left; end with 1 where the last one found something, or could not ask a backend."""
    with opened(providers_needed=False) as parts:
        if only_last:
            found = results.last(parts.documents)
        else:
            found = [result for run in results.history(parts.documents) for result in run]
    found = [result for result in found if provider in (None, result.provider)]
    if as_json:
        print_json(Results(results=found))
    elif not found:
        click.echo("Nothing was compared yet.")
    else:
        print_table(RESULTS, [_result_row(result) for result in found])
        if listed := [difference for result in found for difference in result.listed]:
            click.echo()
            _print_differences(listed)
        for result in found if only_last else ():
            if result.error:
                click.echo(clean(f"\n{result.provider} could not be asked about everything: {result.error}."))
    if only_last and any(result.differences or result.error for result in found):
        raise click.exceptions.Exit(1)


def _result_row(result: Result) -> tuple[object, ...]:
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(result.differences.items())) or "none"
    took = f"{result.duration_milliseconds / 1000:.0f} s"
    compared = result.transactions, result.cards
    return result.provider, result.finished, counts, result.repaired, *compared, took, result.trigger, result.since


def _print_differences(found: list[Difference]) -> None:
    print_table(COLUMNS, [_row(difference) for difference in found])
    for difference in found:
        if difference.remedy and not difference.repaired:
            click.echo(clean(_explanation(difference)))


def _watched(run: Reconciliation) -> Iterator[Difference]:
    """Yield what a run finds, while whoever waits sees how far it is."""
    with progress("Comparing", run.count()) as bar:
        yield from run.cards(bar.advance)
    with progress("Looking for what the ledger has lost") as bar:
        read: Counter[str] = Counter()

        def say(provider: str, count: int, what: str) -> None:
            read[provider] += count
            bar.say(f"Looking for what the ledger has lost: {read[provider]} {what} of {provider}")

        yield from run.accounts(say)


def _standing(one: Difference) -> str:
    return MISSED if one.kind == "not compared" else REPAIRED if one.repaired else LEFT


def _explanation(one: Difference) -> str:
    about = one.transaction or one.key or one.card
    return f"\n{one.kind}, {about}: {one.meaning}.\nTo mend it: {one.remedy}."


def _row(one: Difference) -> tuple[object, ...]:
    repaired = "yes" if one.repaired else "no"
    return one.transaction, one.kind, one.ledger, one.backend, repaired, one.card, one.provider, one.key
