"""The commands `giftbridge transactions ...`: find a transaction, show its history, and repair it by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypedDict

import click

from app.admin.transactions import by_hand, search
from app.admin.transactions.by_hand import Intent, Order
from app.admin.transactions.search import Cursor, Filter, Wanted
from app.admin.transactions.views import Story, Summary, show, summary
from app.commands.installation import actor_option, logs_to_stderr, opened
from app.commands.output import json_option, note, print_json, progress, read_secret
from app.commands.transaction_tables import print_done, print_story, print_summaries
from app.ledger.transaction import Decision, Transaction
from app.parts import Parts


class Listed(TypedDict):
    transactions: Sequence[Summary]
    next: str | None


def _amount(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise click.BadParameter("must be a number above zero, such as 19.90")
    return amount


def _cursor(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> Cursor | None:
    try:
        return Cursor.parse(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


transaction_argument = click.argument("transaction", metavar="TRANSACTION")


@click.group("transactions")
@click.pass_context
def transactions(ctx: click.Context) -> None:
    """Find, show and repair transactions.

    TRANSACTION is an id or its beginning, or the order id, order group or requestId that stands for exactly one.

    What is done by hand keeps to the limits VTEX's own calls have, and is kept in the history with who did it. Each
    command shows what it will do and asks, unless --yes is given. It prints the request id it acts under: given again
    with --request-id, nothing moves twice.
    """
    ctx.with_resource(logs_to_stderr())


@transactions.command("list")
@click.argument("name", required=False)
@click.option("--provider", "provider_id", metavar="ID", help="Only of this provider.")
@click.option("--card", "card_id", metavar="ID", help="Only of the card with this id; needs --provider.")
@click.option(
    "--code-stdin",
    is_flag=True,
    help="Only of the card whose code is typed unseen, or is the first line of standard input; needs --provider.",
)
@click.option("--state", type=click.Choice([str(state) for state in Filter]), help="Only those that stand so.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@click.option("--after", callback=_cursor, metavar="NEXT", help="The page after the one that named this as its next.")
@json_option(Listed)
def list_command(
    name: str | None,
    provider_id: str | None,
    card_id: str | None,
    code_stdin: bool,
    state: str | None,
    limit: int,
    after: Cursor | None,
    as_json: bool,
) -> None:
    """List transactions, newest first.

    NAME is an order's id or its group's, a transaction's id or its beginning, or a requestId. All conditions together
    must fit. `refused` are those of which a settlement or cancellation was refused and is missing, `declined` those
    whose authorization was refused.

    \b
    Examples:
      giftbridge transactions list
      giftbridge transactions list 1532540012345-01
      giftbridge transactions list --state parked
      giftbridge transactions list --state refused
      giftbridge transactions list --provider acme --code-stdin
      giftbridge transactions list --limit 1000 --json | jq -r '.transactions[].id'
    """
    if (card_id or code_stdin) and provider_id is None:
        raise click.UsageError("a card belongs to a provider: say which with --provider")
    if card_id and code_stdin:
        raise click.UsageError("give --card or --code-stdin, not both")
    code = read_secret("Gift card code", "--code-stdin", from_stdin=True) if code_stdin else None
    with opened(providers_needed=bool(card_id or code)) as parts:
        if provider_id is not None and code is not None:
            card_id = search.find_card(parts, provider_id, code).id
        wanted = Wanted(name, provider_id, card_id, Filter(state) if state else None)
        with progress("Looking", parts.index.count()) as bar:
            page = search.find(parts, wanted, limit, after, bar.advance)
    if as_json:
        print_json(Listed(transactions=page.transactions, next=str(page.after) if page.after else None))
        return
    print_summaries(page.transactions)
    if page.after:
        note(f"More: --after {page.after}")


@transactions.command("show")
@transaction_argument
@json_option(Story)
def show_command(transaction: str, as_json: bool) -> None:
    """Show a transaction, everything done to it, and its history.

    It is read from Redis; no backend is asked and nothing changes.

    \b
    Examples:
      giftbridge transactions show 1532540012345-01
      giftbridge transactions show gb-2a1f... --json | jq '.events'
    """
    with opened(providers_needed=False) as parts:
        story = show(parts, search.one(parts, transaction))
    if as_json:
        print_json(story)
    else:
        print_story(story)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: add --yes")
    click.confirm("Do it?", abort=True, err=True)


def _by_hand(name: str, use_case: Callable[[Parts, Transaction, Decimal | None, Order], Intent], text: str) -> None:
    """Add a command that changes a transaction by hand."""

    @transactions.command(name, help=text)
    @transaction_argument
    @click.option(
        "--value", callback=_amount, metavar="AMOUNT", help="How much, such as 19.90; without it, all there is."
    )
    @click.option("--request-id", metavar="ID", help="Repeat the act of this request id; a new one is made without it.")
    @click.option("--again", is_flag=True, help="Even though the same was done by hand within the last hour.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @actor_option
    @json_option(by_hand.ByHandResult)
    def command(
        transaction: str,
        value: Decimal | None,
        request_id: str | None,
        again: bool,
        yes: bool,
        actor: str,
        as_json: bool,
    ) -> None:
        order = Order.new(actor, request_id, again=again)
        with opened() as parts:
            intent = use_case(parts, search.one(parts, transaction), value, order)
            note(intent.effect)
            if not (yes or intent.came_before):
                _ask()
            note(f"Request id {order.request_id}: to repeat this safely, add --request-id {order.request_id}")
            try:
                with progress("Asking the backend"):
                    done = by_hand.carry_out(parts, intent)
            except by_hand.MAYBE as error:
                raise click.ClickException(
                    f"{error}\nIt may be on record already, and is finished then without you. To see, repeat it with "
                    f"--request-id {order.request_id}: nothing moves twice."
                ) from error
        if as_json:
            print_json(done)
        else:
            print_done(done)


_by_hand(
    "settle",
    by_hand.settle,
    """Take what is reserved, as a settlement does.

    \b
    Example:
      giftbridge transactions settle 1532540012345-01 --value 40.00
    """,
)
_by_hand(
    "cancel",
    by_hand.cancel,
    """Give back, as a cancellation does: first what is reserved, then what was settled.

    \b
    Example:
      giftbridge transactions cancel 1532540012345-01 --value 60.00
    """,
)
_by_hand(
    "refund",
    by_hand.refund,
    """Give back what was settled.

    VTEX swallows some refunds: one that equals the sum of the earlier ones never reaches a provider. While a part of
    the transaction is still reserved, that would be given back first: void it before, or use cancel for both.

    \b
    Examples:
      giftbridge transactions refund 1532540012345-01 --value 19.90
      giftbridge transactions refund gb-2a1f... --value 19.90 --request-id by-hand-0c5e...
    """,
)
_by_hand(
    "void",
    by_hand.void,
    """Give back what is reserved and was never settled.

    \b
    Example:
      giftbridge transactions void 1532540012345-01
    """,
)


@transactions.command("resolve")
@transaction_argument
@click.option("--happened", "found", flag_value="happened", help="You found at the backend that it happened.")
@click.option("--did-not-happen", "found", flag_value="did not happen", help="You found that it did not.")
@click.option(
    "--give-up", "found", flag_value="give up", help="It did not happen and never will: VTEX reads it no more."
)
@click.option("--act", type=click.IntRange(0), metavar="N", help="The act you looked at, as show numbers it.")
@click.option("--step", type=click.IntRange(1), metavar="N", help="Its step you looked at, where it has several.")
@click.option("--reference", default="", metavar="ID", help="The backend's id of what happened; refunds may need it.")
@actor_option
@json_option(Summary)
def resolve_command(
    transaction: str,
    found: str | None,
    act: int | None,
    step: int | None,
    reference: str,
    actor: str,
    as_json: bool,
) -> None:
    """Finish what is unresolved.

    Without a decision the backend is asked once more, now instead of at the next sweep. What it cannot tell is parked:
    look at the backend, with the evidence that `show` prints, and say whether it happened. Your word is about the act
    that you name, and is refused where another one is open by now. A reference is read at the backend first.

    What did not happen is refused, or sent again where VTEX was promised it or the service wants it by itself. What
    can never happen, such as a promised settlement whose hold is gone, is given up. To give up what was refused already
    says that you have seen to it: it is told no more.

    \b
    Examples:
      giftbridge transactions resolve gb-2a1f...
      giftbridge transactions resolve gb-2a1f... --act 1 --happened --reference RDM-1234
      giftbridge transactions resolve gb-2a1f... --act 1 --did-not-happen
      giftbridge transactions resolve gb-2a1f... --act 1 --give-up
    """
    if reference and found != "happened":
        raise click.UsageError("--reference belongs to --happened")
    if found is None and (act, step) != (None, None):
        raise click.UsageError("--act and --step belong to --happened, --did-not-happen or --give-up")
    with opened() as parts:
        record = search.one(parts, transaction)
        try:
            with progress("Asking the backend"):
                if found is None:
                    record = by_hand.retry(parts, record, actor)
                else:
                    give_up = found == "give up"
                    decision = Decision(actor, found == "happened", reference, act, step, give_up=give_up)
                    record = by_hand.decide(parts, record, decision)
        except by_hand.MAYBE as error:
            note(f"See its evidence with: giftbridge transactions show {record.id}")
            raise click.ClickException(f"{error}\nStill unresolved.") from error
        after = summary(record)
    if as_json:
        print_json(after)
    else:
        print_summaries([after])
