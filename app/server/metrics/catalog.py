"""Every metric: its name, labels and meaning. The table in the documents, the alerts and the dashboard are held to it.

No label holds a code, a customer, an order or a path. `provider` is the id of a provider that providers.toml
has or had; it is empty where a call named none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "giftbridge_"

# Seconds. A checkout waits 1.5 s for a card, and the Hub 15 s for anything; what matters lies just below.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.2, 1.5, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0)


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """`help` is a sentence for people. Names of counters end in `_total`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def samples(self) -> tuple[str, ...]:
        """The names that Prometheus has it under."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))
        return (self.name,)


def _metric(kind: Kind, name: str, text: str, *labels: str) -> Metric:
    return Metric(PREFIX + name, kind, text, labels)


# What a process counts.

CALLS_IN = _metric(
    Kind.HISTOGRAM,
    "call_seconds",
    "Calls answered, from their first line to their answer. `route` is the name of the call, such as search or settle.",
    "provider",
    "route",
    "status",
)
CALLS_OUT = _metric(
    Kind.HISTOGRAM,
    "backend_call_seconds",
    "Calls to backends, with their repeats. `outcome`: done, refused (answered with a 4xx), unknown (it may have moved "
    "money) or unavailable (it certainly moved none).",
    "provider",
    "mapper",
    "operation",
    "outcome",
)
BREAKERS_OPEN = _metric(
    Kind.GAUGE,
    "backend_breakers_open",
    "Processes that hold back this operation of a backend, since it failed too often in a row.",
    "provider",
    "mapper",
    "operation",
)
THREADS_BUSY = _metric(
    Kind.GAUGE, "backend_threads_busy", "Threads at work for a backend account now.", "mapper", "account"
)
THREADS_SHARE = _metric(
    Kind.GAUGE, "backend_threads_share", "Threads that one backend account may keep waiting, of all processes together."
)
THREADS_REFUSED = _metric(
    Kind.COUNTER,
    "backend_threads_refused_total",
    "Requests turned away since the account's share of the threads was at work.",
    "mapper",
    "account",
)
SWEEPER_PASS = _metric(
    Kind.GAUGE, "sweeper_last_pass_timestamp_seconds", "When a sweeper of this service last looked at what is due."
)
SWEPT = _metric(
    Kind.COUNTER,
    "sweeper_transactions_total",
    "Transactions that a sweeper of this service looked at, by what came of it, such as resolved or left for later.",
    "outcome",
)
FILE_READ = _metric(
    Kind.COUNTER,
    "providers_file_reads_total",
    "Times that a process looked at a changed providers.toml. `outcome`: read, or refused: the old one counts.",
    "outcome",
)
FILE_COUNTS = _metric(
    Kind.GAUGE, "providers_file_counts", "1 where every process works with providers.toml as it is, 0 where one cannot."
)
WORKERS = _metric(Kind.GAUGE, "workers", "Processes that answer calls.")

# What the ledger says.

MOVED = _metric(
    Kind.COUNTER,
    "moved_minor_units_total",
    "Money by what was done with it since the ledger began, in the currency's smallest unit, of which 10 to the power "
    "of `digits` make one. `kind`: authorized, captured, voided, refunded, credited, taken_back.",
    "provider",
    "currency",
    "digits",
    "kind",
)
HELD = _metric(
    Kind.GAUGE,
    "held_minor_units",
    "Money that is authorized and neither captured nor voided, in the currency's smallest unit.",
    "provider",
    "currency",
    "digits",
)
ATTENTION = _metric(
    Kind.GAUGE,
    "attention",
    "What waits for a person, as giftbridge attention lists it; of each kind 1000 at most are counted.",
    "kind",
)
UNRESOLVED = _metric(
    Kind.GAUGE,
    "acts_unresolved",
    "Transactions with an act of unknown outcome that is not parked, by its age; the 1000 due first are counted.",
    "provider",
    "age",
)
OVERDUE = _metric(
    Kind.GAUGE, "due_overdue_seconds", "For how long the transaction that waits longest for the sweeper has been due."
)
LEDGER_DOUBTS = _metric(Kind.GAUGE, "ledger_doubts", "Moments at which Redis may have forgotten changes.")
CLOCK_DOUBTED = _metric(
    Kind.GAUGE,
    "clock_doubted",
    "1 while Redis's clock may be wrong, and so nothing is expired, abandoned or forgotten.",
)
GUESSES = _metric(Kind.GAUGE, "wrong_codes", "Different unknown codes that shoppers tried within an hour.", "provider")
GUESSES_LIMIT = _metric(Kind.GAUGE, "wrong_codes_limit", "Above so many for a provider in an hour it is a flood.")
GUESSES_REFUSED = _metric(
    Kind.GAUGE, "searches_refused", "Searches refused within an hour, since a ration of guesses was spent.", "provider"
)
REDIS_UP = _metric(Kind.GAUGE, "redis_up", "1 where Redis answers. Else what the ledger says is missing.")
REDIS_ROUND_TRIP = _metric(Kind.GAUGE, "redis_round_trip_seconds", "How long Redis took for the simplest command.")
REDIS_MEMORY = _metric(Kind.GAUGE, "redis_memory_bytes", "Memory that Redis uses; of all servers that take writes.")
REDIS_MEMORY_SHARE = _metric(
    Kind.GAUGE, "redis_memory_used_ratio", "Share of maxmemory that is used at the fullest server; 0 without a limit."
)
REDIS_FILE = _metric(
    Kind.GAUGE, "redis_append_only_file_ok", "1 where Redis keeps its append-only file and could write it."
)
REDIS_COMPLAINTS = _metric(Kind.GAUGE, "redis_complaints", "Reasons why this Redis must not hold money.")
RECONCILED = _metric(
    Kind.GAUGE, "reconciliation_timestamp_seconds", "When a provider's last reconciliation ended.", "provider"
)
DIFFERENCES = _metric(
    Kind.GAUGE,
    "reconciliation_differences",
    "Differences that a provider's last reconciliation found and nobody has repaired since, by kind.",
    "provider",
    "kind",
)
RECONCILIATION_FAILED = _metric(
    Kind.GAUGE, "reconciliation_failed", "1 where a provider's last reconciliation could not be finished.", "provider"
)
BUILD = _metric(Kind.GAUGE, "build_info", "1; its label says which version runs.", "version")

CATALOG = tuple(metric for metric in list(globals().values()) if isinstance(metric, Metric))
