"""Alerts and dashboard ask for metrics that there are, in words that Prometheus reads; each alert has a runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from app.server.metrics.catalog import CATALOG, Kind
from tests.docs.documents import ROOT, document

ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/giftbridge.json"
RUNBOOK = document("docs/runbook.md")
PARTS = ("**What it means.**", "**What to look at**", "**What to do**")

RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]
SAMPLES = {sample: metric for metric in CATALOG for sample in metric.samples}

NAME = re.compile(r"\bgiftbridge_\w+")
SELECTOR = re.compile(r"\b(giftbridge_\w+)\{([^}]*)\}")

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row")


def expressions() -> dict[str, str]:
    """Return every expression of alerts and dashboard, by what it is for."""
    found = {rule["alert"]: str(rule["expr"]) for rule in RULES}
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "5m").replace("$provider", ".*")
            found[f"{panel['title']} {target['refId']}"] = text
    return found


EXPRESSIONS = expressions()


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_asks_for_metrics_and_labels_that_there_are(expression: str) -> None:
    assert set(NAME.findall(expression)) <= set(SAMPLES)
    for name, matchers in SELECTOR.findall(expression):
        asked = set(re.findall(r"(\w+)\s*[=!]", matchers))
        assert asked <= {*SAMPLES[name].labels, "le"}, name
    named = set(NAME.findall(expression))
    known = {label for name in named for label in SAMPLES[name].labels} | {"le"}
    for labels in re.findall(r"\b(?:by|ignoring)\s*\(([^)]*)\)", expression):
        assert {label.strip() for label in labels.split(",")} <= known


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_a_counter_is_asked_for_its_rate_and_a_gauge_is_not(expression: str) -> None:
    for name in NAME.findall(expression):
        rated = re.search(rf"\b(?:rate|increase)\({name}\b", expression) is not None
        assert rated == (SAMPLES[name].kind is not Kind.GAUGE), name


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    assert {metric.name for metric in CATALOG if metric.name not in shown} == set()


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_each_alert_says_how_urgent_it_is_and_where_its_runbook_is(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_each_alert_has_a_section_in_the_runbook_and_no_section_is_without_one() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK.text, re.MULTILINE | re.DOTALL))
    assert list(sections) == NAMES
    for rule in RULES:
        text = sections[rule["alert"]]
        assert f"*{rule['labels']['severity']}*" in text
        assert all(part in text for part in PARTS), rule["alert"]


@needs_promtool
def test_prometheus_reads_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"expression:{number}", "expr": text} for number, text in enumerate(EXPRESSIONS.values())]
    file = tmp_path / "expressions.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    for path in (ALERTS, file):
        done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


# What is all right, minute by minute; an alert's test changes some of it.
WELL = {
    'up{job="giftbridge"}': "1x30",
    'giftbridge_call_seconds_count{provider="acme",route="search",status="200"}': "0+60x30",
    'giftbridge_call_seconds_count{provider="acme",route="search",status="503"}': "0x30",
    'giftbridge_call_seconds_bucket{provider="acme",route="search",status="200",le="0.5"}': "0+60x30",
    'giftbridge_call_seconds_bucket{provider="acme",route="search",status="200",le="1.5"}': "0+60x30",
    'giftbridge_call_seconds_bucket{provider="acme",route="search",status="200",le="+Inf"}': "0+60x30",
    'giftbridge_backend_call_seconds_count{provider="acme",outcome="done"}': "0+60x30",
    'giftbridge_backend_call_seconds_count{provider="acme",outcome="unavailable"}': "0x30",
    'giftbridge_backend_breakers_open{provider="acme",operation="find"}': "0x30",
    'giftbridge_attention{kind="parked"}': "0x30",
    'giftbridge_acts_unresolved{provider="acme",age="hour"}': "0x30",
    "giftbridge_due_overdue_seconds": "0x30",
    "giftbridge_sweeper_last_pass_timestamp_seconds": "0+60x30",
    'giftbridge_wrong_codes{provider="acme"}': "3x30",
    "giftbridge_wrong_codes_limit": "2000x30",
    "giftbridge_redis_up": "1x30",
    "giftbridge_redis_append_only_file_ok": "1x30",
    "giftbridge_redis_complaints": "0x30",
    "giftbridge_redis_memory_used_ratio": "0.5x30",
    "giftbridge_redis_round_trip_seconds": "0.001x30",
    "giftbridge_clock_doubted": "0x30",
    "giftbridge_ledger_doubts": "0x30",
    "giftbridge_providers_file_counts": "1x30",
    'giftbridge_reconciliation_differences{provider="acme",kind="missing"}': "0x30",
}

ILL = {
    "GiftbridgeDown": {'up{job="giftbridge"}': "0x30"},
    "GiftbridgeErrorRate": {
        'giftbridge_call_seconds_count{provider="acme",route="search",status="503"}': "0+6x30",
    },
    "GiftbridgeCardsSlow": {
        'giftbridge_call_seconds_bucket{provider="acme",route="search",status="200",le="0.5"}': "0+50x30",
    },
    "GiftbridgeBackendUnavailable": {
        'giftbridge_backend_call_seconds_count{provider="acme",outcome="unavailable"}': "0+20x30",
    },
    "GiftbridgeBreakerOpen": {'giftbridge_backend_breakers_open{provider="acme",operation="find"}': "1x30"},
    "GiftbridgeParked": {'giftbridge_attention{kind="parked"}': "2x30"},
    "GiftbridgeUnresolved": {'giftbridge_acts_unresolved{provider="acme",age="hour"}': "1x30"},
    "GiftbridgeSweeperStuck": {"giftbridge_due_overdue_seconds": "600x30"},
    "GiftbridgeCodesGuessed": {'giftbridge_wrong_codes{provider="acme"}': "2500x30"},
    "GiftbridgeRedisDown": {"giftbridge_redis_up": "0x30"},
    "GiftbridgeRedisFile": {"giftbridge_redis_append_only_file_ok": "0x30"},
    "GiftbridgeRedisMemory": {"giftbridge_redis_memory_used_ratio": "0.9x30"},
    "GiftbridgeRedisSlow": {"giftbridge_redis_round_trip_seconds": "0.2x30"},
    "GiftbridgeClockDoubted": {"giftbridge_clock_doubted": "1x30"},
    "GiftbridgeLedgerDoubts": {"giftbridge_ledger_doubts": "1x30"},
    "GiftbridgeProvidersFileRefused": {"giftbridge_providers_file_counts": "0x30"},
    "GiftbridgeReconciliationDifference": {
        'giftbridge_reconciliation_differences{provider="acme",kind="missing"}': "1x30",
    },
}


@needs_promtool
def test_an_alert_is_on_when_something_is_ill_and_all_are_off_when_all_is_well(tmp_path: Path) -> None:
    tests = [_expectation(WELL, None), *(_expectation(WELL | changed, name) for name, changed in ILL.items())]
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _expectation(series: dict[str, str], alert: str | None) -> dict[str, Any]:
    """Return a test of promtool: after 25 minutes this alert is on, and no other."""
    count = "count(ALERTS{alertstate='firing'%s})"
    samples = [{"labels": "{}", "value": 1}]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": count % "", "eval_time": "25m", "exp_samples": samples if alert else []},
            *([{"expr": count % f",alertname='{alert}'", "eval_time": "25m", "exp_samples": samples}] if alert else []),
        ],
    }
