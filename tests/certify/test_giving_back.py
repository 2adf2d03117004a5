"""What a run moved is given back, also when it is interrupted; what cannot be is said."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mappers.base import Secret
from providers.certify.check import Check, Failed, NotTried, Severity
from providers.certify.reports import as_fields
from providers.certify.runner import Report, Verdict, certify
from providers.certify.session import SETTLEMENTS, Session, Target
from tests.certify.provider import CODE, KEY, TOKEN, URL, InProcess, Provider

TARGET = Target(URL, KEY, Secret(TOKEN), Secret(CODE))


def run(provider: Provider, *steps: object, target: Target = TARGET) -> Report:
    checks = [
        Check(f"MONEY-{number}", "Ask.", "Otherwise.", Severity.MONEY, "a test", step)  # type: ignore[arg-type]
        for number, step in enumerate(steps)
    ]
    return certify(target, checks, http=InProcess(provider))


def test_a_debit_is_given_back_after_its_check() -> None:
    provider, seen = Provider(), []

    def debit(hub: Session) -> None:
        hub.debit(hub.share())
        seen.append(provider.cents)
        raise Failed("it went wrong")

    report = run(provider, debit)
    assert (seen, provider.cents, report.left) == ([0], 100, [])


def test_what_was_settled_is_refunded() -> None:
    provider = Provider()

    def settle(hub: Session) -> None:
        hub.done(hub.opened(hub.share()), SETTLEMENTS, Decimal("0.40"))

    report = run(provider, settle)
    assert (provider.cents, report.left) == (100, [])


def test_an_interruption_gives_back_and_makes_no_further_check() -> None:
    provider = Provider()

    def interrupted(hub: Session) -> None:
        hub.debit(hub.share())
        raise KeyboardInterrupt

    report = run(provider, interrupted, lambda hub: hub.search())
    assert (provider.cents, report.left, report.interrupted, report.results) == (100, [], True, [])
    assert not report.ok(Severity.MONEY)


def test_a_debit_whose_answer_is_lost_is_asked_for_again_and_given_back() -> None:
    provider = Provider("loses_debit_answers")
    report = run(provider, lambda hub: hub.debit(hub.share()))
    assert report.results[0].verdict is Verdict.FAILED
    assert (provider.cents, report.left) == (100, [])


def test_what_cannot_be_given_back_is_said() -> None:
    report = run(Provider("refuses_cancellations"), lambda hub: hub.debit(hub.share()))
    assert len(report.left) == 1
    assert "a cancellation of 1.00" in report.left[0]
    assert not report.ok(Severity.MONEY)


def test_a_debit_without_an_id_is_said_to_be_left() -> None:
    report = run(Provider("debit_without_id"), lambda hub: hub.debit(hub.share()))
    assert "without an id" in report.left[0]


def test_a_credit_is_taken_again() -> None:
    provider = Provider()
    report = run(provider, lambda hub: hub.transaction("Credit", Decimal("0.50")))
    assert (provider.cents, report.left) == (100, [])


def test_a_card_with_too_much_money_is_not_touched() -> None:
    provider = Provider(balance="50.01")
    report = run(provider, lambda hub: hub.debit(hub.share()))
    assert report.results[0].verdict is Verdict.NOT_TRIED
    assert "--max-balance 50" in report.results[0].seen
    assert not [call for call in provider.calls if call.endswith("/transactions")]


def test_without_a_code_no_money_moves() -> None:
    report = run(Provider(), lambda hub: hub.debit(hub.share()), target=replace(TARGET, code=None))
    assert "--code-stdin" in report.results[0].seen


def test_no_secret_is_in_the_evidence() -> None:
    def look(hub: Session) -> None:
        hub.search_code()
        hub.get(f"/giftcards/{CODE}")
        raise Failed(f"the answer had {CODE} and {TOKEN} in it")

    report = run(Provider("search_shows_code"), look)
    shown = str(as_fields(report, Severity.COSMETIC))
    assert "_search" in shown
    assert "\u2022" in shown or "*" in shown
    assert CODE not in shown
    assert TOKEN not in shown


def test_a_check_that_needs_more_is_not_tried() -> None:
    def needs(hub: Session) -> None:
        raise NotTried("it needs something")

    assert run(Provider(), needs).results[0].verdict is Verdict.NOT_TRIED
