"""The `giftbridge` command, also as `python -m giftbridge`."""

from __future__ import annotations

from app.commands.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
