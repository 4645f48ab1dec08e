"""A job from the log to the artefact, and an evaluation of one: iterators of progress."""

import hashlib
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from td3core.artifact import load_summary, save_summary
from td3core.certificate import quick_certificate
from td3core.config import DataConfig, EvaluationSpec, JobSpec
from td3core.distill import Candidate, Distillation
from td3core.errors import DivergedError, InvalidLogError
from td3core.evaluate import Evaluator
from td3core.interactions import LogProfile, filter_log, profile_log, read_log
from td3core.learners import build_learner
from td3core.manifest import DatasetInfo, Manifest, usage
from td3core.progress import Progress, Stage, relay
from td3core.ranking import RankingTask
from td3core.result import EvaluationResult, Size
from td3core.sequences import Sequences, build_sequences, leave_last_out
from td3core.summary import Summary
from td3core.train import Trained, train_on_log
from td3core.version import VERSION

_STAGES: dict[Stage, tuple[float, float]] = {
    "reading": (0.0, 0.01),
    "teacher": (0.01, 0.3),
    "distilling": (0.3, 0.95),
    "packing": (0.95, 1.0),
}  # where each stage of a distillation begins and ends in the fraction of the whole
_VALIDATION_CUTOFF = 10


class DistillationRun:
    """One job: read, filter, split, train the teacher, distil. Iterate it to the end, then `save`."""

    def __init__(
        self,
        log: Path,
        spec: JobSpec,
        *,
        log_name: str | None = None,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.log = log
        self.spec = spec
        self.log_name = log_name
        self.device = device
        self.dtype = dtype
        self.profile: LogProfile | None = None
        """The log after the filters; none before it was read."""
        self.seconds: dict[Stage, float] = {}
        """What each stage took; not in the artefact, where the same seed gives the same bytes."""
        self._summary: Summary | None = None

    @property
    def summary(self) -> Summary:
        """The best summary so far: there is one from the first validation on, and each is as usable as the last.

        Raises:
            RuntimeError: nothing was validated yet.
        """
        if self._summary is None:
            raise RuntimeError("the run has no summary before its first validation")
        return self._summary

    @property
    def metrics(self) -> dict[str, Any]:
        """What the artefact says of itself, and the seconds of each stage; ready for JSON."""
        return {**self.summary.manifest.metrics, "seconds": dict(self.seconds)}

    def save(self, path: Path) -> None:
        """Write the artefact."""
        save_summary(self.summary, path)

    def __iter__(self) -> Iterator[Progress]:
        started = reported = time.monotonic()
        for progress in self._run(started):
            now = time.monotonic()
            self.seconds[progress.stage] = self.seconds.get(progress.stage, 0.0) + now - reported
            reported = now
            yield _with_eta(_placed(progress), started)

    def _run(self, started: float) -> Generator[Progress, None, None]:
        yield Progress("reading", 0, 1)
        given, kept, sequences = _read(self.log, self.spec.data, self.log_name)
        self.profile = kept
        dataset = DatasetInfo(name=self.log_name, sha256=_sha256(self.log), given=given, kept=kept)
        split = leave_last_out(sequences)
        learner = build_learner(self.spec.learner)
        task = RankingTask(
            split,
            part="valid",
            max_length=learner.max_length,
            cutoffs=(_VALIDATION_CUTOFF,),
            exclude_seen=self.spec.data.exclude_seen,
            device=self.device,
        )
        yield Progress("reading", 1, 1)
        teacher = yield from train_on_log(
            learner,
            split.train,
            task,
            config=self.spec.teacher,
            dropout=self.spec.learner.dropout,
            seed=self.spec.seed,
            stage="teacher",
            device=self.device,
            dtype=self.dtype,
        )
        distillation = Distillation(
            learner=learner,
            teacher=teacher,
            train=split.train,
            task=task,
            summary=self.spec.summary,
            inner=self.spec.inner,
            outer=self.spec.outer,
            stop=self.spec.stop,
            seed=self.spec.seed,
            started=started,
        )
        stopped: dict[str, str] = {}
        try:
            for progress in distillation:
                if distillation.best is not None and (progress.step == distillation.best.step):
                    self._summary = self._pack(distillation.best, teacher, sequences, dataset)
                yield progress
        except DivergedError as error:
            if distillation.best is None:
                raise
            stopped = {"reason": "diverged", "detail": str(error)}
        if distillation.stopped is not None:
            stopped = {"reason": distillation.stopped}
        yield Progress("packing", 0, 1)
        if stopped:
            self._summary = self.summary.with_metrics(stopped=stopped)
        if self.spec.certificate.learners:
            certificate = yield from quick_certificate(
                self.summary,
                split,
                teacher,
                learners=self.spec.certificate.learners,
                device=self.device,
                dtype=self.dtype,
            )
            self._summary = self.summary.with_metrics(certificate=certificate.model_dump(mode="json"))
        yield Progress("packing", 1, 1)

    def _pack(self, best: Candidate, teacher: Trained, sequences: Sequences, dataset: DatasetInfo) -> Summary:
        metric = f"valid_ndcg@{_VALIDATION_CUTOFF}"
        return Summary(
            factors=best.factors,
            items=teacher.items,
            item_ids=tuple(sequences.item_ids.to_list()),
            manifest=Manifest(
                code_version=VERSION,
                seed=self.spec.seed,
                spec=self.spec,
                dataset=dataset,
                lr_factor=best.lr_factor,
                metrics={
                    "teacher": {metric: teacher.score},
                    "summary": {metric: best.score, "outer_step": best.step},
                },
                usage=usage(self.spec.summary.kind),
            ),
        )


class EvaluationRun:
    """One evaluation of an artefact on the log it came from. Iterate it to the end, then read `result`."""

    def __init__(
        self,
        artifact: Path,
        log: Path,
        spec: EvaluationSpec,
        *,
        log_name: str | None = None,
        distil_seconds: float | None = None,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.artifact = artifact
        self.log = log
        self.spec = spec
        self.log_name = log_name
        self.distil_seconds = distil_seconds
        self.device = device
        self.dtype = dtype
        self._result: EvaluationResult | None = None

    @property
    def result(self) -> dict[str, Any]:
        """What was found, ready for JSON.

        Raises:
            RuntimeError: the run has not come to its end.
        """
        if self._result is None:
            raise RuntimeError("the run has no result before it was iterated to its end")
        return self._result.model_dump(mode="json")

    def __iter__(self) -> Iterator[Progress]:
        started = time.monotonic()
        yield from relay(self._run(), lambda progress: _with_eta(progress, started))

    def _run(self) -> Generator[Progress, None, None]:
        yield Progress("evaluating", 0, 1)
        summary = load_summary(self.artifact)
        _, kept, sequences = _read(self.log, summary.manifest.spec.data, self.log_name)
        if tuple(sequences.item_ids.to_list()) != summary.item_ids:
            raise InvalidLogError(
                f"the log has {sequences.n_items} items after its filters, and they are not the "
                f"{len(summary.item_ids)} of the summary: it is not the log that was distilled"
            )
        evaluator = Evaluator(
            summary,
            leave_last_out(sequences),
            self.spec,
            size=Size(
                summary_bytes=self.artifact.stat().st_size,
                summary_parameters=sum(tensor.numel() for tensor in summary.factors.tensors.values()),
                item_parameters=summary.items.numel(),
                log_bytes=self.log.stat().st_size,
                log_interactions=kept.interactions,
            ),
            distil_seconds=self.distil_seconds,
            device=self.device,
            dtype=self.dtype,
        )
        self._result = yield from evaluator.run()


def _read(log: Path, config: DataConfig, name: str | None) -> tuple[LogProfile, LogProfile, Sequences]:
    """Return the profile as given, the profile of what is kept, and the sequences."""
    given = read_log(log, config, name=name)
    kept = filter_log(given, config)
    return profile_log(given), profile_log(kept), build_sequences(kept)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _placed(progress: Progress) -> Progress:
    begin, end = _STAGES[progress.stage]
    return replace(progress, fraction=begin + (end - begin) * progress.step / progress.steps)


def _with_eta(progress: Progress, started: float) -> Progress:
    """Estimate the time left from the time taken so far."""
    if not progress.fraction:
        return progress
    elapsed = time.monotonic() - started
    return replace(progress, eta_seconds=elapsed * (1 - progress.fraction) / progress.fraction)
