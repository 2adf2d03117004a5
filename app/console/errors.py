"""Pages for what goes wrong: each says what to do."""

from __future__ import annotations

import structlog
from flask import Flask, g, render_template
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError

from app.console.texts import _
from app.ledger.errors import LedgerUnavailable, TransactionNotFound

log = structlog.get_logger()

Page = tuple[str, int]


def add_pages(app: Flask) -> None:
    """Answer errors with pages."""

    @app.errorhandler(CSRFError)
    def too_old(_error: CSRFError) -> Page:
        return _page(
            400,
            _("This form is too old"),
            _("Nothing was done. Go back, load the page again, and send the form once more."),
        )

    @app.errorhandler(TransactionNotFound)
    def unknown(_error: TransactionNotFound) -> Page:
        return _page(404, _("There is no such transaction"), _("Look for it by its order under Transactions."))

    @app.errorhandler(LedgerUnavailable)
    def no_ledger(error: LedgerUnavailable) -> Page:
        log.error("the console cannot reach Redis", reason=str(error))
        return _page(
            503,
            _("Redis cannot be reached"),
            _("Nothing can be shown until it is back. Look at giftbridge doctor on the machine, and try again then."),
        )

    @app.errorhandler(HTTPException)
    def other(error: HTTPException) -> Page:
        if isinstance(error, InternalServerError) and isinstance(error.original_exception, LedgerUnavailable):
            return no_ledger(error.original_exception)
        code = error.code or 500
        title, advice = _words(code)
        return _page(code, title, advice)


def _words(code: int) -> tuple[str, str]:
    match code:
        case 403:
            return _("You may not do this"), _("It needs another role. Ask an owner of this console.")
        case 404:
            return _("There is no such page"), _("Start from the overview.")
        case 405:
            return _("This cannot be asked for so"), _("Use the buttons of the page.")
        case 413:
            return _("This is too long"), _("Send less text.")
        case 500:
            return _("Something is broken here"), _("Tell whoever runs giftbridge: its log says what.")
    return _("This was not understood"), _("Go back and try again.")


def _page(status: int, title: str, advice: str) -> Page:
    g.setdefault("user", None)
    return render_template("error.html", title=title, advice=advice), status
