"""A service in this process, at a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.types import WSGIApplication

from werkzeug.serving import make_server

from tests.admin.conftest import QuietHandler


@contextmanager
def served(app: WSGIApplication) -> Iterator[str]:
    """Serve `app` while the context lasts; yield the address of its provider acme."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/acme"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
