"""Serves sandboxes on this machine."""

from __future__ import annotations

import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Response

from mappers.sandbox.app import HangUp, Sandbox

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# How long a request may go on after its connection was ended. Those that are delayed on purpose end at once.
AT_REST_SECONDS = 1.0


class _Handler(WSGIRequestHandler):
    """Werkzeug's handler with keep-alive (request bodies are always read whole) and no log (paths hold codes)."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        try:
            response = Response.from_app(self.server.app, environ, buffered=True)
        except HangUp:
            self.close_connection = True
            return
        self.send_response(response.status_code)
        for name, value in response.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else response.get_data())

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Say nothing."""


class Server(ThreadedWSGIServer):
    """A server that can be stopped while clients keep their connections open."""

    def __init__(self, port: int, app: WSGIApplication, *, daemon: bool) -> None:
        self.daemon_threads = daemon
        self._open: set[socket.socket] = set()
        super().__init__("127.0.0.1", port, app, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hung up is no news."""

    def stop(self) -> None:
        # Where the system allows it, this ends the wait for callers at once, and not at its next look around.
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self._end_connections()

    def hang_up(self) -> bool:
        """End all connections, and return whether nothing is being worked on any more, or waits for that."""
        self._end_connections()
        limit = time.monotonic() + AT_REST_SECONDS
        while self._open and time.monotonic() < limit:
            time.sleep(0.0005)
        waiting, _, _ = select.select([self.socket], [], [], 0)
        return not (waiting or self._open)

    def _end_connections(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def running(app: Flask, port: int = 0, *, daemon: bool = False) -> AbstractContextManager[Sandbox]:
    """Serve `app` on 127.0.0.1 from threads of this process while the context lasts; port 0 takes a free one.

    The process waits for these threads at its end, unless they are `daemon`.
    """
    return _running(app, port, daemon)


@contextmanager
def _running(app: Flask, port: int, daemon: bool) -> Iterator[Sandbox]:
    sandbox: Sandbox = app.extensions["sandbox"]
    server = Server(port, app, daemon=daemon)
    app.extensions["server"] = server
    sandbox.url = f"http://127.0.0.1:{server.port}"
    sandbox.stopping.clear()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name=f"sandbox {app.name}", daemon=daemon)
    thread.start()
    try:
        yield sandbox
    finally:
        sandbox.stopping.set()
        server.stop()
        thread.join()


def serve(app: Flask, port: int, told: Callable[[str], str] | None = None) -> None:
    """Serve `app` on 127.0.0.1:`port` until SIGINT or SIGTERM. `told` returns what to say of it at its address."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with running(app, port) as sandbox:
        print(f"sandbox {app.name} listens on {sandbox.url}", flush=True)
        if told:
            print(told(sandbox.url), flush=True)
        stop.wait()
