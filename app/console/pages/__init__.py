"""The pages of the console: each is a module here, which has a `page`, and a template of its name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from flask import Flask

from app.console.current import orders_waiting
from app.console.pages._page import Page

__all__ = ["Page", "every", "register"]


def every() -> list[Page]:
    """Return all pages, in the order of the navigation."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__) if found.name[0] != "_"]
    return sorted((module.page for module in modules), key=lambda page: page.place)


def register(app: Flask, *, demo: bool) -> None:
    """Add every page to the console; those for a demo to one only."""
    found = [page for page in every() if demo or not page.demo]
    for page in found:
        app.register_blueprint(page)
    app.jinja_env.globals["navigation"] = [page for page in found if page.shown]
    app.jinja_env.globals["orders_waiting"] = orders_waiting
