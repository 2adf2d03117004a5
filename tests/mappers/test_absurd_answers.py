"""Whatever a backend answers in place of a value, a card can be read or is unavailable, and at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from mappers import exact_json
from mappers.base import Mapper, MapperError, Query
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.registry import load, sandbox, sandboxes
from mappers.sandbox import running

# Numbers that take seconds to become integers, and larger ones minutes; numbers and moments that cannot be read.
ABSURD: list[Any] = [
    Decimal("1E+200000"),
    Decimal("1E-999999"),
    "9" * 5000,
    10**4000,
    "9999-12-31T23:59:59-23:59",
    [[]],
]

SECONDS = 5


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where something stands in a JSON value."""
    yield here
    for at, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*here, at))


def replaced(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    if not place:
        return other
    parts = value.copy()
    parts[place[0]] = replaced(value[place[0]], place[1:], other)
    return parts


class Spoiled:
    """The answers of a backend, with something else in one place of each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._decode = exact_json.decode
        self.place: int | None = None
        self.other: Any = None
        self.places = 0
        monkeypatch.setattr(exact_json, "decode", self)

    def __call__(self, content: bytes) -> Any:
        answer = self._decode(content)
        found = list(places(answer))
        self.places = max(self.places, len(found))
        return answer if self.place is None else replaced(answer, found[self.place % len(found)], self.other)


def read(mapper: Mapper, card_id: str) -> Any:
    return mapper.get_card(card_id, Deadline.after(SECONDS))


def find(mapper: Mapper, code: str) -> Any:
    return mapper.find(Query(code=code), Deadline.after(SECONDS))


@pytest.mark.parametrize("name", [name for name in sandboxes() if name != "memory"])
def test_an_absurd_value_is_no_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mapper_class, module = load(name), sandbox(name)
    code = next(iter(module.SEEDS))
    with running(module.create_app()) as backend:
        options = mapper_class.Options(**module.DEMO_OPTIONS(backend.url))
        mapper = mapper_class("demo", Currency.of("BRL"), next(iter(mapper_class.supported_holds)), options)
        (card, *_) = find(mapper, code)
        calls: list[tuple[Callable[[Mapper, str], Any], str]] = [(find, code), (read, card.id)]
        for call, what in calls:
            spoiled = Spoiled(monkeypatch)
            call(mapper, what)
            for place, other in product(range(spoiled.places), ABSURD):
                spoiled.place, spoiled.other = place, other
                began = time.monotonic()
                with suppress(MapperError):
                    call(mapper, what)
                assert time.monotonic() - began < SECONDS, f"{other} took too long"
            monkeypatch.undo()
