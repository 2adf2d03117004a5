"""What other packages import of giftbridge; everything else may change at any time.

`giftbridge.mapper` and `giftbridge.parsing` are for the author of a mapper, `giftbridge.sandbox` for a sandbox of its
backend, and `giftbridge.testing` for its tests, and for those of any gift card provider.
"""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("giftbridge")
