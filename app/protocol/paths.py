"""One slash for many: the Hub may double the slash between the service URL and the path it calls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SLASHES = re.compile("/{2,}")


class CollapsedSlashes:
    """WSGI middleware that makes every run of slashes in the path one, before routing.

    Without it the router answers `POST /acme//giftcards/_search` with a redirect, and the Hub loses the POST.
    Nothing is lost by it: no id in a path holds a slash.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if "//" in path:
            environ["PATH_INFO"] = _SLASHES.sub("/", path)
        return self._application(environ, start_response)
