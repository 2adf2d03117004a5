"""How a store's address becomes a client: one server, a primary that Sentinel names, or a cluster."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://", "redis+cluster://")

SENTINEL_PORT = 26379
CLUSTER_PORT = 6379


def connect(url: str, *, timeout_seconds: float, connections: int) -> redis.Redis:
    """Return a client for `url`, without automatic retries: most commands here must not be repeated blindly.

    redis+sentinel://[user:password@]host:port,host:port/service asks Sentinel for the primary of `service`;
    redis+cluster://[user:password@]host:port,host:port knows one or more nodes of a cluster; redis-py reads the rest.
    Raises ValueError for an address that cannot be read.
    """
    options: dict[str, Any] = {
        "decode_responses": True,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "max_connections": connections,
    }
    parts = urlsplit(url)
    if parts.scheme == "redis+sentinel":
        service = parts.path.strip("/")
        if not service:
            raise ValueError(
                "redis+sentinel:// ends with the name of the service: redis+sentinel://host:26379/mymaster"
            )
        timeouts = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
        sentinel = Sentinel(_hosts(parts, SENTINEL_PORT), sentinel_kwargs=timeouts)  # type: ignore[no-untyped-call]
        client = sentinel.master_for(service, **options, **_login(parts))  # type: ignore[no-untyped-call]
        return cast("redis.Redis", client)
    if parts.scheme == "redis+cluster":
        nodes = [ClusterNode(host, port) for host, port in _hosts(parts, CLUSTER_PORT)]  # type: ignore[no-untyped-call]
        # A moved slot is followed once or twice; a node that does not answer is not asked again.
        return cast("redis.Redis", RedisCluster(startup_nodes=nodes, **options, **_login(parts)))
    return redis.Redis.from_url(url, health_check_interval=0, **options)


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for entry in parts.netloc.rpartition("@")[2].split(","):
        host, _, port = entry.rpartition(":")
        hosts.append((host, int(port)) if host else (entry, default_port))
    return hosts


def _login(parts: SplitResult) -> dict[str, Any]:
    login, _, _ = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    named = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in named.items() if value}
