"""What the last reconciliations found: a result for each provider, and the history of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from app.admin.reconciliation.run import Difference
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.documents import Documents

COLLECTION = "reconciliation"
HISTORY = "reconciliation"

# Of each provider; how many there are is counted.
LISTED = 100
RUNS = 50


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconciliation found of one provider.

    `differences` counts by kind what nobody has repaired, `listed` has the first of them. `not_compared` has the
    reasons. `error`: why the run could not be finished. `since`: only what was opened then or later was compared.
    """

    provider: str
    by: str
    began: datetime
    finished: datetime
    cards: int
    transactions: int
    differences: Mapping[str, int]
    repaired: int
    listed: tuple[Difference, ...]
    not_compared: tuple[str, ...]
    error: str | None = None
    since: datetime | None = None

    @property
    def seconds(self) -> float:
        return (self.finished - self.began).total_seconds()


def last(documents: Documents) -> list[Result]:
    """Return each provider's last result of a whole run, by its id. Raises LedgerUnavailable."""
    return [_read(document) for _, document in sorted(documents.read_all(COLLECTION).items())]


def history(documents: Documents, count: int = RUNS) -> list[Result]:
    """Return the results of the last runs, the newest first. Raises LedgerUnavailable."""
    return [_read(document) for document in documents.newest(HISTORY, count)]


def keep(documents: Documents, result: Result) -> None:
    """Keep a result; as the provider's last one where the run was about all of its transactions."""
    document = _written(result)
    if result.since is None:
        documents.write(COLLECTION, result.provider, document)
    documents.log(HISTORY, document, RUNS)


def _written(result: Result) -> dict[str, Any]:
    document = asdict(result)
    for name in ("began", "finished", "since"):
        document[name] = None if document[name] is None else milliseconds(document[name])
    return document


def _read(document: Mapping[str, Any]) -> Result:
    return Result(
        **{
            **document,
            "began": moment(document["began"]),
            "finished": moment(document["finished"]),
            "since": None if document["since"] is None else moment(document["since"]),
            "listed": tuple(Difference(**found) for found in document["listed"]),
            "not_compared": tuple(document["not_compared"]),
        }
    )
