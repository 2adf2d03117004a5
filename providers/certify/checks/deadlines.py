"""TIME: deadlines, measured over several calls from here to the provider and back."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from providers.certify.check import GUIDE, KNOWN_ISSUES, Chapter, Severity, expect
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
    _within([hub.get(hub.path).seconds for _ in range(READS)], CARD_SECONDS)


@check(2, Severity.CHECKOUT, GUIDE, "VTEX cuts the call after 15 s, and the shopper sees no card.")
def search(hub: Session) -> None:
    """Answer a search within 10 s."""
    _within([hub.search_code().seconds for _ in range(READS)], CALL_SECONDS)


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
    _within(seconds, CALL_SECONDS)


def _within(seconds: Sequence[float], limit: float) -> None:
    p99 = sorted(seconds)[-1 - len(seconds) // 100]
    expect(p99 <= limit, f"of {len(seconds)} calls p50 took {median(seconds):.2f} s, p99 {p99:.2f} s")
