"""The `giftbridge` command. It loads a command's module only when that command runs, so that each starts quickly."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command is, and the first sentence of its help."""

    place: str
    help: str


COMMANDS = {
    "attention": Command("attention:attention_command", "List what waits for a person, and what mends it."),
    "backup": Command("backups:backup_command", "Copy the ledger into FILE, while the service works on it."),
    "cards": Command("cards:cards", "Look at a gift card, and at what shoppers were refused."),
    "certify": Command(
        "certify:certify_command", "Check any gift card provider for VTEX, as the Gift Card Hub calls it."
    ),
    "demo": Command(
        "running:demo_command",
        "Show everything at once on this machine: a sandbox of each backend, a fresh Redis, the service, its console.",
    ),
    "doctor": Command("doctor:doctor", "Find what is wrong with this installation."),
    "health": Command(
        "health:health", "Ask the service at GIFTBRIDGE_BIND whether it lives; exit with 1 when it does not."
    ),
    "init": Command(
        "init:init_command",
        "Set up a service: ask what is needed, try each answer, write the files, and look at the whole.",
    ),
    "ledger": Command(
        "ledger:ledger",
        "Move the ledger to another Redis; see and end doubts about what Redis still knows; migrate it.",
    ),
    "mappers": Command(
        "mappers:mappers_command", "List the mappers, built in and from packages, and what each can do."
    ),
    "notices": Command("notices:notices", "See whether people are told of what waits for them."),
    "providers": Command("providers:providers", "Make, check and register providers."),
    "reconcile": Command("reconcile:reconcile_command", "Compare the ledger with the backends."),
    "report": Command("report:report", "Say what was taken, given back and held, by day and provider, for accounting."),
    "restore": Command(
        "backups:restore_command", "Put the backup FILE into the Redis that the settings name, which is empty."
    ),
    "sandbox": Command(
        "running:sandbox_command",
        "Run a sandbox of the backend NAME, with gift cards to try; or, as `hub`, one for VTEX's Gift Card Hub.",
    ),
    "serve": Command("serving:serve_command", "Serve the providers of providers.toml until told to stop."),
    "sweep": Command("sweep:sweep_command", "Look once at everything that is due, and say what was done."),
    "where": Command("where:where", "Say which ledger the commands work on, and where everything is."),
    "transactions": Command("transactions:transactions", "Find, show and repair transactions."),
    "users": Command("users:users_command", "Say who may use the console, and what they may do there."),
}


class _Commands(click.Group):
    """A group that ends with a sentence, not a traceback, when the configuration or a server is at fault."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].place.partition(":")
        command: click.Command = getattr(import_module(f"app.commands.{module}"), name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, without loading them."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [CompletionItem(name, help=COMMANDS[name].help) for name in names] + click.Command.shell_complete(
            self, ctx, incomplete
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        limit = formatter.width - 6 - max(map(len, COMMANDS))
        shown = (click.Command(name, help=COMMANDS[name].help) for name in sorted(COMMANDS))
        rows = [(command.name or "", command.get_short_help_str(limit)) for command in shown]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

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
