"""For tests: the suite that every mapper must pass, and the test plan for any gift card provider.

The sandbox that the suite runs against is made with `giftbridge.sandbox`. The plan needs no pytest.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from giftbridge import _mappers  # noqa: F401 - first, so that the next is ours
from giftbridge._own_packages import load

if TYPE_CHECKING:
    from mappers.conformance import MapperConformance
    from providers.certify.check import Severity
    from providers.certify.runner import Report, Result, Verdict
    from providers.certify.suite import Uncertified, certify

# Failures of the suite then show the values they compare. It works only before the suite is first imported.
if "pytest" in sys.modules and "mappers.conformance" not in sys.modules:
    sys.modules["pytest"].register_assert_rewrite("mappers.conformance")

# Where each name is from. Who tests a mapper needs no `providers`, who tests a provider no pytest.
_HOMES = {
    "MapperConformance": "mappers.conformance",
    "Report": "providers.certify.runner",
    "Result": "providers.certify.runner",
    "Severity": "providers.certify.check",
    "Uncertified": "providers.certify.suite",
    "Verdict": "providers.certify.runner",
    "certify": "providers.certify.suite",
}

__all__ = ["MapperConformance", "Report", "Result", "Severity", "Uncertified", "Verdict", "certify"]


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    load(home.partition(".")[0])
    return getattr(import_module(home), name)
