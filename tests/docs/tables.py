"""The tables of the documents that repeat the code: `python -m tests.docs.tables` writes them in their places.

It also corrects the paths of proofs whose tests have moved.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence

import click

from app.commands.cli import main
from app.server.metrics.catalog import CATALOG
from app.settings import documentation
from app.telemetry import FIELDS
from mappers.capabilities import describe, markdown
from providers.certify import plan
from tests.docs.documents import ROOT, document
from tests.faults.table import table as faults


def settings() -> str:
    """Return every setting of the service."""
    rows = [(f"`{name}`", f"`{default}`" if default else "", reason) for name, default, reason in documentation()]
    return _table(("variable", "default", "what for"), rows)


def log_fields() -> str:
    """Return the members of a line of the log."""
    return _table(("member", "says"), [(f"`{name}`", meaning) for name, meaning in FIELDS.items()])


def mappers() -> str:
    """Return what each built-in mapper can do, with links that start in docs/."""
    return markdown(describe()).replace("](mappers/", "](../mappers/")


def commands() -> str:
    """Return every command with its arguments and the first sentence of its help."""
    return _table(("command", "does"), [(f"`{usage(ctx)}`", summary(ctx.command)) for ctx in every_command()])


def metrics() -> str:
    """Return every metric."""
    rows = [
        (f"`{one.name}`", one.kind.value, ", ".join(f"`{label}`" for label in one.labels), one.help) for one in CATALOG
    ]
    return _table(("metric", "type", "labels", "what it says"), rows)


def every_command() -> Iterator[click.Context]:
    """Yield the contexts of the commands that do something, groups left out."""
    waiting = [click.Context(main, info_name="giftbridge")]
    while waiting:
        ctx = waiting.pop(0)
        command = ctx.command
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield ctx
        if isinstance(command, click.Group):
            children = [(name, command.get_command(ctx, name)) for name in command.list_commands(ctx)]
            waiting[:0] = [click.Context(one, info_name=name, parent=ctx) for name, one in children if one]


def usage(ctx: click.Context) -> str:
    """Return how a command is written, without its options."""
    arguments = [_metavar(ctx, one) for one in ctx.command.params if isinstance(one, click.Argument)]
    return " ".join([ctx.command_path, *arguments])


def _metavar(ctx: click.Context, argument: click.Argument) -> str:
    # Of a choice, click writes all values; here its name will do.
    return (argument.name or "").upper() if isinstance(argument.type, click.Choice) else argument.make_metavar(ctx)


def summary(command: click.Command) -> str:
    """Return the first paragraph of a command's help in one line."""
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Where each table stands: the document, and the name in its marks.
TABLES: dict[tuple[str, str], Callable[[], str]] = {
    ("docs/backends.md", "mappers"): mappers,
    ("docs/certify.md", "certify"): plan.as_markdown,
    ("docs/commands.md", "commands"): commands,
    ("docs/metrics.md", "metrics"): metrics,
    ("docs/operating.md", "settings"): settings,
    ("docs/operating.md", "log_fields"): log_fields,
    ("docs/reliability.md", "faults"): faults,
}


# A whole file that the code makes.
PLAN_FILE = "docs/certify.csv"

# What they claim is proved by tests, each named.
PROMISE = "docs/reliability.md"
THREATS = "docs/threat-model.md"
PROOF = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def with_proofs_found(text: str) -> str:
    """Return `text` with the paths of proofs corrected where a test of that name is in one other file."""
    tests = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}

    def corrected(proof: re.Match[str]) -> str:
        found = [path for path, code in tests.items() if f"def {proof[2]}(" in code]
        return f"`{found[0]}::{proof[2]}`" if len(found) == 1 else proof[0]

    return PROOF.sub(corrected, text)


def write() -> Iterator[str]:
    """Put every table in its place; yield the names of the documents that changed."""
    changed: dict[str, str] = {}
    for (name, mark), made in TABLES.items():
        text = changed.get(name, document(name).text)
        begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise LookupError(f"{name} has no marks {begin.strip()} and {end}")
        changed[name] = f"{before}{begin}{made()}\n{end}{after}"
    for name in (PROMISE, THREATS):
        changed[name] = with_proofs_found(changed.get(name, document(name).text))
    changed[PLAN_FILE] = plan.as_csv()
    for name, text in changed.items():
        if name == PLAN_FILE and not (ROOT / name).exists():
            (ROOT / name).touch()
        if text != document(name).text:
            (ROOT / name).write_text(text, "utf-8")
            yield name


if __name__ == "__main__":
    for written in write():
        print(f"wrote {written}")
