import pytest

from app.protocol.paths import CollapsedSlashes
from tests.protocol.fakes import CREDENTIALS


@pytest.mark.parametrize(
    ("sent", "routed"),
    [
        ("/acme//giftcards/_search", "/acme/giftcards/_search"),
        ("//acme/giftcards", "/acme/giftcards"),
        ("/acme///giftcards//x", "/acme/giftcards/x"),
        ("/acme/giftcards", "/acme/giftcards"),
        ("", ""),
    ],
)
def test_every_run_of_slashes_becomes_one(sent, routed):
    seen = []
    wrapped = CollapsedSlashes(lambda environ, start_response: seen.append(environ["PATH_INFO"]) or [])
    wrapped({"PATH_INFO": sent}, None)
    assert seen == [routed]


def test_a_post_with_a_double_slash_is_answered_and_keeps_its_body(stranger, ledger):
    response = stranger.post(
        "/acme//giftcards/card-24//transactions",
        headers=CREDENTIALS,
        data='{"operation":"Debit","value":3,"requestId":"r1"}',
    )
    assert response.status_code == 200
    assert ledger.request.request_id == "r1"
