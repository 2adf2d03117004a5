"""TIME: deadlines, measured over several calls from here to the provider and back."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from providers.certify.check import GUIDE, KNOWN_ISSUES, Chapter, Severity, Timing, expect
from providers.certify.session import CANCELLATIONS, SETTLEMENTS, Session

CHAPTER = Chapter("TIME")
check = CHAPTER.check

READS = 20
ROUNDS = 3

# The 1.5 s of a card are VTEX's own way, too; after 15 s every other call is cut.
CARD_SECONDS = 1.0
CALL_SECONDS = 10.0


@check(1, Severity.CHECKOUT, GUIDE, "VTEX waits 1.5 s for a card, its own way included: the payment fails.")
def card(hub: Session) -> None:
    """Show a card within 1 s."""
    _within(hub, [hub.get(hub.path).seconds for _ in range(READS)], CARD_SECONDS)


@check(2, Severity.CHECKOUT, GUIDE, "VTEX cuts the call after 15 s, and the shopper sees no card.")
def search(hub: Session) -> None:
    """Answer a search within 10 s."""
    _within(hub, [hub.search_code().seconds for _ in range(READS)], CALL_SECONDS)


@check(3, Severity.ORDERS, KNOWN_ISSUES, "VTEX cuts the call after 15 s and tells the merchant of an error 401.")
def money(hub: Session) -> None:
    """Answer debits, settlements and cancellations within 10 s."""
    seconds = []
    for _ in range(ROUNDS):
        value = hub.share()
        debit = hub.debit(value)
        opened = hub.opened_by(debit)
        settled = hub.post(opened, SETTLEMENTS, value)
        seconds += [debit.seconds, settled.seconds, hub.post(opened, CANCELLATIONS, value).seconds]
    _within(hub, seconds, CALL_SECONDS)


def _within(hub: Session, seconds: Sequence[float], limit_seconds: float) -> None:
    p50, p99 = median(seconds), sorted(seconds)[-1 - len(seconds) // 100]
    hub.timing = Timing(len(seconds), p50, p99, limit_seconds)
    expect(p99 <= limit_seconds, f"of {len(seconds)} calls p50 took {p50:.2f} s, p99 {p99:.2f} s")
