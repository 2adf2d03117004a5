"""The commands `giftbridge cards`: what is known of a card and can be spent, and what shoppers were refused."""

from __future__ import annotations

import click

from app.admin.transactions import refused
from app.admin.transactions.cards import COUNTED, CardView, show_card
from app.admin.transactions.search import find_card
from app.commands.installation import logs_to_stderr, opened
from app.commands.output import (
    Column,
    json_option,
    moment,
    note,
    print_fields,
    print_json,
    print_table,
    progress,
    read_secret,
)
from app.commands.transaction_tables import print_summaries

# A command has no cart that the backend could be asked about.
_WHERE_RULES_ALLOW = ", as far as the backend's rules allow"

_REFUSED = (
    Column("date (UTC)"),
    Column("what", rank=2),
    Column("why"),
    Column("code or card"),
    Column("amount", right=True, rank=1),
    Column("order"),
    Column("provider", rank=3),
)


@click.group("cards")
@click.pass_context
def cards(ctx: click.Context) -> None:
    """Look at a gift card, and at what shoppers were refused."""
    ctx.with_resource(logs_to_stderr())


@cards.command("show")
@click.argument("provider")
@click.option("--code-stdin", is_flag=True, help="Read the code from the first line of standard input.")
@click.option("--card", "card_id", metavar="ID", help="The card's id, instead of its code.")
@json_option(CardView)
def show_command(provider: str, code_stdin: bool, card_id: str | None, as_json: bool) -> None:
    """Show what the backend of PROVIDER says about a card, what is held, and what can be spent.

    The code is typed unseen, or comes on standard input. Never as an argument: those stay in the shell's history.

    \b
    Examples:
      giftbridge cards show acme
      giftbridge cards show acme --code-stdin < code.txt
      giftbridge cards show acme --card value-002 --json
    """
    if card_id and code_stdin:
        raise click.UsageError("give --card or --code-stdin, not both")
    code = None if card_id else read_secret("Gift card code", "--code-stdin", from_stdin=code_stdin)
    with opened() as parts, progress("Asking the backend"):
        found = None if card_id else find_card(parts, provider, code or "")
        card = show_card(parts, provider, found.id if found else card_id or "", found)
    if as_json:
        print_json(card)
        return
    print_fields(
        {
            "Card": card.id,
            "Code": card.code_mask,
            "Caption": card.caption,
            "Status": card.status,
            "Expires (UTC)": card.expires,
            "Balance at the backend": f"{card.balance} {card.currency}",
            "Held there for orders": f"{card.held_there} {card.currency}",
            "Reserved by this service": f"{card.reserved_here} {card.currency}",
            "Can be spent": f"{card.spendable} {card.currency}{_WHERE_RULES_ALLOW if card.has_rules else ''}",
            "Pays only for": card.restricted_to,
            "Payments left": card.payments_left,
            "Issued for": _issued_for(card),
        }
    )
    click.echo()
    if card.transactions:
        print_summaries(card.transactions)
    if card.holding > len(card.transactions):
        note(f"{len(card.transactions)} of {card.holding} that reserve something are shown, the newest.")
    if card.holding > COUNTED:
        note(f"What is held there is the sum of the newest {COUNTED}.")
    if card.others:
        command = f"giftbridge transactions list --provider {provider} --card {card.id}"
        note(f"Transactions of this card that reserve nothing: {card.others}. To see them: {command}")
    elif not card.transactions:
        note("No transaction reserves anything of it.")


@cards.command("refused")
@click.option("--provider", metavar="ID", help="Only of this provider.")
@click.option("--card", "card_id", metavar="ID", help="Only of this card of the provider.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="So many at most.")
@json_option(list[refused.Attempt])
def refused_command(provider: str | None, card_id: str | None, limit: int, as_json: bool) -> None:
    """List the last searches and payments that ended in nothing, and why.

    Codes are masked. A search by a code found no card, or none that can pay; a payment was not authorized. What VTEX
    repeats within a minute is one line, and so is who guesses codes.

    \b
    Examples:
      giftbridge cards refused
      giftbridge cards refused --provider acme --card value-002
      giftbridge cards refused --json | jq -r '.[] | [.date, .reason] | @tsv'
    """
    if card_id and not provider:
        raise click.UsageError("give --provider beside --card")
    with opened() as parts:
        found = refused.newest(parts, limit, provider_id=provider, card_id=card_id)
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("Nothing was refused lately.")
        return
    print_table(_REFUSED, [_refused_row(one) for one in found])


def _refused_row(one: refused.Attempt) -> tuple[object, ...]:
    amount = f"{one.amount} {one.currency}" if one.amount is not None else None
    return moment(one.date), one.what, one.reason, one.code_mask or one.card, amount, one.order_id, one.provider


def _issued_for(card: CardView) -> str | None:
    """Say what the card may be used for once."""
    named = {"one payment": card.single_payment, "one credit": card.single_credit}
    return ", ".join(what for what, holds in named.items() if holds) or None
