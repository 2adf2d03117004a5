"""Whether the process lives, and whether it may be sent money: what a load balancer asks."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from app.ledger.clock import CONSEQUENCE, REMEDY, ClockWatch
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from app.ledger.storage.identity import Identity


def create_blueprint(connection: Connection, clock: ClockWatch, *, redis_allow_unsafe: bool) -> Blueprint:
    """Return the routes `/-/health` (always 200) and `/-/ready` (200, or 503 with what to mend).

    `/health` and `/ready` are other names of them. A backend that is down makes neither fail: restarting the service
    would not help it. Nor does a clock that may be wrong: money moves as before, and only the sweeper leaves something
    undone.
    """
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/-/health")
    @blueprint.get("/health")
    def health() -> Response:
        return jsonify(status="alive")

    @blueprint.get("/-/ready")
    @blueprint.get("/ready")
    def ready() -> tuple[Response, int]:
        try:
            if stoppages := connection.stoppages():
                return jsonify(status="not ready", reasons=stoppages), 503
            ledger = Identity(connection).ensure()
            complaints, cautions = connection.complaints(), connection.cautions()
            doubt = clock.look().doubt
        except LedgerUnavailable as error:
            return jsonify(status="not ready", reasons=[str(error)]), 503
        if complaints and not redis_allow_unsafe:
            remedy = "or set GIFTBRIDGE_REDIS_ALLOW_UNSAFE=true, and risk losing reservations"
            return jsonify(status="not ready", reasons=[*complaints, remedy]), 503
        about_the_clock = {"clock": f"{doubt}: {CONSEQUENCE}; {REMEDY}"} if doubt else {}
        return jsonify(status="ready", ledger=ledger, warnings=[*complaints, *cautions], **about_the_clock), 200

    return blueprint
