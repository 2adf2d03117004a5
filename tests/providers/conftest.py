"""A providers file to write, and a mapper that wants options of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

import mappers.registry
from mappers.base import Card, Holds, InvalidOptions, Mapper, Query, Receipt, Secret, Step
from mappers.deadline import Deadline
from mappers.money import Currency

ACME = """\
[acme]
caption = "Acme gift cards"
currency = "BRL"
mapper = "picky"
service_url = "https://gift.example.com/acme"
[[acme.credentials]]
app_key = "acme-key"
app_token = "acme-token"
[acme.options]
base_url = "http://127.0.0.1:1"
api_key = "very-secret"
[acme.policy]
holds = "native"
"""


@dataclass(frozen=True, slots=True)
class PickyOptions:
    base_url: str
    api_key: Secret
    page_size: int = 10
    verbose: bool = False
    region: str | None = None

    def __post_init__(self) -> None:
        if self.page_size > 100:
            raise InvalidOptions("page_size", "must be at most 100")


class Picky(Mapper):
    supported_holds = (Holds.NATIVE, Holds.LEDGER)
    longest_hold = timedelta(days=89)
    Options = PickyOptions

    def find(self, query: Query, deadline: Deadline) -> list[Card]:
        raise NotImplementedError

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        raise NotImplementedError

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        raise NotImplementedError

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        raise NotImplementedError

    def __init__(self, provider_id: str, currency: Currency, holds: Holds, options: PickyOptions) -> None:
        super().__init__(provider_id, currency, holds, options)
        if "://" not in options.base_url:
            raise InvalidOptions("base_url", "must be a URL")


Picky.__abstractmethods__ = frozenset()

WriteFile = Callable[[str], Path]


@pytest.fixture(autouse=True)
def picky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the mapper known by name, beside the real ones."""
    load = mappers.registry.load
    monkeypatch.setattr(mappers.registry, "load", lambda name: Picky if name == "picky" else load(name))


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    def write(text: str) -> Path:
        path = tmp_path / "providers.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def acme() -> str:
    """A providers file without a mistake."""
    return ACME
