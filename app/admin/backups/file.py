"""The file of a backup: lines of JSON, compressed with gzip.

The first line says whose ledger it is and from when, the last one how many lines there are and what they must sum up
to. Each line between is a key: `[key, kind, expires_at, content]`, as in `copies.Entry`. Of a key that stands there
twice, the last line counts.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Protocol

from app.ledger.storage.copies import EVERYTHING, Entry

FORMAT = 1

# Most of what gzip can save of JSON, it saves at its quickest levels.
COMPRESSION = 3

KINDS = frozenset({"hash", "zset", "set", "list", "string", "none"})


class BackupRefused(Exception):
    """A backup cannot be written, or read, or must not be put where it was to go. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a backup says of itself first. `taken_at`: it has all that was written before, in Redis's milliseconds.

    `history` is what the ledger knew of the servers that held it.
    """

    ledger: str
    taken_at: int
    history: dict[str, str]
    made_by: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Foot:
    """What ends a backup that is whole. `read_until`: it has nothing that was written after."""

    entries: int
    read_until: int
    sha256: str


class Now(Protocol):
    """Tells Redis's time."""

    def __call__(self) -> int: ...


def write(stream: IO[bytes], head: Head, entries: Iterable[Entry], now: Now) -> Foot:
    """Write a backup as its entries come."""
    seen, count = sha256(), 0
    with gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=COMPRESSION, mtime=0) as file:

        def put(line: object) -> None:
            text = _line(line)
            seen.update(text)
            file.write(text)

        put(asdict(head))
        for entry in entries:
            put([entry.key, entry.kind, entry.expires_at, entry.content])
            count += 1
        foot = Foot(count, now(), seen.hexdigest())
        file.write(_line(asdict(foot)))
    return foot


def check(path: Path) -> tuple[Head, Foot]:
    """Read a whole backup, and return what it says of itself. Raises BackupRefused where it is not whole."""
    seen, count, last = sha256(), -1, b""  # the head is no entry
    with _opened(path) as lines:
        head = _head(path, next(lines, b""))
        seen.update(_line(asdict(head)))
        for line in lines:
            if last:
                seen.update(last)
                _entry(last)
            last, count = line, count + 1
        foot = Foot(**json.loads(last)) if last else Foot(-1, 0, "")
    if (foot.entries, foot.sha256) != (count, seen.hexdigest()):
        raise BackupRefused(f"{path} is not what was written: it was changed or damaged. Take another backup")
    return head, foot


def entries(path: Path) -> Iterator[Entry]:
    """Yield the entries of a backup that was checked."""
    with _opened(path) as lines:
        next(lines)
        before = next(lines)
        for line in lines:
            yield _entry(before)
            before = line


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[bytes]]:
    try:
        with gzip.open(path) as file:
            yield iter(file)
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError, TypeError, KeyError) as error:
        raise BackupRefused(f"{path} is no whole backup: it was cut off, damaged, or is another file") from error
    except OSError as error:
        raise BackupRefused(f"{path} cannot be read ({error.strerror or error})") from error


def _head(path: Path, line: bytes) -> Head:
    told: Any = json.loads(line)
    if isinstance(told, dict) and told.get("format", FORMAT) != FORMAT:
        made_by = told.get("made_by")
        raise BackupRefused(f"{path} is a backup of format {told['format']}, made by {made_by}: use that version")
    return Head(**told)


def _entry(line: bytes) -> Entry:
    key, kind, expires_at, content = json.loads(line)
    if not key.startswith(EVERYTHING) or kind not in KINDS:
        raise ValueError("not an entry of a ledger")
    return Entry(key, kind, int(expires_at), tuple(content))


def _line(told: object) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file for this user's eyes that gets its name once all of it is on disk. Raises BackupRefused."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        _refuse_to_overwrite(path)
        try:
            with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            _refuse_to_overwrite(path)
            draft.replace(path)
            _sync(path.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise BackupRefused(f"{path} cannot be written ({error.strerror or error})") from error


def _refuse_to_overwrite(path: Path) -> None:
    if path.exists():
        raise BackupRefused(f"{path} exists already, and a backup replaces no file: choose another name")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
