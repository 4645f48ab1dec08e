"""Stored specs that this version cannot run."""

import copy
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

from td3core.config import JobSpec
from td3core.config.ceilings import excesses
from td3core.errors import UnsupportedFormatError
from td3core.formats import EVALUATION_SPEC, JOB_SPEC, read_evaluation_spec, read_job_spec
from td3core.interactions import InteractionLog, filter_log, read_log

STORED = JobSpec().model_dump(mode="json")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"of_the_future": 1}, "of_the_future: expected no field with this name (got 1)"),
        ({"seed": "x" * 1000}, "seed: expected an integer (got 'xxxx"),
        ({"summary": STORED["summary"] | {"length": 60}}, "summary.length"),
        ({"data": None}, "data: "),
    ],
    ids=["unknown", "long", "of several fields", "no part"],
)
def test_what_is_wrong_is_told_in_short(change: dict[str, object], told: str) -> None:
    with pytest.raises(UnsupportedFormatError, match="this version cannot read the job spec") as refused:
        read_job_spec(STORED | change, version=1)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_spec_of_the_first_format_does_what_it_did() -> None:
    """Whatever the defaults are now."""
    first = {name: dict(part) if isinstance(part, dict) else part for name, part in STORED.items()}
    del first["inner"]["targets"], first["summary"]["precision"]
    before = copy.deepcopy(first)
    read = read_job_spec(first, version=1)
    assert (read.inner.targets, read.summary.precision) == ("summary", "float32")
    assert first == before
    assert read_job_spec({"seed": 3}, version=1).inner.targets == "summary"
    kept = first | {"inner": first["inner"] | {"targets": "mixed"}}
    assert read_job_spec(kept, version=2).inner.targets == "mixed"


def test_every_field_that_the_first_format_lacked_is_given_what_a_run_did_then() -> None:
    known = import_module("migrations.versions.0010_specs_of_0_1_0").JOB
    added = {
        f"{part}.{name}"
        for part, fields in STORED.items()
        if isinstance(fields, dict)
        for name in fields.keys() - known[part].keys()
    }
    upgraded = JOB_SPEC.upgrade({}, version=1)
    assert (upgraded["inner"].pop("learners"), upgraded["inner"].pop("steps")) == (1, 20), "null was no value"
    assert added == {f"{part}.{name}" for part, fields in upgraded.items() for name in fields}


@pytest.mark.parametrize(("name", "ids"), [("log.tsv", ["a", "b"]), ("log.inter", ['"a"', "b"])])
def test_a_spec_of_the_first_format_reads_quotes_as_it_did(tmp_path: Path, name: str, ids: list[str]) -> None:
    log = tmp_path / name
    log.write_text('user\titem\n"a"\tx\nb\ty\n', encoding="utf-8")
    read = read_log(log, read_job_spec({}, version=1).data)
    assert [user for user, _ in read.frame.rows()] == ids


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("user,item\n a,NA\nuser,item\n", [(" a", "NA"), ("user", "item")]),
        ("user,item,t_dat\na,x,2020-01-02\na,y,2020-01-01\n", [("a", "x"), ("a", "y")]),
        ("user,item,date,time_ms\na,x,1,5\n", [("a", "x", 1)]),
        (
            "user,item,x\na,x,1500000000\na,y,1500000001\na,z,1500000002\n",
            [("a", "x"), ("a", "y"), ("a", "z")],
        ),
    ],
    ids=["ids", "name of a time", "a day and a time", "values of a time"],
)
def test_a_spec_of_the_first_format_reads_a_log_by_the_rules_of_then(
    tmp_path: Path, text: str, rows: list[tuple[object, ...]]
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(text, encoding="utf-8")
    assert read_log(log, read_job_spec({}, version=1).data).frame.rows() == rows


def test_a_spec_of_the_first_format_keeps_exact_repeats() -> None:
    rows = [(f"u{user}", f"i{step // 2}", step // 2) for user in range(2) for step in range(8)]
    log = InteractionLog(pl.DataFrame(rows, schema=["user", "item", "timestamp"], orient="row"))
    few = {"data": {"min_user_interactions": 3, "min_item_interactions": 1}}
    assert len(filter_log(log, read_job_spec(few, version=1).data)) == 16
    assert len(filter_log(log, read_job_spec(few, version=2).data)) == 8


def test_a_spec_of_the_first_format_may_name_values_of_the_first_line(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("196,242,881250949\n186,302,891717742\n", encoding="utf-8")
    named = {"data": {"columns": {"user": "196", "item": "242", "timestamp": "881250949"}}}
    read = read_log(log, read_job_spec(named, version=1).data)
    assert read.frame.rows() == [("186", "302", 891717742)]


def test_stored_specs_over_the_ceilings_of_new_ones_are_read() -> None:
    """They were accepted before there were any."""
    summary = {"users": 10_000, "length": 2048}
    job = {"summary": summary, "learner": {"embedding_size": 1024, "max_length": 2048}}
    evaluation = {"cutoffs": [10] * 101, "trend": {"layers": [1] * 300, "seeds": 50}}
    for version in (1, 2):
        assert list(excesses(read_job_spec(job, version=version)))
    assert len(list(excesses(read_evaluation_spec(evaluation, version=EVALUATION_SPEC.current)))) == 3
