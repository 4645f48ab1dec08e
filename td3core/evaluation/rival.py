"""Other summaries of the same log, with which the one that is evaluated is compared.

Farzi is distilled as the job was, from the same teacher, with the same number of synthetic users and steps, learner
and outer steps. Archives of 0.1.0 have no teacher, and none has the trajectory of its training: where that is needed, a
teacher is trained as the job's was. What Farzi stores grows with the catalogue, so there are two of it: as wide as it
is by default, and with no more numbers than the summary itself, as far as its rank goes down.
"""

import time
from collections.abc import Collection, Generator, Mapping
from contextlib import suppress
from math import prod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.catalogue import Catalogue
from td3core.config import SOURCES, EvaluationSource, JobSpec, SummaryConfig
from td3core.data import Sequences
from td3core.errors import DivergedError
from td3core.factors import expected_embeddings, factor_shapes
from td3core.learners import build_learner
from td3core.outer import Distillation
from td3core.progress import Progress, relay
from td3core.ranking import RankingTask
from td3core.training import TeacherTraining, Trained

_TEACHER_SHARE = 0.3  # about what of the time the teacher takes


class Rival(NamedTuple):
    """What learners are trained on."""

    embeddings: Float[Tensor, "mu zeta d3"]
    items: Float[Tensor, "items d3"]
    lr_factor: float
    """On the learning rate."""
    targets: Float[Tensor, "mu zeta d3"] | None = None
    """Expected embeddings of what is to be predicted; None: the embeddings themselves."""


def as_wide(summary: SummaryConfig) -> SummaryConfig:
    """Return a Farzi of as many synthetic users and steps; of a summary that is one already, the same again."""
    if summary.kind == "farzi":
        return summary
    return SummaryConfig(
        kind="farzi", users=summary.users, length=summary.length, precision=summary.precision
    )


def as_small(summary: SummaryConfig, *, n_items: int, embedding_size: int) -> SummaryConfig:
    """Return a Farzi of as many synthetic users and steps and, as far as its rank goes down, no more numbers."""
    shapes = factor_shapes(summary, n_items=n_items, embedding_size=embedding_size)
    numbers = sum(map(prod, shapes.values()))
    rank = numbers // (summary.users * summary.length + n_items)
    return as_wide(summary).model_copy(update={"rank": max(1, rank)})


def rival_summaries(
    names: Collection[EvaluationSource], job: JobSpec, *, n_items: int
) -> dict[EvaluationSource, SummaryConfig]:
    """Return what is to be distilled for these sources."""
    small = as_small(job.summary, n_items=n_items, embedding_size=job.learner.embedding_size)
    configs = {"farzi": as_wide(job.summary), "small_farzi": small}
    return {
        source.name: configs[source.trains_on]
        for source in SOURCES
        if source.trains_on in configs and source.name in names
    }


def distil_rivals(
    summaries: Mapping[EvaluationSource, SummaryConfig],
    rivals: dict[EvaluationSource, Rival | None],
    job: JobSpec,
    train: Sequences,
    validation: RankingTask,
    *,
    teacher: Trained | None,
    device: torch.device,
    dtype: torch.dtype,
) -> Generator[float, None, None]:
    """Distil from the same teacher each that `rivals` has not yet, and put it there; yield the fraction done.

    One that diverged before it had a summary is None, and so are all if their teacher diverged. Without a `teacher`, or
    where `inner.initial` needs the trajectory of its training, one is trained.
    """
    learner = build_learner(job.learner)
    started = time.monotonic()
    share = 0.0
    if teacher is None or job.inner.initial != "random":
        share = _TEACHER_SHARE
        training = TeacherTraining(
            learner,
            train,
            validation,
            config=job.teacher,
            dropout=job.learner.dropout,
            distinct=job.data.exclude_seen,
            seed=job.seed,
            stage="evaluating",
            device=device,
            dtype=dtype,
        )
        try:
            teacher = yield from relay(training.run(), lambda progress: _TEACHER_SHARE * _part(progress))
        except DivergedError:
            rivals |= dict.fromkeys(summaries.keys() - rivals.keys())
            return
    teacher_seconds = time.monotonic() - started
    each = (1 - share) / len(summaries)
    for number, (name, summary) in enumerate(summaries.items()):
        if name in rivals:
            continue
        distillation = Distillation(
            job.model_copy(update={"summary": summary}),
            learner=learner,
            teacher=teacher,
            train=train,
            task=validation,
            started=time.monotonic() - teacher_seconds,
        )
        with suppress(DivergedError):
            for progress in distillation:
                yield share + each * (number + _part(progress))
        best = distillation.best
        rivals[name] = None
        if best is not None:
            inputs = expected_embeddings(best.factors, teacher.items)
            lesson = distillation.lessons.lesson(inputs, Catalogue(teacher.items))
            rivals[name] = Rival(lesson.inputs, teacher.items, best.lr_factor, lesson.targets)


def _part(progress: Progress) -> float:
    return progress.step / progress.steps
