"""`giftbridge mappers`: which backends there are and what each can do, and the skeleton of the next one."""

from __future__ import annotations

from pathlib import Path

import click

from app.commands.output import Column, json_option, note, print_json, print_table
from mappers.capabilities import Description, answer, describe, markdown
from mappers.skeleton.writer import CannotWrite, Skeleton

COLUMNS = (
    Column("mapper"),
    Column("origin", rank=1),
    Column("version", rank=7),
    Column("holds"),
    Column("adds value", rank=2),
    Column("makes cards", rank=3),
    Column("statement", rank=4),
    Column("lists cards", rank=5),
    Column("repeats are safe", rank=6),
    Column("sandbox", rank=8),
    Column("options", rank=9),
)


@click.group("mappers", invoke_without_command=True)
@json_option(list[Description])
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table of docs/backends.md.")
@click.pass_context
def mappers_command(context: click.Context, *, as_json: bool, as_markdown: bool) -> None:
    """List the mappers, built in and from packages, and what each can do."""
    if context.invoked_subcommand is not None:
        return
    descriptions = describe()
    if as_json:
        print_json(descriptions)
    elif as_markdown:
        click.echo(markdown(descriptions))
    else:
        print_table(COLUMNS, [_row(description) for description in descriptions if not description.problem])
        for description in descriptions:
            if description.problem:
                note(f"\n{description.name} ({description.origin}) is not used: {description.problem}")


def _row(description: Description) -> list[str]:
    options = [*description.required_options, *(f"[{name}]" for name in description.optional_options)]
    return [
        description.name,
        description.origin,
        description.version or "",
        ", ".join(description.holds),
        answer(description.adds_value),
        answer(description.issues),
        answer(description.statement),
        answer(description.lists_cards),
        answer(description.repeatable),
        answer(description.sandbox),
        " ".join(options),
    ]


@mappers_command.command("new")
@click.argument("name")
@click.option("--package", is_flag=True, help="Make a package of its own, to be installed beside giftbridge.")
@click.option("--without-holds", is_flag=True, help="For a backend that takes and gives back, and reserves nothing.")
def new_command(name: str, *, package: bool, without_holds: bool) -> None:
    """Write the skeleton of a mapper called NAME into the current folder.

    In giftbridge's own repository it becomes mappers/NAME with its test; elsewhere, with --package, a package that pip
    can install. What the skeleton cannot know it says when its tests run.
    """
    try:
        skeleton = Skeleton.of(name, package=package, holds=not without_holds)
        written = skeleton.write(Path.cwd())
    except CannotWrite as error:
        raise click.UsageError(str(error)) from error
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"\n{skeleton.next_steps}")
