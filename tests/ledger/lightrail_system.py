"""The ledger before the sandboxes of Lightrail, and what people do there by other means: in shops, in the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import requests

from mappers.base import Card, Holds, Mapper, NewCard
from mappers.lightrail_draft import sandbox as draft
from mappers.lightrail_draft.mapper import LightrailDraft, LightrailDraftOptions
from mappers.lightrail_v1 import sandbox as v1
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v2 import sandbox as v2
from mappers.lightrail_v2.mapper import LightrailV2, LightrailV2Options
from mappers.sandbox import Sandbox, running
from tests.ledger.sandbox_system import BRL, SandboxSystem
from tests.ledger.system import System
from tests.money import major, minor

FULL = minor("100.00")


@dataclass
class LightrailSystem(SandboxSystem):
    """A ledger whose provider is a Lightrail, one card of 100.00, and the dashboard."""

    api_key: str = ""
    done_by_people: int = 0

    def new_card(self, key: str) -> None:
        """Go on with another card of 100.00."""
        self.card = self.mapper.issue(NewCard(key, balance=FULL), System.deadline(10)).card

    def lists(self, transaction: str) -> tuple[list[Decimal], list[Decimal]]:
        """What VTEX reads of a transaction: its settlements and its cancellations."""
        read = self.system.ledger.settlements, self.system.ledger.cancellations
        settled, canceled = (call(self.provider, self.card.id, transaction, System.deadline(10)) for call in read)
        return [major(entry.amount) for entry in settled], [major(entry.amount) for entry in canceled]

    def transactions(self) -> list[str]:
        return self.system.ledger.transactions(self.provider, self.card.id, System.deadline(10))

    def balance(self) -> Decimal:
        return major(self.mapper.get_card(self.card.id, System.deadline(10)).balance)

    def lose_everything(self) -> None:
        self.system.connection.call(lambda client: client.flushall())

    def sweep_after(self, after: timedelta) -> dict[str, int]:
        return self.system.sweep_after(after)

    # The dashboard: the vendor's API, under ids of its own.

    def people_capture(self) -> None:
        self._end(self._latest("PENDING_CREATE", "pending"), "capture")

    def people_void(self) -> None:
        self._end(self._latest("PENDING_CREATE", "pending"), "void")

    def people_refund(self) -> None:
        """Give back all that was taken last."""
        self._end(self._latest("DRAWDOWN", "capture", "debit"), "refund" if self._is_v1 else "reverse")

    def people_try_to_capture(self, key: str) -> bool:
        """Capture the hold that was made under a key, unless it ended; tell whether they did."""
        held = [name for name, kind, made_under in self._listed() if made_under == key]
        return bool(held) and self._asked(held[-1], "capture").ok

    @property
    def _is_v1(self) -> bool:
        return "/v1" in str(self.mapper.options.base_url)

    def _listed(self) -> list[tuple[str, str, str]]:
        """Return each transaction's id, its kind and the key it was made under, as the sandbox keeps them."""
        if self._is_v1:
            rows = self.backend.cards[self.card.id].transactions
            return [(row["transactionId"], row["transactionType"], row["userSuppliedId"]) for row in rows]
        kept = [getattr(row, "json", row) for row in self.backend.transactions.values()]
        names = [row.get("id") or row["transactionId"] for row in kept]
        kinds = ["pending" if row.get("pending") else row["transactionType"] for row in kept]
        return list(zip(names, kinds, names, strict=True))

    def _latest(self, *kinds: str) -> str:
        return [name for name, kind, _ in self._listed() if kind in kinds][-1]

    def _end(self, transaction: str, how: str) -> None:
        answer = self._asked(transaction, how)
        assert answer.ok, answer.text

    def _asked(self, transaction: str, how: str) -> requests.Response:
        self.done_by_people += 1
        name = f"dashboard-{self.card.id}-{self.done_by_people}"
        below = f"/cards/{self.card.id}" if self._is_v1 else ""
        return requests.post(
            f"{self.mapper.options.base_url}{below}/transactions/{transaction}/{how}",
            json={"userSuppliedId": name} if self._is_v1 else {"id": name},
            headers={"Authorization": f"Bearer {self.api_key}"},
            timeout=10,
        )


def _v1(url: str) -> Mapper:
    return LightrailV1("demo", BRL, Holds.NATIVE, LightrailV1Options(**v1.DEMO_OPTIONS(url)))


def _v2(url: str) -> Mapper:
    return LightrailV2("demo", BRL, Holds.NATIVE, LightrailV2Options(**v2.DEMO_OPTIONS(url)))


def _draft(url: str) -> Mapper:
    return LightrailDraft("demo", BRL, Holds.NATIVE, LightrailDraftOptions(**draft.DEMO_OPTIONS(url)))


LIGHTRAILS: dict[str, tuple[Any, Callable[[str], Mapper]]] = {
    "lightrail_v1": (v1, _v1),
    "lightrail_v2": (v2, _v2),
    "lightrail_draft": (draft, _draft),
}


@contextmanager
def lightrail_system(system: System, name: str) -> Iterator[LightrailSystem]:
    module, connect = LIGHTRAILS[name]
    with running(module.create_app()) as sandbox:
        started: Sandbox = sandbox
        nobody = Card("", 0, "BRL")
        ready = LightrailSystem(system, connect(started.url), started, nobody, api_key=module.API_KEY)
        ready.new_card("card-1")
        yield ready
