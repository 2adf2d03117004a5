"""The `giftbridge` command: it serves the protocol, sweeps once, runs a stand-in backend, or shows it all."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import click

import mappers.sandbox
from app import build, telemetry
from app.demo import DEFAULT_PORT, run_demo
from app.ledger.embedded import EmbeddedStore, EmbeddedStoreFailed
from app.ledger.errors import StoreUnavailable
from app.serve import CannotServe, probe_address, serve
from app.settings import InvalidSettings, Settings, variable
from mappers.registry import sandbox, sandboxes
from providers.problems import InvalidProviders
from providers.registry import Registry


class _WrongSetup(click.ClickException):
    """The configuration or the machine is at fault: scripts see the exit code of wrong usage."""

    exit_code = 2


class _Explaining(click.Group):
    """A group whose commands end with a sentence, not a traceback, when the configuration or a server is at fault."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (InvalidSettings, InvalidProviders, CannotServe, EmbeddedStoreFailed) as error:
            raise _WrongSetup(str(error)) from error
        except StoreUnavailable as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Explaining, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Let shoppers on VTEX stores pay with gift cards that live in other systems."""


@main.command("serve")
@click.option("--bind", metavar="HOST:PORT", help="Where to listen; overrides GIFTBRIDGE_BIND.")
@click.option("--workers", type=int, help="Processes that answer; overrides GIFTBRIDGE_WORKERS.")
def serve_command(bind: str | None, workers: int | None) -> None:
    """Serve the providers of providers.toml until told to stop.

    Without GIFTBRIDGE_REDIS_URL it starts a durable store of its own under GIFTBRIDGE_DATA. SIGTERM and Ctrl-C finish
    the calls at hand first; SIGHUP loads the code and the configuration anew.
    """
    # gunicorn reads its configuration from the environment, like everything else.
    for name, value in (("bind", bind), ("workers", workers)):
        if value is not None:
            os.environ[variable(name)] = str(value)
    sys.exit(serve(Settings.from_environment()))


@main.command("sweep")
def sweep_command() -> None:
    """Look once at everything that is due, and say what was done.

    The service does the same by itself every few seconds; this is for a machine where it does not run.
    """
    settings = Settings.from_environment()
    telemetry.configure(settings)
    registry = Registry.load(settings.providers)
    with ExitStack() as running:
        if settings.redis_url is None:
            store = running.enter_context(EmbeddedStore(settings.data))
            settings = replace(settings, redis_url=store.url)
        click.echo(f"Swept: {build(settings, registry).sweeper.sweep_once()}.")


@main.command("sandbox")
@click.argument("name", type=click.Choice(sandboxes()))
@click.option("--port", type=click.IntRange(0, 65535), help="Where to listen on 127.0.0.1; 0 chooses a free port.")
def sandbox_command(name: str, port: int | None) -> None:
    """Run a stand-in for the backend NAME, with gift cards to try."""
    backend = sandbox(name)
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
    """Show everything at once on this machine: two stand-in backends, a fresh store, and the service before them."""
    sys.exit(run_demo(port))


if __name__ == "__main__":
    main()
