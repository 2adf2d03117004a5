"""One safety taken away: the text that makes it, what is left without it, and the test that must notice."""

from __future__ import annotations

from dataclasses import dataclass

LEDGER = "app/ledger/"
STORAGE = "app/ledger/storage/"
LUA = "app/ledger/storage/lua/"
ATTACK = "tests/ledger/test_found_by_attack.py::test_"
ATTACK_ON_CARDS = "tests/ledger/test_found_by_attack_on_cards.py::test_"
ATTACK_ON_MAPPERS = "tests/ledger/test_found_by_attack_on_mappers.py::test_"
BAD_DAYS = "tests/ledger/test_bad_days.py::test_"
FOUND = "tests/ledger/test_found_by_faults.py::test_"
HTTP = "tests/mappers/test_http_failures.py::test_"
SAFETIES = "tests/ledger/test_safeties.py::test_"
SAFETIES_OF_CARDS = "tests/ledger/test_safeties_of_cards.py::test_"
SIMULATION = "tests/ledger/test_found_by_simulation.py::test_"
STORIES = "tests/ledger/test_stories.py::test_"


@dataclass(frozen=True)
class Mutation:
    """Without the safety called `name`, `text` in `file` is `replacement`, and `test` fails."""

    name: str
    file: str
    text: str
    replacement: str
    test: str
