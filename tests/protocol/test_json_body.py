"""JSON with exact numbers in both directions."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from app.protocol import json_body


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("15.30"), "15.3"),
        (Decimal("100.00"), "100.0"),
        (Decimal(870), "870.0"),
        (Decimal("1E+3"), "1000.0"),
        (Decimal("0.0001"), "0.0001"),
        (Decimal("0E-10"), "0.0"),
        (Decimal("99999999999.99"), "99999999999.99"),
        ({"value": Decimal("0.10"), "list": [None, True, 1, 'a"b']}, '{"value":0.1,"list":[null,true,1,"a\\"b"]}'),
        ([], "[]"),
    ],
)
def test_values_become_exact_json(value: Decimal | dict[str, Any] | list[Any], text: str) -> None:
    assert json_body.render(value) == text
    json.loads(text)


def test_a_float_is_never_answered() -> None:
    with pytest.raises(TypeError):
        json_body.render({"value": 15.3})


def test_nan_is_never_answered() -> None:
    with pytest.raises(ValueError, match="finite"):
        json_body.render(Decimal("NaN"))


def test_every_number_is_read_as_it_was_written() -> None:
    body = json_body.parse(b'{"a": 15.3, "b": 15.299999999999999, "c": 15, "d": -7.5, "e": true}')
    assert body == {
        "a": Decimal("15.3"),
        "b": Decimal("15.299999999999999"),
        "c": Decimal(15),
        "d": Decimal("-7.5"),
        "e": True,
    }
    assert isinstance(body["c"], Decimal)


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert json_body.parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"15",
        b'{"value": NaN}',
        b'{"value": Infinity}',
        b'{"value": -Infinity}',
        b'{"value": 1, "value": 2}',
        b'{"orderInfo": {"orderId": "a", "orderId": "b"}}',
        b'{"value": 1e99999999999999999999999}',
        b'{"a": "\xff\xfe"}',
        b'{"a": 1} trailing',
        b"{'a': 1}",
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_trustworthy_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(json_body.InvalidJson):
        json_body.parse(raw)


def test_an_integer_of_thousands_of_digits_is_only_a_number() -> None:
    assert json_body.parse(b'{"sequence": ' + b"9" * 10_000 + b"}")["sequence"].adjusted() == 9999
