"""Asks a service on this machine how it is."""

from __future__ import annotations

import http.client


def ask(address: tuple[str, int], path: str, timeout_seconds: float) -> tuple[int, str]:
    """Return the status and the body of what the service at `address` answers; 0 and why where none answers."""
    host, port = address
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


def _reachable(host: str) -> str:
    """Return where a server bound to `host` can be called from here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
