"""Every proof of the promise exists."""

from __future__ import annotations

import pytest

from tests.docs.documents import ROOT, document
from tests.docs.tables import PROMISE, PROOF

ROWS = document(PROMISE).rows("promise", "proved by")


def test_every_promise_names_its_proof() -> None:
    assert len(ROWS) >= 20
    for promise, proofs in ROWS:
        assert PROOF.search(proofs), promise


@pytest.mark.parametrize(("path", "name"), [proof for row in ROWS for proof in PROOF.findall(row[1])])
def test_a_proof_exists(path: str, name: str) -> None:
    file = ROOT / path
    assert file.exists(), f"run `make tables`: {path} is gone"
    assert f"def {name}(" in file.read_text(), f"run `make tables`: {path} has no {name}"
