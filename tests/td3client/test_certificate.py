from typing import Any

from rich.console import Console

from td3client.certificate import certificate
from td3client.resources import Evaluation


def spread(mean: float, half: float | None = None, values: int = 2) -> dict[str, Any]:
    ends = (None, None) if half is None else (mean - half, mean + half)
    return {"mean": mean, "std": half, "low": ends[0], "high": ends[1], "values": [mean] * values}


def printed(evaluation: Any) -> list[str]:
    console = Console(width=80, soft_wrap=True, highlight=False)
    shown: Evaluation = evaluation
    with console.capture() as capture:
        for part in certificate(shown):
            console.print(part)
    return [
        (" | ".join(cell.strip() for cell in line.split("│")[1:-1]) if "│" in line else line).strip()
        for line in capture.get().splitlines()
    ]


def minimal(**more: Any) -> dict[str, Any]:
    return {
        "results": {
            "sasrec": {
                "coreset": {"ndcg@10": spread(0.05, 0.001)},
                "summary": {"ndcg@10": spread(0.08, 0.002)},
            }
        },
        "recovery": {"sasrec": {}},
        **more,
    }


def test_rivals_show_by_how_much_the_summary_leads() -> None:
    lead = {
        "coreset": {"ndcg@10": {"difference": 0.03, "low": 0.021, "high": 0.038, "disjoint": True}},
        "random": {"ndcg@10": {"difference": -0.01, "low": -0.021, "high": 0.002, "disjoint": False}},
    }
    lines = printed(minimal(comparison={"sasrec": lead}, intervals="seeds and users"))
    assert lines[0] == "sasrec, mean ± half the 95% interval over seeds and users"
    assert "summary | 0.0800 ± 0.0020" in lines
    assert "coreset | +0.0300 | +0.0210 to +0.0380 | apart" in lines
    assert "random | -0.0100 | -0.0210 to +0.0020 | not apart" in lines


def test_sources_and_rivals_stand_in_the_order_in_which_they_come() -> None:
    for order in (["b_new", "full", "a_new", "summary"], ["summary", "a_new", "full", "b_new"]):
        lead = {name: {"ndcg@10": {"difference": 0.01, "disjoint": None}} for name in order}
        evaluation = minimal(comparison={"sasrec": lead})
        evaluation["results"]["sasrec"] = {name: {"ndcg@10": spread(0.1)} for name in order}
        first_cells = [line.split(" | ")[0] for line in printed(evaluation)]
        assert [cell for cell in first_cells if cell in order] == order * 2


def test_metrics_are_columns_in_the_order_in_which_they_come() -> None:
    figures = {
        "mrr@10": spread(0.1),
        "coverage@10": spread(0.7),
        "coverage@20": spread(0.9),
        "hr@10": spread(0.3),
    }
    evaluation = minimal()
    evaluation["results"]["sasrec"] = {"full": figures}
    assert "full | 0.1000 | 0.7000 | 0.3000" in printed(evaluation)


def test_a_single_seed_has_no_interval() -> None:
    lead = {"coreset": {"ndcg@10": {"difference": -0.03, "disjoint": None}}}
    evaluation = minimal(comparison={"sasrec": lead})
    evaluation["results"]["sasrec"]["coreset"]["ndcg@10"] = spread(0.11)
    lines = printed(evaluation)
    assert "coreset | 0.1100" in lines
    assert "coreset | -0.0300 |  |" in lines


def test_evaluations_of_older_versions_still_show() -> None:
    evaluation = minimal()
    for figures in evaluation["results"]["sasrec"].values():
        del figures["ndcg@10"]["low"], figures["ndcg@10"]["high"]
    lines = printed(evaluation)
    assert "summary | 0.0800" in lines
    assert lines[0] == "sasrec, mean ± half the 95% interval over seeds"


def test_several_learners_are_set_side_by_side() -> None:
    figures = {"full": {"ndcg@10": spread(0.1)}, "summary": {"ndcg@10": spread(0.09)}}
    recovery = {"ndcg@10": {"recovery": 0.9, "low": 0.85, "high": 0.95, "lift_recovery": None}}
    evaluation = {
        "results": {"sasrec": figures, "narm": figures},
        "recovery": {"sasrec": recovery, "narm": recovery},
    }
    assert "narm | 0.1000 | 0.0900 | 0.900 | 0.850-0.950 |" in printed(evaluation)


def test_learners_with_an_embedding_of_their_own_have_a_recovery_of_their_own() -> None:
    own = {"sasrec": {"ndcg@10": {"recovery": 0.85, "low": None, "high": None, "lift_recovery": None}}}
    assert "own recovery | 0.850" in printed(minimal(own_recovery=own))
    assert not any(line.startswith("own") for line in printed(minimal(own_recovery={"sasrec": {}})))


def test_recovery_of_the_teacher_stands_below_that_of_single_trainings() -> None:
    found = {"recovery": 0.97, "low": None, "high": None, "lift_recovery": 0.9}
    shared = {"sasrec": {"ndcg@10": {**found, "teacher_recovery": 0.94}}}
    own = {"sasrec": {"ndcg@10": {**found, "lift_recovery": None, "teacher_recovery": 0.99}}}
    lines = printed(minimal(recovery=shared, own_recovery=own))
    rows = [
        "recovery | 0.970",
        "lift recovery | 0.900",
        "recovery of teacher | 0.940",
        "own recovery | 0.970",
        "own rec. of teacher | 0.990",
    ]
    first = lines.index(rows[0])
    assert lines[first : first + len(rows)] == rows


def worth(users: float | None, ends: tuple[float | None, float | None], lead: Any) -> dict[str, Any]:
    return {
        "metric": "ndcg@10",
        "summary": spread(0.1046),
        "teacher": spread(0.1066),
        "lead_over_teacher": lead,
        "rows": 30,
        "log_users": 943,
        "users": users,
        "low": ends[0],
        "high": ends[1],
        "times_rows": users and users / 30,
        "curve": [
            {"users": count, "source": "random_labelled", "figure": spread(0.1)} for count in (30, 60, 120)
        ],
    }


def test_the_worth_of_a_summary_is_a_sentence_for_each_way_to_train() -> None:
    level = {"difference": -0.002, "low": -0.005, "high": 0.001, "disjoint": False}
    ahead = {"difference": 0.002, "low": 0.001, "high": 0.003, "disjoint": True}
    behind = {"difference": -0.002, "low": -0.003, "high": -0.001, "disjoint": True}
    everybody = worth(None, (110.2, None), ahead)
    everybody["curve"][-1]["users"] = 943
    found = {
        "summary": worth(84.6, (31.0, None), level),
        "summary_own_embedding": worth(None, (None, None), behind),
        "summary_untaught": worth(30.0, (30.0, 45.2), behind),
        "of_the_future": everybody,
        "lost": {**worth(None, (None, None), level), "curve": []},
    }
    lines = printed(minimal(worth={"sasrec": found}))
    who = "real users with the teacher's labels"
    assert lines[-5:] == [
        f"sasrec, summary: worth 85 {who}, 2.8 times its 30 rows (95% interval 31 to more than 120); "
        "its NDCG@10 of 0.1046 is level with the 0.1066 of the teacher",
        f"sasrec, summary_own_embedding: worth more than 120 of the 943 {who}, 4.0 times its 30 rows "
        "(95% interval more than 120 to more than 120); "
        "its NDCG@10 of 0.1046 is behind the 0.1066 of the teacher",
        f"sasrec, summary_untaught: worth at most 30 {who}, for 30 rows (95% interval 30 to 45); "
        "its NDCG@10 of 0.1046 is behind the 0.1066 of the teacher",
        f"sasrec, of_the_future: worth more than all 943 {who}, 31.4 times its 30 rows "
        "(95% interval 110 to more than 943); "
        "its NDCG@10 of 0.1046 is ahead of the 0.1066 of the teacher",
        "sasrec, lost: worth an unknown number of real users, since every training on them diverged; "
        "its NDCG@10 of 0.1046 is level with the 0.1066 of the teacher",
    ]
    assert not any("worth" in line for line in printed(minimal(worth={})))


def test_what_diverged_is_named() -> None:
    lines = printed(minimal(diverged={"sasrec": ["random", "longest"]}))
    assert lines[-1] == "sasrec: training diverged on random, longest"


def test_time_and_size_are_sentences() -> None:
    timing = {
        "summary_seconds": spread(2.0),
        "log_seconds": spread(42.0, 3.0),
        "full_seconds": spread(60.0),
        "reached": 2,
        "speedup": 21.0,
        "distil_seconds": 240.0,
        "break_even": 6.0,
    }
    size = {
        "summary_bytes": 380_000,
        "summary_parameters": 36_288,
        "item_parameters": 43_168,
        "log_bytes": 1_979_173,
        "log_interactions": 99_287,
    }
    *_, time_line, size_line = printed(minimal(timing={"sasrec": timing}, size=size))
    assert time_line == (
        "sasrec: 2.0 s of training on the summary; 42.0 ± 3.0 s on the log to that quality; 60.0 s in full; "
        "21.0 times faster; the distillation of 4 min 00 s pays after 6.0 trainings"
    )
    assert size_line == (
        "380 kB and 36288 parameters, with 43168 of the item factor, for 1979 kB and 99287 interactions of log"
    )
    size |= {"summary_bytes": 103_000, "teacher_parameters": 10_240, "log_parquet_bytes": 206_000}
    assert printed(minimal(size=size))[-1] == (
        "103 kB and 36288 parameters, with 43168 of the item factor and 10240 of the teacher, for 1979 kB and 99287 "
        "interactions of log; 50% of the 206 kB of the log as compressed Parquet"
    )
    size |= {"log_parquet_bytes": 103_000}
    assert printed(minimal(size=size))[-1].endswith(
        "; not smaller than the 103 kB of the log as compressed Parquet"
    )
    timing |= {"reached": 0, "break_even": None}
    lines = printed(minimal(timing={"sasrec": timing}))
    assert "which it does not reach" in lines[-1]
    assert lines[-1].endswith("never pays")


def test_trainings_that_did_not_go_well_are_named() -> None:
    details = ["full, sasrec, seed 0: no better than popularity", "full, sasrec, seed 1: fell"]
    lines = printed(minimal(warnings=[{"detail": detail} for detail in details]))
    assert lines[-2:] == [f"Warning: {detail}" for detail in details]
    assert not any("Warning" in line for line in printed(minimal(warnings=None)))


def test_trend_is_a_table_and_its_tau() -> None:
    def row(learner: str, full: float, summary: float) -> dict[str, Any]:
        figures = {"full": {"ndcg@10": spread(full)}, "summary": {"ndcg@10": spread(summary)}}
        return {"learner": learner, "embedding_size": 32, "layers": 1, "inner_size": 64, **figures}

    agreement = {"tau": -1.0, "p_value": 1.0, "over_seeds": spread(-0.5, 0.1)}
    trend = {
        "configurations": [row("sasrec", 0.1, 0.09), row("narm", 0.2, 0.08)],
        "agreement": {"ndcg@10": agreement},
    }
    lines = printed(minimal(trend=trend))
    best = lines.index("narm | 32 | 1 | 64 | 0.2000 | 0.0800")
    assert lines[best + 1] == "sasrec | 32 | 1 | 64 | 0.1000 | 0.0900"
    assert lines[-1] == "Kendall's tau of the two orders: -1.000, p 1.0000, seed by seed -0.5000 ± 0.1000"
