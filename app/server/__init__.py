"""What runs the process: gunicorn, its workers, the embedded Redis, health, and the demo."""

import sys


def _load_structlog() -> None:
    """Load structlog without rich, which it would load for tracebacks that we never draw: 4 MB of each process."""
    if {"rich", "structlog"}.isdisjoint(sys.modules):
        sys.modules["rich"] = None  # type: ignore[assignment] # what is None here cannot be imported
        import structlog  # noqa: F401, PLC0415

        del sys.modules["rich"]


_load_structlog()
