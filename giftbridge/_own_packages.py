"""The packages behind this one: where they are, and how they are imported from there alone.

A wheel brings `app`, `mappers` and `providers` in a folder of its own, so that pip never writes them over another
distribution's. In a checkout they are beside this package.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

_INSTALLED = Path(__file__).with_name("_packages")

FOLDER = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1]


def load(name: str) -> None:
    """Import our package `name`, whatever else of that name could be imported; `sys.path` stays as it is.

    Raises ImportError where another package of that name is imported already.
    """
    if (loaded := sys.modules.get(name)) is not None:
        if loaded.__file__ is None or not (FOLDER / name / "__init__.py").samefile(loaded.__file__):
            raise ImportError(
                f"giftbridge needs its own package {name}, and {loaded.__file__} is imported already: "
                "import giftbridge first, or rename the other one"
            )
        return
    spec = PathFinder.find_spec(name, [str(FOLDER)])
    if spec is None or spec.loader is None:
        raise ImportError(f"giftbridge is not complete: {FOLDER / name} is missing; install it again")
    sys.modules[name] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
