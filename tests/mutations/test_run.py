"""What was judged counts while the code is the same, and tells the next run where to begin."""

from __future__ import annotations

from pathlib import Path

from tests.mutations.run import NOT_YET, Judged
from tests.mutations.safeties import MUTATIONS
from tests.mutations.tree import KILLED, Change, Verdict


def test_a_new_run_judges_anew_and_begins_with_what_noticed_the_change_the_last_time(tmp_path: Path) -> None:
    mutation, change = MUTATIONS[0], Change("file.py", "text", ["first", "second", "third"])
    Judged(tmp_path / "judged.json", resume=False).keep(mutation, change, Verdict(KILLED, "second"))
    resumed, anew = (Judged(tmp_path / "judged.json", resume=resume) for resume in (True, False))
    assert (resumed.word(mutation, change), anew.word(mutation, change)) == (KILLED, NOT_YET)
    assert anew.finder_first(mutation, change).tests == ["second", "first", "third"]
    other = Change("file.py", "another text", change.tests)
    assert resumed.word(mutation, other) == NOT_YET
