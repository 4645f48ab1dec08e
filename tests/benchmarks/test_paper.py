"""The paper's settings beside the default."""

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from benchmarks import paper
from td3core.data.sample import generate_sample_log

SPEC = {
    "learner": {"embedding_size": 8, "inner_size": 8},
    "teacher": {"members": 1, "max_epochs": 1},
    "inner": {"steps": 4, "window": 2, "pool_size": 2},
    "outer": {"steps": 1, "validation_learners": 1},
    "certificate": {"learners": 0},
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    generate_sample_log(users=60, items=150, seed=3).write_csv(path)
    return path


def run(*arguments: str | Path) -> Result:
    app = Typer()
    app.command()(paper.main)
    return CliRunner().invoke(app, [*map(str, arguments), "--seeds", "2", "--spec", json.dumps(SPEC)])


def test_both_are_evaluated_alike_and_only_once(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "paper.json"
    done = run(log, "--json", out)
    assert done.exit_code == 0, done.output
    reports = json.loads(out.read_text())["specs"]
    theirs, ours = reports["preset: paper"], reports["default"]
    assert [report["protocol"] for report in (theirs, ours)] == ["uni100", "uni100"]
    assert [report["spec"]["inner"]["supervision"] for report in (theirs, ours)] == ["paper", "all"]
    assert [report["spec"]["inner"]["warm_up"] for report in (theirs, ours)] == ["rat", "pool"]
    sizes = {
        (report["spec"]["summary"]["users"], report["spec"]["summary"]["length"]) for report in (theirs, ours)
    }
    assert sizes == {(30, 50)}
    for report in (theirs, ours):
        (figures,) = report["results"].values()
        assert set(figures) == set(paper.SOURCES)
        assert f"{figures['summary']['ndcg@10']['mean']:.4f}" in done.output
    before = out.read_bytes()
    again = run(log, "--json", out)
    assert again.exit_code == 0, again.output
    assert out.read_bytes() == before
    other = run(log, "--json", out, "--seed", "1")
    assert other.exit_code == 2
    assert "spec.seed was 0" in " ".join(other.output.replace("│", " ").split())


def test_a_log_that_cannot_be_distilled_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id\n1,2\n")
    done = run(log)
    assert done.exit_code == 1
    assert "Error: preset: paper: " in done.output
