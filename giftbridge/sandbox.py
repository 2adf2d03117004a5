"""What a sandbox of a backend is made of. It needs no test tools, so `giftbridge sandbox NAME` runs it anywhere."""

from __future__ import annotations

from giftbridge import _mappers  # noqa: F401 - first, so that the next is ours
from mappers.sandbox import CONTROL, Sandbox, create_sandbox, running, shared
from mappers.sandbox.faults import Fault

__all__ = ["CONTROL", "Fault", "Sandbox", "create_sandbox", "running", "shared"]
