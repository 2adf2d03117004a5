"""Every proof of the promise exists."""

from __future__ import annotations

import re

import pytest

from tests.docs.documents import ROOT, document

ROWS = document("docs/reliability.md").rows("promise", "proved by")
PROOF = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_promise_names_its_proof() -> None:
    assert len(ROWS) >= 20
    for promise, proofs in ROWS:
        assert PROOF.search(proofs), promise


@pytest.mark.parametrize(("path", "name"), [proof for row in ROWS for proof in PROOF.findall(row[1])])
def test_a_proof_exists(path: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / path).read_text()
