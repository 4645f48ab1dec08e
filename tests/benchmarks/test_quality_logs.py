"""Several logs: what each needs, what is kept of them, and the table over them."""

import json
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from benchmarks.quality import __main__ as quality
from benchmarks.quality import measurement
from benchmarks.quality.processes import Failed, Measured, Reported, Task, side_by_side
from benchmarks.quality.request import (
    LOGS,
    Request,
    evaluation_spec,
    job_spec,
    merged,
    name_of,
    read_settings,
)
from td3core.data.sample import generate_sample_log

SPEC = {
    "learner": {"embedding_size": 8, "inner_size": 8, "max_length": 10},
    "teacher": {"members": 1, "max_epochs": 1},
    "summary": {"users": 4, "length": 6},
    "inner": {"steps": 4, "window": 2, "pool_size": 2},
    "outer": {"steps": 2, "validation_learners": 1},
    "certificate": {"learners": 0},
}
LESS = ("--learners", "sasrec", "--no-farzi", "--no-own", "--no-trend", "--seeds", "1")


def write_log(path: Path, *, users: int = 30) -> Path:
    generate_sample_log(users=users, items=20, seed=3).write_csv(path)
    return path


def run(*arguments: str | Path) -> Result:
    app = Typer()
    app.command()(quality.main)
    return CliRunner().invoke(app, [*map(str, arguments), *LESS, "--spec", json.dumps(SPEC)])


def reports(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())["logs"]


def request(log: Path, **changes: Any) -> Request:
    evaluation = evaluation_spec({"seeds": 1, "sources": ["full", "summary", "floor", "random"]})
    return Request(log, job_spec(SPEC, changes), evaluation, settings={})


def test_what_a_log_needs_goes_by_its_name_and_the_command_line_comes_first() -> None:
    known = read_settings(LOGS)
    spec = job_spec(known[name_of(Path("folder/wikipedia.csv.gz"))])
    assert spec.data.exclude_seen is False
    sessions = known[name_of(Path("yoochoose-100k.csv.gz"))]
    assert job_spec(sessions).data.min_user_interactions == 3
    assert job_spec(sessions, {"data": {"min_user_interactions": 4}}).data.min_user_interactions == 4
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}) == {"a": {"b": 1, "c": 3}}


def test_logs_are_measured_side_by_side_and_a_later_call_measures_only_what_is_new(tmp_path: Path) -> None:
    first, second = write_log(tmp_path / "first.csv"), write_log(tmp_path / "second.csv", users=40)
    needs = tmp_path / "needs.json"
    needs.write_text(json.dumps({"second": {"data": {"exclude_seen": False}}}))
    out, kept = tmp_path / "out.json", tmp_path / "kept"
    options = ("--settings", needs, "--json", out, "--summaries", kept)
    done = run(first, second, *options, "--processes", "2")
    assert done.exit_code == 0, done.output
    measured = reports(out)
    assert set(measured) == {"first.csv", "second.csv"}
    assert (measured["first.csv"]["exclude_seen"], measured["second.csv"]["exclude_seen"]) == (True, False)
    assert measured["second.csv"]["settings"] == {"data": {"exclude_seen": False}}
    assert {path.name for path in kept.iterdir()} == {"first.zip", "second.zip"}
    assert not (tmp_path / "out.json.unfinished").exists()
    for words in ("30 x 20", "40 x 20", "set for this log: {'data': {'exclude_seen': False}}"):
        assert words in done.output

    third = write_log(tmp_path / "third.csv", users=35)
    done = run(first, third, *options)
    assert done.exit_code == 0, done.output
    assert "second.csv" not in done.output
    assert {log: reports(out)[log] for log in measured} == measured
    assert set(reports(out)) == {"first.csv", "second.csv", "third.csv"}

    before = out.read_bytes()
    printed = run("--json", out)
    assert printed.exit_code == 0, printed.output
    assert all(log in printed.output for log in reports(out))
    assert out.read_bytes() == before


def test_figures_of_another_spec_or_file_are_not_taken_for_those_asked_for(tmp_path: Path) -> None:
    log, out = write_log(tmp_path / "log.csv"), tmp_path / "out.json"
    assert run(log, "--json", out).exit_code == 0
    before = out.read_bytes()
    for changed, told in (
        (("--users", "3"), "spec.summary.users was 4, is asked to be 3"),
        (("--evaluation", '{"protocol": "uni100"}'), "evaluation.protocol was 'full'"),
        (("--old",), "it has no timing of the single teacher"),
    ):
        done = run(log, *changed, "--json", out)
        assert done.exit_code == 2
        assert told in " ".join(done.output.replace("│", " ").split())
    write_log(log, users=31)
    done = run(log, "--json", out)
    assert done.exit_code == 2
    assert "the log is another file" in " ".join(done.output.replace("│", " ").split())
    assert out.read_bytes() == before
    done = run(log, "--json", out, "--again")
    assert done.exit_code == 0, done.output
    assert reports(out)["log.csv"]["profile"]["users"] == 31


def test_a_log_that_cannot_be_measured_does_not_stop_the_others(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.csv", write_log(tmp_path / "good.csv")
    bad.write_text("user_id,item_id\n1,2\n")
    done = run(bad, good, "--json", tmp_path / "out.json")
    assert done.exit_code == 1
    assert "Error: bad.csv: " in done.output
    assert set(reports(tmp_path / "out.json")) == {"good.csv"}


def test_a_process_that_dies_is_told_and_the_next_log_is_measured(tmp_path: Path) -> None:
    logs = [write_log(tmp_path / "small.csv"), write_log(tmp_path / "large.csv", users=60)]
    tasks = [Task(request(log), tmp_path / log.stem) for log in logs]
    ended: list[Measured | Failed] = []
    for event in side_by_side(tasks, 1):
        if not isinstance(event, Reported):
            ended.append(event)
        elif event.log == "large.csv":  # which comes first
            for process in active_children():
                process.kill()
    died, measured = ended
    assert died == Failed("large.csv", "its process ended with exit code -9")
    assert isinstance(measured, Measured)
    assert measured.log == "small.csv"


def test_what_a_dying_process_said_is_told(tmp_path: Path) -> None:
    asked = request(write_log(tmp_path / "log.csv"))
    folder = tmp_path / "folder"
    (folder / "summary.zip").mkdir(parents=True)  # where the artefact cannot be written
    *_, failed = side_by_side([Task(asked, folder)], 2)
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("its process ended with exit code 1: IsADirectoryError")


def test_what_was_done_before_an_interruption_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "CHECKPOINT_SECONDS", 0.0)
    asked, folder = request(write_log(tmp_path / "log.csv")), tmp_path / "folder"
    work = measurement.measure(asked, folder)
    stages = {stage for stage, progress in work_until(work, trainings=2)}
    assert {"teacher", "distilling", "evaluating"} <= stages

    distilled = json.loads((folder / "distilled.json").read_text())
    seen, report = ended(measurement.measure(asked, folder))
    assert {stage for stage, _ in seen} == {"evaluating"}
    assert min(progress.step for _, progress in seen[1:]) >= 1
    assert report["job"] == distilled["job"]
    whole = ended(measurement.measure(asked, tmp_path / "anew"))[1]
    assert report["results"] == whole["results"]

    beside = replace(asked, beside={"longer": job_spec(SPEC, {"outer": {"steps": 3}})})
    timed, report = ended(measurement.measure(beside, folder))
    assert {stage.split(", ")[0] for stage, _ in timed} == {"longer", "evaluating"}
    assert report["beside"]["longer"]["curve"][-1]["outer_step"] == 3

    other, _ = ended(measurement.measure(request(asked.log, seed=1), folder))
    assert "teacher" in {stage for stage, _ in other}


def work_until(work: Any, *, trainings: int) -> list[Any]:
    seen = []
    for stage, progress in work:
        seen.append((stage, progress))
        if stage == "evaluating" and progress.step >= trainings:
            work.close()
    return seen


def ended(work: Any) -> tuple[list[Any], dict[str, Any]]:
    seen = []
    while True:
        try:
            seen.append(next(work))
        except StopIteration as finished:
            return seen, finished.value


def test_jobs_that_are_timed_beside_are_what_they_are_called(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    spec = SPEC | {"outer": {"validation_learners": 1, "steps": 1}}
    app = Typer()
    app.command()(quality.main)
    arguments = [str(write_log(tmp_path / "log.csv")), *LESS, "--spec", json.dumps(spec), "--old"]
    done = CliRunner().invoke(app, [*arguments, "--json", str(out)])
    assert done.exit_code == 0, done.output
    report = reports(out)["log.csv"]
    single, old = report["beside"]["single teacher"], report["beside"]["old default"]
    assert single["spec"] == report["spec"]
    assert old["spec"]["outer"]["steps"] == 300
    assert old["spec"]["inner"]["targets"] == "summary"
    assert old["curve"][-1]["outer_step"] == 300
    assert old["job_seconds"] > single["job_seconds"] > 0
    for words in ("as asked for", "single teacher", "old default"):
        assert words in done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "expected a log"),
        (("log.csv", "folder/log.csv"), "two logs have the same file name"),
        (("log.csv", "--evaluation", '{"split": "train"}'), "split: expected 'test' or 'valid'"),
        (("log.csv", "--settings", "needs.json"), "data.exclude_seen: expected true or false (got 3)"),
        (("log.csv", "--settings", "list.json"), "expected an object of a spec"),
        (("log.csv", "--json", "list.json"), "expected the reports of this benchmark"),
    ],
)
def test_what_is_wrong_with_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for name in ("log.csv", "folder/log.csv"):
        write_log(Path(name))
    Path("needs.json").write_text('{"log": {"data": {"exclude_seen": 3}}}')
    Path("list.json").write_text("[1]")
    done = run(*arguments)
    assert done.exit_code == 2
    assert told in " ".join(done.output.replace("│", " ").split())
