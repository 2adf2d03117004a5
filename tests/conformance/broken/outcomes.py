"""Mappers that are sure of what nobody told them."""

from __future__ import annotations

from dataclasses import replace

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardStatus,
    CardUnusable,
    OutcomeUnknown,
    Receipt,
    ReferenceNotFound,
    Step,
    Verb,
)
from mappers.deadline import Deadline
from mappers.lightrail import Rejected
from mappers.lightrail_v2.mapper import LightrailV2, _refusal
from mappers.memory.mapper import Account, Memory

from .cases import caught_by


@caught_by("test_what_is_repeated_under_one_key_happens_once")
class TakesEvery409ForARefusal(LightrailV2):
    """ "You did that before" becomes "no"."""

    def _explain(self, step: Step, rejected: Rejected, deadline: Deadline) -> Receipt:
        raise _refusal(rejected) from rejected


@caught_by("test_an_unclear_answer_is_unknown_and_asking_tells")
class TakesA500ForARefusal(LightrailV2):
    """A backend that failed inside may have done it all the same."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            return super().run(step, deadline)
        except OutcomeUnknown as error:
            if error.answered:
                raise CardUnusable("the backend refuses") from error
            raise


@caught_by("test_a_slow_answer_is_unknown_at_the_deadline_and_asking_tells")
class TakesATimeoutForSuccess(LightrailV2):
    """No news is good news."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            return super().run(step, deadline)
        except OutcomeUnknown:
            return Receipt(step.key)


@caught_by("test_an_unclear_answer_is_unknown_and_asking_tells")
class TakesATimeoutForNotDone(LightrailV2):
    """ "Nobody answered" becomes "it certainly did not happen"."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            return super().run(step, deadline)
        except OutcomeUnknown as error:
            raise BackendUnavailable("no answer") from error


@caught_by("test_asking_tells_what_happened_and_what_did_not")
class AlwaysSaysNo(Memory):
    """Asked whether it happened, it has never heard of it."""

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        return None


@caught_by("test_asking_tells_what_happened_and_what_did_not")
class AlwaysSaysYes(Memory):
    """Asked whether it happened, it agrees."""

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        return Receipt(step.key)


@caught_by("test_what_settles_or_gives_back_is_tried_however_often_it_failed")
class TurnsSettlementsAway(LightrailV2):
    """A breaker stands before everything, and what was paid stays unsettled."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        assert step.origin
        origin = replace(step.origin, act=ActKind.DEBIT)
        return super().run(replace(step, origin=origin), deadline)


@caught_by("test_a_step_is_not_started_without_time_for_it")
class TakesItsTime(LightrailV2):
    """It has a timeout of its own, whatever the request has left."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        return super().run(step, Deadline.after(30))


@caught_by("test_too_many_requests_is_unavailable_for_as_long_as_the_backend_says")
class ForgetsRetryAfter(LightrailV2):
    """It was told when to come back, and does not pass it on."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            return super().run(step, deadline)
        except BackendUnavailable as error:
            raise BackendUnavailable(str(error)) from error


@caught_by("test_credentials_refused_while_paying_are_no_refusal")
class TakesARevokedKeyForARefusal(LightrailV2):
    """A settlement is refused for good because somebody changed the API key."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            return super().run(step, deadline)
        except BackendUnavailable as error:
            if error.retry_after_seconds is None:
                raise CardUnusable("the backend refuses") from error
            raise


@caught_by("test_a_404_of_some_gateway_while_paying_is_no_refusal")
class TakesAnyNotFoundForItsBackends(LightrailV2):
    """A gateway lost its way to the backend, and a payment is refused for good."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            return super().run(step, deadline)
        except BackendUnavailable as error:
            if "404" in str(error):
                raise CardUnusable("there is no such card") from error
            raise


@caught_by("test_what_was_done_just_now_is_never_refused_for_good")
class TakesALateReplicaForARefusal(LightrailV2):
    """A hold that was made just now cannot be settled, since the backend does not see it yet."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            return super().run(step, deadline)
        except ReferenceNotFound as error:
            raise CardUnusable(str(error)) from error


@caught_by("test_a_card_that_ends_leaves_nothing_unknown_of_its_payment")
class RefusesWhatItDid(Memory):
    """The card has ended, so it says no; the money has moved all the same."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        receipt = super().run(step, deadline)
        if step.verb is not Verb.LOOK and self.get_card(step.card_id, deadline).status is CardStatus.EXPIRED:
            raise CardUnusable("the card has ended")
        return receipt


@caught_by("test_a_card_that_has_ended_opens_no_payment")
class PaysForEver(Memory):
    """Nobody looks whether the card has ended."""

    def _apply(self, step: Step, account: Account) -> None:
        ends, account.card = account.card.expiring_date, replace(account.card, expiring_date=None)
        super()._apply(step, account)
        account.card = replace(account.card, expiring_date=ends)


@caught_by("test_a_refusal_within_the_read_lag_is_still_told_within_the_request")
class TooPatient(Memory):
    """Nothing is known of its replicas, so that half a minute is waited for them."""

    read_lag_seconds = 30.0
