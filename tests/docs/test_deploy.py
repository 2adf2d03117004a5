"""The examples in deploy/ do what they say: the unit is closed, the proxy speaks the protocol of the service."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest
import trustme

from tests.app.commands import free_port, wait_for
from tests.docs.documents import ROOT

UNIT = ROOT / "deploy/giftbridge.service"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_gives_the_service_little_to_break_out_with() -> None:
    # Of 100; the threshold fails the command.
    judged = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=30", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-2000:] + judged.stderr


@pytest.mark.parametrize(
    "line",
    [
        "UMask=0077",
        "LimitCORE=0",
        "LimitNOFILE=65536",
        "Restart=always",
        "RestartSec=5",
        "StartLimitIntervalSec=0",
        "StateDirectory=giftbridge",
        "RuntimeDirectory=giftbridge",
    ],
)
def test_the_unit_keeps_the_service_running_and_its_files_closed(line: str) -> None:
    assert line in UNIT.read_text().splitlines()


Ask = Callable[..., tuple[int, str | None, bytes]]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Return a function that asks nginx with our example, changed in ports, names and paths alone."""
    if not Path(NGINX).exists():
        pytest.skip("nginx is not installed")
    authority = trustme.CA()
    pair = authority.issue_cert("localhost")
    pair.private_key_pem.write_to_path(tmp_path / "key.pem")
    pair.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    port, service = free_port(), free_port()
    server = (ROOT / "deploy/nginx.conf").read_text()
    for before, after in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "gift.example.com;": "localhost;",
        "/etc/ssl/certs/gift.example.com.pem": str(tmp_path / "cert.pem"),
        "/etc/ssl/private/gift.example.com.key": str(tmp_path / "key.pem"),
        "127.0.0.1:8080": f"127.0.0.1:{service}",
    }.items():
        assert before in server
        server = server.replace(before, after)
    paths = "".join(f"{kind}_temp_path {tmp_path};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (tmp_path / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{server}\n}}\n"
    )
    process = subprocess.Popen([NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    context = ssl.create_default_context()
    authority.configure_trust(context)

    def ask(method: str, path: str, length: int = 0) -> tuple[int, str | None, bytes]:
        connection = HTTPSConnection("localhost", port, timeout=20, context=context)
        connection.request(method, path, headers={"Content-Length": str(length)})
        answer = connection.getresponse()
        told = answer.status, answer.getheader("Content-Type"), answer.read()
        connection.close()
        return told

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0 or process.poll() is not None

    try:
        wait_for(listens)
        assert process.poll() is None, (tmp_path / "error.log").read_text()
        yield ask
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("path", ["/ready", "//ready", "///health", "/health", "/-/ready", "//-/health", "/%72eady"])
def test_nobody_outside_reaches_the_probes(ask: Ask, path: str) -> None:
    assert ask("GET", path)[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "size", "status", "code"),
    [
        ("GET", "/-/ready", 0, 403, "InvalidRequest"),
        ("POST", "/acme/giftcards", 300 * 2**20, 413, "BodyTooLarge"),
        ("GET", "/acme/giftcards/x", 0, 502, "OutcomeUnknown"),  # nobody listens behind it
    ],
)
def test_what_the_proxy_refuses_has_a_json_body(
    ask: Ask, method: str, path: str, size: int, status: int, code: str
) -> None:
    answered, kind, body = ask(method, path, size)
    assert (answered, kind) == (status, "application/json")
    assert f'"code": "{code}"'.encode() in body
