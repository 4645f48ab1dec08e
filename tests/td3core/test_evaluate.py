import math
from pathlib import Path

import pytest
import torch

from td3core.config import EvaluationSpec
from td3core.errors import InvalidLogError
from td3core.fidelity import Spread, recoveries, spreads
from td3core.pipeline import EvaluationRun
from td3core.sample import generate_sample_log

CPU = torch.device("cpu")


def evaluation(archive: Path, log: Path, **spec) -> EvaluationRun:
    return EvaluationRun(archive, log, EvaluationSpec(**spec), device=CPU)


@pytest.fixture(scope="module")
def result(archive: Path, tiny_log: Path) -> dict:
    run = evaluation(archive, tiny_log, seeds=2, steps=20, cutoffs=(5, 10))
    reports = list(run)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert reports[-1].step == reports[-1].steps == 14
    return run.result


def test_every_source_is_scored_over_the_seeds(result: dict) -> None:
    sources = result["results"]["sasrec"]
    assert set(sources) == {
        "full",
        "summary",
        "floor",
        "random",
        "longest",
        "random_stopped",
        "popularity",
    }
    for figures in sources.values():
        assert set(figures) == {"hr@5", "hr@10", "ndcg@5", "ndcg@10", "mrr@5", "mrr@10"}
        for spread in figures.values():
            assert len(spread["values"]) == 2
            assert 0 <= spread["mean"] <= 1
    assert result["seeds"] == [0, 1]
    assert len(set(sources["popularity"]["ndcg@10"]["values"])) == 1
    assert len(set(sources["full"]["mrr@10"]["values"])) == 2


def test_learners_other_than_the_distilled_one_train_on_every_source(archive: Path, tiny_log: Path) -> None:
    kinds = ("sasrec", "gru4rec", "narm", "bert4rec")
    sources = ("full", "summary", "floor", "random_stopped")
    run = evaluation(archive, tiny_log, learners=kinds, seeds=1, steps=60, cutoffs=(10,), sources=sources)
    list(run)
    assert set(run.result["results"]) == set(kinds)
    for kind, results in run.result["results"].items():
        assert set(results) == set(sources)
        figures = {source: spread["ndcg@10"]["mean"] for source, spread in results.items()}
        assert figures["summary"] != figures["floor"]
        if kind != "sasrec":  # untrained, it already recommends neighbours, all that there is to learn here
            assert figures["random_stopped"] > figures["floor"]


def test_stopped_sources_take_the_best_validation_of_the_same_training(archive: Path, tiny_log: Path) -> None:
    run = evaluation(
        archive,
        tiny_log,
        seeds=3,
        steps=200,
        cutoffs=(10,),
        split="valid",
        sources=("random", "random_stopped"),
    )
    list(run)
    ends, bests = (figures["ndcg@10"]["values"] for figures in run.result["results"]["sasrec"].values())
    assert all(best >= end for end, best in zip(ends, bests, strict=True))
    assert ends != bests


def test_recovery_is_set_against_ceiling_and_floor(result: dict) -> None:
    mean = {source: figures["ndcg@10"]["mean"] for source, figures in result["results"]["sasrec"].items()}
    found = result["recovery"]["sasrec"]["ndcg@10"]
    assert found["recovery"] == pytest.approx(mean["summary"] / mean["full"])
    lift = (mean["summary"] - mean["floor"]) / (mean["full"] - mean["floor"])
    assert found["lift_recovery"] == pytest.approx(lift)


def test_same_seeds_give_the_same_figures(archive: Path, tiny_log: Path) -> None:
    runs = [evaluation(archive, tiny_log, seeds=1, steps=5, sources=("summary", "random")) for _ in range(2)]
    for run in runs:
        list(run)
    assert runs[0].result["results"] == runs[1].result["results"]
    assert runs[0].result["recovery"] == {"sasrec": {}}


def test_another_log_is_refused(archive: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    generate_sample_log(users=60, items=50, seed=9).write_csv(other)
    with pytest.raises(InvalidLogError, match="not the log that was distilled"):
        list(evaluation(archive, other))


def test_result_before_the_end_is_refused(archive: Path, tiny_log: Path) -> None:
    with pytest.raises(RuntimeError, match="iterated to its end"):
        _ = evaluation(archive, tiny_log).result


def test_spreads_by_hand() -> None:
    found = spreads([{"a": 1.0}, {"a": 3.0}])
    assert found["a"] == Spread(mean=2.0, std=math.sqrt(2), values=(1.0, 3.0))
    assert spreads([{"a": 1.0}])["a"].std is None


def test_recovery_without_room_above_the_floor_is_null() -> None:
    one = {"a": Spread(mean=0.5, std=None, values=(0.5,))}
    zero = {"a": Spread(mean=0.0, std=None, values=(0.0,))}
    assert recoveries({"full": one, "summary": one, "floor": one})["a"].lift_recovery is None
    assert recoveries({"full": zero, "summary": one})["a"].recovery is None
    assert recoveries({"summary": one}) == {}
