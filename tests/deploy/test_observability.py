"""Dashboard, alerts and scrape configuration agree with each other, with the containers and with what is served."""

import json
import re

import pytest
import yaml

from tests.support.compose import load
from tests.support.monitoring import ALERTS, DASHBOARD, DEPLOY, queries, rules


def test_every_rule_says_what_it_means_and_who_is_told() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_panels_do_not_overlap_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or (panel["description"] and panel["targets"])
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize("query", list(queries()))
def test_brackets_match(query: str) -> None:
    opened: list[str] = []
    for character in query:
        if character in "([{":
            opened.append(character)
        elif character in ")]}":
            assert opened.pop() + character in ("()", "[]", "{}")
    assert opened == []


def test_what_is_scraped_is_a_service_at_the_port_where_it_serves_metrics() -> None:
    services = load("docker-compose.yml")["services"]
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    scraped = {(lookup["names"][0], str(lookup["port"])) for job in jobs for lookup in job["dns_sd_configs"]}
    served = {("api", services["api"]["environment"]["TD3_PORT"])} | {
        (name, services[name]["environment"]["TD3_METRICS_PORT"]) for name in ("worker", "keeper")
    }
    assert scraped == served
    assert {services[name]["environment"]["TD3_HOST"] for name in ("api", "worker", "keeper")} == {"0.0.0.0"}
    named = set(re.findall(r'job="([^"]+)"', ALERTS.read_text()))
    assert named <= {job["job_name"] for job in jobs}


def test_grafana_finds_dashboard_and_data_source() -> None:
    grafana = load("docker-compose.yml")["services"]["grafana"]
    mounts = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    provisioning = DEPLOY / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "td3.yml").read_text())["providers"]
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
