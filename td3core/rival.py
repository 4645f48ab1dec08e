"""Another summary of the same log, with which the one that is evaluated is compared.

Farzi is distilled as the job was, from a teacher trained as the job's was (an artefact keeps of that one only the item
factor), with the same number of synthetic users and steps, learner, and outer steps.
"""

import time
from collections.abc import Generator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.config import JobSpec, SummaryConfig
from td3core.distill import Distillation
from td3core.errors import DivergedError
from td3core.factors import expected_embeddings
from td3core.learners import build_learner
from td3core.progress import Progress, relay
from td3core.ranking import RankingTask
from td3core.sequences import Sequences
from td3core.train import LogTraining

_TEACHER_SHARE = 0.3  # about what of the time the teacher takes


class Rival(NamedTuple):
    """What learners are trained on."""

    embeddings: Float[Tensor, "mu zeta d3"]
    items: Float[Tensor, "items d3"]
    lr_factor: float
    """On the learning rate."""


def distil_farzi(
    job: JobSpec, train: Sequences, validation: RankingTask, *, device: torch.device, dtype: torch.dtype
) -> Generator[float, None, Rival]:
    """Distil a summary of kind `farzi`, yielding the fraction done.

    Raises:
        DivergedError: before there was any summary.
    """
    started = time.monotonic()
    learner = build_learner(job.learner)
    teacher = yield from relay(
        LogTraining(
            learner,
            train,
            validation,
            config=job.teacher,
            dropout=job.learner.dropout,
            seed=job.seed,
            stage="evaluating",
            device=device,
            dtype=dtype,
        ).run(),
        lambda progress: _TEACHER_SHARE * _part(progress),
    )
    size = SummaryConfig(kind="farzi", users=job.summary.users, length=job.summary.length)
    distillation = Distillation(
        learner=learner,
        teacher=teacher,
        train=train,
        task=validation,
        summary=job.summary if job.summary.kind == "farzi" else size,
        inner=job.inner,
        outer=job.outer,
        stop=job.stop,
        seed=job.seed,
        started=started,
    )
    try:
        for progress in distillation:
            yield _TEACHER_SHARE + (1 - _TEACHER_SHARE) * _part(progress)
    except DivergedError:
        if distillation.best is None:
            raise
    best = distillation.best
    assert best is not None  # the last outer step is always validated
    return Rival(expected_embeddings(best.factors, teacher.items), teacher.items, best.lr_factor)


def _part(progress: Progress) -> float:
    return progress.step / progress.steps
