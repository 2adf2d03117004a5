"""The list of mutations stays true: each still changes the code it names, and names a test that exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations.mutation import Mutation
from tests.mutations.safeties import MUTATIONS

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
