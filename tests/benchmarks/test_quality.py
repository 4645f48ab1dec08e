import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from benchmarks.quality import __main__ as quality
from td3core.data.sample import generate_sample_log

SPEC = {
    "learner": {"embedding_size": 8, "inner_size": 8, "max_length": 10},
    "teacher": {"members": 1, "max_epochs": 2},
    "inner": {"steps": 10, "window": 5, "pool_size": 2},
    "outer": {"steps": 2, "validation_learners": 1},
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    generate_sample_log(users=30, items=20, seed=3).write_csv(path)
    return path


def run(*arguments: str) -> Result:
    app = Typer()
    app.command()(quality.main)
    return CliRunner().invoke(app, arguments)


def test_every_row_is_printed_and_written(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "quality.json"
    size = ["--users", "4", "--length", "6", "--seeds", "2"]
    done = run(str(log), *size, "--spec", json.dumps(SPEC), "--json", str(out))
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())["logs"]["log.csv"]
    assert set(report["results"]) == {"sasrec", "gru4rec", "narm", "bert4rec"}
    for sources in report["results"].values():
        assert {"full", "summary", "floor", "random", "longest", "coreset", "farzi"} <= set(sources)
        assert all(len(figures["ndcg@10"]["values"]) == 2 for figures in sources.values())
    assert len(report["trend"]["configurations"]) == 8
    assert report["timing"]["sasrec"]["distil_seconds"] < report["job_seconds"]
    (validation,) = report["curve"]
    assert validation["outer_step"] == SPEC["outer"]["steps"]
    assert validation["ndcg@10"] == report["job"]["summary"]["valid_ndcg@10"]
    assert 0 < validation["seconds"] <= report["job_seconds"]
    assert report["spec"]["summary"]["users"] == 4
    assert report["job"]["certificate"]["results"]["coreset"]
    for words in (
        "farzi",
        "coreset_stopped",
        "bert4rec",
        "Kendall's tau",
        "of the item factor",
        "lift recovery",
    ):
        assert words in done.output


def test_parts_can_be_left_out(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "quality.json"
    less = ["--learners", "narm", "--no-farzi", "--no-trend", "--seeds", "1", "--length", "6", "--users", "4"]
    done = run(str(log), *less, "--spec", json.dumps(SPEC), "--json", str(out))
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())["logs"]["log.csv"]
    assert set(report["results"]) == {"narm"}
    assert "farzi" not in report["results"]["narm"]
    assert report["trend"] is None


def test_a_trend_over_widths(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "quality.json"
    less = ["--learners", "sasrec", "--no-farzi", "--no-own", "--seeds", "1", "--length", "6", "--users", "4"]
    widths = ["--trend-width", "4", "--trend-width", "8"]
    done = run(str(log), *less, *widths, "--spec", json.dumps(SPEC), "--json", str(out))
    assert done.exit_code == 0, done.output
    rows = json.loads(out.read_text())["logs"]["log.csv"]["trend"]["configurations"]
    assert len({(row["learner"], row["embedding_size"]) for row in rows}) == len(rows) == 8


def test_worth_in_real_users_is_measured_where_it_is_asked_for(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "quality.json"
    less = [
        "--learners",
        "sasrec",
        "--no-farzi",
        "--no-trend",
        "--seeds",
        "1",
        "--length",
        "6",
        "--users",
        "8",
    ]
    done = run(str(log), *less, "--worth", "--spec", json.dumps(SPEC), "--json", str(out))
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())["logs"]["log.csv"]["worth"]["sasrec"]
    assert list(found) == ["summary", "summary_own_embedding"]
    for source, worth in found.items():
        tried = [point["users"] for point in worth["curve"]]
        assert tried == [8, 16, 30][: len(tried)]
        assert f"sasrec, {source}: worth " in done.output
    assert "worth in" in done.output


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--learners", "sasrec,gpt", "learners"),
        ("--spec", '{"inner": {"steps": 0}}', "inner.steps"),
        ("--spec", "{nonsense", "property name"),
        ("--spec", "[1]", "an object of JSON"),
    ],
)
def test_what_cannot_be_asked_for_is_named(log: Path, option: str, value: str, named: str) -> None:
    done = run(str(log), option, value)
    assert done.exit_code == 2
    assert named in done.output
