"""What a call costs in counts holds, whatever the machine does: the bench's core, with few calls."""

from __future__ import annotations

from pathlib import Path

import redis

from bench.counts import MOST_COMMANDS, MOST_ROUND_TRIPS, counted
from bench.quick import service


def test_no_call_makes_more_round_trips_or_commands_than_it_may(empty_redis_url: str, tmp_path: Path) -> None:
    with service(empty_redis_url, tmp_path) as app, redis.Redis.from_url(empty_redis_url) as client:
        found = list(counted(app, client))
    assert [count.call for count in found] == list(MOST_ROUND_TRIPS) == list(MOST_COMMANDS)
    assert [count for count in found if count.too_many] == []
