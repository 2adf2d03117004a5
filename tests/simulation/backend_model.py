"""What every model of a backend keeps: balances, holds, and every effect that any call ever had."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mappers.http import Answer
from mappers.money import Currency
from tests.simulation.transport import Environment

CARDS = ("card-1", "card-2", "card-3")
FIRST_BALANCE = 10_000
BRL = Currency("BRL", 2)

# Every card was made long ago.
FIRST_DATE = "2023-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Effect:
    """What one call did to a card's spendable balance, in minor units. `key` is the step's, whatever the backend keeps.

    `ours` is False for what the backend did by itself to something of that key.
    """

    key: str
    change: int
    ours: bool = True
    card_id: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A card that was made through us: its code, and what its backend was told of it. Reads show it later."""

    code: str
    told: Mapping[str, Any]
    date: str
    shown_from: int


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. `key` is the step's that it is made for; the backend itself may never get it."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    body: Any
    key: str


class BackendModel(ABC):
    """What a model backend has in common with the others. Subclasses say what a repeat does, and what is shown."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.balance = dict.fromkeys(CARDS, FIRST_BALANCE)
        self.first_balance = dict(self.balance)
        self.codes = {code_of(card_id): card_id for card_id in CARDS}
        self.issued: dict[str, Issued] = {}  # by the id of the card
        self.effects: list[Effect] = []
        self.transactions: dict[str, str] = {}  # of each key that was ever run, the ledger's transaction
        self.holds: dict[str, int] = {}  # open ones: key -> minor units
        self.spent_elsewhere = dict.fromkeys(CARDS, 0)
        self.holds_expired = False
        self.leaves_to_people = False  # what others meddled with
        self.suspended: str | None = None  # the card that pays nothing new now
        self.takes_nothing_while_suspended = False
        self.ends_at: int | None = None  # when every card ends, if ever; it tells so
        self.ended: set[str] = set()  # cards that neither pay nor are given anything any more
        self.refused_payments = False  # because it was suspended

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """Do what a call asks for, at this very moment."""

    # Cards are found by their codes, and new ones are made empty.

    def found_by(self, code: str) -> str | None:
        """Return the card that reads show for a code, if any."""
        card_id = self.codes.get(code)
        return card_id if card_id is not None and self.shows(card_id) else None

    def code(self, card_id: str) -> str:
        return next(code for code, of in self.codes.items() if of == card_id)

    def shows(self, card_id: str) -> bool:
        """Tell whether reads show a card."""
        issued = self.issued.get(card_id)
        return card_id in self.balance if issued is None else issued.shown_from <= self.now

    def issue(self, card_id: str, told: Mapping[str, Any], *, code: str = "") -> Issued:
        """Make an empty card, as it was `told`."""
        code = code or code_of(card_id)
        self.balance[card_id] = self.first_balance[card_id] = self.spent_elsewhere[card_id] = 0
        self.codes[code] = card_id
        made = self.issued[card_id] = Issued(code, told, self.date, self.now + self.environment.faults.lag())
        return made

    def first_date(self, card_id: str) -> str:
        return self.issued[card_id].date if card_id in self.issued else FIRST_DATE

    def told(self, card_id: str) -> Mapping[str, Any]:
        """Return what a card was issued with, nothing where it was there before."""
        return self.issued[card_id].told if card_id in self.issued else {}

    @property
    def now(self) -> int:
        return self.environment.scheduler.now

    def taken_by(self, transaction_id: str) -> int:
        """Return what left the cards for one of the ledger's transactions, whoever gave it back."""
        return -sum(one.change for one in self.effects if self.transactions.get(one.key) == transaction_id)

    def card_of(self, transaction_id: str) -> str:
        """Return the card that one of the ledger's transactions moved."""
        return next(one.card_id for one in self.effects if self.transactions.get(one.key) == transaction_id)

    def was_made_anew(self, key: str) -> bool:
        """Tell whether a step was done again only because Redis had forgotten something and VTEX asked for it again.

        Then all of its transaction had been given back before it was taken again, and no more went back than stood.
        """
        taken, times = 0, 0
        for one in self.effects:
            if self.transactions.get(one.key) != self.transactions.get(key):
                continue
            times += one.key == key
            if one.key == key and times > 1 and (taken if one.change < 0 else taken < one.change):
                return False
            taken -= one.change
        return self.environment.history > 0

    def is_whole(self, payment: str) -> bool:
        """Tell whether nothing of the transaction of a payment was given back yet."""
        key = self.payments()[payment]
        taken = -sum(one.change for one in self.effects if one.key == key)
        return 0 < taken == self.taken_by(self.transactions[key])

    def move(self, card_id: str, key: str, change: int, *, ours: bool = True) -> None:
        self.balance[card_id] += change
        self.effects.append(Effect(key, change, ours, card_id))

    def spend_elsewhere(self, card_id: str, amount: int) -> bool:
        """Let the shopper pay in a shop; tell whether the card could."""
        if not 0 < amount <= self.balance[card_id]:
            return False
        self.balance[card_id] -= amount
        self.spent_elsewhere[card_id] += amount
        return True

    def suspend(self, card_id: str | None) -> None:
        self.suspended = card_id

    def may_pay(self, card_id: str) -> bool:
        """Tell whether a card pays now: asked before each new payment."""
        self.refused_payments |= self.suspended == card_id
        return self.suspended != card_id and not self.has_ended(card_id)

    def has_ended(self, card_id: str) -> bool:
        return card_id in self.ended or (self.ends_at is not None and self.ends_at <= self.now)

    @property
    def last_day(self) -> str | None:
        """When every card ends, as most backends write it."""
        return None if self.ends_at is None else _written(self.ends_at)

    def may_be_given(self, card_id: str) -> bool:
        """Tell whether new value may be added to a card now. What was taken from it can always be undone."""
        switched_off = self.takes_nothing_while_suspended and self.suspended == card_id
        self.refused_payments |= switched_off
        return not self.has_ended(card_id) and not switched_off

    @property
    def date(self) -> str:
        """Now, as most backends write it."""
        return _written(self.now)

    # What people see and do in the vendor's own dashboard.

    @abstractmethod
    def reference(self, key: str) -> str:
        """Return the backend's own id of what a step did, "" where it gives none."""

    @abstractmethod
    def payments(self) -> dict[str, str]:
        """Return the backend's own ids of what was taken or is held through us and still stands, each with its key."""

    @abstractmethod
    def is_held(self, payment: str) -> bool:
        """Tell whether it is held, and not taken yet."""

    @abstractmethod
    def undo_by_hand(self, payment: str) -> None:
        """Let somebody give it back in the dashboard."""

    def capture_by_hand(self, payment: str) -> None:
        """Let somebody take what is held in the dashboard."""
        raise NotImplementedError

    def catch_up(self) -> None:
        """Do what the backend would have done by itself by now."""


def code_of(card_id: str) -> str:
    """Return the code of a card, which its id does not tell; it ends like the only part of it that VTEX shows."""
    return f"GIFT-{card_id[::-1].upper()}-ASDQ"


def _written(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
