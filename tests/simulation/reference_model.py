"""The reference model: the sums of each payment, without any ledger, hold or backend."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Change:
    """A settlement or cancellation that was asked for. `done` is None while nobody knows."""

    what: str
    request_id: str
    amount: int
    done: bool | None = None


@dataclass
class Payment:
    """The sums of one transaction. `id` is None until VTEX is told."""

    request_id: str
    amount: int
    credit: bool
    id: str | None = None
    refused: bool = False
    changes: list[Change] = field(default_factory=list)
    voided: int = 0  # by the policy, when its time was over

    def total(self, what: str, *, at_most: bool = False) -> int:
        counted = (True, None) if at_most else (True,)
        return sum(change.amount for change in self.changes if change.what == what and change.done in counted)

    @property
    def given_back(self) -> int:
        return self.total("cancel") + self.voided

    @property
    def certain(self) -> bool:
        return (self.refused or self.id is not None) and all(change.done is not None for change in self.changes)

    def room(self, what: str) -> int:
        """Return how much can still be settled or canceled, when everything is certain."""
        reserved_first = min(self.total("cancel"), self.amount - self.total("settle"))
        if what == "cancel":
            return self.amount - self.given_back
        return self.amount - self.total("settle") - reserved_first - self.voided
