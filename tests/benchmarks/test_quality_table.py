"""The table over several logs, of figures that were written down by hand."""

import io
from typing import Any

from rich.console import Console

from benchmarks.quality.table import WIDTH, overview, strongest_rival, timings


def compared(difference: float, *, apart: bool) -> dict[str, Any]:
    return {"ndcg@10": {"difference": difference, "low": None, "high": None, "disjoint": apart}}


def report() -> dict[str, Any]:
    means = {
        "full": 0.11, "teacher": 0.1125, "summary": 0.109, "floor": 0.06, "popularity": 0.04,
        "full_own_embedding": 0.105, "summary_own_embedding": 0.1035,
        "random": 0.099, "longest": 0.119, "coreset": 0.069, "random_labelled_own_embedding": 0.1005,
    }  # fmt: skip
    recovery = {
        "recovery": 0.991,
        "low": 0.95,
        "high": 1.03,
        "lift_recovery": 0.98,
        "teacher_recovery": 0.969,
    }
    return {
        "profile": {"users": 943, "items": 1349, "interactions": 99287},
        "spec": {"learner": {"kind": "sasrec"}},
        "results": {
            "gru4rec": {},
            "sasrec": {name: {"ndcg@10": {"mean": mean}} for name, mean in means.items()},
        },
        "recovery": {"sasrec": {"ndcg@10": recovery}},
        "own_recovery": {"sasrec": {"ndcg@10": {"recovery": 0.986, "low": None, "high": None}}},
        "comparison": {
            "sasrec": {
                "random": compared(0.01, apart=False),
                "longest": compared(-0.01, apart=True),
                "coreset": compared(0.04, apart=True),
                "random_labelled_own_embedding": compared(0.003, apart=True),
            }
        },
        "size": {"summary_bytes": 70_500, "log_parquet_bytes": 141_000},
        "job_seconds": 125.0,
        "load_before": 0.5,
        "job": {"seconds": {"teacher": 60.0, "distilling": 55.0}, "summary": {"valid_ndcg@10": 0.1234}},
        "beside": {},
    }


def lines(reports: dict[str, Any]) -> list[list[str]]:
    """The cells of each line below the head."""
    console = Console(width=WIDTH, file=io.StringIO())
    console.print(overview(reports))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue().splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed if line.startswith("│")]


def test_the_strongest_rival_is_the_one_with_the_highest_mean_of_its_kind() -> None:
    found = report()
    assert strongest_rival(found, own_embedding=False) == ("longest", 0.119, -0.01, True, 1, 1, 3)
    assert strongest_rival(found, own_embedding=True) == (
        "random_labelled_own_embedding", 0.1005, 0.003, True, 1, 0, 1,
    )  # fmt: skip
    del found["comparison"]["sasrec"]["random_labelled_own_embedding"]
    assert strongest_rival(found, own_embedding=True) is None


def test_a_row_holds_the_figures_of_its_log() -> None:
    found = lines({"ml-100k.inter": report(), "other.csv": report()})
    assert found[:4] == [
        ["ml-100k.inter", "0.1100", "0.991", "longest", "", "0.986", "random_labelled", "0.500"],
        ["943 x 1,349", "0.1125", "0.950 to 1.030", "0.1190", "", "", "0.1005", ""],
        ["99,287", "0.1090", "0.969", "-0.0100, apart", "0.1050", "", "+0.0030, apart", "2 min 05 s"],
        ["", "0.0600", "0.980", "1 ahead, 1 behind, of 3", "0.1035", "", "1 ahead, 0 behind, of 1", ""],
    ]
    assert found[4][0] == "other.csv"


def test_worth_is_told_where_it_was_measured() -> None:
    with_worth = report() | {
        "worth": {
            "sasrec": {
                "summary": {"users": 240.4, "times_rows": 4.007, "curve": [{"users": 60}, {"users": 480}]},
                "summary_own_embedding": {"users": None, "log_users": 943, "curve": [{"users": 943}]},
            }
        }
    }
    found = lines({"log.csv": with_worth, "other.csv": report()})
    assert [row[7] for row in found] == ["", "", "240, 4.0 x rows", "more than all 943", "", "", "", ""]
    with_worth["worth"]["sasrec"]["summary_own_embedding"]["log_users"] = 100_000
    assert lines({"log.csv": with_worth})[3][7] == "more than 943"
    with_worth["worth"]["sasrec"]["summary"] |= {"users": 60.0, "times_rows": 1.0}
    assert lines({"log.csv": with_worth})[2][7] == "at most 60, 1.0 x rows"
    with_worth["worth"]["sasrec"]["summary"] |= {"users": None, "times_rows": None, "curve": []}
    assert lines({"log.csv": with_worth})[2][7] == ""


def test_only_what_was_measured_is_shown() -> None:
    found = report()
    found["results"]["sasrec"] = {
        name: found["results"]["sasrec"][name] for name in ("summary", "popularity")
    }
    found |= {"recovery": {"sasrec": {}}, "own_recovery": {"sasrec": {}}, "comparison": {"sasrec": {}}}
    assert [row[:4] for row in lines({"log.csv": found})] == [
        ["log.csv", "", "", ""],
        ["943 x 1,349", "", "", ""],
        ["99,287", "0.1090", "", ""],
        ["", "", "", ""],
    ]


def test_jobs_beside_have_a_row_each() -> None:
    assert timings({"log.csv": report()}) is None
    old = {"job_seconds": 300.0, "load_before": 1.0, "job": report()["job"]}
    table = timings({"log.csv": report() | {"beside": {"old default": old}}})
    assert table is not None
    assert [list(column.cells)[:3] for column in table.columns[:3]] == [
        ["log.csv", "log.csv"],
        ["as asked for", "old default"],
        ["125", "300"],
    ]
