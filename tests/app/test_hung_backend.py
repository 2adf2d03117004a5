"""A backend that never answers keeps its share of the threads, and no other provider waits for it."""

from __future__ import annotations

import http.client
import json
import queue
import threading
from pathlib import Path

from tests.mappers import lightrail_v2_wire
from tests.mappers.servers import Line
from tests.mappers.servers import serving as backend_that

from .commands import HEADERS, PROVIDERS, ask, serving

THREADS, SHARE, CLIENTS = 8, 3, 20

SEARCH = '{"client": {}, "cart": {"redemptionCode": "SOME-CODE"}}'


def found(name: str) -> bytes:
    step = lightrail_v2_wire.STEP | {"balanceChange": -100}
    return json.dumps(lightrail_v2_wire.PENDING | {"id": name, "steps": [step]}).encode()


def test_a_hung_look_up_leaves_the_threads_of_others_alone(tmp_path: Path) -> None:
    """Each authorization's answer is lost, and looking it up hangs: no breaker stands before a look-up of money."""
    hanging: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    mended = threading.Event()

    def behave(line: Line, _: int) -> None:
        request = line.receive() or b""
        if b"/values/" in request:
            line.answer(body=json.dumps(lightrail_v2_wire.VALUE).encode())
        elif mended.is_set():
            line.answer(body=found(request.split()[1].decode().rpartition("/")[2]))
        elif request.startswith(b"POST"):
            line.reset()
        else:
            hanging.put(request)
            mended.wait(30)

    answers: queue.SimpleQueue[tuple[int, str | None, str]] = queue.SimpleQueue()

    def authorize(port: int, number: int) -> None:
        body = {"operation": "Debit", "value": 1.0, "requestId": f"request-{number}"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/hung/giftcards/gc-1/transactions", json.dumps(body), HEADERS)
        answer = connection.getresponse()
        answers.put((answer.status, answer.getheader("Retry-After"), answer.read().decode()))
        connection.close()

    with backend_that(behave) as backend:
        hung = PROVIDERS.replace("memory", "lightrail_v2").replace("[acme]", "[hung]").replace("acme.", "hung.")
        providers = f'{PROVIDERS}\n{hung}[hung.options]\nbase_url = "{backend.url}"\napi_key = "key"\n'
        settings = {"THREADS": str(THREADS), "THREADS_PER_BACKEND": str(SHARE)}
        with serving(tmp_path, providers, **settings) as (_, port):
            clients = [threading.Thread(target=authorize, args=(port, number)) for number in range(CLIENTS)]
            for client in clients:
                client.start()
            refused = [answers.get(timeout=30) for _ in range(CLIENTS - SHARE)]
            assert [hanging.get(timeout=30)[:3] for _ in range(SHARE)] == [b"GET"] * SHARE
            # Nobody else may wait there now, and everybody else is served.
            assert {(status, retry) for status, retry, _ in refused} == {(503, "1")}
            assert all("the backend was not asked: 3 requests already wait for it" in body for *_, body in refused)
            assert [ask(port, "POST", "/acme/giftcards/_search", SEARCH)[0] for _ in range(THREADS)] == [200] * THREADS
            assert answers.empty()
            assert hanging.empty()
            mended.set()
            for client in clients:
                client.join(30)
            assert [answers.get(timeout=30)[0] for _ in range(SHARE)] == [200] * SHARE
