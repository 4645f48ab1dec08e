"""Distillation of a log to a summary."""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import torch

from td3core.config import JobSpec
from td3core.data import Sequences, leave_last_out, parquet_bytes
from td3core.errors import DivergedError, OutOfTimeError
from td3core.evaluation import quick_certificate
from td3core.formats import JOB_SPEC, read_job_spec
from td3core.interactions import Limits, LogStudy
from td3core.learners import Learner, build_learner
from td3core.outer import Distillation, DistillationState, ScoredFactors
from td3core.progress import Progress, Stage, relay
from td3core.ranking import SELECTION_METRIC, RankingTask, validation_task
from td3core.rounding import rounded
from td3core.runs.base import ResumableRun, RunCheckpoint
from td3core.summary import DatasetInfo, Manifest, Summary, save_summary, usage
from td3core.training import TeacherTraining, TeacherTrainingState, Trained
from td3core.version import VERSION

_STAGES: dict[Stage, tuple[float, float]] = {
    "reading": (0.0, 0.01),
    "teacher": (0.01, 0.3),
    "distilling": (0.3, 0.95),
    "packing": (0.95, 1.0),
}  # begin and end of each stage, as fractions of the whole run


@dataclass(frozen=True)
class TeacherState:
    """State of a run that is training its teacher."""

    training: TeacherTrainingState


@dataclass(frozen=True)
class DistillingState:
    """State of a run whose teacher is trained."""

    teacher: Trained
    distillation: DistillationState
    stopped: Mapping[str, str]
    """Why the distillation ended before its last step."""


@final
class DistillationRun(ResumableRun[TeacherState | DistillingState]):
    """Distillation of a log: read, filter, split, train the teacher, distil. Iterate over it, then call `save`.

    A run that was resumed in the same version gives the same bytes as one that was never interrupted.
    """

    checkpoint_type = RunCheckpoint[TeacherState | DistillingState]
    spec_format = JOB_SPEC
    spec: JobSpec

    def __init__(
        self,
        log: Path,
        spec: JobSpec,
        *,
        log_name: str | None = None,
        limits: Limits | None = None,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(log, spec, log_name=log_name, limits=limits, device=device, dtype=dtype)
        self.study: LogStudy | None = None
        """What is known of the log; None until it is read."""
        self._summary: Summary | None = None
        self._training: TeacherTraining | None = None
        self._distillation: Distillation | None = None
        self._stopped: dict[str, str] = {}
        """Why the distillation ended before its last step."""

    @property
    def summary(self) -> Summary:
        """The best summary so far, which can be used at any time after the first validation.

        Raises:
            RuntimeError: There was no validation yet.
        """
        if self._summary is None:
            raise RuntimeError("the run has no summary before its first validation")
        return self._summary

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics in the artefact, and the seconds of each stage, which are left out of its reproducible bytes."""
        return {**self.summary.manifest.metrics, "seconds": dict(self.seconds)}

    def save(self, path: Path) -> None:
        """Write the artefact."""
        save_summary(self.summary, path)

    def _read_spec(self, stored: Mapping[str, Any], *, version: int) -> JobSpec:
        return read_job_spec(stored, version=version)

    def _state(self) -> TeacherState | DistillingState | None:
        if self._distillation is not None:
            return DistillingState(self._distillation.teacher, self._distillation.state(), self._stopped)
        if self._training is not None:
            return TeacherState(self._training.state())
        return self._resumed

    def _run(self, started: float) -> Generator[Progress, None, None]:
        yield from relay(self._stages(started), _with_fraction)

    def _stages(self, started: float) -> Generator[Progress, None, None]:
        yield Progress("reading", 0, 1)
        self.study, sequences = self._read(self.spec.data)
        dataset = DatasetInfo.of(self.study, name=self.log_name, sha256=self._log_sha256)
        split = leave_last_out(sequences)
        learner = build_learner(self.spec.learner)
        task = validation_task(
            split,
            max_length=learner.max_length,
            exclude_seen=self.spec.data.exclude_seen,
            device=self.device,
        )
        yield Progress("reading", 1, 1)
        resumed = self._resumed
        if isinstance(resumed, DistillingState):
            teacher = resumed.teacher
        else:
            teacher = yield from self._train_teacher(learner, split.train, task)
            teacher = self._as_stored(teacher, learner, task)
            self._check_time(started)
        distillation = Distillation(
            self.spec.settled(items=split.train.n_items),
            learner=learner,
            teacher=teacher,
            train=split.train,
            task=task,
            started=started,
        )
        if isinstance(resumed, DistillingState):
            distillation.restore(resumed.distillation)
            self._stopped = dict(resumed.stopped)
        self._distillation, self._resumed = distillation, None
        item_ids, log_parquet_bytes = tuple(sequences.item_ids.to_list()), parquet_bytes(sequences)
        yield from self._distil(
            distillation, lambda best: self._pack(best, teacher, item_ids, dataset, log_parquet_bytes)
        )
        yield Progress("packing", 0, 1)
        if self._stopped:
            self._summary = self.summary.with_metrics(stopped=self._stopped)
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

    def _check_time(self, started: float) -> None:
        """Fail if the teacher has used up the time budget."""
        taken, allowed = time.monotonic() - started, self.spec.stop.seconds
        if allowed is not None and taken >= allowed:
            raise OutOfTimeError(
                f"training the teacher took {taken:.0f} s of the {allowed:g} s that stop.seconds allows: no time is "
                "left for the distillation"
            )

    def _train_teacher(
        self, learner: Learner, train: Sequences, task: RankingTask
    ) -> Generator[Progress, None, Trained]:
        training = TeacherTraining(
            learner,
            train,
            task,
            config=self.spec.teacher,
            dropout=self.spec.learner.dropout,
            distinct=self.spec.data.exclude_seen,
            seed=self.spec.seed,
            stage="teacher",
            device=self.device,
            dtype=self.dtype,
        )
        if isinstance(self._resumed, TeacherState):
            training.restore(self._resumed.training)
        self._training, self._resumed = training, None
        return (yield from training.run())

    def _as_stored(self, teacher: Trained, learner: Learner, task: RankingTask) -> Trained:
        """Round the teacher, so that the summary is distilled from what the artefact holds of it, and score it anew."""
        precision = self.spec.summary.precision
        if precision == "float32":
            return teacher
        (items,) = rounded({"items": teacher.items}, precision).values()
        weights = {name: weight[0] for name, weight in learner.layout.split(teacher.parameters).items()}
        weights = {name: weight[None] for name, weight in rounded(weights, precision).items()}
        parameters = learner.layout.join(weights)
        (figures,) = task.evaluate(learner, parameters, items)
        return teacher._replace(items=items, parameters=parameters, score=figures[SELECTION_METRIC])

    def _distil(
        self, distillation: Distillation, pack: Callable[[ScoredFactors], Summary]
    ) -> Generator[Progress, None, None]:
        """Distil to the end, keeping the best summary so far."""
        if distillation.best is not None:
            self._summary = pack(distillation.best)
        if self._stopped:  # a distillation that has diverged must not continue
            return
        try:
            for progress in distillation:
                if distillation.best is not None and progress.step == distillation.best.step:
                    self._summary = pack(distillation.best)
                yield progress
        except DivergedError as error:
            if distillation.best is None:
                raise
            self._stopped = {"reason": "diverged", "detail": str(error)}
        if distillation.course.stopped is not None:
            self._stopped = {"reason": distillation.course.stopped}

    def _pack(
        self,
        best: ScoredFactors,
        teacher: Trained,
        item_ids: tuple[str, ...],
        dataset: DatasetInfo,
        log_parquet_bytes: int,
    ) -> Summary:
        metric = f"valid_{SELECTION_METRIC}"
        return Summary(
            factors=best.factors,
            items=teacher.items,
            item_ids=item_ids,
            teacher=teacher.parameters,
            manifest=Manifest(
                code_version=VERSION,
                seed=self.spec.seed,
                spec=self.spec.settled(items=len(item_ids)),
                dataset=dataset,
                lr_factor=best.lr_factor,
                metrics={
                    "teacher": {metric: teacher.score},
                    "summary": {metric: best.score, "outer_step": best.step},
                    "log_parquet_bytes": log_parquet_bytes,
                    **_warnings(teacher),
                },
                usage=usage(self.spec.summary.kind),
            ),
        )


def _warnings(teacher: Trained) -> dict[str, Any]:
    """Return what is to be said of the training of the teacher, ready for JSON; nothing if it went well."""
    found = [warning.model_dump(mode="json") for warning in teacher.warnings]
    return {"warnings": found} if found else {}


def _with_fraction(progress: Progress) -> Progress:
    begin, end = _STAGES[progress.stage]
    return replace(progress, fraction=begin + (end - begin) * progress.step / progress.steps)
