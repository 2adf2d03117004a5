"""The commands that show things: `sandbox` and `demo`."""

from __future__ import annotations

import json
import sys
from functools import partial
from types import ModuleType

import click

import mappers.sandbox
from app.server.demo import DEFAULT_PORT, codes, run_demo
from app.server.serve import CannotServe, probe_address
from mappers.registry import sandbox, sandboxes
from providers.hub import sandbox as hub_sandbox

# The sandbox that is no backend's.
HUB = "hub"


@click.command("sandbox")
@click.argument("name", type=click.Choice((*sandboxes(), HUB)))
@click.option("--port", type=click.IntRange(0, 65535), help="Where to listen on 127.0.0.1; 0 chooses a free port.")
def sandbox_command(name: str, port: int | None) -> None:
    """Run a sandbox of the backend NAME, with gift cards to try; or, as `hub`, one for VTEX's Gift Card Hub.

    It prints the options that a provider needs to use it, and the codes of its cards.

    \b
    The Hub's accepts VTEX_APP_KEY=vtexappkey-demo and VTEX_APP_TOKEN=demo-vtex-token, at
    GIFTBRIDGE_HUB_URL='http://127.0.0.1:28750/{account}'.
    """
    backend = hub_sandbox if name == HUB else sandbox(name)
    told = None if name == HUB else partial(_to_try, backend)
    wanted = backend.DEFAULT_PORT if port is None else port
    try:
        probe_address("127.0.0.1", wanted)
    except OSError as error:
        raise CannotServe(f"port {wanted} cannot be used ({error.strerror}): choose another with --port") from error
    mappers.sandbox.serve(backend.create_app(), wanted, told)


def _to_try(backend: ModuleType, url: str) -> str:
    """Return what a provider needs to use a backend's sandbox, and its codes."""
    options = [f"{name} = {json.dumps(value)}" for name, value in backend.DEMO_OPTIONS(url).items()]
    return "\n".join(["", "Options of a provider that uses it:", *options, "", "Its codes:", *codes(backend.SEEDS)])


@click.command("demo")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where to serve on 127.0.0.1.",
)
@click.option("--verbose", is_flag=True, help="List all codes and providers, and calls to paste, as well.")
def demo_command(port: int, verbose: bool) -> None:
    """Show everything at once on this machine: a sandbox of each backend, a fresh Redis, the service, its console."""
    sys.exit(run_demo(port, verbose=verbose))
