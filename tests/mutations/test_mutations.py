"""The list of mutations stays true: each still changes the code it names, and names a test that exists."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutations.mutation import Mutation
from tests.mutations.safeties import MUTATIONS
from tests.mutations.tree import PARTS

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_changes_one_place_of_the_code(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.text) == 1
    assert mutation.text != mutation.replacement


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_names_a_test_that_exists(mutation: Mutation) -> None:
    file, name = mutation.test.split("::")
    assert f"def {name}(" in (ROOT / file).read_text()


def test_no_safety_is_listed_twice() -> None:
    names = [mutation.name for mutation in MUTATIONS]
    assert len(names) == len(set(names))


def test_a_copy_holds_what_its_tests_import() -> None:
    """Otherwise they do not even begin, and notice nothing."""
    imported = {part for file in (ROOT / "tests").rglob("*.py") for part in _imported(file)}
    ours = {part for part in imported if (ROOT / part).is_dir()}
    assert {"app", "bench", "tests"} <= ours <= set(PARTS)


def _imported(file: Path) -> Iterator[str]:
    """Yield the part of the project, or the library, that each import of a file names."""
    for statement in ast.walk(ast.parse(file.read_text())):
        if isinstance(statement, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield str(statement.module).partition(".")[0]
