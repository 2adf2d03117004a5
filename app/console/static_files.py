"""Addresses of the console's own files: each has a digest of the file in it, so that a new version is fetched anew."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Flask, url_for

FOLDER = Path(__file__).parent / "static"


def add_addresses(app: Flask) -> None:
    """Give templates `static_file(path)`."""
    app.jinja_env.globals["static_file"] = lambda path: url_for("static", filename=path, v=_digest(path))


@cache
def _digest(path: str) -> str:
    return hashlib.sha256((FOLDER / path).read_bytes()).hexdigest()[:12]
