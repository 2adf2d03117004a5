"""What replaces a mapper that is broken, so that its provider alone goes without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, NoReturn

from mappers.base import (
    Act,
    BackendUnavailable,
    Card,
    Holds,
    IssuedCard,
    Mapper,
    NewCard,
    Query,
    Receipt,
    StatementLine,
    Step,
    TransactionFacts,
)
from mappers.deadline import Deadline


class Unloadable(Mapper):
    """Turns everything away as unavailable.

    The ledger asks `Provider.require_mapper` before it writes anything down that the real mapper has to plan. What it
    knows for certain can still be read.
    """

    supported_holds = tuple(Holds)
    reason: ClassVar[str]

    @classmethod
    def because(cls, reason: str) -> type[Unloadable]:
        """Return what replaces the mapper that `reason` speaks of."""
        return type(cls.__name__, (cls,), {"reason": reason})

    def find(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        self._turn_away()

    def get_card(self, card_id: str, deadline: Deadline) -> Card:
        self._turn_away()

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        self._turn_away()

    def ping(self, deadline: Deadline) -> None:
        self._turn_away()

    def statement(
        self, page_seconds: float, card_id: str | None = None, since: datetime | None = None
    ) -> Iterator[StatementLine]:
        self._turn_away()

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        self._turn_away()

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        self._turn_away()

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        self._turn_away()

    def _turn_away(self) -> NoReturn:
        raise BackendUnavailable(self.reason)


def why(error: BaseException) -> str:
    """Return what failed and where, without the error's words: those may hold an option that is secret."""
    trace: Any = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{place}"
