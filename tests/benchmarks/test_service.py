import json
from pathlib import Path

import pytest

from benchmarks.service.__main__ import main
from benchmarks.service.load import Load
from tests.support.commands import run


def test_rows_hold_median_and_99th_percentile_by_route() -> None:
    load = Load()
    load.seconds["GET /jobs"] += [number / 100 for number in range(1, 100)]
    load.seconds["POST /jobs"].append(3.0)
    assert load.rows() == {
        "GET /jobs": {"requests": 99, "p50": 0.5, "p99": 0.99},
        "POST /jobs": {"requests": 1, "p50": 3.0, "p99": 3.0},
    }


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_all_of_it_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "service.json"
    few = ["--clients", "3", "--seconds", "3", "--pause", "0.5", "--jobs", "5", "--repeats", "1"]
    run(main, *few, "--json", str(out))
    report = json.loads(out.read_text())
    load = report["load_test"]
    assert (load["errors"], load["lost"]) == ([], [])
    assert load["streamed"] == load["accepted"] > 0
    assert min(report["throughput"]["median_jobs_a_second"].values()) > 0
