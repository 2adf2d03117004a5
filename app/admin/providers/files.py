"""Replaces a file all or nothing, one writer at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_SECONDS = 10.0
LOCK_MODE = 0o600

# Of a file that is new: it may come to hold secrets, and its owner can open it to others.
NEW_FILE_MODE = 0o600


class EditRefused(Exception):
    """The edit was not made; the message says why and what to do. The file is as it was."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other writers of `path` out. Raises EditRefused when one takes too long.

    The lock is a file of its own beside it, since the one to protect is replaced.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"), LOCK_SECONDS, LOCK_MODE)
    try:
        lock.acquire()
    except Timeout as error:
        raise EditRefused(f"somebody else is editing {path}: try again in a moment") from error
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        yield
    finally:
        lock.release()


def replace(path: Path, text: str, check: Callable[[Path], None]) -> None:
    """Put `text` in the place of `path`, with its owner and mode, once `check` of the draft has not raised.

    Whoever reads the file, also after a crash, finds the old text or the new one. Raises EditRefused.
    """
    try:
        status = path.stat() if path.exists() else None
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _not_writable(path, error) from error
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, NEW_FILE_MODE if status is None else status.st_mode & 0o7777)
            mine = os.fstat(handle)
            if status is not None and (status.st_uid, status.st_gid) != (mine.st_uid, mine.st_gid):
                os.fchown(handle, status.st_uid, status.st_gid)
            file.write(text.encode())
            file.flush()
            os.fsync(handle)
        check(draft)
        draft.replace(path)
    except OSError as error:
        raise _not_writable(path, error) from error
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _not_writable(path: Path, error: OSError) -> EditRefused:
    return EditRefused(f"cannot write {path} ({error.strerror}): run this as the user who owns it and its directory")
