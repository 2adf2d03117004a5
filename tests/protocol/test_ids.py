"""Card ids in paths: every id comes back as it was, and no two meet."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.ledger.errors import TransactionNotFound
from app.protocol import ids
from mappers.base import CardNotFound

# A busy machine is no failure.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

URL_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@pytest.mark.parametrize("card_id", ["24", "3b1abc17-988e-4a14-8b7f-31fc6a5b955c_24", "v1.card", "b64"])
def test_an_id_that_is_safe_in_a_url_stays_as_it_is(card_id: str) -> None:
    assert ids.encode(card_id) == ids.decode(card_id) == card_id


@patient
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_every_id_survives_the_url_and_is_safe_there(card_id: str) -> None:
    segment = ids.encode(card_id)
    assert URL_SAFE.fullmatch(segment)
    assert ids.decode(segment) == card_id


@patient
@given(st.text(max_size=40) | st.from_regex(r"b64-[A-Za-z0-9_=-]{0,12}", fullmatch=True))
def test_one_card_has_one_segment_and_all_else_is_not_found(segment: str) -> None:
    try:
        card_id = ids.decode(segment)
    except CardNotFound:
        return
    assert ids.encode(card_id) == segment


NOT_URL_SAFE = ["", "_search", "-x", "..", "a b", "a/b", "ção"]
NOT_ENCODED_BY_US = ["b64-", "b64-!!", "b64-YQ==", "b64-YQ", "b64-_w", "b64-a"]


@pytest.mark.parametrize("segment", NOT_URL_SAFE + NOT_ENCODED_BY_US)
def test_garbage_names_no_card(segment: str) -> None:
    with pytest.raises(CardNotFound):
        ids.decode(segment)


def test_an_id_that_looks_encoded_is_encoded_again() -> None:
    assert ids.encode("b64-YQ") != "b64-YQ"
    assert ids.decode(ids.encode("b64-YQ")) == "b64-YQ"


@pytest.mark.parametrize("segment", ["", "a/b", "a b", "..", "x" * 129, "é", "a\n"])
def test_what_cannot_be_a_transaction_of_ours_is_not_found(segment: str) -> None:
    with pytest.raises(TransactionNotFound):
        ids.transaction_id(segment)


def test_an_id_of_the_ledger_passes() -> None:
    name = "gb-07" + "0123456789abcdef" * 2
    assert ids.transaction_id(name) == name
