"""A second giftbridge before a backend: served over sockets that can be told to misbehave, as sandboxes are."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from urllib.parse import unquote_to_bytes

from flask import Flask, request
from werkzeug.wrappers import Response

from app import create_app
from mappers.sandbox import create_sandbox
from providers.registry import Registry
from tests.patience import patient

APP_KEY, APP_TOKEN = "second-key", "second-token"

PROVIDER = """
[second]
caption = "Cards of the second service"
currency = "{currency}"
mapper = "{mapper}"
[[second.credentials]]
app_key = "{app_key}"
app_token = "{app_token}"
[second.options]
{options}
"""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def options_for(url: str) -> dict[str, str]:
    """Return the mapper's options for a second service at `url`."""
    return {
        "base_url": f"{url}/second",
        "app_key": APP_KEY,
        "app_token": APP_TOKEN,
        "credentials": "provider",
    }


def create_second_service(
    folder: Path, redis_url: str, mapper: str, options: dict[str, str] | None = None, currency: str = "BRL"
) -> Flask:
    """Return a sandbox that passes what it is asked to a whole giftbridge, its provider before a backend.

    The parts of that service are at `app.extensions["giftbridge"]`.
    """
    file = folder / "second.toml"
    written = "\n".join(f'{name} = "{value}"' for name, value in (options or {}).items())
    file.write_text(
        PROVIDER.format(mapper=mapper, options=written, currency=currency, app_key=APP_KEY, app_token=APP_TOKEN)
    )
    service = create_app(patient(redis_url=redis_url), Registry.load(file))
    app = create_sandbox("second giftbridge")
    app.extensions["giftbridge"] = service.extensions["giftbridge"]

    @app.before_request
    def pass_on() -> Response:
        # The kit routes by the path as it was sent; a server gives it decoded.
        path = unquote_to_bytes(request.environ["PATH_INFO"]).decode("latin-1")
        body = {"wsgi.input": BytesIO(request.get_data())}
        passed = {name: value for name, value in request.environ.items() if not name.startswith("werkzeug.")}
        return Response.from_app(service, {**passed, "PATH_INFO": path, **body}, buffered=True)

    return app
