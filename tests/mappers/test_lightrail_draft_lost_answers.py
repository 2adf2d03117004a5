"""Lightrail's early V2 draft when requests are repeated and answers lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mappers.base import (
    ActKind,
    OutcomeUnknown,
    Step,
    Verb,
)
from mappers.lightrail_draft.mapper import LightrailDraft
from mappers.lightrail_draft.sandbox import create_app
from mappers.sandbox import Sandbox, shared
from mappers.sandbox.faults import FaultKind
from tests.mappers.lightrail_draft_story import Story, connect, soon

PAST = "2020-01-01T00:00:00.000Z"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailDraft:
    return connect(sandbox)


@pytest.fixture
def story(sandbox: Sandbox, mapper: LightrailDraft) -> Story:
    return Story(sandbox, mapper)


def plays(story: Story, name: str) -> Step:
    """Return the step of that name, with everything before it done."""
    if name == "hold":
        return story.step(ActKind.DEBIT, 10000)
    story.open()
    if name == "credit":
        story.capture(1000)
    return story.step(ActKind.CAPTURE if name == "capture" else ActKind.REVERSAL, 1000)


@pytest.mark.parametrize("name", ["hold", "capture", "void", "credit"])
def test_a_repeat_does_nothing_twice(story: Story, name: str) -> None:
    step = plays(story, name)
    first = story.mapper.run(step, soon())
    after = story.balance
    assert story.mapper.run(step, soon()) == first
    assert story.mapper.ask(step, soon()) == first
    assert story.balance == after


@pytest.mark.parametrize(
    "change", [{"frozen": True}, {"active": False}, {"endDate": PAST}], ids=lambda change: [*change]
)
def test_a_repeated_hold_is_found_whatever_the_card_became(story: Story, change: dict[str, Any]) -> None:
    step = story.step(ActKind.DEBIT, 1000)
    first = story.mapper.run(step, soon())
    story.card.update(change)
    assert story.mapper.run(step, soon()) == first


@pytest.mark.parametrize("name", ["hold", "capture", "void", "credit"])
@pytest.mark.parametrize("fault", ["drop_after", "status_after", "junk"])
def test_a_lost_success_is_found_by_asking(story: Story, name: str, fault: FaultKind) -> None:
    step = plays(story, name)
    story.sandbox.faults.add(fault, method="POST")
    with pytest.raises(OutcomeUnknown):
        story.mapper.run(step, soon())
    assert story.mapper.ask(step, soon()) == story.mapper.run(step, soon())


def test_a_repeat_that_reads_cannot_show_yet_is_unknown(story: Story) -> None:
    step = story.step(ActKind.DEBIT, 1000)
    story.mapper.run(step, soon())
    nothing = {"message": "Not Found", "statusCode": 404}
    story.sandbox.faults.add("status", method="GET", status=404, body=nothing, path="/transactions/")
    with pytest.raises(OutcomeUnknown):
        story.mapper.run(step, soon())


def test_captures_voids_and_refunds_are_tried_however_often_they_failed(story: Story) -> None:
    story.open()
    story.sandbox.faults.add("status", method="POST", status=500, times=30)
    steps = [story.step(ActKind.CAPTURE, 1000), story.step(ActKind.REVERSAL, 1000)]
    steps.append(replace(steps[0], verb=Verb.REFUND, reference=""))
    for step in steps * 10:
        with pytest.raises(OutcomeUnknown):
            story.mapper.run(step, soon())
