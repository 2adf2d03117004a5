"""The sandbox kit: a real server on loopback that misbehaves exactly when told to."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from signal import Signals
from typing import Any

import pytest
import requests
from flask import Flask, request
from requests.models import Response
from requests.sessions import Session

from mappers.sandbox import RecordedRequest, Sandbox, create_sandbox, running, server, shared
from mappers.sandbox.faults import FaultKind


@pytest.fixture
def app() -> Flask:
    app = create_sandbox("counter")
    app.extensions["backend"] = {"count": 0}

    @app.post("/count")
    def count() -> tuple[dict[str, int], int]:
        app.extensions["backend"]["count"] += 1
        return {"count": app.extensions["backend"]["count"]}, 201

    @app.get("/things/<name>")
    def thing(name: str) -> dict[str, str | None]:
        return {"name": name, "query": request.args.get("q")}

    return app


@pytest.fixture
def sandbox(app: Flask) -> Iterator[Sandbox]:
    with running(app) as sandbox:
        yield sandbox


@pytest.fixture
def session() -> Iterator[Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def post(session: Session, sandbox: Sandbox, timeout: float = 5, **arguments: Any) -> Response:
    return session.post(f"{sandbox.url}/count", timeout=timeout, **arguments)


def count(sandbox: Sandbox) -> int:
    answer: int = sandbox.app.extensions["backend"]["count"]
    return answer


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_answers_several_requests_on_one_connection(sandbox: Sandbox) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.connect()
    ours = connection.sock.getsockname()
    for expected in (1, 2):
        connection.request("POST", "/count", body='{"a": 1}')
        assert json.load(connection.getresponse()) == {"count": expected}
        assert connection.sock.getsockname() == ours
    connection.close()


def test_an_encoded_slash_stays_inside_its_path_segment(sandbox: Sandbox, session: Session) -> None:
    answer = session.get(f"{sandbox.url}/things/a%2Fb%20%25c?q=%2F%2B", timeout=5)
    assert answer.json() == {"name": "a/b %c", "query": "/+"}


def test_requests_are_recorded_as_they_came(sandbox: Sandbox, session: Session) -> None:
    session.get(f"{sandbox.url}/things/a%2Fb?q=1", timeout=5)
    post(session, sandbox, json={"value": 1})
    assert sandbox.requests == [
        RecordedRequest("GET", "/things/a%2Fb?q=1", None, 200),
        RecordedRequest("POST", "/count", {"value": 1}, 201),
    ]


def test_drop_before_hangs_up_without_the_effect(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("drop_before")
    with pytest.raises(requests.ConnectionError):
        post(session, sandbox)
    assert count(sandbox) == 0
    assert sandbox.requests[0].status == 0


def test_drop_after_hangs_up_after_the_effect(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("drop_after")
    with pytest.raises(requests.ConnectionError):
        post(session, sandbox)
    assert count(sandbox) == 1
    assert sandbox.requests[0].lost


def test_delay_before_holds_the_effect_back(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("delay_before", seconds=30)
    with pytest.raises(requests.ReadTimeout):
        post(session, sandbox, timeout=0.2)
    assert count(sandbox) == 0


def test_delay_after_holds_only_the_answer_back(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("delay_after", seconds=30)
    with pytest.raises(requests.ReadTimeout):
        post(session, sandbox, timeout=0.2)
    assert until(lambda: count(sandbox) == 1)


def test_status_answers_without_the_effect(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("status", status=429, headers={"Retry-After": "7"}, body={"message": "slow down"})
    answer = post(session, sandbox)
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()) == (429, "7", {"message": "slow down"})
    assert count(sandbox) == 0


def test_status_after_answers_it_after_the_effect(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("status_after", status=500, body="oops")
    answer = post(session, sandbox)
    assert (answer.status_code, answer.text, count(sandbox)) == (500, "oops", 1)


def test_junk_is_a_success_that_nobody_can_parse(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("junk")
    answer = post(session, sandbox)
    assert (answer.status_code, count(sandbox)) == (201, 1)
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("kind", ["slow_body", "slow_headers"])
def test_a_dripping_answer_resets_a_read_timeout_with_every_byte(
    sandbox: Sandbox, session: Session, kind: FaultKind
) -> None:
    sandbox.faults.add(kind, seconds=0.003)
    answer = post(session, sandbox, timeout=1)
    assert (answer.json(), count(sandbox)) == ({"count": 1}, 1)
    assert answer.headers["Connection"] == "close"


def test_a_page_is_answered_again_whatever_page_is_asked_for(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("same_page", path="/count", skip=1)
    assert [post(session, sandbox).json() for _ in range(3)] == [{"count": 1}, {"count": 1}, {"count": 3}]
    sandbox.faults.add("same_page", path="/count", skip=1)
    assert [post(session, sandbox).json() for _ in range(2)] == [{"count": 4}, {"count": 4}]


def test_a_fault_lasts_for_its_times_after_its_skips(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("status", status=503, skip=1, times=2)
    assert [post(session, sandbox).status_code for _ in range(4)] == [201, 503, 503, 201]


def test_a_fault_that_lasts_a_while_is_over_then_whoever_asked(
    sandbox: Sandbox, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("mappers.sandbox.faults.monotonic", lambda: now[0])
    sandbox.faults.add("status", times=9, lasts_seconds=20)
    now[0] = 119.0
    assert post(session, sandbox).status_code == 500
    now[0] = 120.0
    assert post(session, sandbox).status_code == 201
    assert sandbox.faults.pending() == []


def test_a_fault_meets_only_its_method_and_path(sandbox: Sandbox, session: Session) -> None:
    sandbox.faults.add("status", method="GET", path="/things/.*q=2", times=9)
    assert post(session, sandbox).status_code == 201
    assert session.get(f"{sandbox.url}/things/a?q=1", timeout=5).status_code == 200
    assert session.get(f"{sandbox.url}/things/a?q=2", timeout=5).status_code == 500


def test_the_control_routes_plan_list_and_clear_faults(sandbox: Sandbox, session: Session) -> None:
    control = f"{sandbox.url}/_sandbox/faults"
    assert session.post(control, json={"kind": "junk", "times": 2}, timeout=5).status_code == 201
    assert session.get(control, timeout=5).json()[0]["kind"] == "junk"
    assert session.delete(control, timeout=5).status_code == 204
    assert session.get(control, timeout=5).json() == []
    assert session.get(f"{sandbox.url}/_sandbox/requests", timeout=5).json() == []


@pytest.mark.parametrize("fault", [{"kind": "explode"}, {"kind": "junk", "path": "("}, {"kind": "junk", "when": 1}])
def test_a_fault_that_makes_no_sense_is_refused(sandbox: Sandbox, session: Session, fault: dict[str, Any]) -> None:
    assert session.post(f"{sandbox.url}/_sandbox/faults", json=fault, timeout=5).status_code == 400


def test_stopping_ends_delays_and_open_connections_at_once(app: Flask, session: Session) -> None:
    with running(app) as sandbox:
        sandbox.faults.add("delay_before", seconds=600)
        errors = []

        def call() -> None:
            try:
                post(session, sandbox, timeout=60)
            except requests.ConnectionError as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        assert until(lambda: not sandbox.faults.pending())
    thread.join(5)
    assert (thread.is_alive(), len(errors)) == (False, 1)
    with pytest.raises(requests.ConnectionError):
        post(session, sandbox)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_runs_until_it_is_told_to_stop(number: Signals) -> None:
    program = "from mappers.sandbox import create_sandbox, serve; serve(create_sandbox('counter'), 0)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("sandbox counter listens on http://127.0.0.1:")
        process.send_signal(number)
        assert process.wait(10) == 0


class Counter:
    """A model as sandboxes have them: a lock, and state that is changed in place or replaced."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.counts = {"a": [1]}
        self.made = 0


def create_counter() -> Flask:
    app = create_sandbox("counter")
    counter = Counter()
    app.extensions["backend"] = counter

    @app.post("/count")
    def count() -> dict[str, list[int]]:
        with counter.lock:
            counter.counts["a"].append(2)
        return counter.counts

    return app


def test_a_shared_sandbox_is_as_new_each_time(session: Session) -> None:
    for _ in range(3):
        with shared(create_counter) as sandbox:
            model = sandbox.app.extensions["backend"]
            assert (model.made, sandbox.requests, sandbox.faults.pending()) == (0, [], [])
            assert post(session, sandbox).json() == {"a": [1, 2]}
            assert len(sandbox.requests) == 1
            model.made = 5
            model.added = True
            sandbox.faults.add("junk")
    with shared(create_counter) as sandbox:
        assert not hasattr(sandbox.app.extensions["backend"], "added")


def test_a_shared_sandbox_is_served_once_for_those_who_take_turns() -> None:
    with shared(create_counter) as first, shared(create_counter) as second:
        assert first.url != second.url
    urls = {first.url, second.url}
    with shared(create_counter) as third:
        assert third.url in urls
        assert third.app in (first.app, second.app)


def test_what_still_went_on_in_a_shared_sandbox_has_no_effect_on_its_next_turn(session: Session) -> None:
    with shared(create_counter) as sandbox:
        sandbox.faults.add("delay_before", seconds=600)
        with pytest.raises(requests.ReadTimeout):
            post(session, sandbox, timeout=0.2)
    with shared(create_counter) as again:
        assert again is sandbox
        assert again.requests == []
        assert post(session, again).json() == {"a": [1, 2]}


def test_a_shared_sandbox_that_does_not_come_to_rest_is_not_used_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "AT_REST_SECONDS", 0.05)
    going_on = threading.Event()
    with shared(create_counter) as sandbox:
        sandbox.app.view_functions["count"] = lambda: {"a": going_on.wait(5)}
        with pytest.raises(requests.ReadTimeout):
            post(session, sandbox, timeout=0.2)
    going_on.set()
    with shared(create_counter) as again:
        assert again is not sandbox
        assert post(session, again).json() == {"a": [1, 2]}
