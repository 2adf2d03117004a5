"""The `giftbridge` command: it serves the protocol, sweeps once, runs a stand-in backend, or shows it all."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

import mappers.sandbox
from app.admin.providers.credentials import InUse
from app.admin.providers.files import EditRefused
from app.admin.providers.plans import RegistrationFailed
from app.admin.providers.probe import NotAccepted
from app.commands.cards import cards
from app.commands.doctor import doctor
from app.commands.installation import logs_to_stderr, opened
from app.commands.mappers import mappers_command
from app.commands.output import json_option, print_json, progress
from app.commands.providers import providers
from app.commands.reconcile import reconcile_command
from app.commands.transactions import transactions
from app.ledger.errors import LedgerError
from app.server.demo import DEFAULT_PORT, run_demo
from app.server.embedded import EmbeddedRedisFailed
from app.server.serve import CannotServe, probe_address, serve
from app.settings import InvalidSettings, Settings, variable
from mappers.base import MapperError
from mappers.money import InvalidAmount
from mappers.registry import BrokenMapper, sandbox, sandboxes
from providers.hub import sandbox as hub_sandbox
from providers.hub.client import HubError, HubMisconfigured
from providers.problems import InvalidProviders

# The sandbox that is no backend's.
HUB = "hub"

# The configuration or the machine is at fault: scripts see the exit code of wrong usage.
WRONG_SETUP = (InvalidSettings, InvalidProviders, CannotServe, EmbeddedRedisFailed, HubMisconfigured)

# It was understood, and refused.
REFUSED = (
    BrokenMapper,
    EditRefused,
    HubError,
    InUse,
    InvalidAmount,
    LedgerError,
    MapperError,
    NotAccepted,
    RegistrationFailed,
)


class _WrongSetup(click.ClickException):
    exit_code = 2


class _Explaining(click.Group):
    """A group whose commands end with a sentence, not a traceback, when the configuration or a server is at fault."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WRONG_SETUP as error:
            raise _WrongSetup(str(error)) from error
        except REFUSED as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Explaining, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Let shoppers on VTEX stores pay with gift cards that live in other systems.

    Settings come from the environment (GIFTBRIDGE_...), providers from providers.toml. Commands exit with 0 when it is
    done, 1 when it was refused or a check failed, and 2 when they were used wrongly or the configuration is wrong.
    """


main.add_command(cards)
main.add_command(doctor)
main.add_command(mappers_command)
main.add_command(providers)
main.add_command(reconcile_command)
main.add_command(transactions)


@main.command("serve")
@click.option("--bind", metavar="HOST:PORT", help="Where to listen; overrides GIFTBRIDGE_BIND.")
@click.option("--workers", type=int, help="Processes that answer; overrides GIFTBRIDGE_WORKERS.")
def serve_command(bind: str | None, workers: int | None) -> None:
    """Serve the providers of providers.toml until told to stop.

    Without GIFTBRIDGE_REDIS_URL it starts a durable Redis of its own under GIFTBRIDGE_DATA. SIGTERM and Ctrl-C finish
    the calls at hand first; SIGHUP loads the code and the configuration anew.
    """
    # gunicorn reads its configuration from the environment, like everything else.
    for name, value in (("bind", bind), ("workers", workers)):
        if value is not None:
            os.environ[variable(name)] = str(value)
    sys.exit(serve(Settings.from_environment()))


@main.command("sweep")
@json_option
@click.pass_context
def sweep_command(ctx: click.Context, as_json: bool) -> None:
    """Look once at everything that is due, and say what was done.

    The service does the same by itself every few seconds; this is for a machine where it does not run.
    """
    ctx.with_resource(logs_to_stderr())
    with opened() as parts, progress("Sweeping"):
        done = parts.sweeper.sweep_once()
    if as_json:
        print_json(done.counts)
    else:
        click.echo(f"Swept: {done}.")


@main.command("sandbox")
@click.argument("name", type=click.Choice((*sandboxes(), HUB)))
@click.option("--port", type=click.IntRange(0, 65535), help="Where to listen on 127.0.0.1; 0 chooses a free port.")
def sandbox_command(name: str, port: int | None) -> None:
    """Run a stand-in for the backend NAME, with gift cards to try; or, as `hub`, one for VTEX's Gift Card Hub.

    \b
    The Hub's accepts VTEX_APP_KEY=vtexappkey-demo and VTEX_APP_TOKEN=demo-vtex-token, at
    GIFTBRIDGE_HUB_URL='http://127.0.0.1:28750/{account}'.
    """
    backend = hub_sandbox if name == HUB else sandbox(name)
    wanted = backend.DEFAULT_PORT if port is None else port
    try:
        probe_address("127.0.0.1", wanted)
    except OSError as error:
        raise CannotServe(f"port {wanted} cannot be used ({error.strerror}): choose another with --port") from error
    mappers.sandbox.serve(backend.create_app(), wanted)


@main.command("demo")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where to serve on 127.0.0.1.",
)
def demo_command(port: int) -> None:
    """Show everything at once on this machine: two stand-in backends, a fresh Redis, and the service before them."""
    sys.exit(run_demo(port))
