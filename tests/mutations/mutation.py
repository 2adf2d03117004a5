"""One safety taken away: the text that makes it, what is left without it, and the test that must notice."""

from __future__ import annotations

from dataclasses import dataclass

LEDGER = "app/ledger/"
STORAGE = "app/ledger/storage/"
LUA = "app/ledger/storage/lua/"
RECONCILIATION = "app/admin/reconciliation/"
ABANDONED = "tests/ledger/test_abandoned.py::test_"
CHANGED_BACKEND = "tests/ledger/test_changed_backend.py::test_"
BUSY_CARD = "tests/ledger/test_busy_card.py::test_"
CLOCK_SET_AHEAD = "tests/ledger/test_clock_set_ahead.py::test_"
CREDITS = "tests/ledger/test_credits.py::test_"
GUESSES = "tests/ledger/test_guesses.py::test_"
HTTP = "tests/mappers/test_http_failures.py::test_"
HTTP_GIVEN_UP = "tests/mappers/test_http_given_up.py::test_"
INTENT_FIRST = "tests/ledger/test_intent_first.py::test_"
INTERRUPTED_ATTEMPTS = "tests/ledger/test_interrupted_attempts.py::test_"
LATE_OUTCOMES = "tests/ledger/test_late_outcomes.py::test_"
LATE_REPLICA = "tests/ledger/test_late_replica.py::test_"
LEASES = "tests/ledger/test_leases.py::test_"
VOUCHER_LOCKS = "tests/ledger/test_voucher_locks.py::test_"
VOUCHER_RULES = "tests/ledger/test_voucher_rules.py::test_"
LIMITED_USES = "tests/ledger/test_limited_uses.py::test_"
LOST_ANSWERS = "tests/ledger/test_lost_answers.py::test_"
LOST_CHANGES = "tests/ledger/test_lost_changes.py::test_"
OUTLIVED = "tests/ledger/test_hold_outlives_card.py::test_"
PARKED = "tests/ledger/test_parked.py::test_"
DECISIONS = "tests/ledger/test_decisions.py::test_"
REFUSED_ACTS = "tests/ledger/test_refused_acts.py::test_"
REFERENCES = "tests/ledger/test_references.py::test_"
REFUSED_OWN_ACTS = "tests/ledger/test_refused_own_acts.py::test_"
PROMISED_SETTLEMENTS = "tests/ledger/test_promised_settlements.py::test_"
PURCHASES_ELSEWHERE = "tests/ledger/test_purchases_elsewhere.py::test_"
READ_LAG = "tests/ledger/test_read_lag.py::test_"
RECOVERY = "tests/ledger/test_recovery.py::test_"
FORGETFUL_REDIS = "tests/ledger/test_forgetful_redis.py::test_"
RECONCILE_DOUBLES = "tests/ledger/test_reconcile_doubles.py::test_"
RECONCILE_ELSEWHERE = "tests/ledger/test_reconcile_elsewhere.py::test_"
RECONCILE_FORGOTTEN = "tests/ledger/test_reconcile_forgotten.py::test_"
REDIS_CLIENT = "tests/ledger/test_redis_client.py::test_"
REFUNDS_IN_PART = "tests/ledger/test_refunds_in_part.py::test_"
REFUNDS_WITH_SANDBOXES = "tests/ledger/test_refunds_with_sandboxes.py::test_"
RETRY_AFTER_REFUSAL = "tests/ledger/test_retry_after_refusal.py::test_"
SHARED_ACCOUNTS = "tests/ledger/test_shared_accounts.py::test_"
SHARED_CARDS = "tests/ledger/test_shared_cards.py::test_"
STORIES = "tests/ledger/test_stories.py::test_"
TOTALS = "tests/ledger/test_totals.py::test_"
TERMS = "tests/ledger/test_terms.py::test_"
SWEEPER = "tests/ledger/test_sweeper.py::test_"
VTEX_GIFTCARDS = "tests/mappers/test_vtex_giftcards_wire.py::test_"


@dataclass(frozen=True)
class Mutation:
    """Without the safety called `name`, `text` in `file` is `replacement`, and `test` fails."""

    name: str
    file: str
    text: str
    replacement: str
    test: str
