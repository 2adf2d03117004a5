"""How a Redis's address becomes a client: one server, a primary that Sentinel names, or a cluster."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import PRIMARY, ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from mappers.waiting import limit

SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://", "redis+cluster://")

SENTINEL_PORT = 26379
CLUSTER_PORT = 6379


@dataclass(slots=True)
class Sockets:
    """How many sockets were opened so far. While there is no new one, the server behind them is the same."""

    opened: int = 0


def connector(
    url: str, *, timeout_seconds: float, connections: int, sockets: Sockets | None = None
) -> Callable[[], redis.Redis]:
    """Return a function that returns a client for `url`, which opens up to `connections` sockets to each server.

    `sockets` counts them.

    The client makes no automatic retries: most commands here must not be repeated blindly.
    redis+sentinel://[user:password@]host:port,host:port/service asks Sentinel for the primary of `service`;
    redis+cluster://[user:password@]host:port,host:port knows one or more nodes of a cluster; redis-py reads the rest.
    The function raises redis-py's errors where a cluster is down, whose client asks it for its slots at once.
    Raises ValueError for an address that cannot be read.
    """
    timeouts: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
    }
    # What is no text comes back as it was given.
    text = {"decode_responses": True, "encoding_errors": "surrogateescape"}
    options = {**text, "max_connections": connections, **timeouts}
    parts = urlsplit(url)
    is_cluster = parts.scheme == "redis+cluster"
    if sockets is not None:

        def opened(connection: Any) -> None:
            sockets.opened += 1
            _let_the_system_wait(connection._sock, timeout_seconds)
            if not is_cluster:  # whose client does it by itself
                connection.on_connect()

        options["redis_connect_func"] = opened
    if is_cluster:
        hosts = _hosts(parts, CLUSTER_PORT)
        return lambda: _cluster(hosts, options | _login(parts))
    if parts.scheme != "redis+sentinel":
        client = redis.Redis.from_url(url, health_check_interval=0, **options)
        return lambda: client
    service = parts.path.strip("/")
    if not service:
        raise ValueError("redis+sentinel:// ends with the name of the service: redis+sentinel://host:26379/mymaster")
    sentinel = Sentinel(_hosts(parts, SENTINEL_PORT), sentinel_kwargs=timeouts)  # type: ignore[no-untyped-call]
    primary = sentinel.master_for(service, **options, **_login(parts))  # type: ignore[no-untyped-call]
    return lambda: cast("redis.Redis", primary)


def _let_the_system_wait(connection: socket.socket, timeout_seconds: float) -> None:
    """Have the system keep a connection's timeout. redis-py takes it for a connection that has failed."""
    if isinstance(connection, ssl.SSLSocket):
        return
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        limit(connection, option, timeout_seconds)
    connection.settimeout(None)


def _cluster(hosts: list[tuple[str, int]], options: dict[str, Any]) -> redis.Redis:
    """Return a client that follows a moved slot, and does not ask a node again that does not answer."""
    nodes = [ClusterNode(host, port) for host, port in hosts]  # type: ignore[no-untyped-call]
    client = RedisCluster(startup_nodes=nodes, **options)
    find = client.nodes_manager.get_node

    def find_or_meet(host: str | None = None, port: int | None = None, node_name: str | None = None) -> Any:
        found = find(host, port, node_name)
        if found is None:
            name = node_name or f"{host}:{port}"
            newcomer = ClusterNode(*_host(name, CLUSTER_PORT), PRIMARY)  # type: ignore[no-untyped-call]
            found = client.nodes_manager.nodes_cache.setdefault(name, newcomer)
        return found

    # A slot may be on its way to a node that had none before. redis-py has not met it, and would trip over None.
    client.nodes_manager.get_node = find_or_meet  # type: ignore[method-assign]
    return cast("redis.Redis", client)


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    return [_host(entry, default_port) for entry in parts.netloc.rpartition("@")[2].split(",")]


def _host(entry: str, default_port: int) -> tuple[str, int]:
    host, _, port = entry.rpartition(":")
    return (host, int(port)) if host else (entry, default_port)


def _login(parts: SplitResult) -> dict[str, Any]:
    login, _, _ = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    named = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in named.items() if value}
