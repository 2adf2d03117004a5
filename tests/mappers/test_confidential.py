"""What a request brought and nobody may read is masked in any text, however it is written there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, urlencode

import pytest

from mappers import confidential

CODE = "XTYB-IOBW/WL+JE=é.\"'SEYG"
NAME = "Zoé\nda Silva"


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    confidential.forget()
    yield
    confidential.forget()


@pytest.mark.parametrize("secret", [CODE, NAME])
@pytest.mark.parametrize(
    "write",
    [
        str,
        repr,
        json.dumps,
        lambda text: json.dumps(repr(text)),
        lambda text: json.dumps(text, ensure_ascii=False),
        quote,
        lambda text: quote(text, safe=""),
        quote_plus,
        lambda text: "https://backend/cards?" + urlencode({"code": text, "at": "now"}),
    ],
)
def test_it_is_masked_however_it_is_escaped(secret: str, write: object) -> None:
    confidential.keep_codes([CODE])
    confidential.keep_fields([NAME])
    assert callable(write)
    written = f"before {write(secret)} after"
    masked = confidential.masked(written)
    assert "****" in masked
    assert not any(part in masked for part in ("IOBW", "Silva"))
    assert masked.startswith("before ")
    assert masked.endswith(" after")


def test_of_a_code_the_last_characters_are_shown_and_of_a_field_nothing() -> None:
    confidential.keep_codes(["XTYB-SEYG"])
    confidential.keep_fields(["Zoé Silva"])
    assert confidential.masked("XTYB-SEYG of Zoé Silva") == "****EYG of ****"


def test_a_masked_line_of_json_stays_json() -> None:
    code = 'CODE-1234-"""'
    confidential.keep_codes([code])
    assert json.loads(confidential.masked(json.dumps({"text": code}))) == {"text": "****"}


def test_a_document_is_masked_with_its_signs_and_without() -> None:
    confidential.keep_fields(["106.177.640-93"])
    assert confidential.masked("106.177.640-93 or 10617764093") == "**** or ****"


def test_short_words_are_left() -> None:
    confidential.keep_codes(["error"])
    confidential.keep_fields(["Ana"])
    assert confidential.masked("error of Ana") == "error of Ana"


def test_an_email_address_is_masked_whoever_sent_it() -> None:
    assert confidential.masked("<Ana.Maria+x@example.com>: no") == "<****>: no"
    assert confidential.masked('{"by": "ana@example.com"}') == '{"by": "****"}'


def test_what_was_kept_for_the_last_request_is_forgotten() -> None:
    confidential.keep_codes(["XTYB-SEYG"])
    confidential.forget()
    assert confidential.masked("XTYB-SEYG") == "XTYB-SEYG"


def test_a_job_over_many_transactions_keeps_those_of_the_last() -> None:
    for number in range(2 * confidential.MOST):
        confidential.keep_fields([f"customer{number:03}"])
    last = f"customer{2 * confidential.MOST - 1}"
    assert confidential.masked(f"customer000 {last}") == "customer000 ****"
