"""What the last reconciliations found: a result for each provider, and the history of runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from app.admin.reconciliation.reconcile import Reconciliation
from app.admin.reconciliation.run import Difference
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.documents import Documents
from app.parts import Parts

T = TypeVar("T")

COLLECTION = "reconciliation"
HISTORY = "reconciliation"

# Of each provider; how many there are is counted.
LISTED = 100
RUNS = 50


class Trigger(StrEnum):
    """What made a run."""

    SCHEDULE = "schedule"
    HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconciliation found of one provider.

    `cards` and `transactions` were compared. `differences` counts by kind what nobody has repaired, `listed` has the
    first of them. `not_compared` has the reasons. `error`: why its backend could not be asked about all. `since`: only
    what was opened then or later was compared.
    """

    provider: str
    trigger: Trigger
    began: datetime
    finished: datetime
    duration_milliseconds: int
    cards: int
    transactions: int
    differences: Mapping[str, int]
    repaired: int
    listed: tuple[Difference, ...]
    not_compared: tuple[str, ...]
    error: str | None
    since: datetime | None


def recorded(parts: Parts, run: Reconciliation, found: Iterable[Difference], trigger: Trigger) -> Iterator[Difference]:
    """Yield what a run finds, and once that is all, keep the result of each provider. Raises LedgerUnavailable.

    What is given up half way leaves no result: the one before stands.
    """
    of_provider: defaultdict[str, list[Difference]] = defaultdict(list)
    differences: defaultdict[str, Counter[str]] = defaultdict(Counter)
    repaired: Counter[str] = Counter()
    not_compared: defaultdict[str, list[str]] = defaultdict(list)
    for one in found:
        if one.kind == "not compared":
            _add(not_compared[one.provider], one.backend)
        elif one.repaired:
            repaired[one.provider] += 1
        else:
            differences[one.provider][one.kind] += 1
            _add(of_provider[one.provider], one)
        yield one
    finished = parts.connection.now_milliseconds()
    results = [
        Result(
            provider=provider_id,
            trigger=trigger,
            began=moment(run.began),
            finished=moment(finished),
            duration_milliseconds=finished - run.began,
            cards=run.cards_of[provider_id],
            transactions=run.compared_of[provider_id],
            differences=dict(differences[provider_id]),
            repaired=repaired[provider_id],
            listed=tuple(of_provider[provider_id]),
            not_compared=tuple(not_compared[provider_id]),
            error=run.failed.get(provider_id),
            since=run.since,
        )
        for provider_id in dict.fromkeys((*run.providers, *differences, *not_compared))
    ]
    _keep(parts.documents, run, results)


def _add(listed: list[T], one: T) -> None:
    if len(listed) < LISTED and one not in listed:
        listed.append(one)


def last(documents: Documents) -> list[Result]:
    """Return each provider's last result of a whole run, by its id. Raises LedgerUnavailable."""
    return [_read(document) for _, document in sorted(documents.read_all(COLLECTION).items())]


def history(documents: Documents, count: int = RUNS) -> list[tuple[Result, ...]]:
    """Return the results of the last runs, the newest first; what was found is counted, not listed.

    Raises LedgerUnavailable.
    """
    return [tuple(map(_read, run["results"])) for run in documents.newest(HISTORY, count)]


def _keep(documents: Documents, run: Reconciliation, results: Sequence[Result]) -> None:
    """Keep what a run found; as the last results where it was about all transactions of these providers."""
    if run.since is None:
        for result in results:
            documents.write(COLLECTION, result.provider, _written(result))
    if run.since is None and run.provider_id is None:
        for gone in documents.read_all(COLLECTION).keys() - {result.provider for result in results}:
            documents.remove(COLLECTION, gone)
    documents.log(HISTORY, {"results": [_written(replace(result, listed=())) for result in results]}, RUNS)


def _written(result: Result) -> dict[str, Any]:
    document = asdict(result)
    for name in ("began", "finished", "since"):
        document[name] = None if document[name] is None else milliseconds(document[name])
    return document


def _read(document: Mapping[str, Any]) -> Result:
    return Result(
        **{
            **document,
            "trigger": Trigger(document["trigger"]),
            "began": moment(document["began"]),
            "finished": moment(document["finished"]),
            "since": None if document["since"] is None else moment(document["since"]),
            "listed": tuple(Difference(**found) for found in document["listed"]),
            "not_compared": tuple(document["not_compared"]),
        }
    )
