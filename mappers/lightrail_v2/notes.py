"""Our notes in a transaction's metadata: what it was for, and the act it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mappers.base import Origin, Step, Verb
from mappers.lightrail import OURS, step_metadata


@dataclass(frozen=True, slots=True)
class Notes:
    """What was noted with a step. `captured` is the value and the amount of a capture, which shows neither itself."""

    operation: str | None = None
    captured: tuple[str, int] | None = None
    origin: Origin | None = None


def metadata(step: Step) -> dict[str, Any]:
    """Return the metadata that a step's transaction gets."""
    captured = {"valueId": step.card_id, "amount": step.amount} if step.verb is Verb.CAPTURE else {}
    return step_metadata(step.memo, step.origin, operation=step.verb.value, **captured)


def read(metadata: Mapping[str, Any]) -> Notes:
    """Return what `metadata` wrote; nothing of what somebody else did."""
    ours = metadata.get(OURS)
    if not isinstance(ours, Mapping):
        return Notes()
    operation, value_id, amount = ours.get("operation"), ours.get("valueId"), ours.get("amount")
    return Notes(
        operation if isinstance(operation, str) else None,
        (value_id, amount) if isinstance(value_id, str) and type(amount) is int else None,
        Origin.read(ours.get("origin")),
    )
