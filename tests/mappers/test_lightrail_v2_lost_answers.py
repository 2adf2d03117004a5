"""Lightrail V2 when answers are lost, and what others do to a hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardUnusable,
    Conflict,
    Origin,
    OutcomeUnknown,
    Receipt,
    Step,
    Verb,
)
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.lightrail_v2.sandbox import create_app
from mappers.sandbox import Sandbox, shared
from mappers.sandbox.faults import FaultKind
from tests.mappers.lightrail_v2_story import Story, connect, soon


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailV2:
    return connect(sandbox)


@pytest.fixture
def story(sandbox: Sandbox, mapper: LightrailV2) -> Story:
    return Story(sandbox, mapper)


# Lost answers


def plays(story: Story, name: str) -> Step:
    """Return the step of that name, with everything before it done."""
    if name == "hold":
        return story.step(ActKind.DEBIT, 1000)
    story.hold()
    if name in ("reverse", "credit"):
        story.capture(1000)
    if name == "credit":
        return story.step(ActKind.REVERSAL, 400)
    return story.step(ActKind.CAPTURE if name == "capture" else ActKind.REVERSAL, 1000)


@pytest.mark.parametrize("name", ["hold", "capture", "void", "reverse", "credit"])
@pytest.mark.parametrize("fault", ["drop_after", "status_after", "junk"])
def test_a_lost_success_is_found_by_asking(story: Story, name: str, fault: FaultKind) -> None:
    step = plays(story, name)
    story.sandbox.faults.add(fault, method="POST")
    with pytest.raises(OutcomeUnknown) as caught:
        story.mapper.run(step, soon())
    assert caught.value.answered is (fault != "drop_after")
    found = story.mapper.ask(step, soon())
    assert found == story.mapper.run(step, soon())
    assert found.reference == step.key


@pytest.mark.parametrize("name", ["hold", "capture", "void", "reverse", "credit"])
def test_what_was_never_done_is_not_found_and_can_be_done(story: Story, name: str) -> None:
    step = plays(story, name)
    before = story.balance
    story.sandbox.faults.add("drop_before", method="POST")
    with pytest.raises(OutcomeUnknown):
        story.mapper.run(step, soon())
    assert (story.mapper.ask(step, soon()), story.balance) == (None, before)
    story.mapper.run(step, soon())
    assert story.mapper.ask(step, soon()) is not None


def test_a_read_that_fails_while_a_409_is_looked_into_leaves_the_outcome_unknown(story: Story) -> None:
    step = story.step(ActKind.DEBIT, 10000)
    story.mapper.run(step, soon())
    story.sandbox.faults.add("status", method="GET", status=503, times=5)
    with pytest.raises(OutcomeUnknown):
        story.mapper.run(step, soon())


def test_a_repeat_that_reads_cannot_show_yet_is_unknown(story: Story) -> None:
    step = story.step(ActKind.DEBIT, 1000)
    story.mapper.run(step, soon())
    story.model.read_lag_seconds = 60
    with pytest.raises(OutcomeUnknown):
        story.mapper.run(step, soon())
    story.model.advance(timedelta(minutes=2))
    assert story.mapper.run(step, soon()).reference == step.key


def test_captures_voids_and_refunds_are_tried_however_often_they_failed(story: Story) -> None:
    story.hold()
    story.sandbox.faults.add("status", method="POST", status=500, times=30)
    steps = [story.step(ActKind.CAPTURE, 1000), story.step(ActKind.REVERSAL, 1000)]
    steps.append(replace(steps[0], verb=Verb.REFUND, reference=""))
    for step in steps * 10:
        with pytest.raises(OutcomeUnknown):
            story.mapper.run(step, soon())


def test_asking_a_dead_backend_says_so(sandbox: Sandbox, mapper: LightrailV2) -> None:
    story = Story(sandbox, mapper)
    sandbox.faults.add("status", status=500, times=9)
    with pytest.raises(BackendUnavailable):
        mapper.ask(story.step(ActKind.DEBIT, 1000), soon())


# What others do to a hold


def expire(story: Story) -> None:
    story.hold()
    story.model.advance(timedelta(days=30, seconds=1))


def test_a_hold_about_to_be_voided_cannot_be_captured(story: Story) -> None:
    expire(story)
    with pytest.raises(CardUnusable, match="expired"):
        story.capture(1000)


def test_a_hold_that_lightrail_voided_counts_as_voided(story: Story) -> None:
    expire(story)
    story.model.advance(timedelta(minutes=10))
    story.reverse(1000)
    assert story.transaction.done[-1].receipt.reference.startswith("automatic-void-")
    assert story.balance == 10000


def test_a_hold_that_lightrail_voided_cannot_be_captured(story: Story) -> None:
    expire(story)
    story.model.advance(timedelta(minutes=10))
    step = story.step(ActKind.CAPTURE, 1000)
    with pytest.raises(CardUnusable, match="expired"):
        story.mapper.run(step, soon())
    assert story.mapper.ask(step, soon()) is None


def test_a_capture_under_another_key_counts_as_captured(story: Story) -> None:
    story.hold()
    story.model.capture("gb-0-1-1", {"id": "by-hand"})
    story.capture(1000)
    assert story.transaction.done[-1].receipt.reference == "by-hand"
    story.reverse(1000)
    assert story.balance == 10000


def test_a_hold_that_was_captured_elsewhere_is_given_back_under_the_key_of_the_void(story: Story) -> None:
    story.hold()
    story.model.capture("gb-0-1-1", {"id": "by-hand"})
    story.reverse(1000)
    assert story.transaction.done[-1].receipt == Receipt("gb-0-2-1", 10000, {"instead": "refunded"})
    assert (story.balance, story.posts()[-2:]) == (10000, ["void", "reverse"])


def test_a_hold_that_was_captured_elsewhere_is_not_given_back_because_a_policys_time_is_over(story: Story) -> None:
    story.hold()
    (void,) = story.steps(ActKind.REVERSAL, 1000, voided=1000)
    story.model.capture("gb-0-1-1", {"id": "by-hand"})
    expired = Origin("gb-0", "r-1", ActKind.REVERSAL, "gb-0-2", 1000, 1000, reason="expired")
    with pytest.raises(Conflict):
        story.mapper.run(replace(void, origin=expired), soon())


def test_a_capture_that_was_reversed_elsewhere_is_not_given_back_twice(story: Story) -> None:
    story.hold().capture(1000)
    story.model.reverse("gb-0-2-1", {"id": "by-hand"})
    story.reverse(1000)
    assert (story.transaction.done[-1].receipt.reference, story.balance) == ("by-hand", 10000)


@pytest.mark.parametrize("kind", [ActKind.DEBIT, ActKind.REVERSAL])
@pytest.mark.parametrize("fault", ["status", "junk", "drop_after"])
def test_a_call_fails_in_time_while_an_unclear_answer_is_handled(story: Story, kind: ActKind, fault: FaultKind) -> None:
    """What is raised has an end: the next failure looks for the first one, and would never be done with a circle."""
    if kind is ActKind.REVERSAL:
        story.hold()
    step = story.step(kind, 1000)
    story.sandbox.faults.add(fault, method="POST")
    try:
        story.mapper.run(step, soon())
    except OutcomeUnknown as unknown:
        causes = [unknown.__cause__]
        while causes[-1] is not None and len(causes) < 10:
            causes.append(causes[-1].__cause__ or causes[-1].__context__)
        assert causes[-1] is None
        story.sandbox.faults.add("drop_before", times=3)
        with pytest.raises(BackendUnavailable):
            story.mapper.ask(step, soon())
    else:
        pytest.fail("the answer was clear")
