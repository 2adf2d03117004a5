"""What a call costs in counts holds, whatever the machine does: the bench's core, with few calls."""

from __future__ import annotations

from pathlib import Path

import redis

from bench.counts import MOST_COMMANDS, MOST_ROUND_TRIPS, MOST_SYSTEM_CALLS, counted
from bench.quick import service


def test_no_call_comes_to_more_than_it_may(empty_redis_url: str, tmp_path: Path) -> None:
    with service(empty_redis_url, tmp_path) as app, redis.Redis.from_url(empty_redis_url) as client:
        found = list(counted(app, client))
    assert [count.call for count in found] == list(MOST_ROUND_TRIPS)
    assert list(MOST_ROUND_TRIPS) == list(MOST_SYSTEM_CALLS) == list(MOST_COMMANDS)
    assert [count for count in found if count.too_many] == []
