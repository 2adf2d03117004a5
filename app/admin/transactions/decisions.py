"""What a person has to find out about a parked act, what each answer leads to, and what waits for a second person."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from app.ledger import names
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.transaction import (
    ActRecord,
    ActState,
    Decision,
    PlannedStep,
    Transaction,
    planned,
    something_moved,
    wanted,
)
from app.parts import Parts
from mappers.base import ActKind, Undecidable, Verb
from providers.provider import Provider

# With the words that its questions are in.
__all__ = [
    "PROPOSAL_LASTS",
    "ActKind",
    "Follows",
    "Found",
    "Proposal",
    "Question",
    "Verb",
    "made",
    "needs_two",
    "propose",
    "proposed",
    "question",
    "take",
]

# What nobody confirms within this was seen too long ago.
PROPOSAL_LASTS = timedelta(days=7)


class Found(StrEnum):
    """What a person says about a parked act."""

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did not happen"
    GIVE_UP = "give up"


class Follows(StrEnum):
    """What an answer leads to."""

    DONE = "done"
    GOES_ON = "goes on"  # the step is done, and others come after it
    SENT_AGAIN = "sent again"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Question:
    """A parked act and its open step, for a person who looks at the backend.

    Amounts in minor units. `key` is the name under which the step was sent, `about` what it names at the backend, such
    as a hold; `verb` is None where nobody knows what was planned. `needs_reference`: that it happened is believed only
    with the backend's own id of it; `where` says in English where that is. `choices` are the answers that are possible.
    """

    record: Transaction
    act: ActRecord
    step: int
    steps: int
    verb: Verb | None
    amount: int
    key: str
    about: str
    since: datetime
    needs_reference: bool
    where: str
    choices: Mapping[Found, Follows]

    @property
    def evidence(self) -> Mapping[str, str | int | bool | None]:
        """What the backend was seen to have."""
        return self.act.error.evidence if isinstance(self.act.error, Undecidable) else {}

    def decision(self, by: str, found: Found, reference: str = "") -> Decision:
        give_up = found is Found.GIVE_UP
        return Decision(by, found is Found.HAPPENED, reference, self.act.number, self.step, give_up=give_up)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one person says, and nobody has confirmed yet. `date` is in milliseconds."""

    id: str
    by: str
    found: Found
    reference: str
    reason: str
    date: int

    @classmethod
    def new(cls, by: str, found: Found, reference: str, reason: str) -> Self:
        return cls(secrets.token_hex(8), by, found, reference, reason, milliseconds(datetime.now(UTC)))

    @property
    def since(self) -> datetime:
        return moment(self.date)

    @property
    def until(self) -> datetime:
        return self.since + PROPOSAL_LASTS


def question(parts: Parts, record: Transaction) -> Question | None:
    """Return what a person has to find out; None where nothing of a transaction is parked."""
    act = record.unresolved_act
    if act is None or act.state is not ActState.PARKED:
        return None
    provider = parts.registry.get(record.provider_id)
    steps = act.steps or _planned(provider, record, act)
    step = steps[act.open_step - 1] if len(steps) >= act.open_step else None
    needs_reference = provider is not None and step is not None and step.verb in provider.mapper.needs_reference
    return Question(
        record=record,
        act=act,
        step=act.open_step,
        steps=len(steps),
        verb=step.verb if step else None,
        amount=step.amount if step else act.amount,
        key=names.step_key(act.oid, act.open_step),
        about=step.reference if step else "",
        since=moment(act.date),
        needs_reference=needs_reference,
        where=provider.mapper.where_references_are if provider else "",
        choices=_choices(act, steps, step),
    )


def made(parts: Parts, record: Transaction) -> list[str]:
    """Return who has decided about a transaction, oldest first. Raises LedgerUnavailable."""
    return [str(event.get("by")) for event in parts.storage.events(record.id) if event["what"] == "decided"]


def needs_two(parts: Parts, asked: Question) -> bool:
    """Tell whether a second person has to confirm an answer."""
    above = parts.settings.console_two_people_above
    return above is not None and asked.record.backend.currency.to_decimal(asked.act.amount) > Decimal(above)


def propose(parts: Parts, asked: Question, proposal: Proposal) -> bool:
    """Write an answer down for another person; tell whether it was: not while one waits. Raises LedgerUnavailable."""
    return parts.documents.note_once(_name(parts, asked), asdict(proposal), PROPOSAL_LASTS)


def proposed(parts: Parts, asked: Question) -> Proposal | None:
    """Return the answer that waits for another person. Raises LedgerUnavailable."""
    found = parts.documents.noted(_name(parts, asked))
    return Proposal(**found | {"found": Found(found["found"])}) if found else None


def take(parts: Parts, asked: Question, proposal: Proposal) -> bool:
    """End a proposal, to carry it out or to withdraw it; of several people, one is told that they did."""
    return parts.documents.forget_as(_name(parts, asked), asdict(proposal))


def _planned(provider: Provider | None, record: Transaction, act: ActRecord) -> tuple[PlannedStep, ...]:
    return planned(provider.mapper.plan(wanted(act), record.view(act))) if provider else ()


def _choices(act: ActRecord, steps: tuple[PlannedStep, ...], step: PlannedStep | None) -> dict[Found, Follows]:
    choices = {}
    if step is None or step.verb is not Verb.LOOK:  # nothing of a look can have happened
        choices[Found.HAPPENED] = Follows.GOES_ON if act.open_step < len(steps) else Follows.DONE
    moved = something_moved(act.steps)
    refused = act.asked_for and not act.promised and not moved
    choices[Found.DID_NOT_HAPPEN] = Follows.REFUSED if refused else Follows.SENT_AGAIN
    if not moved:
        choices[Found.GIVE_UP] = Follows.REFUSED
    return choices


def _name(parts: Parts, asked: Question) -> str:
    """What is parked once more after a decision is another question."""
    return f"proposal:{names.step_key(asked.act.oid, asked.step)}:{len(made(parts, asked.record))}"
