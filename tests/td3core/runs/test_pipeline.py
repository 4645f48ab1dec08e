import itertools
from pathlib import Path

import polars as pl
import pytest
import torch

from td3core.config import CertificateConfig, JobSpec, StopConfig
from td3core.data import SupervisedChunks
from td3core.errors import InvalidLogError, OutOfTimeError
from td3core.outer.distillation import Distillation
from td3core.progress import relay
from td3core.results import JobMetrics, Stopped
from td3core.runs.distillation import DistillationRun
from td3core.summary.artifact import load_summary
from tests.support.specs import TINY_SPEC


def test_progress_runs_through_the_stages_to_the_end(tiny_log: Path) -> None:
    reports = list(DistillationRun(tiny_log, TINY_SPEC, device=torch.device("cpu")))
    assert list(dict.fromkeys(report.stage for report in reports)) == [
        "reading",
        "teacher",
        "distilling",
        "packing",
    ]
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert reports[-1].eta_seconds == 0
    assert all(0 <= report.step <= report.steps for report in reports)
    assert [r.step for r in reports if r.stage == "distilling"] == [1, 2, 3, 4, 5, 6]


def test_same_seed_same_bytes(
    tiny_log: Path, finished_run: DistillationRun, archive: Path, tmp_path: Path
) -> None:
    again = DistillationRun(tiny_log, finished_run.spec, log_name="tiny.csv", device=torch.device("cpu"))
    for _ in again:
        pass
    again.save(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_a_large_catalogue_gets_longer_lives_and_another_start_and_the_manifest_says_so(
    tmp_path: Path,
) -> None:
    users, each, items = 500, 5, 2_100
    rows = range(users * each)
    pl.DataFrame(
        {
            "user": [row // each for row in rows],
            "item": [row % items for row in rows],
            "timestamp": [1_700_000_000 + row for row in rows],
        }
    ).write_csv(tmp_path / "large.csv")
    spec = TINY_SPEC.model_dump(mode="json")
    spec["data"] |= {"min_user_interactions": 5, "min_item_interactions": 1}
    spec["inner"] |= {"steps": None, "window": None}
    spec["teacher"]["max_epochs"] = 1
    spec["outer"]["steps"] = spec["outer"]["validate_every"] = 2
    run = DistillationRun(tmp_path / "large.csv", JobSpec.model_validate(spec), device=torch.device("cpu"))
    for _ in run:
        pass
    assert run.summary.manifest.spec.inner.steps == 60
    assert run.spec.inner.steps is None
    assert run.summary.manifest.spec.summary.start == "rollouts"
    assert run.spec.summary.start is None


def test_manifest_says_what_was_distilled(finished_run: DistillationRun) -> None:
    manifest = finished_run.summary.manifest
    study = finished_run.study
    assert study is not None
    assert (manifest.dataset.given, manifest.dataset.kept) == (study.given, study.kept)
    assert manifest.dataset.reading == study.reading
    assert manifest.dataset.given.users == 60
    assert manifest.spec == finished_run.spec.settled(items=len(finished_run.summary.items))
    assert set(manifest.metrics) == {"teacher", "summary", "certificate", "log_parquet_bytes"}
    assert finished_run.metrics["summary"]["outer_step"] in (3, 6)
    typed = JobMetrics.model_validate(finished_run.metrics)
    assert typed.model_dump(mode="json", exclude_unset=True) == finished_run.metrics


def test_the_artefact_holds_a_quick_certificate(archive: Path) -> None:
    metrics = load_summary(archive).manifest.metrics
    certificate = metrics["certificate"]
    results = certificate["results"]
    labelled = {"random_labelled", "sampled_labelled", "tokens_labelled"}
    assert set(results) == {"full", "summary", "floor", "random", "longest", "coreset"} | labelled
    (teacher,) = results["full"]["ndcg@10"]["values"]
    assert teacher == pytest.approx(metrics["teacher"]["valid_ndcg@10"])
    for source in set(results) - {"full"}:
        assert results[source]["ndcg@10"]["low"] <= results[source]["ndcg@10"]["high"]
        assert len(results[source]["ndcg@10"]["values"]) == len(certificate["seeds"]) == 2
    mean = results["summary"]["ndcg@10"]["mean"]
    assert certificate["recovery"]["ndcg@10"]["recovery"] == pytest.approx(mean / teacher)
    assert set(certificate["comparison"]) == {"random", "longest", "coreset"} | labelled
    assert certificate["diverged"] == []


def test_without_a_certificate_nothing_is_trained_for_it(tiny_log: Path) -> None:
    spec = TINY_SPEC.model_copy(update={"certificate": CertificateConfig(learners=0)})
    run = DistillationRun(tiny_log, spec, device=torch.device("cpu"))
    assert [report.step for report in run if report.stage == "packing"] == [0, 1]
    assert set(run.summary.manifest.metrics) == {"teacher", "summary", "log_parquet_bytes"}


def test_seconds_are_told_beside_the_artefact(finished_run: DistillationRun) -> None:
    metrics = finished_run.metrics
    assert set(metrics.pop("seconds")) == {"reading", "teacher", "distilling", "packing"}
    assert metrics == finished_run.summary.manifest.metrics


def test_runs_in_double_precision(tiny_log: Path) -> None:
    spec = TINY_SPEC.model_copy(update={"outer": TINY_SPEC.outer.model_copy(update={"steps": 2})})
    run = DistillationRun(tiny_log, spec, device=torch.device("cpu"), dtype=torch.float64)
    list(run)
    assert run.summary.items.dtype == torch.float64


def test_a_bad_log_is_named(tmp_path: Path) -> None:
    log = tmp_path / "one-user.csv"
    log.write_text("user_id,item_id\n" + "".join(f"a,i{row}\n" for row in range(20)))
    with pytest.raises(InvalidLogError):
        list(DistillationRun(log, JobSpec(), device=torch.device("cpu")))


def test_summary_before_the_first_validation_is_refused(tiny_log: Path) -> None:
    with pytest.raises(RuntimeError, match="first validation"):
        _ = DistillationRun(tiny_log, JobSpec(), device=torch.device("cpu")).summary


def test_every_validated_improvement_is_a_usable_summary(tiny_log: Path, tmp_path: Path) -> None:
    run = DistillationRun(tiny_log, TINY_SPEC, device=torch.device("cpu"))
    first = next(
        progress for progress in run if progress.stage == "distilling" and "ndcg@10" in progress.scores
    )
    run.save(tmp_path / "early.zip")
    early = load_summary(tmp_path / "early.zip")
    assert early.manifest.metrics["summary"]["outer_step"] == first.step
    assert early.train().recommend(early.item_ids[:3])


def test_a_run_that_stops_early_says_why(tiny_log: Path) -> None:
    spec = TINY_SPEC.model_copy(update={"stop": StopConfig(recovery=1e-9)})
    run = DistillationRun(tiny_log, spec, device=torch.device("cpu"))
    list(run)
    assert run.metrics["stopped"] == {"reason": "recovery"}
    assert JobMetrics.model_validate(run.metrics).stopped == Stopped(reason="recovery")
    assert run.metrics["summary"]["outer_step"] == spec.outer.validate_every


def test_no_time_for_a_single_step_is_an_error(tiny_log: Path) -> None:
    spec = TINY_SPEC.model_copy(update={"stop": StopConfig(seconds=1e-6)})
    with pytest.raises(OutOfTimeError, match=r"of the 1e-06 s that stop.seconds allows"):
        list(DistillationRun(tiny_log, spec, device=torch.device("cpu")))


def test_the_last_good_summary_survives_divergence(tiny_log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches, real_batch = itertools.count(1), Distillation.real_batch

    def poisoned(self: Distillation) -> SupervisedChunks:
        if next(batches) == 5:
            self.factors.tensors["core"].data.fill_(torch.nan)
        return real_batch(self)

    monkeypatch.setattr(Distillation, "real_batch", poisoned)
    run = DistillationRun(tiny_log, TINY_SPEC, device=torch.device("cpu"))
    reports = list(run)
    assert run.metrics["stopped"]["reason"] == "diverged"
    assert "outer step 5" in run.metrics["stopped"]["detail"]
    assert run.metrics["summary"]["outer_step"] == 3
    assert all(tensor.isfinite().all() for tensor in run.summary.factors.tensors.values())
    assert reports[-1].stage == "packing"


def test_relay_passes_reports_on_and_returns_the_result() -> None:
    def work():
        yield 1
        yield 2
        return "done"

    seen: list[str] = []

    def outer():
        seen.append((yield from relay(work(), lambda report: report * 10)))

    assert list(outer()) == [10, 20]
    assert seen == ["done"]
