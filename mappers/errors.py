"""What a backend can answer, in the ledger's words: refused, certainly not done, or unknown."""

from __future__ import annotations

from collections.abc import Mapping


class MapperError(Exception):
    """Root of everything a backend can answer. The message is for people and holds no secret."""


class Refused(MapperError):
    """It certainly did not happen, and repeating it will not help."""


class CardNotFound(Refused):
    """The backend knows no such card."""


class InsufficientFunds(Refused):
    """The card does not hold enough."""


class CardUnusable(Refused):
    """The card exists but cannot be used so: inactive, frozen, canceled, expired, not started, another currency."""


class ReferenceNotFound(CardUnusable):
    """The backend does not know the hold or the payment to act on."""


class Conflict(Refused):
    """The backend already has something else under this step's key."""


class Unsupported(Refused):
    """The backend has no way to do this at all."""


class BackendUnavailable(MapperError):
    """It certainly did not happen; repeating it later may help."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknown(MapperError):
    """It may have happened. `answered`: the backend did answer, so nothing that we sent is still on its way."""

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


class Undecidable(OutcomeUnknown):
    """Nobody can tell from the backend whether it happened: a person must look. `evidence` says what was seen.

    Of the evidence, `amount`, `asked`, `moved`, `redeemed` and `balance`, also with `_before` or `_now` behind, are in
    minor units.
    """

    def __init__(self, message: str, evidence: Mapping[str, str | int | bool | None] | None = None) -> None:
        super().__init__(message, answered=True)
        self.evidence = dict(evidence or {})


class InvalidOptions(ValueError):
    """The provider's options do not fit the mapper; `option` names the key. Stops the boot."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option
