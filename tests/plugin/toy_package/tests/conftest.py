"""Makes the assertions of the conformance suite show the values they compare."""

import pytest

pytest.register_assert_rewrite("mappers.conformance")
