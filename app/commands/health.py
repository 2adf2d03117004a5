"""The command `giftbridge health`."""

from __future__ import annotations

import sys

import click

from app.commands.output import note
from app.server.probe import ask
from app.settings import Settings

# Longer than a busy machine pauses, shorter than whoever asks waits.
TIMEOUT_SECONDS = 4.0


@click.command("health")
@click.option("--ready", is_flag=True, help="Ask whether it may be sent money: whether its Redis is there and safe.")
def health(*, ready: bool) -> None:
    """Ask the service at GIFTBRIDGE_BIND whether it lives; exit with 1 when it does not.

    For a container's health check, where there is no curl.
    """
    status, told = ask(Settings.from_environment().address, "/-/ready" if ready else "/-/health", TIMEOUT_SECONDS)
    if status != 200:
        note(told.strip() or f"it answers {status}")
        sys.exit(1)
    click.echo(told.strip())
