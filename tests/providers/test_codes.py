"""What shoppers type or paste is read as the code that their backend knows."""

from __future__ import annotations

import pytest

from providers.codes import Case, CodeForm, TypedCode, visible


@pytest.mark.parametrize(
    "typed",
    [
        " GIFT-1234-ABCD\t\r\n",
        "GIFT\u20111234\u2011ABCD",  # hyphens that do not break
        "GIFT\u20131234\u2014ABCD",  # dashes
        "GIFT\u22121234\ufe63ABCD",  # a minus sign, a small hyphen
        "\ufeffGIFT-\u200b1234\u200d-ABCD\u2060",  # nothing that is seen
        "\u200eGIFT-1234-ABCD\u202c",  # marks of direction
        "GIFT\u00ad-1234-ABCD",  # a soft hyphen
        "\u00a0GIFT-1234-ABCD\u3000",  # spaces of other kinds
        "GIFT-12\x0034-ABCD",
    ],
    ids=ascii,
)
def test_a_pasted_code_is_the_one_that_is_seen(typed: str) -> None:
    assert CodeForm().read(typed) == TypedCode("GIFT-1234-ABCD")


@pytest.mark.parametrize("code", ["gift 12", "Aa0/+=.%#?&", "ÉÇ-ño", "コード-12", "\U0001f381-GIFT"])
def test_a_code_that_is_typed_as_it_is_stays_so(code: str) -> None:
    assert CodeForm().read(code) == TypedCode(code)


def test_a_space_inside_is_a_plain_one() -> None:
    assert visible("GIFT\u00a01234\u2009ABCD") == "GIFT 1234 ABCD"


@pytest.mark.parametrize(
    ("form", "typed", "code"),
    [
        (CodeForm(Case.UPPER), "gift-ab12", "GIFT-AB12"),
        (CodeForm(Case.LOWER), "GIFT-AB12", "gift-ab12"),
        (CodeForm(strip="- "), "1234 5678\u20139012", "123456789012"),
        (CodeForm(Case.UPPER, "-"), "ab-cd", "ABCD"),
        (CodeForm(strip="-"), "----", ""),
        (CodeForm(), "\u200b", ""),
    ],
)
def test_a_provider_says_how_its_codes_are_written(form: CodeForm, typed: str, code: str) -> None:
    assert form.read(typed) == TypedCode(code)


@pytest.mark.parametrize(
    ("form", "typed", "code", "pin"),
    [
        (CodeForm(pin_separator="#"), "GIFT-12#0042", "GIFT-12", "0042"),
        (CodeForm(pin_separator="#"), " GIFT-12 # 0042 ", "GIFT-12", "0042"),
        (CodeForm(pin_separator="-"), "1234-5678\u201199", "1234-5678", "99"),
        (CodeForm(Case.UPPER, "- ", "#"), "ab 12-34#ab-1", "AB1234", "ab-1"),
        (CodeForm(pin_separator="#"), "GIFT-12", "GIFT-12", None),
        (CodeForm(pin_separator="#"), "GIFT-12#", "GIFT-12", None),
        (CodeForm(), "GIFT-12#0042", "GIFT-12#0042", None),
    ],
)
def test_a_pin_is_what_comes_last_behind_the_separator(form: CodeForm, typed: str, code: str, pin: str | None) -> None:
    assert form.read(typed) == TypedCode(code, pin)


def test_neither_is_shown() -> None:
    assert repr(TypedCode("GIFT-12", "0042")) == "TypedCode()"
