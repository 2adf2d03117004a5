"""Makes `mappers` importable, for the modules that show parts of it; `giftbridge` alone takes nobody's name."""

from __future__ import annotations

from giftbridge import _own_packages

_own_packages.load("mappers")
