"""How gunicorn runs the service: `app.server.workers` gives it each name below that is a setting of gunicorn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app import open_files, telemetry
from app.server.metrics.meters import forget_process
from app.settings import Settings

_settings = Settings.from_environment()

# Which of them a request came in by decides what it may see, see app/server/mounts.py.
bind = [_settings.bind, *filter(None, [_settings.console_bind, _settings.metrics_bind])]
workers = _settings.workers

# A call mostly waits for a backend, and threads are cheap. One backend has a share of them, see app/ledger/threads.py.
# Theirs gives a thread to whoever has sent a byte, see app/server/worker.py.
worker_class = "app.server.worker.Worker"
threads = _settings.threads
worker_connections = open_files.connections(threads)

# A money call that has begun may finish; its deadline is below this.
graceful_timeout = 20

# Longer than the idle time of the usual proxies (60 s): they close first, so no call meets a closed socket.
keepalive = 75

# Our longest path has two ids and a provider; the rest of the limits are gunicorn's own.
limit_request_line = 4094

# A proxy in front of us says nothing in headers that we believe: not a SCRIPT_NAME, nor which scheme it was called by.
forwarded_allow_ips = ""
forwarder_headers = ""

# Paths hold card ids; what is worth logging of a call, the service logs itself.
accesslog = None
# Below INFO gunicorn writes them, too.
loglevel = "info" if _settings.log_level == "DEBUG" else _settings.log_level.lower()

# Its own lines look like the service's.
telemetry.configure(_settings)
logconfig_dict = telemetry.STANDARD_LOGGING

# Nobody steers gunicorn but the process above it. Versions before 27 have no such socket and skip the setting.
control_socket_disable = True

# Heartbeats are written to a file: in memory, where there is such a place, a slow disk cannot look like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def post_worker_init(worker: Any) -> None:
    """Start what this worker does beside its calls. Among all of them, one leads."""
    from app.server.background import Background  # noqa: PLC0415 - in a worker, so that a hangup reads it anew

    if parts := _parts(worker):
        if _settings.traces:
            from app.server import tracing  # noqa: PLC0415 - the packages it needs may not be there

            worker.tracing = tracing.start()
            worker.tracing.watch(worker.wsgi)
        parts.sweeper.start()
        worker.background = Background(parts)
        worker.background.start()


def worker_exit(_server: Any, worker: Any) -> None:
    """Let the sweeper finish the transaction at hand, and send the last traces."""
    if parts := _parts(worker):
        if background := getattr(worker, "background", None):
            background.stop()
        parts.sweeper.stop()
        if traces := getattr(worker, "tracing", None):
            traces.stop()


def child_exit(_server: Any, worker: Any) -> None:
    """Let what a worker said of itself end with it, however it ended."""
    forget_process(worker.pid)


def _parts(worker: Any) -> Any:
    # A worker that could not load the application ends as well, without any.
    return getattr(getattr(worker, "wsgi", None), "extensions", {}).get("giftbridge")
