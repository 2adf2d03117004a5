"""A real Redis for the explorer that does not wait for the disk: the simulation's."""

from __future__ import annotations

from tests.simulation.conftest import redis_url

__all__ = ["redis_url"]
