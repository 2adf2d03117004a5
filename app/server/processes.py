"""Child processes: how they are started so that none outlives the service, and how they are stopped."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO

# prctl(2) on Linux: the signal a process gets when the thread that started it ends.
PR_SET_PDEATHSIG = 1


def spawn(
    arguments: Sequence[str | os.PathLike[str]],
    *,
    environment: Mapping[str, str] | None = None,
    inherited: Iterable[int] = (),
    output: IO[bytes] | int | None = None,
    umask: int = -1,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that a Ctrl-C meant for us does not reach it before we stop it.

    On Linux it gets SIGTERM when the calling thread ends, also when we are killed: call this from a thread that
    lives as long as the process should. `inherited` are file descriptors it keeps; `umask` takes rights from the files
    it makes, -1 as many as we do. Raises OSError.
    """
    return subprocess.Popen(  # noqa: S603 - the callers name the program themselves
        [os.fspath(argument) for argument in arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        pass_fds=tuple(inherited),
        umask=umask,
        start_new_session=True,
        preexec_fn=_die_with_parent(),  # noqa: PLW1509 - nothing else tells the kernel; it takes no lock
    )


def stop(process: subprocess.Popen[bytes], grace_seconds: float) -> int:
    """Ask a process to end and wait; kill it and its session when it takes longer. Return its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            return process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            kill(process)
    return process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process started by `spawn`, with all that it started itself."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _die_with_parent() -> Callable[[], None] | None:
    """Return what the child runs before its program, with everything that may fail or lock done beforehand."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def request_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return request_signal
