"""Our notes at Voucherify: the step that a movement was, and the act that the step belongs to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mappers.base import KEY_PREFIX, Origin, Step, Verb

# Our texts start so, and these are the metadata that hold them. A rollback may write its metadata over the
# redemption's (the reference leaves it open), so it has a name of its own.
OURS = "giftbridge"
REDEEMED = "giftbridge"
ROLLED_BACK = "giftbridge_rollback"


@dataclass(frozen=True, slots=True)
class Note:
    """What was noted with a step."""

    verb: Verb
    key: str
    origin: Origin | None


def write(step: Step) -> str:
    """Return the text that is sent with a step: flat, because a metadata field may be declared as text."""
    words = [OURS, step.verb.value, step.key]
    if step.origin:
        words.append(json.dumps(step.origin.written(), ensure_ascii=False, separators=(",", ":")))
    return " ".join(words)


def read(text: Any) -> Note | None:
    """Return what `text` wrote; None for what somebody else wrote."""
    words = text.split(" ", 3) if isinstance(text, str) else []
    if len(words) < 3 or words[0] != OURS or words[1] not in list(Verb) or not words[2].startswith(KEY_PREFIX):
        return None
    return Note(Verb(words[1]), words[2], _origin(words[3]) if len(words) > 3 else None)


def _origin(text: str) -> Origin | None:
    try:
        return Origin.read(json.loads(text))
    except ValueError:
        return None
