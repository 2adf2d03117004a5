"""A provider that is wrong in one way is caught by the check of that, and by no check of something else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mappers.base import Secret
from providers.certify.plan import PLAN
from providers.certify.runner import Report, Verdict, certify
from providers.certify.session import Target
from tests.certify.provider import CODE, CUSTOMER, KEY, TOKEN, URL, InProcess, Provider

TARGET = Target(URL, KEY, Secret(TOKEN), Secret(CODE), CUSTOMER, loyalty=True, issue=True, spend=Decimal("1.00"))

# Which checks a fault fails, and no other.
CAUGHT = {
    "open_search": "AUTH-1 AUTH-12 AUTH-13 AUTH-14 AUTH-15 AUTH-16 AUTH-17 AUTH-18 AUTH-19 AUTH-20 AUTH-21 AUTH-22",
    "open_card": "AUTH-2 AUTH-23",
    "open_issue": "AUTH-3",
    "open_debit": "AUTH-4",
    "open_transactions": "AUTH-5",
    "open_transaction": "AUTH-6",
    "open_authorization": "AUTH-7",
    "open_settle": "AUTH-8",
    "open_settlements": "AUTH-9",
    "open_cancel": "AUTH-10",
    "open_cancellations": "AUTH-11",
    "always_403": "AUTH-12",
    "always_401": "AUTH-13",
    "body_on_401": "AUTH-14",
    "body_on_403": "AUTH-15",
    "key_is_enough": "AUTH-16",
    "token_is_enough": "AUTH-17",
    "swapped_gets_in": "AUTH-18",
    "doubled_gets_in": "AUTH-19",
    "empty_gets_in": "AUTH-20",
    "any_key": "AUTH-21",
    "prefix_gets_in": "AUTH-22",
    "strangers_see_cards": "AUTH-23",
    "redirects_double_slash": "WIRE-1",
    "refuses_queries": "WIRE-2",
    "refuses_plain_json": "WIRE-3",
    "refuses_old_media_type": "WIRE-4",
    "refuses_charset": "WIRE-5",
    "refuses_tracing": "WIRE-6",
    "refuses_any_accept": "WIRE-7",
    "refuses_gzip": "WIRE-8",
    "answers_html_type": "WIRE-9",
    "may_be_stored": "WIRE-10",
    "refuses_new_fields": "WIRE-11",
    "refuses_null_clients": "WIRE-12",
    "wants_integers": "WIRE-13",
    "small_bodies_alone": "WIRE-14",
    "ascii_alone": "WIRE-15",
    "empty_errors": "WIRE-16 WIRE-17 WIRE-18 WIRE-19",
    "unknown_transaction_is_500": "WIRE-17",
    "broken_json_is_500": "WIRE-18",
    "errors_of_another_form": "WIRE-19",
    "search_without_links": "SHAPE-1 SHAPE-10",
    "search_balance_is_text": "SHAPE-2",
    "card_without_dates": "SHAPE-3",
    "card_balance_drifts": "SHAPE-4 READ-3",
    "card_dates_for_people": "SHAPE-5",
    "signs_in_id": "SHAPE-6",
    "code_in_id": "SHAPE-7",
    "search_shows_code": "SHAPE-8",
    "card_shows_code": "SHAPE-9",
    "link_to_the_root": "SHAPE-10",
    "debit_without_card": "SHAPE-11",
    "transaction_without_links": "SHAPE-12",
    "authorization_without_oid": "SHAPE-13",
    "settlement_value_is_text": "SHAPE-14",
    "cancellation_without_date": "SHAPE-15",
    "a_discount": "SHAPE-16",
    "signs_in_transaction": "SHAPE-17",
    "two_cards_of_a_code": "READ-1",
    "another_id_in_get": "READ-2 SHAPE-10",
    "another_balance_in_search": "READ-3",
    "shows_zero": "READ-4",
    "unknown_code_is_404": "READ-5",
    "code_with_signs_fails": "READ-6",
    "long_code_fails": "READ-7",
    "null_code_fails": "READ-8 READ-15",
    "empty_code_fails": "READ-9",
    "absent_code_fails": "READ-10",
    "strict_range": "READ-11",
    "no_content_range": "READ-12",
    "another_id_each_time": "READ-13 SHAPE-10",
    "reading_costs": "READ-14",
    "no_loyalty": "READ-15",
}


def report_of(*faults: str) -> Report:
    return certify(TARGET, http=InProcess(Provider(*faults)))


@pytest.mark.parametrize("fault", CAUGHT)
def test_a_wrong_provider_is_caught_by_its_check_and_by_no_other(fault: str) -> None:
    report = report_of(fault)
    seen = {one.check.number: one.seen for one in report.failed()}
    assert set(seen) == set(CAUGHT[fault].split()), seen


def test_a_right_provider_passes_all() -> None:
    report = report_of()
    assert {one.check.number: one.seen for one in report.results if one.verdict is not Verdict.PASSED} == {}
    assert not report.left
    assert report.balance_before == report.balance_after == Decimal(1)


def test_every_check_is_seen_to_fail() -> None:
    assert {check.number for check in PLAN} == {number for caught in CAUGHT.values() for number in caught.split()}
