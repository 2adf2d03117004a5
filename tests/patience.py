"""Settings for cores that have other things to do: what is late there is not wrong."""

from __future__ import annotations

from typing import Any

from app.settings import PREFIX, Settings

REDIS_TIMEOUT_SECONDS, CARD_DEADLINE_SECONDS = 4, 5

# The same as variables of the environment, without and with their prefix.
PATIENT = {
    "REDIS_TIMEOUT_SECONDS": str(REDIS_TIMEOUT_SECONDS),
    "CARD_DEADLINE_SECONDS": str(CARD_DEADLINE_SECONDS),
}
PATIENT_ENVIRONMENT = {f"{PREFIX}{name}": value for name, value in PATIENT.items()}


def patient(**settings: Any) -> Settings:
    return Settings(
        redis_timeout_seconds=REDIS_TIMEOUT_SECONDS, card_deadline_seconds=CARD_DEADLINE_SECONDS, **settings
    )
