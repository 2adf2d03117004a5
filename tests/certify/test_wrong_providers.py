"""A provider that is wrong in one way is caught by the check of that, and by no check of something else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mappers.base import Secret
from providers.certify.check import Check
from providers.certify.plan import PLAN
from providers.certify.runner import Report, Verdict, certify
from providers.certify.session import Session, Target
from tests.certify.provider import CODE, CUSTOMER, KEY, TOKEN, URL, Cut, InProcess, Provider

TARGET = Target(URL, KEY, Secret(TOKEN), Secret(CODE), CUSTOMER, loyalty=True, issue=True, spend=Decimal("1.00"))

# Which checks a fault fails, and no other.
CAUGHT = {
    "open_search": "AUTH-1 AUTH-12 AUTH-13 AUTH-14 AUTH-15 AUTH-16 AUTH-17 AUTH-18 AUTH-19 AUTH-20 AUTH-21 AUTH-22 "
    "AUTH-24",
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
    "unknown_provider_is_404": "AUTH-24",
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
    "empty_errors": "WIRE-16 WIRE-17 WIRE-18 WIRE-19 MONEY-7",
    "unknown_transaction_is_500": "WIRE-17 SETTLE-12 CANCEL-14",
    "broken_json_is_500": "WIRE-18",
    "errors_of_another_form": "WIRE-19",
    "ignores_chunks": "WIRE-20",
    "wants_type_on_get": "WIRE-21",
    "search_without_links": "SHAPE-1 SHAPE-10 SHAPE-18",
    "search_balance_is_text": "SHAPE-2 SHAPE-18",
    "card_without_dates": "SHAPE-3",
    "card_balance_drifts": "SHAPE-4 READ-3",
    "card_dates_for_people": "SHAPE-5",
    "signs_in_id": "SHAPE-6",
    "code_in_id": "SHAPE-7",
    "search_shows_code": "SHAPE-8",
    "card_shows_code": "SHAPE-9",
    "link_to_the_root": "SHAPE-10",
    "debit_without_card": "SHAPE-11 SHAPE-21",
    "transaction_without_links": "SHAPE-12",
    "authorization_without_oid": "SHAPE-13 SHAPE-24",
    "settlement_value_is_text": "SHAPE-14 SHAPE-25",
    "cancellation_without_date": "SHAPE-15 SHAPE-27",
    "a_discount": "SHAPE-16",
    "signs_in_transaction": "SHAPE-17",
    "search_provider_is_a_number": "SHAPE-18",
    "card_currency_is_a_number": "SHAPE-19",
    "new_card_has_a_text_for_a_flag": "SHAPE-20",
    "debit_link_is_text": "SHAPE-21",
    "listed_without_card": "SHAPE-22",
    "description_is_a_number": "SHAPE-23",
    "authorization_oid_is_a_number": "SHAPE-24",
    "settlement_oid_is_a_number": "SHAPE-25",
    "settlements_dates_are_numbers": "SHAPE-26",
    "cancellation_oid_is_a_number": "SHAPE-27",
    "cancellations_without_oid": "SHAPE-28",
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
    "refuses_companies": "READ-16",
    "digits_alone": "READ-17",
    "capitals_differ": "READ-18",
    "shows_everybody": "READ-19",
    "debit_without_id": "MONEY-1 MONEY-18 SHAPE-11 SHAPE-21",
    "debit_takes_nothing": "MONEY-2 MONEY-11 RACE-1 RACE-2 RACE-6 MONEY-21",
    "new_id_on_replay": "MONEY-3 RACE-1",
    "debits_again": "MONEY-4 RACE-1 MONEY-21",
    "conflict_replays": "MONEY-5",
    "conflict_moves": "MONEY-6",
    "overdraws": "MONEY-7 RACE-2",
    "zero_debit": "MONEY-8",
    "negative_debit": "MONEY-9",
    "rounds_cents": "MONEY-10",
    "refuses_artifacts": "MONEY-11",
    "debits_unknown_cards": "MONEY-12",
    "one_transaction_per_value": "MONEY-13 RACE-2 MONEY-21",
    "another_request_shown": "MONEY-14",
    "no_transactions_listed": "MONEY-15",
    "authorizes_another_value": "MONEY-16",
    "wants_numbers_as_sequence": "MONEY-17",
    "credits_fail": "MONEY-18",
    "credit_gives_nothing": "MONEY-19",
    "credits_again": "MONEY-20",
    "forgets_lost_debit": "MONEY-21",
    "no_settlements_is_an_object": "SETTLE-1",
    "another_settlement_value": "SETTLE-2 SETTLE-4",
    "refuses_settlements": "SETTLE-2 SHAPE-14 SETTLE-14",
    "first_settlement_listed": "SETTLE-3",
    "one_of_settlements": "SETTLE-4",
    "again_settlements": "SETTLE-5 RACE-3 SETTLE-14",
    "conflicting_settlements": "SETTLE-6",
    "cap_off_by_one_settlements": "SETTLE-7",
    "cap_of_each_settlement": "SETTLE-8 CANCEL-10 RACE-4",
    "zero_settlements": "SETTLE-9",
    "negative_settlements": "SETTLE-10",
    "settlement_takes_again": "SETTLE-11",
    "unknown_settle": "SETTLE-12",
    "settles_canceled": "SETTLE-13 CANCEL-10",
    "forgets_lost_settle": "SETTLE-14",
    "no_cancellations_is_an_object": "CANCEL-1",
    "cancellation_keeps_money": "CANCEL-2",
    "first_cancellation_listed": "CANCEL-3",
    "one_of_cancellations": "CANCEL-4",
    "again_cancellations": "CANCEL-5 RACE-7 CANCEL-16",
    "conflicting_cancellations": "CANCEL-6",
    "cap_off_by_one_cancellations": "CANCEL-7",
    "refund_keeps_money": "CANCEL-8 CANCEL-9",
    "second_equal_refund_swallowed": "CANCEL-9 CANCEL-11",
    "refunds_again": "CANCEL-11",
    "zero_cancellations": "CANCEL-12",
    "negative_cancellations": "CANCEL-13",
    "unknown_cancel": "CANCEL-14",
    "refund_changes_settlements": "CANCEL-10 CANCEL-15",
    "forgets_lost_cancel": "CANCEL-16",
    "racing_debits": "RACE-1",
    "racing_overspends": "RACE-2",
    "racing_settlements": "RACE-3",
    "racing_caps_settlements": "RACE-4",
    "racing_caps_cancellations": "RACE-5",
    "racing_settlements_take": "RACE-4 RACE-6",
    "racing_cancellations": "RACE-7",
    "slow_card": "TIME-1",
    "slow_search": "TIME-2",
    "slow_debit": "TIME-3",
    "card_without_code": "ISSUE-1",
    "new_cards_have_money": "ISSUE-2",
    "two_cards_of_a_relation": "ISSUE-3",
}


def report_of(*faults: str) -> Report:
    """Certify a provider whose card is as it was before each check, whatever the one before has lost."""
    provider = Provider(*faults)
    http = InProcess(provider)

    def restore(_: Check) -> None:
        provider.cents = 100

    return certify(TARGET, session=Session(TARGET, http, http.clock, Cut(http)), told=restore)


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
