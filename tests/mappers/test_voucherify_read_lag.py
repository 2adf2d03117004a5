"""Voucherify's reads may lag behind its answers."""

from __future__ import annotations

import pytest

from mappers.base import BackendUnavailable, Holds, Step, Verb
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.sandbox import running
from mappers.voucherify import sandbox as voucherify_sandbox
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions


def test_a_redemption_that_reads_do_not_show_yet_is_refunded_later() -> None:
    with running(voucherify_sandbox.create_app()) as sandbox:
        options = VoucherifyOptions(**voucherify_sandbox.DEMO_OPTIONS(sandbox.url))
        mapper = Voucherify("demo", Currency.of("BRL"), Holds.LEDGER, options)
        backend = sandbox.app.extensions["backend"]
        card = backend.find("VOUCHERIFY-ACTIVE-100")
        taken = mapper.run(Step(Verb.DEBIT, 4_000, card.id, key="gb-settle-1"), Deadline.after(5))
        backend.redemptions.pop(taken.reference)
        with pytest.raises(BackendUnavailable):
            mapper.run(Step(Verb.REFUND, 4_000, card.id, taken.reference, key="gb-cancel-1"), Deadline.after(5))
