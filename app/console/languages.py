"""The languages of the console, and which of them a user reads.

Each page has a catalog of its own, translations/LANGUAGE/PAGE.po. They are read when a language is first asked for:
nothing is compiled, so nothing can be stale.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, request
from flask_babel import Babel, Domain, get_locale

from app.console.current import signed_in

LANGUAGES = {"en": "English", "pt_BR": "Português (Brasil)", "es": "Español"}
THEMES = ("light", "dark")
FOLDER = Path(__file__).parent / "translations"


class _Domain(Domain):  # type: ignore[misc]  # Flask-Babel has no types
    """Flask-Babel's texts, from our catalogs."""

    def get_translations(self) -> NullTranslations:
        return _translations(str(get_locale()))


def speak(app: Flask) -> None:
    """Let the application's texts be in the language and the time zone of whoever asks."""
    babel = Babel(app, locale_selector=_language, timezone_selector=_zone)
    babel.domain_instance = _Domain()
    app.jinja_env.globals.update(locale=get_locale, theme=_theme, languages=LANGUAGES)


def catalog(language: str) -> Catalog:
    """Return all texts of a language."""
    merged = Catalog(locale=language)
    for path in sorted((FOLDER / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id:
                    merged.add(message.id, message.string, flags=message.flags, context=message.context)
    return merged


@cache
def _translations(language: str) -> NullTranslations:
    if language not in LANGUAGES or language == "en":
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, catalog(language))
    compiled.seek(0)
    return Translations(compiled)


def _language() -> str:
    user = signed_in()
    if user is not None and user.language in LANGUAGES:
        return user.language
    tags = {"en": "en", "pt": "pt_BR", "pt-BR": "pt_BR", "es": "es"}
    best = request.accept_languages.best_match(tags)
    return tags[best] if best else "en"


def _zone() -> ZoneInfo:
    user = signed_in()
    with suppress(ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(user.zone if user is not None and user.zone else "UTC")
    return ZoneInfo("UTC")


def _theme() -> str:
    user = signed_in()
    return user.theme if user is not None and user.theme in THEMES else ""
