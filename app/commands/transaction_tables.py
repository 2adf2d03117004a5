"""How transactions look on a terminal: a table of many, one with its history, and what was done by hand."""

from __future__ import annotations

from collections.abc import Iterable

import click

from app.admin.transactions.by_hand import ByHandResult
from app.admin.transactions.views import Story, Summary
from app.commands.output import Column, note, print_fields, print_table

# As much of an id as tells it apart; the commands take it so.
SHORTENED_ID = 12

SUMMARY = (
    Column("transaction", longest=SHORTENED_ID),
    Column("state"),
    Column("amount", 1, right=True),
    Column("order", 2),
    Column("reserved", 3, right=True),
    Column("settled", 4, right=True),
    Column("given back", 5, right=True),
    Column("date (UTC)", 6),
    Column("provider", 7),
)
ACTS = (
    Column("#"),
    Column("what"),
    Column("amount", right=True),
    Column("state"),
    Column("date (UTC)", 1),
    Column("by", 2),
    Column("requestId", 3),
    Column("references at the backend", 4),
)
EVENTS = (
    Column("date (UTC)"),
    Column("what"),
    Column("#"),
    Column("by", 1),
    Column("detail", 2),
    Column("attempt", 3, right=True),
    Column("correlation", 4),
)


def print_summaries(found: Iterable[Summary]) -> None:
    """Print transactions as a table."""
    rows = [
        (
            one.id,
            one.unresolved or one.state,
            f"{one.amount} {one.currency}",
            one.order_id,
            one.reserved,
            one.settled,
            one.voided + one.refunded,
            f"{one.date:%Y-%m-%d %H:%M}",
            one.provider,
        )
        for one in found
    ]
    if rows:
        print_table(SUMMARY, rows)
    else:
        note("No transaction fits.")


def print_story(story: Story) -> None:
    one = story.transaction
    print_fields(
        {
            "Transaction": one.id,
            "State": one.unresolved or one.state,
            "Provider": one.provider,
            "Card": one.card,
            "Order": one.order_id,
            "requestId": one.request_id,
            "Opened (UTC)": one.date,
            one.operation: f"{one.amount} {one.currency}, held: {story.holds}",
            "Reserved": f"{one.reserved} {one.currency}",
            "Reserved until (UTC)": story.expires,
            "Not known yet": f"{one.uncertain} {one.currency}: {one.unresolved}" if one.uncertain else None,
            "Settled": f"{one.settled} {one.currency}",
            "Given back": f"{one.voided} {one.currency} of what was reserved, {one.refunded} of what was settled",
            "Description": story.description,
        }
    )
    click.echo()
    print_table(
        ACTS,
        [
            (
                act.number,
                act.what,
                act.amount,
                act.state,
                f"{act.date:%Y-%m-%d %H:%M:%S}",
                act.by or act.reason,
                act.request_id,
                ", ".join(act.references),
            )
            for act in story.acts
        ],
    )
    for act in story.acts:
        if act.error:
            evidence = "".join(f"\n    {name}: {value}" for name, value in act.evidence.items())
            click.echo(f"#{act.number}: {act.error}{evidence}")
        if act.remedy:
            click.echo(f"    {act.remedy}")
        if act.open_step:
            does = f" ({act.open_step_does})" if act.open_step_does else ""
            click.echo(f"#{act.number}: find out at the backend whether step {act.open_step}{does} happened, then:")
            click.echo(f"    giftbridge transactions resolve {one.id} --act {act.number} --step {act.open_step} ...")
    click.echo()
    print_table(
        EVENTS,
        [
            (event.date, event.what, event.act, event.by, event.detail, event.attempt, event.correlation)
            for event in story.events
        ],
    )


def print_done(done: ByHandResult) -> None:
    one, act = done.transaction, done.act
    parts = f" ({act.voided} of what was reserved, {act.refunded} of what was settled)" if act.refunded else ""
    click.echo(f"The {act.what} of {act.amount} {one.currency}{parts} by {act.by or act.reason} is {act.state}.")
    print_summaries([one])
