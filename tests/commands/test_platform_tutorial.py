"""The platform engineer's tutorial is true: its commands are run as they stand, in a shell, on free ports."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.commands.walks import told, walk
from tests.docs.documents import document

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the Hub's calls are curl's")


def test_it_leads_from_nothing_to_a_service_that_was_killed_watched_and_backed_up(tmp_path: Path) -> None:
    shell = walk(document("docs/tutorial-platform.md"), tmp_path)
    assert shell.returncode == 0, told(shell, tmp_path)
    assert shell.stdout.count("Nothing is wrong.") == 3  # init, doctor, and the check of the provider
    assert re.search(r"^acme is registered with mystore", shell.stdout, re.MULTILINE)
    after_the_kill = shell.stdout.partition("first-order")[2]
    assert "authorized" in after_the_kill
    assert re.search(r'^giftbridge_held_minor_units\{.*provider="acme"\} 6000.0$', shell.stdout, re.MULTILINE)
    assert (tmp_path / "work/elsewhere").is_dir()
