"""What a call costs in counts, which no busy machine changes: round trips to Redis, calls of the system, bytes kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from flask import Flask

from bench.cases import AMOUNT, SEARCHES, authorize
from bench.load import Request
from bench.system_calls import system_calls

# Enough for what is done once for each card, or once an hour, to be no share of it.
CALLS = 40

# What each call may come to at most. Fewer is better: then lower it here.
MOST_ROUND_TRIPS = {
    "first search": 2,
    "search": 0,
    "get": 0,
    "authorize": 2,
    "replay": 1,
    "read": 1,
    "settle": 2,
    "cancel": 2,
}
MOST_SYSTEM_CALLS = {
    "first search": 12,
    "search": 6,
    "get": 6,
    "authorize": 9,
    "replay": 3,
    "read": 3,
    "settle": 9,
    "cancel": 9,
}
MOST_COMMANDS = {
    "first search": 21,
    "search": 0,
    "get": 0,
    "authorize": 24,
    "replay": 4,
    "read": 1,
    "settle": 22,
    "cancel": 23,
}

HEADERS = {"X-PROVIDER-API-AppKey": "key", "X-PROVIDER-API-AppToken": "token"}

_SCRIPTS = ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_info")


@dataclass(frozen=True, slots=True)
class Count:
    """Of one kind of call, on average. `commands` are those that Redis ran, alone or in scripts.

    `system_calls`: for connections to Redis and to the backend.
    """

    call: str
    round_trips: int
    system_calls: int
    commands: int
    bytes_kept: int

    @property
    def too_many(self) -> bool:
        """Whether it came to more than it may."""
        found = self.round_trips, self.system_calls, self.commands
        most = MOST_ROUND_TRIPS[self.call], MOST_SYSTEM_CALLS[self.call], MOST_COMMANDS[self.call]
        return any(one > most_of_it for one, most_of_it in zip(found, most, strict=True))


def counted(app: Flask, storage: redis.Redis, provider: str = "native") -> Iterator[Count]:
    """Yield the counts of each kind of call, as orders go through the service. No other may use this Redis."""
    calls = Calls(app, provider)
    kinds: Sequence[tuple[str, Callable[[int], None]]] = (
        ("first search", calls.search),
        ("search", calls.search),
        ("get", calls.get),
        ("authorize", calls.authorize),
        ("replay", calls.authorize),
        ("read", calls.read),
        ("settle", calls.settle),
        ("cancel", calls.cancel),
    )
    for _, call in kinds:
        call(CALLS)  # Redis keeps each script, from its first call on
    for name, call in kinds:
        with _counting(storage) as costs, system_calls() as called:
            calls.each(call)
        round_trips, commands, kept = (cost / CALLS for cost in costs)
        yield Count(name, round(round_trips), round(len(called) / CALLS), round(commands), round(kept))


class Calls:
    """The calls of CALLS orders, each on a card of its own, or all on one. An answer that is no success ends it.

    `run` names the orders: those of another run are others.
    """

    def __init__(self, app: Flask, provider: str, run: str = "", card: str = "") -> None:
        self._client = app.test_client()
        self._provider = provider
        self._run = run
        self._card = card
        self._links: dict[int, str] = {}

    def transaction(self, number: int) -> str:
        """Return the id of the transaction of this order."""
        return self._links[number].rpartition("/")[2]

    def each(self, call: Callable[[int], None]) -> None:
        for number in range(CALLS):
            call(number)

    def search(self, number: int) -> None:
        found = self._send(number, SEARCHES, f"/{self._provider}/giftcards/_search")
        if len(found) != 1:
            raise AssertionError(f"card {number} is not found")

    def get(self, number: int) -> None:
        self._send(number, Request("GET", f"/{self._provider}/giftcards/CARD"))

    def authorize(self, number: int) -> None:
        self._links[number] = self._send(number, authorize(self._provider))["_self"]["href"]

    def read(self, number: int) -> None:
        self._send(number, Request("GET", self._links[number]))

    def settle(self, number: int) -> None:
        self._change(number, "settlements")

    def cancel(self, number: int) -> None:
        self._change(number, "cancellations")

    def _change(self, number: int, what: str) -> None:
        body = json.dumps({"value": AMOUNT, "requestId": f"{self._run}{what}-{number}"})
        self._send(number, Request("POST", f"{self._links[number]}/{what}", body))

    def _send(self, number: int, request: Request, path: str = "") -> Any:
        card = self._card or f"card-{number}"
        body = request.body.replace("CARD", card).replace("NUMBER", f"{self._run}{number}")
        answer = self._client.open(
            (path or request.path).replace("CARD", card), method=request.method, data=body, headers=HEADERS
        )
        if answer.status_code != 200:
            raise AssertionError(f"{request.method} {path or request.path}: {answer.status_code} {answer.text}")
        return answer.json


@contextmanager
def _counting(storage: redis.Redis) -> Iterator[list[float]]:
    """Yield a list that has, at the end, what was done meanwhile: round trips, commands, bytes."""
    costs: list[float] = []
    before = _state(storage)
    yield costs
    after = _state(storage)
    # Each look reads one command more.
    costs += [now - then - own for now, then, own in zip(after, before, (1, 0, 0), strict=True)]


def _state(storage: redis.Redis) -> tuple[int, int, int]:
    told = {**storage.info("stats"), **storage.info("memory")}
    commands: dict[str, Any] = storage.info("commandstats")
    ran = sum(told["calls"] for name, told in commands.items() if name not in _SCRIPTS)
    kept = told["used_memory"] - told["mem_clients_normal"] - told["mem_aof_buffer"]
    return int(told["total_reads_processed"]), int(ran), int(kept)
