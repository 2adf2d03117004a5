"""The `giftbridge` command, also as `python -m giftbridge`."""

from __future__ import annotations

import sys

from giftbridge import _own_packages

# `python -m` lets the working folder stand before everything else that can be imported.
if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]
for _name in ("mappers", "app", "providers"):
    _own_packages.load(_name)

from app import garbage  # noqa: E402 - ours, whatever else is called app

garbage.look_seldom()

from app.commands.cli import main  # noqa: E402

__all__ = ["main"]

if __name__ == "__main__":
    main()
