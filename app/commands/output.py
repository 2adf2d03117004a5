"""How the commands speak: tables that fit the terminal, JSON for scripts, and progress for what takes long."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TextIO, TypeVar

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mappers.exact_json import encode

F = TypeVar("F", bound=Callable[..., Any])

# Between two columns.
GAP = 2

# A pipe has no width; lines for other programs are never cut.
ENDLESS = 1_000_000

# What takes less needs no bar.
PATIENCE_SECONDS = 1.0

# How a word that says how something stands is colored.
STYLES = {
    **dict.fromkeys(("ok", "done", "authorized", "active"), "green"),
    **dict.fromkeys(("wrong", "refused", "declined", "parked", "missing", "extra", "double"), "red"),
    **dict.fromkeys(("amount", "state", "elsewhere", "unresolved"), "red"),
    **dict.fromkeys(("not tried", "not compared", "pending", "accepted", "abandoned", "expired"), "yellow"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. Where the terminal is too narrow, what is `longest` is shortened to that; then the one with
    the highest `rank` is left out first; those of rank 0 stay, and are folded."""

    title: str
    rank: int = 0
    right: bool = False
    longest: int | None = None


class JsonOption(click.Option):
    """`--json`, and the shape of what the command prints with it: an interface, listed in docs/interfaces.txt."""

    def __init__(self, *arguments: Any, shape: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.shape = shape


def json_option(shape: Any) -> Callable[[F], F]:
    """Add `--json` to a command that prints one value of `shape`: a dataclass, a TypedDict, a list or a union."""
    return click.option("--json", "as_json", cls=JsonOption, shape=shape, is_flag=True, help="Print JSON, for scripts.")


def print_json(value: Any) -> None:
    """Print `value` (dataclasses, dates in UTC, exact amounts) as one line of JSON."""
    click.echo(encode(plain(value)))


def plain(value: Any) -> Any:
    """Return `value` in JSON's own terms; amounts stay Decimal."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their headings, on a terminal no wider than it is."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max([cell_len(column.title), *(cell.cell_len for cell in cell_column)])
        for column, cell_column in zip(columns, zip(*cells, strict=True), strict=True)
    ]
    console = _console(sys.stdout)
    if sum(width + GAP for width in widths) > console.width + GAP:
        for number, column in enumerate(columns):
            if column.longest and widths[number] > column.longest:
                widths[number] = column.longest
                for row in cells:
                    row[number].truncate(column.longest, overflow="ellipsis")
    shown = _fitting(columns, widths, console.width)
    # The box itself puts a blank between columns.
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), header_style="bold")
    for number in shown:
        column = columns[number]
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(row[number] for number in shown))
    console.print(table)
    if hidden := [column.title for number, column in enumerate(columns) if number not in shown]:
        note(f"Not shown, as the terminal is narrow: {', '.join(hidden)}. --json has everything.")


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values, one below the other; a value that is None is left out."""
    table = Table.grid(padding=(0, GAP, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value is not None:
            table.add_row(_cell(name), _cell(value))
    _console(sys.stdout).print(table)


def note(text: str) -> None:
    """Say something beside the result: scripts do not read it."""
    click.echo(clean(text), err=True)


def clean(text: str) -> str:
    """Return `text` without anything that would steer a terminal: some of it was written by strangers."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def moment(date: datetime | None) -> str:
    """Return a date in UTC for people."""
    return "" if date is None else date.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


class Bar:
    """Something that takes a while, as it is told to whoever watches."""

    def __init__(self, label: str, total: int | None) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            *([BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()] if total else []),
            console=_console(sys.stderr),
            transient=True,
            # What is piped elsewhere must not end up beside the bar.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(label, total=total)
        self._timer = threading.Timer(PATIENCE_SECONDS, self._bar.start)
        self._watched = sys.stderr.isatty()

    def advance(self, count: int = 1) -> None:
        self._bar.update(self._task, advance=count)

    def say(self, text: str) -> None:
        """Tell what is being done now."""
        self._bar.update(self._task, description=clean(text))

    def begin(self) -> None:
        if self._watched:
            self._timer.start()

    def end(self) -> None:
        if self._watched:
            self._timer.cancel()
            self._timer.join()
            self._bar.stop()


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Bar]:
    """Show on a terminal how far something is, once it has taken a second. Without a total, only that it goes on."""
    bar = Bar(label, total)
    bar.begin()
    try:
        yield bar
    finally:
        bar.end()


def read_secret(what: str, option: str, *, from_stdin: bool) -> str:
    """Return a secret that is typed unseen, or is the first line of standard input. It never comes from an argument.

    `option` is the flag that says where it comes from.
    """
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, err=True))
    if not from_stdin:
        raise click.UsageError(f"{what}: nobody can be asked here; give {option} and write it to standard input")
    secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise click.UsageError(f"{what}: standard input is empty")
    return secret


def _cell(value: object) -> Text:
    text = moment(value) if isinstance(value, datetime) else "" if value is None else str(value)
    return Text(clean(text), style=STYLES.get(text, ""))


def _fitting(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Return the numbers of the columns that are shown."""
    shown = list(range(len(columns)))
    while sum(widths[number] + GAP for number in shown) > width + GAP:
        last = max(shown, key=lambda number: columns[number].rank)
        if columns[last].rank == 0:
            break
        shown.remove(last)
    return shown


def _console(stream: TextIO) -> Console:
    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        color_system="auto" if terminal and not os.environ.get("NO_COLOR") else None,
        width=None if terminal or "COLUMNS" in os.environ else ENDLESS,
        highlight=False,
        markup=False,
        emoji=False,
    )
