"""One scheduled comparison of the ledger with the backends, in a process of its own, behind everything else."""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress

import structlog

from app import telemetry
from app.admin.reconciliation import schedule
from app.ledger.errors import LedgerUnavailable
from app.parts import build
from app.server.embedded import redis_url
from app.settings import Settings
from providers.problems import InvalidProviders
from providers.registry import Registry

log = structlog.get_logger()

# Only what the processor has left: shoppers come first.
NICENESS = 10


def main() -> int:
    settings = Settings.from_environment()
    telemetry.configure(settings)
    with suppress(OSError):
        os.nice(NICENESS)
    try:
        parts = build(settings, Registry.load(settings.providers), redis_url(settings))
        with closing(parts.connection):
            schedule.run(parts)
    except (InvalidProviders, LedgerUnavailable) as error:
        log.warning("not reconciled", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
