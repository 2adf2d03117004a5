"""The commands `giftbridge users ...`: who may use the console."""

from __future__ import annotations

from typing import TypedDict

import click

from app.admin.people import sessions, users
from app.admin.people.users import LINK_LASTS, Role, User, UserError
from app.commands.installation import logs_to_stderr, opened
from app.commands.output import Column, json_option, note, print_json, print_table
from app.parts import Parts
from app.settings import variable


class Users(TypedDict):
    users: list[User]
    sessions: dict[str, int]


class Invitation(TypedDict):
    user: str
    link: str | None


COLUMNS = (
    Column("user"),
    Column("role"),
    Column("comes in"),
    Column("codes", 1),
    Column("sessions", 2, right=True),
    Column("since (UTC)", 3),
)

role_option = click.option(
    "--role",
    type=click.Choice([str(role) for role in Role]),
    required=True,
    help="viewer sees everything, operator moves money as well, owner changes providers and users as well.",
)
url_option = click.option(
    "--url",
    metavar="URL",
    help="How the link begins: the address at which a browser reaches this service; without it, where it listens.",
)
single_sign_on_option = click.option(
    "--single-sign-on",
    is_flag=True,
    help="They sign in at the issuer of GIFTBRIDGE_CONSOLE_OIDC_ISSUER, which calls them NAME. There is no link then.",
)
name_argument = click.argument("name")


@click.group("users")
@click.pass_context
def users_command(ctx: click.Context) -> None:
    """Say who may use the console, and what they may do there.

    The console is at /-/console of the service, from the first user on. Each user chooses a password with a link that
    works once, for a day.
    """
    ctx.with_resource(logs_to_stderr())


@users_command.command("add")
@name_argument
@role_option
@single_sign_on_option
@url_option
@json_option(Invitation)
def add(name: str, role: str, single_sign_on: bool, url: str | None, as_json: bool) -> None:
    """Make a user, and print the link with which they choose a password.

    \b
    Examples:
      giftbridge users add ana --role owner
      giftbridge users add rui --role viewer --url https://gift.example.com
      giftbridge users add rui@store.example --role operator --single-sign-on
    """
    with opened(providers_needed=False) as parts:
        if single_sign_on:
            _expect_issuer(parts)
            users.add_for_single_sign_on(parts, name, Role(role))
            _say_single_sign_on(name, as_json=as_json)
        else:
            _print_link(parts, name, users.add(parts, name, Role(role)), url, as_json=as_json)


@users_command.command("list")
@json_option(Users)
def list_command(as_json: bool) -> None:
    """List the users."""
    with opened(providers_needed=False) as parts:
        found = users.every(parts)
        counts = {user.name: len(sessions.every(parts, user.name)) for user in found}
    if as_json:
        print_json(Users(users=found, sessions=counts))
    elif not found:
        click.echo("There is no user, and so no console: giftbridge users add NAME --role owner")
    else:
        print_table(
            COLUMNS,
            [
                (
                    user.name,
                    f"{user.role}, disabled" if user.disabled else user.role,
                    _way_in(user),
                    "yes" if user.has_totp else "no",
                    counts[user.name],
                    f"{user.created:%Y-%m-%d}",
                )
                for user in found
            ],
        )


@users_command.command("role")
@name_argument
@role_option
def role_command(name: str, role: str) -> None:
    """Change what a user may do, from their next request on."""
    with opened(providers_needed=False) as parts:
        users.set_role(parts, name, Role(role))
    click.echo(f"{name} is {role} now.")


@users_command.command("reset")
@name_argument
@single_sign_on_option
@url_option
@json_option(Invitation)
def reset(name: str, single_sign_on: bool, url: str | None, as_json: bool) -> None:
    """Take a user's password and codes away, end their sessions, and print a new link.

    With single sign-on, whoever the issuer calls so next is this user from then on.
    """
    with opened(providers_needed=False) as parts:
        if single_sign_on:
            _expect_issuer(parts)
            users.reset_for_single_sign_on(parts, name)
            _say_single_sign_on(name, as_json=as_json)
        else:
            _print_link(parts, name, users.reset(parts, name), url, as_json=as_json)
        sessions.end_all(parts, name)


@users_command.command("disable")
@name_argument
def disable(name: str) -> None:
    """Let a user in no more; their sessions end."""
    with opened(providers_needed=False) as parts:
        users.disable(parts, name)
        sessions.end_all(parts, name)
    click.echo(f"{name} may not come in. To let them in again: giftbridge users enable {name}")


@users_command.command("enable")
@name_argument
def enable(name: str) -> None:
    """Let a disabled user in again, with the password they had."""
    with opened(providers_needed=False) as parts:
        users.disable(parts, name, disabled=False)
    click.echo(f"{name} may come in.")


@users_command.command("revoke")
@name_argument
def revoke(name: str) -> None:
    """End all sessions of a user, on every device."""
    with opened(providers_needed=False) as parts:
        users.change(parts, name, lambda document: document | {"devices": []})
        count = sessions.end_all(parts, name)
    click.echo(f"Sessions ended: {count}.")


def _way_in(user: User) -> str:
    if user.subject is not None:
        return "single sign-on" if user.subject else "single sign-on, not yet used"
    return "password" if user.has_password else "waits for its link"


def _expect_issuer(parts: Parts) -> None:
    if parts.settings.console_oidc_issuer is None:
        raise UserError(f"there is no single sign-on: set {variable('console_oidc_issuer')} first")


def _say_single_sign_on(name: str, *, as_json: bool) -> None:
    if as_json:
        print_json(Invitation(user=name, link=None))
    else:
        click.echo(f"{name} may come in with single sign-on.")


def _print_link(parts: Parts, name: str, secret: str, url: str | None, *, as_json: bool) -> None:
    start = url or f"http://{parts.settings.console_bind or parts.settings.bind}"
    link = f"{start.rstrip('/')}/-/console/invitation/{name}/{secret}"
    if as_json:
        print_json(Invitation(user=name, link=link))
        return
    click.echo(link)
    hours = int(LINK_LASTS.total_seconds() // 3600)
    note(f"With it {name} chooses a password. It works once, for {hours} hours: whoever has it is {name}.")
