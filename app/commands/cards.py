"""The command `giftbridge cards show`: what a card's backend says, what is held, and what can be spent."""

from __future__ import annotations

import click

from app.admin.transactions.cards import CardView, show_card
from app.admin.transactions.search import find_card
from app.commands.installation import logs_to_stderr, opened
from app.commands.output import json_option, note, print_fields, print_json, progress, read_secret
from app.commands.transaction_tables import print_summaries

# A command has no cart that the backend could be asked about.
_WHERE_RULES_ALLOW = ", as far as the backend's rules allow"


@click.group("cards")
@click.pass_context
def cards(ctx: click.Context) -> None:
    """Look at a gift card."""
    ctx.with_resource(logs_to_stderr())


@cards.command("show")
@click.argument("provider")
@click.option("--code-stdin", is_flag=True, help="Read the code from the first line of standard input.")
@click.option("--card", "card_id", metavar="ID", help="The card's id, instead of its code.")
@json_option
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
    if card.others:
        command = f"giftbridge transactions list --provider {provider} --card {card.id}"
        note(f"Transactions of this card that reserve nothing: {card.others}. To see them: {command}")
    elif not card.transactions:
        note("No transaction reserves anything of it.")


def _issued_for(card: CardView) -> str | None:
    """Say what the card may be used for once."""
    named = {"one payment": card.single_payment, "one credit": card.single_credit}
    return ", ".join(what for what, holds in named.items() if holds) or None
