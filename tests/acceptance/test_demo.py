"""`make demo LOG=...`: what a new user runs first."""

import subprocess
import sys
from pathlib import Path

import pytest

from td3core import load_summary
from tests.support.environment import own_environment

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]  # it trains beside all other tests


def demo(log: Path, *options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "embedded.demo", str(log), *options],
        cwd=folder,
        # As from a checkout that is not installed: the working folder is another one.
        env=own_environment() | {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )


def test_the_demo_ends_with_a_table_and_a_summary_that_loads(small_log: Path, tmp_path: Path) -> None:
    done = demo(small_log, "--steps", "3", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "60 users, 30 items" in done.stdout
    assert "   It is not smaller than the " in done.stdout
    assert (
        done.stdout.count("of the log as compressed Parquet") == 3
    )  # at the job's end, its download, the evaluation
    rows = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("│")]
    compared = [
        "summary",
        "summary_long",
        "floor",
        "coreset",
        "coreset_stopped",
        "random",
        "random_stopped",
        "longest",
    ]
    labelled = [
        f"{what}_labelled{life}" for what in ("random", "sampled", "tokens") for life in ("", "_long")
    ]
    sources = ["full", *compared, *labelled, "teacher", "popularity"]
    assert sorted(rows[: len(sources)]) == sorted(sources)
    assert rows[:8] == sources[:8]
    assert rows[len(sources) : len(sources) + 3] == [
        "recovery",
        "lift",
        "recovery",
    ]  # the last of the teacher
    assert "load_summary('var/demo/summary.zip')" in done.stdout
    assert len(load_summary(tmp_path / "var/demo/summary.zip").sample(2)) == 2
    assert list(tmp_path.glob("td3-demo-*")) == []


def test_the_demo_says_what_is_wrong_with_a_log_and_where_to_look(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id,timestamp\nu1,i1,never\n")
    done = demo(log, folder=tmp_path)
    assert done.returncode == 1
    assert "line 2" in done.stderr
    assert "'never'" in done.stderr
    (left,) = tmp_path.glob("td3-demo-*")
    assert f"are kept in {left}" in done.stderr
    assert (left / "logs/api.log").exists()
