"""That all which waits for a GPU runs, in small, and that what fails there is written down."""

import json
import logging
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import ALONGSIDE, SHARES
from benchmarks.gpu.report import Asked, Report

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_part_runs_on_a_cpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--small", "--out", str(tmp_path)]
    command += ["--seconds", "800"]  # whatever else the machine does
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert set(found) == {*SHARES, *ALONGSIDE}
    for part in found.values():
        assert not {"error", "not_imported"} & set(part)
        assert not [name for name, entry in part.items() if isinstance(entry, dict) and "error" in entry]
    assert found["step"]["60 items, 2 learners, recorded"]["median_seconds"] > 0
    assert {part["ended_with"] for part in found["checks"].values()} == {0}
    assert found["whole"]["worker"] == {"not_imported": {}}
    apart = found["agreement"]["hypergradient, float32, against float64 on the CPU"]
    assert 0 < apart["relative_error"] < 0.01
    resumed = found["whole"]["beauty, left and resumed"]
    assert (resumed["before"]["ended"], resumed["after"]["ended"]) == (False, True)
    assert found["sharing"]["the parent used CUDA"] is False


def test_what_fails_is_written_down_and_the_others_are_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "part.json"
    with Report(file, Asked("cpu", True, time.monotonic() + 60)) as report:
        report.measure("good", lambda: 1)
        report.measure("bad", lambda: 1 / 0)
        assert json.loads(file.read_text())["bad"] == {"error": "ZeroDivisionError: division by zero"}
        report.measure("long", lambda: 2, needs=1000)
        report.measure("last", lambda: 3)
        logging.getLogger("any").warning("worse than %s", "hoped")
        import_module("missing_package")
    found = json.loads(file.read_text())
    assert (found["good"], found["last"]) == (1, 3)
    assert "it takes about 1000" in found["long"]["left_out"]
    assert found["not_imported"]["name"] == "missing_package"
    assert "part: No module named 'missing_package'" in capsys.readouterr().err
    assert found["warnings"] == ["worse than hoped"]
    assert report.failed
