"""The store admin's tutorial is true: its commands are run as they stand, in a shell, on free ports."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.commands.walks import told, walk
from tests.docs.documents import document

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the shopper's calls are curl's")


def test_it_leads_to_an_order_that_was_stuck_and_is_decided(tmp_path: Path) -> None:
    shell = walk(document("docs/tutorial-store-admin.md"), tmp_path)
    assert shell.returncode == 0, told(shell, tmp_path)
    before, planned, after = shell.stdout.partition("stuck, as planned\n")
    assert planned
    assert re.search(r"\bauthorized +60\.00", before)
    waiting, _, decided = after.partition("something waits\n")
    assert waiting.startswith("parked: ")
    # What the page says of the act, and what it lets the reader find.
    assert "whether step 4 (refund 60.00) happened" in decided
    assert set(re.findall(r'"value_used":"(.*)"', decided)) == {"40.00", "60.00"}
    assert re.search(r"^Can be spent +60\.00 BRL", decided, re.MULTILINE)
    assert decided.rstrip().endswith("Nothing is wrong.")
