"""That everything `make bench` runs does run, on problems so small that the figures mean nothing."""

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.main import get_command
from typer.testing import CliRunner, Result

from benchmarks import __main__ as bench
from benchmarks import ablation, plots, speed, sweep
from benchmarks.quality import __main__ as quality
from benchmarks.speed import Problem
from benchmarks.third_party import __main__ as third_party
from td3core.data.sample import generate_sample_log

TINY = {
    "learner": {"embedding_size": 8, "inner_size": 8, "max_length": 10},
    "teacher": {"members": 1, "max_epochs": 1},
    "inner": {"steps": 4, "window": 2, "pool_size": 2},
    "outer": {"steps": 2, "validation_learners": 1},
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "small.csv"
    generate_sample_log(users=30, items=20, seed=3).write_csv(path)
    return path


def run(command, *arguments: str) -> Result:
    app = Typer()
    app.command()(command)
    return CliRunner().invoke(app, arguments)


@pytest.mark.slow
def test_the_quick_mode_writes_every_kind_of_file(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(bench.main, str(log), "--quick", "--out", str(out))
    assert done.exit_code == 0, done.output
    kinds = {json.loads(path.read_text())["benchmark"] for path in out.glob("*.json")}
    assert kinds == {"speed", "sweep", "quality"}
    for file in ("speed.json", "sweep.json", "quality.json"):
        assert f"{out / file}: " in done.output


def test_every_measurement_is_a_command_that_is_understood(log: Path, tmp_path: Path) -> None:
    commands = {
        "benchmarks.speed": speed.main,
        "benchmarks.sweep": sweep.main,
        "benchmarks.quality": quality.main,
        "benchmarks.third_party": third_party.main,
    }
    (tmp_path / "summaries-60x50").mkdir()
    (tmp_path / "summaries-60x50" / "small.zip").touch()
    for measurement in bench.measurements_of([log], tmp_path, 2):
        app = Typer()
        app.command()(commands[measurement.module])
        extra = ("--threads", "1", "--json", str(tmp_path / measurement.file))
        extra += ("--again",) if measurement.resumes else ()
        get_command(app).make_context(measurement.module, [*measurement.arguments, *extra])


def test_what_is_not_measured_says_why(tmp_path: Path) -> None:
    out = tmp_path / "sweep.json"
    none = ["--users", "", "--length", "", "--window", ""]
    base = ["--base-users", "3", "--base-length", "6", "--base-window", "2", "--repeats", "1"]
    done = run(
        sweep.main,
        "--json",
        str(out),
        "--items",
        "40,30",
        *none,
        *base,
        "--exact-up-to",
        "30",
        "--no-compile",
    )
    assert done.exit_code == 0, done.output
    points = json.loads(out.read_text())["points"]
    assert [(point["value"], point["formulation"]) for point in points] == [
        (items, formulation) for items in (30, 40) for formulation in ("ours", "sampled", "direct")
    ]
    found = {(point["value"], point["formulation"]): point for point in points}
    assert found[30, "ours"]["median_seconds"] > 0
    assert found[30, "direct"]["process_bytes"] > found[30, "direct"]["peak_bytes"]
    assert found[40, "ours"]["left_out"] == "there are more than 30 items"
    assert "candidates" in found[30, "sampled"]["left_out"]
    late = sweep.measure_apart(Problem(items=30, compiled=False), "ours", repeats=1, threads=1, bound=0.0)
    assert late == {"left_out": "it took longer than 0 s"}


def test_an_ablation_has_a_row_a_variant(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "ablation.json"
    names = ["default", "learn_lr", "every item", "kind farzi"]
    size = ["--users", "4", "--length", "6", "--seeds", "2", "--spec", json.dumps(TINY)]
    only = [part for name in names for part in ("--only", name)]
    done = run(ablation.main, str(log), "--json", str(out), *size, *only)
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())
    assert list(report["variants"]) == names
    for row in report["variants"].values():
        assert len(row["test"]["ndcg@10"]["values"]) == 2
    assert report["variants"]["learn_lr"]["lr_factor"] != 1.0
    assert report["variants"]["default"]["lr_factor"] == 1.0


def test_an_unknown_variant_is_named(log: Path, tmp_path: Path) -> None:
    done = run(ablation.main, str(log), "--json", str(tmp_path / "out.json"), "--only", "magic")
    assert done.exit_code == 2
    assert "magic" in done.output


def test_the_same_figures_give_the_same_plots(tmp_path: Path) -> None:
    measured = {"left_out": None, "median_seconds": 2.0, "seconds": [1.0, 2.0, 3.0], "peak_bytes": 2**20}
    missing = {"axis": "items", "value": 20, "formulation": "direct", "left_out": "no memory"}
    points = [
        {"axis": "items", "value": value, "formulation": name, **measured}
        for name in ("ours", "direct")
        for value in (10, 100)
    ]
    report = {"benchmark": "sweep", "points": [*points, missing]}
    (tmp_path / "sweep.json").write_text(json.dumps(report))
    for seconds in (None, 170.0):
        certificate = {
            "split": "test", "threads": 1, "load": 0.5,
            "spec": {"summary": {"users": 4, "length": 6}, "stop": {"seconds": seconds}},
            "recovery": {"sasrec": {"ndcg@10": {"recovery": 0.9, "low": None, "high": None}}},
            "job": {"teacher": {"valid_ndcg@10": 0.1}},
            "curve": [{"seconds": 3.0, "outer_step": 25, "ndcg@10": 0.08}],
        }  # fmt: skip
        (tmp_path / f"quality-{seconds}.json").write_text(
            json.dumps({"benchmark": "quality", "logs": {"small.csv": certificate}})
        )
    drawn = []
    for name in ("once", "again"):
        done = run(plots.main, str(tmp_path), str(tmp_path / name))
        assert done.exit_code == 0, done.output
        drawn.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert set(drawn[0]) == {"speed-items.svg", "recovery-size-small.svg", "recovery-time-small.svg"}
    assert drawn[0] == drawn[1]
    assert b"4 x 6 in 170 s" in drawn[0]["recovery-time-small.svg"]
