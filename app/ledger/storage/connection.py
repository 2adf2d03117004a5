"""The connection to Redis: what a command that failed means, and whether this Redis may hold money."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha1
from typing import Any, Self, TypeVar, cast

import redis
from redis.client import Pipeline
from redis.cluster import RedisCluster
from redis.exceptions import AskError, MovedError, NoScriptError, RedisClusterException, TryAgainError

from app.ledger.errors import LedgerUnavailable
from app.ledger.milliseconds import milliseconds
from app.ledger.storage.clients import Sockets, connector

T = TypeVar("T")

# A command with its arguments.
Command = tuple[str | bytes | int, ...]

# What happens around each round trip to Redis; it is given its name, a short constant word.
Around = Callable[[str], AbstractContextManager[None]]

# From here on an admin should act: a full Redis takes no payment.
NEARLY_FULL = 0.9

# A slot that was moved is found at the second node; one that is moved just now, at the third.
NODES_ASKED = 3


@dataclass(frozen=True, slots=True)
class Server:
    """A Redis that takes writes: the id of its history, that of the one it took over, and how long it has run."""

    replid: str
    earlier_replid: str
    uptime_milliseconds: int


@dataclass(frozen=True, slots=True)
class Health:
    """What all servers that take writes say of themselves.

    `memory_share` is that of the fullest one, of the memory it may use: 0 where it has no limit. `file_is_written`:
    each keeps an append-only file, and has written and rewritten it without an error.
    """

    memory_bytes: int
    memory_share: float
    file_is_written: bool
    complaints: int


class Connection:
    """One client with a pool, shared by all threads. Methods raise LedgerUnavailable when no answer comes in time.

    It makes no retries of its own: after a lost answer nobody knows whether the command ran, and most must not repeat.
    """

    def __init__(
        self,
        connect: Callable[[], redis.Redis],
        *,
        sockets: Sockets | None = None,
        replicas: int = 0,
        replication: timedelta = timedelta(),
    ) -> None:
        self._connect = connect
        self._connected: redis.Redis | None = None
        self._sockets = sockets or Sockets()
        self.around: Around | None = None
        self._replicas = replicas
        self._replication = replication

    @classmethod
    def to(cls, url: str, *, timeout_seconds: float, connections: int, replicas: int = 0) -> Self:
        """Return a connection to `url` (see `clients.connector`) that opens up to `connections` sockets.

        With `replicas`, a change counts only once that many replicas have it; that takes at most half the timeout.
        Redis may be down until the first call. Raises ValueError for an address that cannot be read.
        """
        sockets = Sockets()
        connect = connector(url, timeout_seconds=timeout_seconds, connections=connections, sockets=sockets)
        return cls(connect, sockets=sockets, replicas=replicas, replication=timedelta(seconds=timeout_seconds / 2))

    @property
    def sockets_opened(self) -> int:
        """How many sockets were opened so far: where there is a new one, another server may be behind it."""
        return self._sockets.opened

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()

    @property
    def _client(self) -> redis.Redis:
        # Threads that race for the first call may each make one: the last is kept, and none has to wait for another's.
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    def call(self, command: Callable[[redis.Redis], T], name: str = "commands") -> T:
        """Run `command` with the client. Raises LedgerUnavailable. `name` is for who watches."""
        if self.around is None:
            return self._call(command)
        with self.around(name):
            return self._call(command)

    def _call(self, command: Callable[[redis.Redis], T]) -> T:
        try:
            return command(self._client)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise LedgerUnavailable("Redis cannot be reached: try again") from error
        except (redis.RedisError, RedisClusterException) as error:
            raise LedgerUnavailable(f"Redis refuses to work: {error}") from error

    def pipeline(self, fill: Callable[[Pipeline], object], *, raise_on_error: bool = True) -> list[Any]:
        """Send what `fill` puts into a pipeline in one round trip, and return the answers.

        Without `raise_on_error` a command that was refused has its error as answer.
        """

        def run(client: redis.Redis) -> list[Any]:
            with client.pipeline(transaction=False) as pipeline:
                fill(pipeline)
                return pipeline.execute(raise_on_error=raise_on_error)

        return self.call(run)

    def send(self, commands: Sequence[Command], *, raise_on_error: bool = True) -> list[Any]:
        """Do the same with commands as Redis takes them, and return its answers as it gives them.

        For what is done at each call: it costs a third of a pipeline of redis-py.
        """

        def run(client: redis.Redis) -> list[Any]:
            answers = (
                _answers_of_cluster(client, commands)
                if isinstance(client, RedisCluster)
                else _answers(client, commands)
            )
            if raise_on_error:
                _raise_first(answers)
            return answers

        return self.call(run)

    def script(self, text: str, name: str = "script", *, replicated: bool = True) -> Callable[..., list[Any]]:
        """Return a function that runs the Lua script `text` with keys and arguments. `name` is for who watches.

        Where it is not to be `replicated`, nobody waits for the replicas: it moves no money.
        """
        replicas = self._replicas if replicated else 0
        digest = sha1(text.encode(), usedforsecurity=False).hexdigest()

        def run(keys: Sequence[str], *arguments: str | bytes) -> list[Any]:
            def command(client: redis.Redis) -> Any:
                try:
                    script: Command = ("EVALSHA", digest, len(keys), *keys, *arguments)
                    return self._evaluate(client, keys[0], script, replicas)
                except NoScriptError:
                    script = ("EVAL", text, len(keys), *keys, *arguments)
                    return self._evaluate(client, keys[0], script, replicas)

            return cast("list[Any]", self.call(command, name))

        return run

    def server_of(self, key: str) -> str:
        """Return a name of the server that has a key: each has a clock of its own."""

        def find(client: Any) -> str:
            return str(client.get_node_from_key(key).name)

        return self._call(find) if self.is_cluster else ""

    @property
    def is_cluster(self) -> bool:
        return self._call(lambda client: isinstance(client, RedisCluster))

    def _evaluate(self, client: redis.Redis, key: str, script: Command, replicas: int) -> Any:
        if isinstance(client, RedisCluster):
            return self._evaluate_at_owner(client, key, script, replicas)
        return self._evaluate_at(client, script, replicas)

    def _evaluate_at(self, server: redis.Redis, script: Command, replicas: int, *, asking: bool = False) -> Any:
        """Return the script's answer once enough replicas of `server` have what it wrote.

        All of it goes through one connection: WAIT counts the copies of what its own connection wrote, and ASKING
        opens a slot that is on its way to `server` to the next command only.
        """
        commands: list[Command] = [("ASKING",), script] if asking else [script]
        if replicas:
            commands.append(("WAIT", replicas, milliseconds(self._replication)))
        answers = _answers(server, commands)
        _raise_first(answers)
        if replicas and (copies := answers.pop()) < replicas:
            raise LedgerUnavailable(f"only {copies} of {replicas} replicas have the change: try again")
        return answers.pop()

    def _evaluate_at_owner(self, cluster: Any, key: str, script: Command, replicas: int) -> Any:
        """Do the same at the node that owns the slot of `key`.

        redis-py would not let a script and its WAIT share a connection there, and would pause and repeat while a slot
        is on its way. A node that sends us elsewhere has run nothing, so that the script may be sent again.
        """
        node, asking = cluster.get_node_from_key(key), False
        for _ in range(NODES_ASKED):
            try:
                return self._evaluate_at(cluster.get_redis_connection(node), script, replicas, asking=asking)
            except MovedError:
                cluster.exists(key)  # follows the move, and remembers it
                node, asking = cluster.get_node_from_key(key), False
            except AskError as elsewhere:
                node, asking = cluster.get_node(elsewhere.host, elsewhere.port), True
            except TryAgainError as error:
                raise LedgerUnavailable("Redis is moving this card to another node: try again") from error
            except (redis.ConnectionError, redis.TimeoutError):
                cluster.nodes_manager.initialize()  # somebody else may own the slot by now: the next call finds it
                raise
        raise LedgerUnavailable("Redis's nodes do not agree where this card is: try again")

    def now_milliseconds(self) -> int:
        """Return Redis's time."""
        seconds, microseconds = self.call(lambda client: client.time())
        return seconds * 1000 + microseconds // 1000

    def servers(self) -> list[Server]:
        """Return which servers take writes."""

        def ask(client: redis.Redis) -> list[Server]:
            nodes = client.get_primaries() if isinstance(client, RedisCluster) else [None]
            return [_server(client, **({"target_nodes": node} if node else {})) for node in nodes]

        return self.call(ask)

    def pools(self) -> list[Any]:
        """Return redis-py's connections to each server that takes writes, for who needs one of them to itself."""

        def find(client: redis.Redis) -> list[Any]:
            nodes = client.get_primaries() if isinstance(client, RedisCluster) else [None]
            clients = [client.get_redis_connection(node) if node else client for node in nodes]
            return [one.connection_pool for one in clients]

        return self.call(find)

    def stoppages(self) -> list[str]:
        """Return why this Redis refuses to write now, each with its remedy; that mended, it recovers by itself."""
        return list(dict.fromkeys(stoppage for server in self._states() for stoppage in _stoppages(server)))

    def complaints(self) -> list[str]:
        """Return why this Redis must not hold money, each with its remedy; empty when it may."""
        return list(dict.fromkeys(complaint for server in self._states() for complaint in _complaints(server)))

    def cautions(self) -> list[str]:
        """Return what could be safer about this Redis: it loses nothing by itself, but more than it must in a crash."""
        return list(dict.fromkeys(caution for server in self._states() for caution in _cautions(server)))

    def health(self) -> Health:
        states = self._states()
        return Health(
            memory_bytes=sum(int(server.get("used_memory", 0)) for server in states),
            memory_share=max(map(_memory_share, states)),
            file_is_written=all(map(_file_is_written, states)),
            complaints=sum(1 for server in states for _ in _complaints(server)),
        )

    def _states(self) -> list[dict[str, Any]]:
        """Return what each server that takes writes says of its persistence, its memory and its configuration."""

        def ask(client: redis.Redis) -> list[dict[str, Any]]:
            if isinstance(client, RedisCluster):
                return [_state(client, target_nodes=node) for node in client.get_primaries()]
            return [_state(client)]

        return self.call(ask)


def _answers(server: redis.Redis, commands: Sequence[Command]) -> list[Any]:
    """Return the answers to commands that are sent at once; those that Redis refuses have an error for an answer.

    A pipeline of redis-py does the same, for three times the CPU.
    """
    pool = server.connection_pool
    connection: Any = pool.get_connection()
    try:
        connection.send_packed_command(connection.pack_commands(commands))
        return [_answer(connection) for _ in commands]
    finally:
        pool.release(connection)


def _answers_of_cluster(cluster: Any, commands: Sequence[Command]) -> list[Any]:
    """Do the same where each command goes to the node that owns its key."""
    with cluster.pipeline() as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
    return answers


def _raise_first(answers: Iterable[Any]) -> None:
    """Raise the first error among answers."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as refused:
        return refused


def _state(client: redis.Redis, **where: Any) -> dict[str, Any]:
    told = {**client.info("persistence", **where), **client.info("memory", **where)}
    try:
        return told | cast("dict[str, Any]", client.config_get("appendfsync", **where))
    except redis.ResponseError:
        return told  # managed services forbid CONFIG


def _server(client: redis.Redis, **where: Any) -> Server:
    told = {**client.info("replication", **where), **client.info("server", **where)}
    return Server(told["master_replid"], told["master_replid2"], int(told["uptime_in_seconds"]) * 1000)


def _stoppages(server: dict[str, Any]) -> Iterator[str]:
    if server.get("aof_last_write_status", "ok") != "ok":
        yield "its append-only file cannot be written: look at its disk"
    if _memory_share(server) >= 1:
        yield "its memory is full, and it refuses every payment: raise maxmemory"


def _memory_share(server: dict[str, Any]) -> float:
    """Return how much of the memory it may use is used, 1 when it refuses to write."""
    most = int(server.get("maxmemory", 0))
    # Redis does not count what is on its way to replicas and into the file.
    used = int(server.get("used_memory", 0)) - int(server.get("mem_not_counted_for_evict", 0))
    return used / most if most else 0.0


def _file_is_written(server: dict[str, Any]) -> bool:
    ended_well = (server.get(f"aof_last_{what}_status", "ok") == "ok" for what in ("write", "bgrewrite"))
    return bool(int(server.get("aof_enabled", 0))) and all(ended_well)


def _complaints(server: dict[str, Any]) -> Iterator[str]:
    yield from _stoppages(server)
    if not int(server.get("aof_enabled", 0)):
        yield "it keeps no append-only file and forgets reservations at a restart: set appendonly yes"
    policy = server.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield f"it may evict reservations (maxmemory-policy {policy}): set maxmemory-policy noeviction"


def _cautions(server: dict[str, Any]) -> Iterator[str]:
    if (fsync := server.get("appendfsync", "always")) != "always":
        yield f"a power failure may take its last seconds (appendfsync {fsync}): set appendfsync always"
    if NEARLY_FULL <= (share := _memory_share(server)) < 1:
        yield f"{share:.0%} of its memory are used: raise maxmemory before it is full and refuses every payment"


# In one script: between a look at the lead and its renewal it may end, and be another's.
_LEAD = """
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


class Fleet:
    """What the processes on one Redis share and that holds no money: who leads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lead(self, name: str, token: str, duration: timedelta) -> bool:
        """Become, or stay, the only process of the fleet that does `name`, for a while."""
        key, lasts = _lead(name), milliseconds(duration)
        return bool(self._connection.call(lambda client: client.eval(_LEAD, 1, key, token, str(lasts))))

    def leave(self, name: str, token: str) -> None:
        """Do not do `name` any more: another process may, at once."""
        self._connection.call(lambda client: client.eval(_LEAVE, 1, _lead(name), token))

    def is_led(self, name: str) -> bool:
        """Tell whether some process does `name` now."""
        return bool(self._connection.call(lambda client: client.exists(_lead(name))))


def _lead(name: str) -> str:
    return f"gb:lead:{name}"
