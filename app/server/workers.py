"""gunicorn without its command: `serve` runs this module with the settings in `app.server.gunicorn`.

gunicorn's command imports from the working folder before anywhere else, and takes settings from a gunicorn.conf.py
there. `serve` wants none of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunicorn.app.base import BaseApplication

from app import garbage
from app.server import gunicorn

if TYPE_CHECKING:
    from flask import Flask


class Service(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The service as gunicorn runs it."""

    def load_config(self) -> None:
        for name, value in vars(gunicorn).items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        # Only in a worker, so that a hangup reads the code anew.
        from app import create_app  # noqa: PLC0415

        return create_app()


if __name__ == "__main__":
    garbage.look_seldom()
    Service().run()
