"""The pages of the bench beside the load: the ledger that they fill is a real one, and what is not measured stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.admin.transactions.search import Wanted, every
from app.ledger.transaction import State
from bench import results
from bench.filled import filled
from bench.section import Section


def test_a_filled_ledger_has_whole_transactions_that_everything_finds() -> None:
    with filled() as ledger:
        ledger.fill(ledger.settled, range(1, 11), lambda number: f"card-{number % 2}")
        ledger.fill(ledger.opened, range(11, 16), lambda _: "crowded")
        parts = ledger.parts
        states = [one.state for one in every(parts, Wanted())]
        assert (states.count(State.CLOSED), states.count(State.AUTHORIZED)) == (11, 5)
        assert len(parts.index.of_card("native", "crowded")) == 5
        assert [one.order_id for one in every(parts, Wanted(name="v00000012org-01"))] == ["v00000012org-01"]


def test_the_page_of_results_keeps_what_was_not_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text("# Results\n\nHead.\n\n## Load\nold\n\n## Growth\nold\n\n## Notes\n- kept\n")
    monkeypatch.setattr(results, "PAGE", page)
    results.write([Section("Growth", ("new",)), Section("Start", ("first",))])
    parts = dict(part.split("\n", 1) for part in page.read_text().split("\n## ")[1:])
    assert list(parts) == ["Load", "Growth", "Start", "Notes"]
    assert parts["Load"].strip() == "old"
    assert parts["Growth"].strip().endswith("new")
    assert parts["Growth"].startswith("Measured on ")
    assert parts["Notes"].strip() == "- kept"
