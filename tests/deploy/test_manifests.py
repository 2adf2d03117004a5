"""compose.yaml and the Kubernetes base: closed, durable, with secrets from files, and in step with the service."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from app.server.serve import GUNICORN_GRACE_SECONDS
from app.settings import FILE, Settings, is_secret, variable
from providers.registry import load_providers
from tests.deploy.checkers import checker
from tests.docs.documents import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
BASE = ROOT / "deploy/kubernetes"
KNOWN = {variable(setting.name) for setting in fields(Settings)}
SECRETS = {variable(setting.name) for setting in fields(Settings) if is_secret(setting)}


VALIDATE = checker("kubernetes-validate")


def manifest(name: str) -> Any:
    return yaml.safe_load((BASE / name).read_text())


POD = manifest("deployment.yaml")["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_kubernetes_variables_are_settings() -> None:
    names = {one["name"] for one in CONTAINER["env"]}
    assert {name.removesuffix(FILE) for name in names} <= KNOWN
    assert not names & SECRETS, "secrets come from files"


def test_compose_variables_are_settings() -> None:
    names = set(SERVICES["giftbridge"]["environment"])
    assert {name.removesuffix(FILE) for name in names} <= KNOWN
    assert not names & (SECRETS - {"GIFTBRIDGE_REDIS_URL"}), "secrets come from files"
    assert "@" not in SERVICES["giftbridge"]["environment"]["GIFTBRIDGE_REDIS_URL"]


def test_the_calls_at_hand_are_finished_first() -> None:
    waits = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["terminationGracePeriodSeconds"] > waits + GUNICORN_GRACE_SECONDS
    assert seconds(SERVICES["giftbridge"]["stop_grace_period"]) > GUNICORN_GRACE_SECONDS


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_has_no_rights_and_only_this_machine_reaches_it(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert ":" in service["image"] or "build" in service


def test_the_ledger_is_kept_and_nobody_else_reaches_it() -> None:
    valkey = SERVICES["valkey"]
    command = " ".join(valkey["command"])
    assert "--appendonly yes --appendfsync always" in command
    assert "--maxmemory-policy noeviction" in command
    assert valkey["networks"] == ["ledger"]
    assert COMPOSE["networks"]["ledger"]["internal"] is True
    assert "ports" not in valkey


def test_the_pod_has_no_rights() -> None:
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_pod_runs_as_the_user_of_the_image() -> None:
    (user,) = re.findall(r"^USER (\d+):", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert str(POD["securityContext"]["runAsUser"]) == user
    assert f"uid={user}" in SERVICES["giftbridge"]["tmpfs"][0]


def test_probes_ask_what_they_are_for() -> None:
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/-/health"
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/-/ready"


def test_everything_selects_the_same_pods() -> None:
    labels = manifest("deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    assert manifest("deployment.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("service.yaml")["spec"]["selector"] == labels
    assert manifest("disruption.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("network.yaml")["spec"]["podSelector"]["matchLabels"] == labels


def test_every_part_of_the_base_is_there() -> None:
    parts = manifest("kustomization.yaml")
    named = {*parts["resources"], *parts["configMapGenerator"][0]["files"], "kustomization.yaml"}
    assert named == {path.name for path in BASE.iterdir()}


def test_every_file_that_compose_binds_is_there() -> None:
    bound = [volume.split(":")[0] for one in SERVICES.values() for volume in one.get("volumes", []) if volume[0] == "."]
    assert bound
    assert all((ROOT / path).exists() for path in bound if not path.endswith("giftbridge.json"))


def test_the_secrets_of_compose_are_made_once(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy/compose", tmp_path / "compose", ignore=shutil.ignore_patterns("[a-z]*-*"))
    subprocess.run([tmp_path / "compose/secrets.sh"], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "compose/secrets").glob("[a-z]*")}
    assert made.keys() == COMPOSE["secrets"].keys()
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in made.values())
    subprocess.run([tmp_path / "compose/secrets.sh"], check=True)
    assert {path.name: path.read_text() for path in (tmp_path / "compose/secrets").glob("[a-z]*")} == made


@pytest.mark.parametrize("path", ["deploy/compose/etc/providers.toml", "deploy/kubernetes/providers.toml"])
def test_the_providers_to_begin_with_are_right(path: str, tmp_path: Path) -> None:
    (tmp_path / "acme-app-token").write_text("a-token\n")
    text = re.sub(r"\$\{file:.*/", f"${{file:{tmp_path}/", (ROOT / path).read_text())
    (tmp_path / "providers.toml").write_text(text)
    (provider,) = load_providers(tmp_path / "providers.toml", {})
    assert provider.id == "acme"


@pytest.mark.skipif(VALIDATE is None, reason="kubernetes-validate is not installed: make checkers")
@pytest.mark.parametrize("name", manifest("kustomization.yaml")["resources"])
def test_kubernetes_knows_every_field(name: str) -> None:
    judged = subprocess.run([str(VALIDATE), "--strict", str(BASE / name)], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_proxies_let_through_what_the_service_takes() -> None:
    most = Settings().maximum_body_bytes // 2**20
    assert f"client_max_body_size {most}m;" in (ROOT / "deploy/nginx.conf").read_text()
    assert f"max_size {most}MiB" in (ROOT / "deploy/Caddyfile").read_text()
