"""What a ledger costs that has kept many transactions: each call, each page, what is due, and a run over all of it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from app.admin import attention
from app.admin.transactions.search import Wanted, find
from app.ledger.milliseconds import milliseconds
from bench.counts import CALLS, HEADERS, Calls
from bench.filled import PROVIDER, Filled, filled
from bench.section import Section, table

SMALLEST = 1000

# As many transactions are of one card.
OF_A_CARD = 100

# Of a hundred orders, so many are not settled yet.
OPEN_OF_A_HUNDRED = 10

REPEATED = 5
PAGE = 50

# A pass of the sweeper ends so many at most; see app/ledger/sweeper.py.
PASSES = 10

# A statement of each card is asked for, and everything compared.
RECONCILED_AT_MOST = 10_000

# The bench's backend keeps no statement, so all of it differs.
DIFFERENCES = (0, 1)

# Runs a command and says how it ended, and how much memory it had. A process that is big itself would be told its own.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

# Kept by Redis of its slowest commands: more than run meanwhile.
COMMANDS_LOGGED = 1_000_000


def growth(most: int) -> Iterator[Section]:
    """Measure with ten times more transactions each time, up to `most`; then one card with `most` of its own."""
    with filled() as ledger:
        yield _kept(ledger, most)
        yield _one_card(ledger, most)
        yield _retention(ledger, max(SMALLEST, most // 100))
        yield _due(ledger, most // 10)


def _kept(ledger: Filled, most: int) -> Section:
    rows = []
    empty = ledger.used_bytes
    sizes = [1]
    while sizes[-1] < most:
        sizes.append(min(most, max(SMALLEST, 10 * sizes[-1])))
    for before, size in pairwise(sizes):
        numbers = range(before, size)
        settled = [number for number in numbers if number % 100 >= OPEN_OF_A_HUNDRED]
        ledger.fill(ledger.settled, settled, _card)
        ledger.fill(ledger.opened, (number for number in numbers if number % 100 < OPEN_OF_A_HUNDRED), _card)
        rows.append(
            (
                f"{size:,}",
                f"{(ledger.used_bytes - empty) / size:.0f}",
                *_redis_microseconds(ledger, f"kept-{size}"),
                _milliseconds(lambda: find(ledger.parts, Wanted(), PAGE)),
                _milliseconds(lambda: attention.counts(ledger.parts)),
                _milliseconds(lambda: ledger.parts.index.due(ledger.parts.connection.now_milliseconds())),
                *(_reconciled(ledger) if size <= RECONCILED_AT_MOST else ("", "")),
            )
        )
    head = (
        "kept",
        "bytes each",
        "authorize: Redis us",
        "settle: Redis us",
        "first page of a list, ms",
        "what waits for a person, ms",
        "a look at what is due, ms",
        "reconcile: s",
        "its memory, MB",
    )
    told = f"""Written as what Redis had lost, {OPEN_OF_A_HUNDRED} of 100 not settled yet, {OF_A_CARD} on a card.
Redis us: the time that Redis says of its scripts, both of a call."""
    return Section("Growth", (told, "", *table(head, rows)))


def _one_card(ledger: Filled, most: int) -> Section:
    started = 10_000_000
    before = _redis_microseconds(ledger, "before", "crowded")
    ledger.fill(ledger.settled, range(started, started + most), lambda _: "crowded")
    client = ledger.app.test_client()
    path = f"/{PROVIDER}/giftcards/crowded/transactions"
    size = len(client.get(path, headers=HEADERS).data)
    found = (
        ("list of its transactions (VTEX)", f"{_milliseconds(lambda: client.get(path, headers=HEADERS).data)} ms"),
        ("bytes of that answer", f"{size:,}"),
        (
            "authorize with it: Redis us, before and then",
            _both(before, _redis_microseconds(ledger, "then", "crowded"), 0),
        ),
        ("settle: Redis us, before and then", _both(before, _redis_microseconds(ledger, "after", "crowded"), 1)),
        (
            "first page of it (store admin)",
            f"{_milliseconds(lambda: find(ledger.parts, _of_card('crowded'), PAGE), 1)} ms",
        ),
    )
    return Section("One card", (f"With {most:,} transactions.", "", *table(("what", "found"), found)))


def _both(before: tuple[str, str], then: tuple[str, str], place: int) -> str:
    return f"{before[place]}, {then[place]}"


def _of_card(card_id: str) -> Wanted:
    return Wanted(provider_id=PROVIDER, card_id=card_id, asks_no_backend=True)


def _retention(ledger: Filled, count: int) -> Section:
    started = 30_000_000
    ledger.fill(ledger.settled, range(started, started + count), _card, forgotten_at_once=True)
    with _slowest_command(ledger) as slowest:
        forgotten, seconds = _swept(ledger, "forgotten")
    found = (
        ("forgotten", f"{forgotten:,} of {count:,}, in passes of the sweeper, one after the other"),
        ("each", f"{1000 * seconds / max(1, forgotten):.1f} ms"),
        ("the longest command of Redis meanwhile", f"{slowest[0] / 1000:.1f} ms"),
    )
    return Section("Retention", table(("what", "found"), found))


def _due(ledger: Filled, count: int) -> Section:
    started = 20_000_000
    now = ledger.parts.connection.now_milliseconds()
    ended = replace(ledger.opened, expires_at=now - milliseconds(timedelta(hours=1)))
    ledger.fill(ended, range(started, started + count), _card)
    look = _milliseconds(lambda: ledger.parts.index.due(now))
    with _slowest_command(ledger) as slowest:
        given_back, seconds = _swept(ledger, "expired")
    found = (
        ("a look at what is due", f"{look} ms"),
        ("given back", f"{given_back:,}, in {PASSES} passes of the sweeper, one after the other"),
        ("each", f"{1000 * seconds / max(1, given_back):.1f} ms"),
        ("the longest command of Redis meanwhile", f"{slowest[0] / 1000:.1f} ms"),
    )
    return Section("Holds that have ended", (f"{count:,} at once.", "", *table(("what", "found"), found)))


def _swept(ledger: Filled, what: str) -> tuple[int, float]:
    """Sweep some times; return how many ended so, and how long that took."""
    began = time.monotonic()
    ended = sum(ledger.parts.sweeper.sweep_once().counts[what] for _ in range(PASSES))
    return ended, time.monotonic() - began


@contextmanager
def _slowest_command(ledger: Filled) -> Iterator[list[int]]:
    """Yield a list that has, at the end, the microseconds of the longest command that Redis ran meanwhile."""
    client: Any = ledger.client
    client.config_set("slowlog-max-len", COMMANDS_LOGGED)
    client.config_set("slowlog-log-slower-than", 0)
    client.slowlog_reset()
    slowest: list[int] = []
    yield slowest
    client.config_set("slowlog-log-slower-than", -1)
    slowest.append(max(one["duration"] for one in client.slowlog_get(COMMANDS_LOGGED)))


def _redis_microseconds(ledger: Filled, name: str, card: str = "") -> tuple[str, str]:
    """Return what Redis spends on the scripts of an authorization, and of its settlement."""
    calls = Calls(ledger.app, PROVIDER, name, card)
    calls.each(calls.search)
    spent = []
    for call in (calls.authorize, calls.settle):
        before = _script_microseconds(ledger)
        calls.each(call)
        spent.append(f"{(_script_microseconds(ledger) - before) / CALLS:.0f}")
    return spent[0], spent[1]


def _script_microseconds(ledger: Filled) -> int:
    told: Any = ledger.client.info("commandstats")
    return int(told["cmdstat_evalsha"]["usec"])


def _reconciled(ledger: Filled) -> tuple[str, str]:
    """Run `giftbridge reconcile` over all of it; return its seconds and the most memory that it had."""
    environment = {
        "GIFTBRIDGE_PROVIDERS": str(ledger.folder / "providers.toml"),
        "GIFTBRIDGE_REDIS_URL": ledger.redis_url,
        "GIFTBRIDGE_DATA": str(ledger.folder / "data"),
    }
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, "-m", "giftbridge", "reconcile", PROVIDER],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    code, most_kilobytes = map(int, ended.stdout.split()[-2:])
    if code not in DIFFERENCES:
        raise AssertionError(f"reconcile ended with {code}: {ended.stderr}")
    return f"{time.monotonic() - began:.0f}", f"{most_kilobytes / 1024:.0f}"


def _milliseconds(do: Callable[[], object], times: int = REPEATED) -> str:
    """Return the median of how long it takes."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        taken.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(taken):.1f}"


def _card(number: int) -> str:
    return f"card-{number // OF_A_CARD}"
