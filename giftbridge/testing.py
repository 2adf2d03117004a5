"""The suite that every mapper must pass. The sandbox that it runs against is made with `giftbridge.sandbox`."""

from __future__ import annotations

import sys

import pytest

# Failures of the suite then show the values they compare. It works only before the suite is first imported.
if "mappers.conformance" not in sys.modules:
    pytest.register_assert_rewrite("mappers.conformance")

from mappers.conformance import MapperConformance

__all__ = ["MapperConformance"]
