"""The commands `giftbridge providers register` and `unregister`: what would change is shown, and then asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NotRequired, TypedDict, TypeVar

import click

from app.admin.providers.plans import Change, Plan, Step, plan_registration, plan_removal
from app.admin.providers.registration import open_hub, register, unregister
from app.commands.installation import note_activity, provider_file
from app.commands.output import Column, json_option, note, print_json, print_table, progress, read_secret

F = TypeVar("F", bound=Callable[..., Any])


class Planned(TypedDict):
    id: str
    account: str
    dry_run: bool
    service_url: str | None
    changes: Sequence[Change]
    warnings: Sequence[str]
    steps: Sequence[Step]
    app_key: NotRequired[str | None]
    fresh: NotRequired[bool]
    removed: NotRequired[Sequence[str]]
    interrupted: NotRequired[Sequence[str]]
    others: NotRequired[Sequence[str]]


CHANGES = (Column("provider", 1), Column("field"), Column("before"), Column("after"))


def _options(command: F) -> F:
    """Add what both commands take."""
    for option in (
        json_option(Planned),
        click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--account", required=True, metavar="STORE", help="The store's account name in VTEX."),
        click.argument("provider_id", metavar="ID"),
    ):
        command = option(command)
    return command


@click.command("register")
@_options
@click.option("--service-url", metavar="URL", help="The public address; without it, the one in providers.toml.")
@click.option(
    "--app-token-stdin",
    is_flag=True,
    help="Register this app token (typed unseen, or on standard input) instead of a fresh pair.",
)
@click.option("--unreachable-ok", is_flag=True, help="Even if the public address cannot be reached from here.")
def register_command(
    provider_id: str,
    account: str,
    yes: bool,
    dry_run: bool,
    service_url: str | None,
    app_token_stdin: bool,
    unreachable_ok: bool,
    as_json: bool,
) -> None:
    """Register the provider ID with the Gift Card Hub of a store.

    VTEX_APP_KEY and VTEX_APP_TOKEN hold an application key of that store with the License Manager resources "View Gift
    Card providers" and "Edit Gift Card providers". What would change is shown first.

    The Hub gets a fresh pair: it is added to providers.toml, the service must accept it, the Hub is told, and what it
    shows is compared. The pairs before stay valid. VTEX's own provider, VtexGiftCard, is protected. Interrupted
    anywhere, the store works with what it had, or with the new pair; run it again.

    \b
    Examples:
      giftbridge providers register acme --account mystore --dry-run
      giftbridge providers register acme --account mystore --service-url https://gift.example.com/acme
      giftbridge providers register acme --account mystore --yes --app-token-stdin < token.txt
    """
    _expect_an_answer(yes=yes, dry_run=dry_run, as_json=as_json)
    token = read_secret("App token", "--app-token-stdin", from_stdin=True) if app_token_stdin else None
    file, hub = provider_file(), open_hub(account)
    with progress("Reading the Hub's list"):
        plan = plan_registration(hub, file, provider_id, service_url=service_url, app_token=token)
    _show(plan, as_json=as_json)
    if dry_run:
        _end(
            plan,
            "Nothing was changed.",
            as_json=as_json,
            dry_run=True,
            app_key=plan.pair.app_key if plan.pair else None,
        )
        return
    if not yes:
        click.confirm(f"Register {provider_id} with {account}?", abort=True, err=True)
    with progress("Registering") as bar:
        done = register(plan, hub, file, progress=bar.say, unreachable_ok=unreachable_ok)
    after = f"{plan.service_url}, {done.app_key}"
    note_activity("register", provider_id, store=account, before=plan.registered, after=after)
    _end(plan, f"{provider_id} is registered with {account}, as {done.app_key}.", as_json=as_json, **asdict(done))
    if done.interrupted:
        note(f"Left by an interrupted run a moment ago, and removed by a later one: {', '.join(done.interrupted)}")
    if done.others:
        note(f"Also accepted: {', '.join(done.others)}. Revoke those that no store uses any more.")


@click.command("unregister")
@_options
def unregister_command(provider_id: str, account: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Remove the provider ID from the Gift Card Hub of a store; providers.toml stays as it is.

    Orders that were paid with it can then only be settled and refunded by hand, with `giftbridge transactions`.

    \b
    Example:
      giftbridge providers unregister acme --account mystore
    """
    _expect_an_answer(yes=yes, dry_run=dry_run, as_json=as_json)
    hub = open_hub(account)
    with progress("Reading the Hub's list"):
        plan = plan_removal(hub, provider_id)
    _show(plan, as_json=as_json)
    if dry_run or not plan.changes:
        left = "Nothing was changed." if plan.changes else f"{provider_id} is not registered with {account}."
        _end(plan, left, as_json=as_json, dry_run=dry_run)
        return
    if not yes:
        click.confirm(f"Remove {provider_id} from {account}?", abort=True, err=True)
    with progress("Removing") as bar:
        unregister(plan, hub, progress=bar.say)
    note_activity("unregister", provider_id, store=account, before=plan.registered, after="-")
    _end(plan, f"{provider_id} is no longer registered with {account}.", as_json=as_json)


def _expect_an_answer(*, yes: bool, dry_run: bool, as_json: bool) -> None:
    if as_json and not yes and not dry_run:
        raise click.UsageError("with --json nobody is asked: add --yes or --dry-run")


def _show(plan: Plan, *, as_json: bool) -> None:
    for warning in plan.warnings:
        note(f"Note: {warning}")
    if as_json or not plan.changes:
        return
    print_table(CHANGES, [(one.provider_id, one.field, one.before or "-", one.after or "-") for one in plan.changes])
    note("\nTo be done:\n" + "\n".join(f"  {number}. {step}" for number, step in enumerate(plan.steps, 1)))


def _end(plan: Plan, text: str, *, as_json: bool, dry_run: bool = False, **more: object) -> None:
    if not as_json:
        click.echo(text)
        return
    planned = Planned(
        id=plan.provider_id,
        account=plan.account,
        dry_run=dry_run,
        service_url=plan.service_url or None,
        changes=plan.changes,
        warnings=plan.warnings,
        steps=plan.steps,
    )
    print_json({**planned, **more})
