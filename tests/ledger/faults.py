"""Faults that a test puts before steps: what the backend does, and what the ledger hears of it."""

from __future__ import annotations

from collections.abc import Callable

from mappers.base import BackendUnavailable, CardUnusable, OutcomeUnknown, Receipt, Step

Run = Callable[[], Receipt]
Fault = Callable[[Step, Run], Receipt]


def lost_before(step: Step, run: Run) -> Receipt:
    """The connection breaks before the backend does anything."""
    raise OutcomeUnknown("no answer")


def lost_after(step: Step, run: Run) -> Receipt:
    """The backend does it, and the answer is lost."""
    run()
    raise OutcomeUnknown("no answer")


class Killed(BaseException):
    """The process ends here."""


def dies(step: Step, run: Run) -> Receipt:
    """The process is killed before it sends anything."""
    raise Killed


def does_it_and_dies(step: Step, run: Run) -> Receipt:
    """The backend does it; the process is killed before it hears of that."""
    run()
    raise Killed


def unavailable(step: Step, run: Run) -> Receipt:
    """The backend is certainly not reached."""
    raise BackendUnavailable("connection refused")


def error_before(step: Step, run: Run) -> Receipt:
    """The backend answers 500, and has done nothing."""
    raise OutcomeUnknown("500", answered=True)


def error_after(step: Step, run: Run) -> Receipt:
    """The backend answers 500, and has done it."""
    run()
    raise OutcomeUnknown("500", answered=True)


def refuses(step: Step, run: Run) -> Receipt:
    """The backend refuses it, this time."""
    raise CardUnusable("not now")


def undisturbed(step: Step, run: Run) -> Receipt:
    """Nothing goes wrong."""
    return run()
