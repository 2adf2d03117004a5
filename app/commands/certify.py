"""The command `giftbridge certify`: the test plan for any gift card provider, against its serviceUrl."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from types import FrameType
from typing import IO, NoReturn, TypedDict

import click

from app.commands.output import Column, json_option, note, print_json, print_table, progress, read_secret
from providers.certify import languages
from providers.certify.check import CHAPTERS, Severity
from providers.certify.languages import NAMES
from providers.certify.page import as_html
from providers.certify.plan import HEAD, PLAN, as_csv, rows, selected
from providers.certify.reports import Fields, as_fields, as_junit
from providers.certify.runner import Report, Verdict, certify
from providers.certify.suite import address, amount, target_of

# Where the token comes from, unless it is typed or on standard input.
TOKEN_VARIABLE = "CERTIFY_APP_TOKEN"  # noqa: S105 - the name of a variable

SEVERITIES = {one.name.lower(): one for one in Severity}


class Plan(TypedDict):
    checks: list[dict[str, str]]


SUMMARY = (
    Column("chapter"),
    Column("passed", right=True),
    Column("failed", right=True),
    Column("not tried", right=True),
)
TIMINGS = (
    Column("check"),
    Column("calls", right=True, rank=1),
    Column("p50", right=True),
    Column("p99", right=True),
    Column("limit", right=True),
)
FAILURES = (Column("check"), Column("severity", rank=1), Column("seen"), Column("otherwise", rank=2))


def _amount(ctx: click.Context, param: click.Parameter, text: str) -> Decimal:
    try:
        return amount(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.command("certify")
@click.argument("url", required=False)
@click.option("--app-key", metavar="KEY", help="The app key that is registered with the Hub.")
@click.option("--app-token-stdin", is_flag=True, help="Read the app token from the first line of standard input.")
@click.option("--code-stdin", is_flag=True, help="Read a gift card's code from the next line of standard input.")
@click.option("--customer", metavar="EMAIL", help="The customer who searches.")
@click.option("--loyalty", is_flag=True, help="The customer has cards of their own, which a search without code lists.")
@click.option("--issue", is_flag=True, help="Have new cards made; they stay at the provider, empty.")
@click.option(
    "--spend",
    callback=_amount,
    metavar="AMOUNT",
    default="1.00",
    show_default=True,
    help="The most that moves at a time.",
)
@click.option(
    "--max-balance",
    callback=_amount,
    metavar="AMOUNT",
    default="50",
    show_default=True,
    help="Refuse a card that holds more.",
)
@click.option("--only", metavar="NUMBERS", help="Make these checks alone, such as AUTH,READ-7.")
@click.option(
    "--fail-on",
    type=click.Choice(list(SEVERITIES)),
    default="cosmetic",
    show_default=True,
    help="Exit with 1 when a check fails that is so bad or worse.",
)
@click.option("--junit", type=click.File("w", encoding="utf-8", lazy=False), help="Write JUnit's XML there, for CI.")
@click.option("--html", type=click.File("w", encoding="utf-8", lazy=False), help="Write a page there, for people.")
@click.option("--language", type=click.Choice(NAMES), default="en", show_default=True, help="The language of --html.")
@click.option("--list", "as_list", is_flag=True, help="List the checks and make none.")
@click.option("--csv", "as_table", is_flag=True, help="With --list: as CSV.")
@json_option(Fields | Plan)
def certify_command(
    url: str | None,
    app_key: str | None,
    app_token_stdin: bool,
    code_stdin: bool,
    customer: str | None,
    loyalty: bool,
    issue: bool,
    spend: Decimal,
    max_balance: Decimal,
    only: str | None,
    fail_on: str,
    junit: IO[str] | None,
    html: IO[str] | None,
    language: str,
    as_list: bool,
    as_table: bool,
    as_json: bool,
) -> None:
    """Check any gift card provider for VTEX, as the Gift Card Hub calls it.

    URL is the serviceUrl. The token is typed unseen, or comes on standard input or in CERTIFY_APP_TOKEN. With the code
    of a card, money moves: at most --spend at a time, given back after each check, also when you interrupt it. Use a
    card made for tests. Exits with 1 when a check failed or something could not be given back.

    \b
    Examples:
      giftbridge certify --list
      giftbridge certify https://host/acme --app-key K --app-token-stdin < token.txt
      giftbridge certify https://host/acme --app-key K --app-token-stdin --code-stdin < token-and-code.txt
    """
    try:
        checks = PLAN if only is None else selected(only.split(","))
    except LookupError as error:
        raise click.UsageError(f"--only: there is no check {error.args[0]}; --list has all") from error
    if as_list:
        _list(as_json=as_json, as_table=as_table)
        return
    if url is None or app_key is None:
        raise click.UsageError("give the serviceUrl and --app-key, or --list")
    try:
        address(url)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    token = None if app_token_stdin else os.environ.get(TOKEN_VARIABLE)
    token = token or read_secret("App token", "--app-token-stdin", from_stdin=app_token_stdin)
    code = read_secret("Gift card code", "--code-stdin", from_stdin=True) if code_stdin else None
    target = target_of(
        url,
        app_key=app_key,
        app_token=token,
        code=code,
        customer=customer,
        loyalty=loyalty,
        issue=issue,
        spend=spend,
        max_balance=max_balance,
    )
    with progress("Certifying", len(checks)) as bar, _interruptible():

        def told(number: str) -> None:
            bar.say(number)
            bar.advance()

        report = certify(target, checks, told=lambda check: told(check.number))
    if junit is not None:
        junit.write(as_junit(report, SEVERITIES[fail_on]))
    if html is not None:
        html.write(as_html(report, SEVERITIES[fail_on], languages.language(language), datetime.now(UTC)))
    if as_json:
        print_json(as_fields(report, SEVERITIES[fail_on]))
    else:
        _show(report)
    if not report.ok(SEVERITIES[fail_on]):
        raise click.exceptions.Exit(1)


def _list(*, as_json: bool, as_table: bool) -> None:
    if as_json:
        print_json(Plan(checks=[dict(zip(HEAD, row, strict=True)) for row in rows()]))
    elif as_table:
        click.echo(as_csv(), nl=False)
    else:
        print_table([Column(name, rank=rank) for rank, name in zip((0, 1, 0, 2, 3), HEAD, strict=True)], rows())


def _show(report: Report) -> None:
    counts = []
    for chapter in CHAPTERS.values():
        verdicts = [one.verdict for one in report.results if one.check.chapter == chapter]
        if verdicts:
            counts.append((chapter, *(verdicts.count(verdict) for verdict in Verdict)))
    print_table(SUMMARY, counts)
    if timings := [(one.check.number, one.timing) for one in report.results if one.timing]:
        click.echo()
        seconds = "{:.3f} s".format
        print_table(
            TIMINGS,
            [
                (number, one.calls, seconds(one.p50_seconds), seconds(one.p99_seconds), f"{one.limit_seconds:g} s")
                for number, one in timings
            ],
        )
    if failed := report.failed():
        click.echo()
        print_table(
            FAILURES,
            [(one.check.number, one.check.severity.value, one.seen, one.check.consequence) for one in failed],
        )
    for reason in sorted({one.seen for one in report.results if one.verdict is Verdict.NOT_TRIED}):
        note(f"Not tried: {reason}.")
    if report.interrupted:
        note("Interrupted: the other checks were not made.")
    for left in report.left:
        note(f"Not given back: {left}.")
    if report.balance_before != report.balance_after:
        note(f"The card had {report.balance_before} before, and has {report.balance_after} now.")
    click.echo(f"{len(failed)} of {len(report.results)} checks failed." if failed else "No check failed.")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a signal that ends the command be an interruption, so that everything is given back first."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
