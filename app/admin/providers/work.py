"""Work with a store's Gift Card Hub that takes a while: done in a thread, while whoever began it sees each step."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import structlog

from app.admin.providers.plans import RegistrationFailed, Step
from app.admin.providers.probe import NotAccepted
from app.admin.providers.provider_file import EditRefused
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.documents import Documents
from providers.hub.client import HubError
from providers.problems import InvalidProviders

log = structlog.get_logger()

# What keeps a registration from being made; each says what to do, and none holds a secret.
FAILURES = (HubError, EditRefused, InvalidProviders, NotAccepted, RegistrationFailed, LedgerUnavailable)

# No step takes longer: one that does has died with its process.
STEP_LASTS = timedelta(minutes=3)
RESULT_LASTS = timedelta(hours=1)

Progress = Callable[[Step], None]
Do = Callable[[Progress], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Work:
    """How it stands: `steps` are those begun; `over` when it is done, or has failed with `problem`.

    `remarks` are what is to be done next, by a person.
    """

    provider: str
    account: str
    steps: tuple[str, ...] = ()
    over: bool = False
    problem: str = ""
    remarks: tuple[str, ...] = ()


def begin(documents: Documents, provider: str, account: str, do: Do) -> str:
    """Do it in a thread; return the name under which `found` tells how it stands. Raises LedgerUnavailable.

    `do` is given what to tell each step, and returns its remarks.
    """
    name = secrets.token_hex(8)
    _write(documents, name, Work(provider, account), STEP_LASTS)
    threading.Thread(target=_run, args=(documents, name, Work(provider, account), do), daemon=True).start()
    return name


def found(documents: Documents, name: str) -> Work | None:
    """Return how it stands; None where its process has died, or long after. Raises LedgerUnavailable."""
    document = documents.noted(_note(name))
    if document is None:
        return None
    return Work(**document | {part: tuple(document[part]) for part in ("steps", "remarks")})


def _run(documents: Documents, name: str, work: Work, do: Do) -> None:
    steps: list[str] = []

    def progress(step: Step) -> None:
        steps.append(step)
        with suppress(LedgerUnavailable):  # the work itself needs no Redis
            _write(documents, name, Work(work.provider, work.account, tuple(steps)), STEP_LASTS)

    more: dict[str, Any] = {"over": True}
    try:
        more["remarks"] = do(progress)
    except FAILURES as error:
        more["problem"] = str(error)
    except Exception:
        log.exception("work with the Hub failed")
        more["problem"] = "it failed in a way that nobody has foreseen: the service's log has it"
    with suppress(LedgerUnavailable):
        _write(documents, name, Work(work.provider, work.account, tuple(steps), **more), RESULT_LASTS)


def _write(documents: Documents, name: str, work: Work, lasts: timedelta) -> None:
    documents.note(_note(name), asdict(work), lasts)


def _note(name: str) -> str:
    return f"hub-work-{name}"
