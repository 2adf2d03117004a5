"""What was done by hand is written down: who, what, about what, and why."""

from __future__ import annotations

from app.admin import activity
from tests.commands.conftest import Installation, installation  # noqa: F401 - a fixture


def test_the_newest_stands_first_and_only_so_many_are_kept(
    installation: Installation,  # noqa: F811 - a fixture
) -> None:
    parts = installation.parts
    activity.note(parts, "ana", "settle", "gb-1", amount="40.00 BRL", reason="the invoice came late")
    activity.note(parts, "rui", "add user", "eva", role="viewer")
    newest = activity.newest(parts, 10)
    assert [(one.who, one.what, one.about) for one in newest] == [("rui", "add user", "eva"), ("ana", "settle", "gb-1")]
    assert newest[1].details == {"amount": "40.00 BRL", "reason": "the invoice came late"}
    assert activity.newest(parts, 1, skip=1) == newest[1:]


def test_the_reason_of_an_act_is_found_by_its_request(
    installation: Installation,  # noqa: F811 - a fixture
) -> None:
    activity.explain(installation.parts, "console-1", "the shopper called")
    assert activity.reason(installation.parts, "console-1") == "the shopper called"
    assert activity.reason(installation.parts, "console-2") is None
