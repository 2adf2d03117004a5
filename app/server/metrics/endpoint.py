"""What Prometheus asks: all metrics as text, for whoever has the token, or who comes by the metrics' own address."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from werkzeug.wrappers import Request, Response

from app.server.metrics.figures import Figures
from app.server.metrics.meters import Meters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NAME = "metrics"

NO_STORE = {"Cache-Control": "no-store"}


class Endpoint:
    """The application at /-/metrics. With a token, a scrape needs it as `Authorization: Bearer TOKEN`."""

    def __init__(self, meters: Meters, figures: Figures, token: str | None) -> None:
        self._meters = meters
        self._figures = CollectorRegistry()
        self._figures.register(figures)
        self._token = token

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.path not in ("", "/"):
            return _empty(404)
        if not self._may(request):
            return _empty(401, {"WWW-Authenticate": "Bearer"})
        if request.method not in ("GET", "HEAD"):
            return _empty(405, {"Allow": "GET, HEAD"})
        text = generate_latest(self._meters.registry()) + generate_latest(self._figures)
        return Response(text, content_type=CONTENT_TYPE_LATEST, headers=NO_STORE)

    def _may(self, request: Request) -> bool:
        if self._token is None:
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode())


def _empty(status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(b"", status, {**NO_STORE, **(headers or {})})
