"""The commands `giftbridge ledger ...`: to move it, to doubt what Redis still knows, to write old transactions anew."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import click

from app.admin import doubts, migration
from app.admin.backups.move import Moved, move
from app.commands.backups import replace_option
from app.commands.installation import connection_for_all, idle, logs_to_stderr, opened, shown_url, watch_seconds
from app.commands.output import Column, json_option, note, print_json, print_table
from app.commands.transaction_tables import print_summaries
from app.ledger.storage.clients import SCHEMES
from app.settings import Settings, variable


class Ended(TypedDict):
    ended: int


class Migrated(TypedDict):
    transactions: int
    migrated: int


# Where an address may stand that has a password: other users of the machine see what a command is called with.
FROM_FILE = "@"

COLUMNS = (Column("may lack what was written after (UTC)"), Column("noticed (UTC)"), Column("why"))


@click.group("ledger")
@click.pass_context
def ledger(ctx: click.Context) -> None:
    """Move the ledger to another Redis; see and end doubts about what Redis still knows; migrate it.

    After a failover, or a start from older data, Redis may have forgotten settlements. Then giftbridge does not give
    back by itself what cards have paid for orders of before: first a person compares them with VTEX.
    """
    ctx.with_resource(logs_to_stderr())


@ledger.command("doubts")
@json_option(doubts.Doubts)
def doubts_command(as_json: bool) -> None:
    """List what Redis may have forgotten, and the orders that wait because of it."""
    with opened(providers_needed=False) as parts:
        found = doubts.doubts(parts)
    if as_json:
        print_json(found)
    elif not found.doubts:
        click.echo("No doubts: Redis has everything that was written.")
    else:
        print_table(COLUMNS, [(one.since, one.noticed, one.reason) for one in found.doubts])
        if found.waiting:
            print_summaries(found.waiting)
        note(
            f"{len(found.waiting)} open orders are not given back by themselves. Compare each with its order in VTEX: "
            "giftbridge transactions settle writes down a settlement that is missing here. "
            "Then giftbridge ledger trust."
        )


@ledger.command("trust")
@click.confirmation_option(prompt="Have you compared these orders with VTEX, or is it certain that nothing was lost?")
@json_option(Ended)
def trust_command(as_json: bool) -> None:
    """End all doubts: from now on open orders are given back again when their time is over."""
    with opened(providers_needed=False) as parts:
        count = doubts.trust(parts)
    if as_json:
        print_json(Ended(ended=count))
    else:
        click.echo(f"Doubts ended: {count}.")


@ledger.command("doubt")
@click.argument("reason")
@json_option(doubts.DoubtView)
def doubt_command(reason: str, as_json: bool) -> None:
    """Say that Redis may have forgotten changes until now; for after a backup was restored.

    \b
    Example:
      giftbridge ledger doubt "restored the backup of Sunday"
    """
    with opened(providers_needed=False) as parts:
        found = doubts.doubt(parts, reason)
    if as_json:
        print_json(found)
    else:
        click.echo("Noted. Open orders of before are not given back until: giftbridge ledger trust.")


@ledger.command("move")
@click.option(
    "--to",
    "address",
    metavar="URL",
    required=True,
    help="The new Redis, as in GIFTBRIDGE_REDIS_URL; @FILE reads the address from a file, for one with a password.",
)
@replace_option
@json_option(Moved)
def move_command(address: str, replace: str | None, as_json: bool) -> None:
    """Move the ledger to another Redis, such as from the embedded one to a server.

    Every service must be stopped. All is copied and compared; then no service starts on the old Redis any more. Where
    that fails, the ledger stays where it was.

    \b
    Example:
      giftbridge ledger move --to redis://redis.example.com:6379/0
    """
    settings = Settings.from_environment()
    url = _address(address)
    with idle(settings) as old, connection_for_all(url) as new:
        moved = move(
            old,
            new,
            shown_url(url),
            replace=replace,
            allow_unsafe=settings.redis_allow_unsafe,
            watch_seconds=watch_seconds(settings),
        )
    if as_json:
        print_json(moved)
        return
    click.echo(f"Ledger {moved.ledger} is in {shown_url(url)}: {moved.keys} keys copied, and compared.")
    note(
        f"Now set {variable('redis_url')} to that address, for the service and for the commands, and start the service."
    )


def _address(given: str) -> str:
    """Return the address that was given, or that is in the file that was named."""
    url = given
    if given.startswith(FROM_FILE):
        path = Path(given.removeprefix(FROM_FILE))
        try:
            url = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"{path} cannot be read ({getattr(error, 'strerror', 'no text')})") from error
    if not url.startswith(SCHEMES):
        raise click.UsageError(f"--to must start with one of {', '.join(SCHEMES)}")
    return url


@ledger.command("migrate")
@click.option("--per-second", type=click.IntRange(1), default=500, show_default=True, help="Write at most so many.")
@json_option(Migrated)
def migrate_command(per_second: int, as_json: bool) -> None:
    """Write transactions of the version before in the format of this one.

    The service reads both, and writes a transaction in the new format when it next changes. This does it for all, which
    takes less memory. It may run while the service works, be ended at any time, and be started again.
    """

    def tell(progress: migration.Progress) -> None:
        click.echo(f"{progress.share:.0%}: {progress.migrated} of {progress.seen} written anew", err=True)

    with opened(providers_needed=False) as parts:
        done = migration.migrate(parts, per_second, tell)
    if as_json:
        print_json(Migrated(transactions=done.seen, migrated=done.migrated))
    else:
        click.echo(f"Transactions: {done.seen}. Written in the new format: {done.migrated}.")
