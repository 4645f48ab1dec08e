from dataclasses import replace
from pathlib import Path

import torch

from td3core.config import DataConfig
from td3core.data.sequences import build_sequences, leave_last_out
from td3core.evaluation.certificate import quick_certificate
from td3core.interactions import filter_log, read_log
from td3core.learners import build_learner
from td3core.progress import Progress
from td3core.results.certificate import QuickCertificate
from td3core.runs.distillation import DistillationRun
from td3core.summary.summary import Summary
from td3core.training.log import Trained

CPU = torch.device("cpu")


def certify(summary: Summary, log: Path) -> tuple[list[Progress], QuickCertificate]:
    data = DataConfig()
    split = leave_last_out(build_sequences(filter_log(read_log(log, data), data)))
    generator = torch.Generator().manual_seed(0)
    learner = build_learner(summary.manifest.spec.learner)
    weights = learner.initialise(1, generator=generator, dtype=torch.float32, device=CPU)
    teacher = Trained(summary.items, weights, score=0.0)
    work = quick_certificate(summary, split, teacher, learners=1, device=CPU, dtype=torch.float32)
    reports: list[Progress] = []
    while True:
        try:
            reports.append(next(work))
        except StopIteration as finished:
            return reports, finished.value


def test_it_reports_how_far_it_is(finished_run: DistillationRun, tiny_log: Path) -> None:
    reports, found = certify(finished_run.summary, tiny_log)
    assert {(report.stage, report.steps) for report in reports} == {("packing", 8)}
    steps = [report.step for report in reports]
    assert steps == sorted(steps)
    assert found.intervals == "seeds and users"
    spread = found.results["summary"]["ndcg@10"]
    assert spread.std is None
    assert spread.low is not None
    assert spread.high is not None
    assert spread.low < spread.mean < spread.high  # of one learner, over users alone


def test_a_training_that_diverges_is_named_and_leaves_the_rest(
    finished_run: DistillationRun, tiny_log: Path
) -> None:
    summary = finished_run.summary
    inner = summary.manifest.spec.inner.model_copy(update={"lr": 1e38})
    spec = summary.manifest.spec.model_copy(update={"inner": inner})
    wild = replace(summary, manifest=summary.manifest.model_copy(update={"spec": spec}))
    _, found = certify(wild, tiny_log)
    assert set(found.diverged) >= {"summary", "coreset", "random", "longest", "sampled_labelled"}
    assert {"full", "floor"} <= set(found.results)
    assert found.recovery == {}
    assert found.comparison == {}


def test_without_a_teacher_nothing_is_labelled(finished_run: DistillationRun, tiny_log: Path) -> None:
    reports, found = certify(replace(finished_run.summary, teacher=None), tiny_log)
    assert reports[0].steps == 5
    assert set(found.results) == {"full", "summary", "floor", "coreset", "random", "longest"}
