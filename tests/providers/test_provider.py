"""A provider knows who may speak to it, and its policy says for how long."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest

from mappers.base import Holds
from mappers.memory.mapper import Memory
from mappers.money import Currency
from providers.provider import Credential, Policy, Provider, parse_duration, token_digest


def a_provider(*pairs: tuple[str, str]) -> Provider:
    currency = Currency.of("BRL")
    return Provider(
        id="acme",
        caption="Acme",
        currency=currency,
        mapper=Memory("acme", currency, Holds.NATIVE, Memory.Options()),
        credentials=tuple(Credential(key, token_digest(token)) for key, token in pairs),
        policy=Policy(Holds.NATIVE),
    )


@pytest.mark.parametrize("pair", [("old", "old-token"), ("new", "new-token")])
def test_each_of_its_pairs_is_accepted(pair: tuple[str, str]) -> None:
    assert a_provider(("old", "old-token"), ("new", "new-token")).authenticate(*pair)


@pytest.mark.parametrize(
    "pair",
    [
        ("old", "new-token"),
        ("new", "old-token"),
        ("old", "wrong"),
        ("wrong", "old-token"),
        ("old", ""),
        ("", "old-token"),
        ("", ""),
        ("OLD", "old-token"),
        ("old", sha256(b"old-token").hexdigest()),
        ("öld", "tökén\udcff"),
    ],
)
def test_every_other_pair_is_refused(pair: tuple[str, str]) -> None:
    assert not a_provider(("old", "old-token"), ("new", "new-token")).authenticate(*pair)


def test_without_credentials_nobody_is_let_in() -> None:
    assert not a_provider().authenticate("", "")


def test_all_pairs_are_compared_whichever_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr("providers.provider.hmac.compare_digest", compare)
    provider = a_provider(("one", "1"), ("two", "2"), ("three", "3"))
    counts = []
    for pair in [("one", "1"), ("three", "3"), ("one", "wrong"), ("wrong", "1"), ("wrong", "wrong")]:
        compared.clear()
        provider.authenticate(*pair)
        counts.append(len(compared))
    assert counts == [6] * 5


def test_no_token_shows_in_its_representation() -> None:
    shown = repr(a_provider(("key", "the-token")))
    assert "the-token" not in shown
    assert repr(token_digest("the-token")) not in shown


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("45m", timedelta(minutes=45)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("3650d", timedelta(days=3650)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "30", "d", "0d", "-1d", "1.5h", "30 d", "30D", "1w", "3651d", "999999999d", "٣d", "30d\n"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="30d"):
        parse_duration(text)
