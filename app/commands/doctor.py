"""The command `giftbridge doctor`, and how checks are shown: each failure with its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import click

from app.admin.doctor import examine
from app.admin.providers.checks import Check
from app.commands.installation import logs_to_stderr, opened_redis, served
from app.commands.output import Column, json_option, print_json, print_table, progress


class Examined(TypedDict):
    ok: bool
    checks: list[Check]


COLUMNS = (Column("check"), Column(""), Column("found, and what to do"))


@click.command("doctor")
@json_option(Examined)
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Find what is wrong with this installation.

    Everything that can be is looked at, each failure with its remedy: settings, Redis, data directory, unfinished and
    parked transactions, the running service, and every provider with its backend, its public address and how it
    answers there. Exits with 1 when something is wrong.

    \b
    Examples:
      giftbridge doctor
      giftbridge doctor --json | jq '.checks[] | select(.ok == false)'
    """
    ctx.with_resource(logs_to_stderr())
    report(gather(examine(opened_redis, served)), as_json=as_json)


def gather(checks: Iterable[Check]) -> list[Check]:
    """Return the checks once all are made, telling meanwhile which was made last."""
    made = []
    with progress("Checking") as bar:
        for check in checks:
            bar.say(f"Checking: {check.name}")
            made.append(check)
    return made


def report(checks: list[Check], *, as_json: bool) -> None:
    """Print checks, and end with 1 when one failed."""
    failed = sum(check.ok is False for check in checks)
    if as_json:
        print_json(Examined(ok=not failed, checks=checks))
    else:
        print_table(COLUMNS, [(check.name, _verdict(check), _words(check)) for check in checks])
        click.echo(f"{failed} of {len(checks)} checks failed." if failed else "Nothing is wrong.")
    if failed:
        raise click.exceptions.Exit(1)


def _verdict(check: Check) -> str:
    return {True: "ok", False: "wrong", None: "not tried"}[check.ok]


def _words(check: Check) -> str:
    return check.found if check.ok else f"{check.problem}. To do: {check.remedy}" if check.remedy else check.problem
