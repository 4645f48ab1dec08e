from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from td3core.config import (
    SOURCE_BY_NAME,
    SOURCES,
    EvaluationSource,
    EvaluationSpec,
    SummaryConfig,
    TrendConfig,
)
from td3core.data import SupervisedChunks
from td3core.data.sample import generate_sample_log
from td3core.data.sequences import build_sequences, leave_last_out
from td3core.errors import InvalidCheckpointError, InvalidLogError
from td3core.evaluation.evaluator import Evaluator
from td3core.interactions import filter_log, read_log
from td3core.learners import build_learner
from td3core.outer.distillation import Distillation
from td3core.progress import Progress
from td3core.results.evaluation import EvaluationResult
from td3core.runs.distillation import DistillationRun
from td3core.runs.evaluation import EvaluationRun
from td3core.summary.artifact import load_summary, save_summary
from td3core.training import LogTraining, Trained
from tests.support.specs import TINY_SPEC

CPU = torch.device("cpu")


def evaluation(archive: Path, log: Path, **spec) -> EvaluationRun:
    return EvaluationRun(archive, log, EvaluationSpec.model_validate(spec), device=CPU)


@pytest.fixture(scope="module")
def result(archive: Path, tiny_log: Path) -> dict:
    run = EvaluationRun(
        archive,
        tiny_log,
        EvaluationSpec(seeds=2, steps=20, cutoffs=(5, 10), sources=get_args(EvaluationSource)),
        distil_seconds=100.0,
        device=CPU,
    )
    reports = list(run)
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert reports[-1].step == reports[-1].steps == 2 * len(get_args(EvaluationSource))
    return run.result


def test_every_source_is_scored_over_the_seeds(result: dict) -> None:
    sources = result["results"]["sasrec"]
    assert list(sources) == [source.name for source in SOURCES]
    for figures in sources.values():
        assert set(figures) == {"hr@5", "hr@10", "ndcg@5", "ndcg@10", "mrr@5", "mrr@10"}
        for spread in figures.values():
            assert len(spread["values"]) == 2
            assert 0 <= spread["mean"] <= 1
            assert spread["low"] <= spread["mean"] <= spread["high"]
    assert result["seeds"] == [0, 1]
    assert len(set(sources["popularity"]["ndcg@10"]["values"])) == 1
    assert len(set(sources["full"]["mrr@10"]["values"])) == 2


def test_every_rival_is_compared(result: dict) -> None:
    mean = {source: figures["ndcg@10"]["mean"] for source, figures in result["results"]["sasrec"].items()}
    rivals = result["comparison"]["sasrec"]
    assert list(rivals) == [source.name for source in SOURCES if source.role == "rival"]
    for rival, found in rivals.items():
        lead = found["ndcg@10"]
        row = SOURCE_BY_NAME[rival]
        alike = "_own_embedding" if row.own_embedding else "_long" if row.steps is not None else ""
        assert lead["difference"] == pytest.approx(mean[f"summary{alike}"] - mean[rival])
        assert lead["low"] <= lead["difference"] <= lead["high"]
        assert lead["disjoint"] is (lead["low"] > 0 or lead["high"] < 0)
    assert result["intervals"] == "seeds and users"


def test_size_and_time_are_told(
    result: dict, finished_run: DistillationRun, archive: Path, tiny_log: Path
) -> None:
    kept = finished_run.summary.manifest.dataset.kept
    factors = finished_run.summary.factors.tensors.values()
    assert result["size"] == {
        "summary_bytes": archive.stat().st_size,
        "summary_parameters": sum(tensor.numel() for tensor in factors),
        "item_parameters": 40 * 16,
        "teacher_parameters": build_learner(finished_run.spec.learner).layout.size,
        "log_bytes": tiny_log.stat().st_size,
        "log_parquet_bytes": finished_run.metrics["log_parquet_bytes"],
        "log_interactions": kept.interactions,
    }
    timing = result["timing"]["sasrec"]
    assert timing["distil_seconds"] == 100.0
    for source in ("summary", "full"):
        assert result["seconds"]["sasrec"][source] == pytest.approx(timing[f"{source}_seconds"]["mean"])
        assert timing[f"{source}_seconds"]["mean"] > 0
    assert 0 < timing["log_seconds"]["mean"] <= timing["full_seconds"]["mean"]
    assert timing["speedup"] == pytest.approx(
        timing["log_seconds"]["mean"] / timing["summary_seconds"]["mean"]
    )
    assert result["trend"] is None


def test_the_compressed_log_is_measured_only_where_the_archive_does_not_say(
    finished_run: DistillationRun, tiny_log: Path, tmp_path: Path
) -> None:
    measured = finished_run.metrics["log_parquet_bytes"]
    other = tmp_path / "other.csv"
    other.write_bytes(tiny_log.read_bytes() + b"\n")  # the same interactions, but another file
    for said, log, expected in (
        (measured + 1, tiny_log, measured + 1),
        (measured + 1, other, measured),
        (None, tiny_log, measured),
    ):
        archive = tmp_path / "summary.zip"
        save_summary(finished_run.summary.with_metrics(log_parquet_bytes=said), archive)
        run = evaluation(archive, log, seeds=1, sources=("floor",))
        for _ in run:
            pass
        assert run.result["size"]["log_parquet_bytes"] == expected


def test_trend_trains_each_configuration_on_both_and_takes_over_what_was_trained(
    archive: Path, tiny_log: Path
) -> None:
    run = evaluation(
        archive,
        tiny_log,
        seeds=1,
        steps=10,
        cutoffs=(10,),
        sources=("summary", "full"),
        trend={"learners": ["sasrec", "gru4rec"], "seeds": 2},
    )
    reports = list(run)
    assert reports[-1].steps == 2 * 2 * 2 * 2
    trend = run.result["trend"]
    rows = {(row["learner"], row["layers"]): row for row in trend["configurations"]}
    assert set(rows) == {("sasrec", 1), ("sasrec", 2), ("gru4rec", 1), ("gru4rec", 2)}
    assert -1 <= trend["agreement"]["ndcg@10"]["tau"] <= 1
    for source in ("summary", "full"):
        alone = run.result["results"]["sasrec"][source]["ndcg@10"]["values"]
        assert rows["sasrec", 1][source]["ndcg@10"]["values"][:1] == alone
        assert len(rows["gru4rec", 2][source]["ndcg@10"]["values"]) == 2


def test_learners_of_other_widths_than_the_jobs_compare_with_an_embedding_of_their_own(
    archive: Path, tiny_log: Path
) -> None:
    width = load_summary(archive).items.shape[1]
    trend = {"learners": ["sasrec"], "layers": [1], "embedding_sizes": [width, 2 * width]}
    run = evaluation(archive, tiny_log, seeds=1, steps=10, cutoffs=(10,), sources=("summary",), trend=trend)
    list(run)
    narrow, wide = run.result["trend"]["configurations"]
    assert (narrow["embedding_size"], wide["embedding_size"]) == (width, 2 * width)
    assert narrow["summary"] != wide["summary"]
    assert narrow["full"] != wide["full"]


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
        sources=("coreset", "coreset_stopped"),
    )
    list(run)
    ends, bests = (figures["ndcg@10"]["values"] for figures in run.result["results"]["sasrec"].values())
    assert all(best >= end for end, best in zip(ends, bests, strict=True))
    assert ends != bests


def test_recovery_is_set_against_ceiling_and_floor(result: dict) -> None:
    mean = {source: figures["ndcg@10"]["mean"] for source, figures in result["results"]["sasrec"].items()}
    found = result["recovery"]["sasrec"]["ndcg@10"]
    assert found["recovery"] == pytest.approx(mean["summary"] / mean["full"])
    own = result["own_recovery"]["sasrec"]["ndcg@10"]["recovery"]
    assert own == pytest.approx(mean["summary_own_embedding"] / mean["full_own_embedding"])
    assert found["teacher_recovery"] == pytest.approx(mean["summary"] / mean["teacher"])
    lift = (mean["summary"] - mean["floor"]) / (mean["full"] - mean["floor"])
    assert found["lift_recovery"] == pytest.approx(lift)


def test_same_seeds_give_the_same_figures(archive: Path, tiny_log: Path) -> None:
    runs = [evaluation(archive, tiny_log, seeds=1, steps=5, sources=("summary", "random")) for _ in range(2)]
    for run in runs:
        list(run)
    assert runs[0].result["results"] == runs[1].result["results"]
    assert runs[0].result["recovery"] == {"sasrec": {}}


def test_sources_on_which_training_diverges_are_named_and_left_out(
    finished_run: DistillationRun, tiny_log: Path
) -> None:
    """Without a teacher in the archive, students have a labeller that the summary trains, which diverges, too."""
    summary = finished_run.summary
    wild = summary.manifest.spec.inner.model_copy(update={"lr": 1e38})
    job = summary.manifest.spec.model_copy(update={"inner": wild})
    evaluator = Evaluator(
        replace(summary, manifest=summary.manifest.model_copy(update={"spec": job}), teacher=None),
        leave_last_out(build_sequences(filter_log(read_log(tiny_log, job.data), job.data))),
        EvaluationSpec(
            seeds=1, sources=("floor", "full", "summary", "random"), trend=TrendConfig(learners=("narm",))
        ),
        device=CPU,
        dtype=torch.float32,
    )
    ends: list[EvaluationResult] = []

    def whole():
        ends.append((yield from evaluator.run()))

    list(whole())
    (found,) = ends
    assert found.diverged == {"sasrec": ("summary", "random")}
    assert set(found.results["sasrec"]) == set(found.seconds["sasrec"]) == {"floor", "full"}
    assert (found.recovery, found.timing, found.trend) == ({"sasrec": {}}, {}, None)


def test_another_log_is_refused(archive: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    generate_sample_log(users=60, items=50, seed=9).write_csv(other)
    with pytest.raises(InvalidLogError, match="not the log that was distilled"):
        list(evaluation(archive, other))


def test_result_before_the_end_is_refused(archive: Path, tiny_log: Path) -> None:
    with pytest.raises(RuntimeError, match="no result before its end"):
        _ = evaluation(archive, tiny_log).result


def test_a_rival_that_diverges_leaves_the_others_alone(
    archive: Path, tiny_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_batch = Distillation.real_batch

    def poisoned(self: Distillation) -> SupervisedChunks:
        if self.spec.summary.rank == 1:
            self.factors.tensors["latents"].data.fill_(torch.nan)
        return real_batch(self)

    monkeypatch.setattr(Distillation, "real_batch", poisoned)
    monkeypatch.setattr(
        "td3core.evaluation.rival.as_small",
        lambda size, **_: SummaryConfig(kind="farzi", users=size.users, length=size.length, rank=1),
    )
    run = evaluation(archive, tiny_log, seeds=1, steps=5, sources=("floor", "farzi_small", "farzi"))
    list(run)
    assert set(run.result["results"]["sasrec"]) == {"floor", "farzi"}
    assert run.result["diverged"] == {"sasrec": ["farzi_small"]}


def test_rivals_come_from_the_teacher_in_the_archive(
    archive: Path, tiny_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("another teacher is trained")

    monkeypatch.setattr("td3core.evaluation.rival.TeacherTraining", never)
    run = evaluation(archive, tiny_log, seeds=1, steps=5, sources=("floor", "farzi"))
    list(run)
    assert set(run.result["results"]["sasrec"]) == {"floor", "farzi"}


def test_a_teacher_of_rivals_that_diverges_leaves_the_others_alone(
    archive: Path, tiny_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is trained where the archive has none."""
    without = tmp_path / "without.zip"
    save_summary(replace(load_summary(archive), teacher=None), without)

    class Diverging(LogTraining):
        def run(self) -> Generator[Progress, None, Trained]:
            self._parameters.data.fill_(torch.nan)
            return (yield from super().run())

    monkeypatch.setattr("td3core.training.teacher.LogTraining", Diverging)
    run = evaluation(without, tiny_log, seeds=1, steps=5, sources=("floor", "farzi_small", "farzi"))
    list(run)
    assert set(run.result["results"]["sasrec"]) == {"floor"}
    assert run.result["diverged"] == {"sasrec": ["farzi", "farzi_small"]}


def test_rivals_are_kept_as_they_come(archive: Path, tiny_log: Path, tmp_path: Path) -> None:
    spec = {"seeds": 1, "steps": 5, "sources": ("farzi", "farzi_small")}
    whole = evaluation(archive, tiny_log, **spec)
    reports = list(whole)
    first = evaluation(archive, tiny_log, **spec)
    next(report for report in first if report.fraction > 0.8)
    first.checkpoint(tmp_path / "checkpoint")
    second = evaluation(archive, tiny_log, **spec)
    second.resume(tmp_path / "checkpoint")
    assert len(list(second)) == len(reports) - TINY_SPEC.outer.steps
    assert second.result["results"] == whole.result["results"]


def test_trainings_that_had_come_to_their_end_are_not_repeated(
    archive: Path, tiny_log: Path, tmp_path: Path
) -> None:
    """Neither is the rivals' distillation."""
    sources = ("floor", "farzi_small", "farzi", "popularity")
    spec = {"seeds": 2, "steps": 5, "cutoffs": (10,), "sources": sources}
    whole = evaluation(archive, tiny_log, **spec)
    list(whole)
    first = evaluation(archive, tiny_log, **spec)
    left = next(report for report in first if report.step == 3)
    first.checkpoint(tmp_path / "checkpoint")
    second = evaluation(archive, tiny_log, **spec)
    second.resume(tmp_path / "checkpoint")
    reports = list(second)
    assert min(report.fraction for report in reports) == left.fraction
    steps = [report.step for report in reports]
    assert steps[:2] == [0, 4]
    assert list(dict.fromkeys(steps)) == [0, 4, 5, 6, 7, 8]
    for part in ("results", "recovery", "comparison"):
        assert second.result[part] == whole.result[part]
    with pytest.raises(InvalidCheckpointError, match="belongs to another run"):
        evaluation(archive, tiny_log, seeds=1).resume(tmp_path / "checkpoint")
