"""The command `serve`, apart from all others: of what they need, a service that starts loads nothing."""

from __future__ import annotations

import os
import sys

import click

from app.server.serve import serve
from app.settings import Settings, variable


@click.command("serve")
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
