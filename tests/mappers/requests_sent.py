"""What a mapper sent to a mocked backend."""

from __future__ import annotations

import json
from typing import Any

from responses import RequestsMock


def sent(wire: RequestsMock, number: int = -1) -> Any:
    """Return the JSON body of a request, by default the last one."""
    return json.loads(sent_text(wire, number))


def sent_text(wire: RequestsMock, number: int = -1) -> str:
    body = wire.calls[number].request.body
    assert body is not None
    return body if isinstance(body, str) else body.decode()


def sent_url(wire: RequestsMock, number: int = -1) -> str:
    url = wire.calls[number].request.url
    assert url is not None
    return url
