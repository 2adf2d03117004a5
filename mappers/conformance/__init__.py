"""The behavior that every mapper must show, as tests: subclass MapperConformance, and green means done.

    class TestAcme(MapperConformance):
        mapper_class = Acme

        @pytest.fixture
        def backend(self):  # leave it out, and nothing is broken on purpose
            with shared(create_app) as sandbox:
                yield sandbox

        @pytest.fixture
        def options(self, backend):
            return AcmeOptions(**DEMO_OPTIONS(backend.url))

        @pytest.fixture
        def card_code(self):
            return "ACME-ACTIVE-100"

`other_currencies` are tried as well: `card_code` then asks for the fixture `currency`, and gives a card in it.

No test is skipped: one that does not apply is not collected (applicability.py). That is so where the mapper has no such
method, where its attributes say that the ledger never does such a thing with it, or where a fixture above is not given.
Packages import it as `giftbridge.testing`.
"""

from __future__ import annotations

from mappers.conformance.accounts import AccountTests
from mappers.conformance.cards import CardTests
from mappers.conformance.currencies import CurrencyTests
from mappers.conformance.endings import EndingTests
from mappers.conformance.failures import FailureTests
from mappers.conformance.lag import LagTests
from mappers.conformance.paging import PagingTests
from mappers.conformance.payments import PaymentTests
from mappers.conformance.rules import RuleTests
from mappers.conformance.statement import StatementTests
from mappers.conformance.uses import UseTests

__all__ = ["MapperConformance"]


class MapperConformance(
    CardTests,
    PaymentTests,
    UseTests,
    EndingTests,
    RuleTests,
    CurrencyTests,
    AccountTests,
    StatementTests,
    PagingTests,
    FailureTests,
    LagTests,
):
    """Give `mapper_class`, and the fixtures `options` and `card_code`.

    Where they matter: the fixtures `unusable_card_code`, `single_use_card_code`, `ruled_card_code`, `set_read_lag`,
    `small_pages`, `backend` and `currency`, and `other_currencies`.
    """
