"""How amounts, dates and names are shown and typed, in the language and the time zone of whoever reads."""

from __future__ import annotations

import copy
import re
import secrets
from datetime import date, datetime
from decimal import Decimal

from babel.dates import format_date, format_datetime, get_timezone_name
from babel.numbers import NumberFormatError, parse_decimal
from flask import Flask
from flask_babel import get_locale, get_timezone
from markupsafe import Markup

from app.admin.transactions.search import Cursor
from app.console.guard import may
from app.console.sentences import check_name, said
from app.console.texts import _
from app.console.words import word

# Digits and what may stand between them: no sign, no 1e2, no NaN.
TYPED = re.compile(r"[0-9][0-9.,\u00a0\u202f ]*")


class WrongAmount(ValueError):
    """What was typed is no amount; the message says in the user's language how to type one."""


def add_filters(app: Flask) -> None:
    """Give templates the filters of this module, `check_name`, `said` and `word`, and `may` and `new_request_id`."""
    filters = {"check_name": check_name, "said": said, "word": word}
    app.jinja_env.filters.update(at_most_99=at_most_99, day=day, money=money, when=when, **filters)
    app.jinja_env.globals.update(may=may, new_request_id=new_request_id)


def money(amount: Decimal, currency: str) -> str:
    """Return an amount in major units with its currency, if any; it has the digits it came with."""
    locale = get_locale()
    pattern = copy.copy(locale.currency_formats["standard"] if currency else locale.decimal_formats[None])
    exponent = amount.as_tuple().exponent
    digits = max(0, -exponent) if isinstance(exponent, int) else 0
    pattern.frac_prec = (digits, digits)
    return str(pattern.apply(amount, locale, currency=currency or None, currency_digits=False))


def when(date: datetime) -> Markup:
    """Return a moment as an element that programs can read as well."""
    zone, locale = get_timezone(), get_locale()
    shown = format_datetime(date, "medium", tzinfo=zone, locale=locale)
    name = get_timezone_name(date.astimezone(zone), width="short", locale=locale)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(date.isoformat(), f"{shown} {name}", shown)


def day(date: date | datetime) -> str:
    """Return a day; of a moment, the day it is in the reader's time zone."""
    if isinstance(date, datetime):
        date = date.astimezone(get_timezone())
    return str(format_date(date, "medium", locale=get_locale()))


def at_most_99(number: int, more: bool = False) -> str:
    """Return how many there are as far as it matters to somebody who looks. `more`: there may be more."""
    return "99+" if number > 99 else f"{number}+" if more else str(number)


def cursor_read(text: str | None) -> Cursor | None:
    """Return the place in a list of transactions that stands in an address."""
    try:
        return Cursor.parse(text) if text else None
    except ValueError:
        return None  # somebody has cut the address: the first page


def amount_typed(text: str) -> Decimal:
    """Return the amount above zero that somebody typed in their language. Raises WrongAmount."""
    locale = get_locale()
    example = money(Decimal("19.90"), "")
    try:
        if TYPED.fullmatch(text.strip()) is None:
            raise NumberFormatError(text)
        amount = parse_decimal(text.strip(), locale=locale, strict=True)
    except NumberFormatError as error:
        raise WrongAmount(_("This is no amount. Type it like %(example)s.", example=example)) from error
    if amount == 0:
        raise WrongAmount(_("The amount must be above zero."))
    return amount


def new_request_id() -> str:
    """Return a name for what a form will do once: sent again, the form finds what it did."""
    return f"console-{secrets.token_hex(12)}"
