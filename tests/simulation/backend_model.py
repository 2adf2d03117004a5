"""What every model of a backend keeps: balances, holds, and every effect that any call ever had."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mappers.http import Answer
from mappers.money import Currency
from tests.simulation.transport import Environment

CARDS = ("card-1", "card-2")
FIRST_BALANCE = 10_000
BRL = Currency("BRL", 2)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one call did to a card's spendable balance, in minor units. `key` is the step's, whatever the backend keeps.

    `ours` is False for what the backend did by itself to something of that key.
    """

    key: str
    change: int
    ours: bool = True


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
        self.effects: list[Effect] = []
        self.holds: dict[str, int] = {}  # open ones: key -> minor units
        self.spent_elsewhere = dict.fromkeys(CARDS, 0)
        self.holds_expired = False
        self.suspended: str | None = None  # the card that pays nothing new now
        self.refused_payments = False  # because it was suspended

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """Do what a call asks for, at this very moment."""

    @property
    def now(self) -> int:
        return self.environment.scheduler.now

    def move(self, card_id: str, key: str, change: int, *, ours: bool = True) -> None:
        self.balance[card_id] += change
        self.effects.append(Effect(key, change, ours))

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
        return self.suspended != card_id

    def catch_up(self) -> None:
        """Do what the backend would have done by itself by now."""
