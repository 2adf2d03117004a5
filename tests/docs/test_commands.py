"""Every command in the documents exists, with its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from app.commands.cli import main
from app.commands.failures import explained
from app.ledger.errors import LedgerError
from app.server.serve import CannotServe
from tests.docs.documents import Document, document, documents

PAGES = [page for page in documents() if page.name != "CHANGELOG.md"]


def written(page: Document) -> Iterator[list[str]]:
    """Yield every call of the command that a document writes, as its words."""
    shell = "\n".join([*page.blocks("sh"), *page.blocks("")]).replace("\\\n", " ")
    lines = [line.partition(" #")[0] for line in shell.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", page.prose)
    for line in lines:
        found = re.match(r"(?:.*/)?giftbridge\s+([a-z].*)", line.strip())
        if found:
            yield shlex.split(re.split(r"[<>&|;]", found[1])[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Document) -> None:
    for words in written(page):
        ctx = click.Context(main, info_name="giftbridge")
        rest = [*words]
        while rest and isinstance(ctx.command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", rest[0]):
            child = ctx.command.get_command(ctx, rest[0])
            assert child is not None, f"{page.name}: giftbridge {' '.join(words)}"
            ctx = click.Context(child, info_name=rest.pop(0), parent=ctx)
        options = {name for one in ctx.command.get_params(ctx) for name in (*one.opts, *one.secondary_opts)}
        for word in rest:
            if word.startswith("--"):
                assert word.partition("=")[0] in options | {"--help"}, f"{page.name}: giftbridge {' '.join(words)}"


def test_the_documents_write_commands_at_all() -> None:
    assert len([*written(document("README.md"))]) > 10
    assert len([*written(document("docs/store-admin.md"))]) > 15


def test_exit_codes_are_as_documented() -> None:
    listed = {int(row[0]) for row in document("docs/commands.md").rows("code", "means")}
    refused, wrong_setup = exit_code(LedgerError("no")), exit_code(CannotServe("no"))
    assert listed == {0, refused, wrong_setup}
    assert (refused, wrong_setup, click.UsageError.exit_code) == (1, 2, 2)


def exit_code(error: Exception) -> int:
    """Return the exit code of a command that ends with an error."""
    ending = explained(error)
    assert ending is not None
    return ending.exit_code
