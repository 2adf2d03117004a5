"""The page for people says everything in its language, shows no secret, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from mappers.base import Secret
from providers.certify.check import CHAPTERS, Severity, Timing
from providers.certify.languages import NAMES, keyed, language
from providers.certify.page import as_html
from providers.certify.plan import PLAN
from providers.certify.runner import Report, Result, Verdict, certify
from providers.certify.session import Exchange, Session, Target
from tests.certify.provider import CODE, KEY, TOKEN, URL, InProcess, Provider
from tests.docs.documents import ROOT

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
TRANSLATED = [name for name in NAMES if name != "en"]


def texts() -> set[str]:
    """Return every English text that a page can have."""
    template = (ROOT / "providers/certify/page.html").read_text()
    in_page = set(re.findall(r'\bt\("([^"]+)"\)', template)) | {"pass", "fail", "skip"}
    in_checks = {text for one in PLAN for text in (one.asks, one.consequence, one.source)}
    of_severities = {one.value for one in Severity}
    return {keyed(text) for text in in_page | in_checks | of_severities | set(CHAPTERS.values())}


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_language_has_every_text_and_nothing_else(name: str) -> None:
    assert set(language(name).texts) == texts()


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_translation_is_not_english_and_keeps_figures_fields_and_places(name: str) -> None:
    fixed = re.compile(r"\d+|\b[a-z]+[A-Z]\w+|`…`|\{\w+\}|[A-Z]+-[A-Za-z-]+|application/\S+?json|//giftcards")
    for english, text in language(name).texts.items():
        wanted = set(fixed.findall(english)) - {"AUTH-1", "serviceUrl"}
        assert wanted <= set(fixed.findall(text)), text
        assert english[-1:] == text[-1:] or english[-1:].isalnum() == text[-1:].isalnum(), text
        if len(english) > 25 and " " in english:
            assert text != english, text


def test_what_is_between_backticks_stays() -> None:
    text = language("pt").translated("Refuse `GET /giftcards/{id}` without credentials, and with a wrong token.")
    assert text == "Recusar `GET /giftcards/{id}` sem credenciais e com um token errado."
    assert language("en").translated("Say `a` and `b`.") == "Say `a` and `b`."


def result(number: str, verdict: Verdict, **fields: object) -> Result:
    check = next(one for one in PLAN if one.number == number)
    return replace(Result(check, verdict), **fields)  # type: ignore[arg-type]


REPORT = Report(
    "https://gift.example.com/acme",
    [
        result("AUTH-1", Verdict.PASSED),
        result("WIRE-10", Verdict.FAILED, seen="it was <script>alert(1)</script>"),
        result("READ-4", Verdict.NOT_TRIED, seen="give a card"),
        result(
            "MONEY-4",
            Verdict.FAILED,
            seen="it is 1 instead of 2",
            evidence=(Exchange("POST /x", "<b>", 0, "</pre><img src=x>", 0.25),),
        ),
        result("TIME-1", Verdict.PASSED, timing=Timing(20, 0.0123, 0.5, 1.0)),
    ],
    left=["1.00 of request R"],
    balance_before=Decimal("2.50"),
    balance_after=Decimal("1.50"),
)


class Seen(HTMLParser):
    """Notes which tags there are, what they point at, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("en", ["Not certified", "loses money", "the shopper pays twice", "0.012 s", "2.50 → 1.50", "Deadlines"]),
        (
            "pt",
            ["Não certificado", "perde dinheiro", "o comprador paga duas vezes", "0,012 s", "2,50 → 1,50", "Prazos"],
        ),
        ("es", ["No certificado", "pierde dinero", "el comprador paga dos veces", "0,012 s", "2,50 → 1,50", "Plazos"]),
    ],
)
def test_it_says_what_was_found_in_its_language(name: str, words: list[str]) -> None:
    seen = Seen(as_html(REPORT, Severity.COSMETIC, language(name), NOW))
    for word in [*words, "it was <script>alert(1)</script>", "</pre><img src=x>", "1.00 of request R", "give a card"]:
        assert word in seen.text, word


def test_it_needs_nothing_from_elsewhere_and_runs_nothing_of_strangers() -> None:
    seen = Seen(as_html(REPORT, Severity.COSMETIC, language("en"), NOW))
    assert not seen.tags & {"script", "img", "link", "iframe", "form"}
    assert seen.addresses == []
    assert "url(" not in seen.text


def test_the_worst_is_first() -> None:
    page = as_html(REPORT, Severity.COSMETIC, language("en"), NOW)
    assert page.index('id="MONEY-4"') < page.index('id="WIRE-10"')


def test_a_right_provider_is_certified_and_no_secret_is_shown() -> None:
    target = Target(URL, KEY, Secret(TOKEN), Secret(CODE))

    def certified(*faults: str) -> str:
        http = InProcess(Provider(*faults))
        checks = [one for one in PLAN if one.number in ("SHAPE-8", "READ-1", "MONEY-1", "TIME-1")]
        return as_html(
            certify(target, checks, session=Session(target, http, http.clock)), Severity.COSMETIC, language("en"), NOW
        )

    assert "No check failed." in certified()
    assert "Not certified" not in certified()
    wrong = certified("search_shows_code")
    assert "the search shows the whole code" in wrong
    assert CODE not in wrong
    assert TOKEN not in wrong
