"""The `giftbridge` command. It loads a command's module only when that command runs, so that each starts quickly."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "cards": "app.commands.cards:cards",
    "demo": "app.commands.running:demo_command",
    "doctor": "app.commands.doctor:doctor",
    "ledger": "app.commands.ledger:ledger",
    "mappers": "app.commands.mappers:mappers_command",
    "providers": "app.commands.providers:providers",
    "reconcile": "app.commands.reconcile:reconcile_command",
    "sandbox": "app.commands.running:sandbox_command",
    "serve": "app.commands.running:serve_command",
    "sweep": "app.commands.sweep:sweep_command",
    "transactions": "app.commands.transactions:transactions",
}


class _Commands(click.Group):
    """A group that ends with a sentence, not a traceback, when the configuration or a server is at fault."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            explained = import_module("app.commands.failures").explained(error)
            if explained is None:
                raise
            raise explained from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="giftbridge")
def main() -> None:
    """Let shoppers on VTEX stores pay with gift cards that live in other systems.

    Settings come from the environment (GIFTBRIDGE_...), providers from providers.toml. Commands exit with 0 when it is
    done, 1 when it was refused or a check failed, and 2 when they were used wrongly or the configuration is wrong.
    """
