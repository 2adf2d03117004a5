"""Every text is there in every language, with all that is put into it."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal

import pytest
from flask_babel import force_locale

from app.console import formats
from app.console.formats import WrongAmount
from app.console.languages import LANGUAGES
from tests.console.catalogs import Text, is_filled, texts, translations

from .conftest import Console

TRANSLATED = [language for language in LANGUAGES if language != "en"]
UPDATE = "python -m tests.console.catalogs brings the catalogs up to date"

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w*\}")


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_no_other(language: str) -> None:
    found = translations(language)
    assert {text for _name, text, _message in found} == set(texts()), UPDATE
    assert not [text for _name, text, message in found if not is_filled(message)], "fill these in"
    assert not [text for _name, text, message in found if message.fuzzy], "make these sure"


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_text_is_translated_the_same_on_every_page(language: str) -> None:
    found: defaultdict[Text, set[object]] = defaultdict(set)
    for _name, text, message in translations(language):
        found[text].add(str(message.string))
    assert not {text: strings for text, strings in found.items() if len(strings) > 1}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_says_all_that_is_put_into_the_text(language: str) -> None:
    for _name, text, message in translations(language):
        wanted = {tuple(sorted(PLACEHOLDER.findall(one))) for one in _forms(text)}
        assert {tuple(sorted(PLACEHOLDER.findall(one))) for one in _forms(message.string)} <= wanted, text


def _forms(text: object) -> list[str]:
    return [str(one) for one in text] if isinstance(text, (list, tuple)) else [str(text)]


@pytest.mark.parametrize(
    ("wanted", "language"),
    [("pt-BR,pt;q=0.9", "pt-BR"), ("pt-PT", "pt-BR"), ("es-MX,es;q=0.8", "es"), ("fr", "en"), ("", "en")],
)
def test_a_stranger_reads_what_the_browser_says(console: Console, wanted: str, language: str) -> None:
    console.user()
    page = console.stranger().client.get("/sign-in", headers={"Accept-Language": wanted})
    assert f'<html lang="{language}"' in page.text


def test_a_user_reads_what_they_have_chosen(console: Console) -> None:
    page = console.user(language="es").client.get("/", headers={"Accept-Language": "pt-BR"})
    assert '<html lang="es"' in page.text
    assert "Resumen" in page.text


@pytest.mark.parametrize(
    ("language", "amount", "currency", "shown"),
    [
        ("en", "1234.50", "BRL", "R$1,234.50"),
        ("pt_BR", "1234.50", "BRL", "R$ 1.234,50"),
        ("es", "1234.50", "BRL", "1.234,50 BRL"),
        ("en", "1530", "JPY", "¥1,530"),
        ("pt_BR", "12.345", "KWD", "KWD 12,345"),
        ("en", "7.50", "JPY", "¥7.50"),
        ("en", "-3.00", "USD", "-$3.00"),
    ],
)
def test_an_amount_has_the_language_of_the_reader_and_the_digits_of_the_ledger(
    console: Console, language: str, amount: str, currency: str, shown: str
) -> None:
    with console.app.test_request_context(), force_locale(language):
        assert formats.money(Decimal(amount), currency).replace("\xa0", " ") == shown


@pytest.mark.parametrize(
    ("language", "typed", "amount"),
    [
        ("en", "40.00", "40.00"),
        ("en", "1,234.5", "1234.5"),
        ("pt_BR", "40,00", "40.00"),
        ("pt_BR", "1.234,50", "1234.50"),
    ],
)
def test_an_amount_is_typed_as_the_reader_writes_it(console: Console, language: str, typed: str, amount: str) -> None:
    with console.app.test_request_context(), force_locale(language):
        assert formats.amount_typed(typed) == Decimal(amount)


@pytest.mark.parametrize(
    ("language", "typed"),
    [
        ("pt_BR", "40.00"),
        ("en", "40,00"),
        ("en", ""),
        ("en", "0"),
        ("en", "-4"),
        ("en", "NaN"),
        ("en", "1e2"),
        ("en", "٤٠"),
        ("en", "forty"),
    ],
)
def test_what_could_be_another_amount_is_none(console: Console, language: str, typed: str) -> None:
    with console.app.test_request_context(), force_locale(language), pytest.raises(WrongAmount):
        formats.amount_typed(typed)
