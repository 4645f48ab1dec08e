"""The teacher: one training on the log, or several and one learner that takes their ensemble over."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import torch

from td3core.config import TeacherConfig
from td3core.data import Sequences
from td3core.learners.base import Learner
from td3core.progress import Progress, Stage, relay
from td3core.ranking import SELECTION_METRIC, RankingTask
from td3core.results import TrainingWarning
from td3core.training.ensemble import EnsembleState, EnsembleTraining
from td3core.training.health import warning_of
from td3core.training.log import LogTraining, LogTrainingState, Trained

_SEEDS_APART = 10_007  # between members, so that none is a training of an evaluation, which counts seeds up
_ENSEMBLE_SHARE = 0.5  # about what part of the time of a member its learner takes


@dataclass(frozen=True)
class TeacherTrainingState:
    """All that lives across the steps of a teacher's training."""

    members: tuple[Trained, ...]
    """Those whose training has ended."""
    training: LogTrainingState | None
    """Of the member in training; None: it has not begun, or there is none left."""
    ensemble: EnsembleState | None
    """Of the learner that takes the ensemble over; None: it has not begun."""


class TeacherTraining:
    """Trains as many learners as `config` says and, of more than one, a learner that takes their ensemble over.

    Between two reports it can be left for another, fresh one to go on from its `state`.
    """

    def __init__(
        self,
        learner: Learner,
        train: Sequences,
        task: RankingTask,
        *,
        config: TeacherConfig,
        dropout: float,
        distinct: bool,
        seed: int,
        stage: Stage,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Begin; `distinct` sequences of the log have no item twice."""
        self._task = task
        self._count = config.members_of(interactions=len(train.items), items=train.n_items)
        self._members: tuple[Trained, ...] = ()
        self._training: LogTraining | None = None
        self._ensemble: EnsembleTraining | None = None
        self._resumed: TeacherTrainingState | None = None

        def member(number: int) -> LogTraining:
            return LogTraining(
                learner,
                train,
                task,
                config=config,
                dropout=dropout,
                seed=seed + _SEEDS_APART * number,
                stage=stage,
                name="teacher"
                if self._count == 1
                else f"member {number + 1} of {self._count} of the teacher",
                device=device,
                dtype=dtype,
            )

        def ensemble(members: tuple[Trained, ...]) -> EnsembleTraining:
            return EnsembleTraining(learner, members, train, task, distinct=distinct, seed=seed, stage=stage)

        self._member: Callable[[int], LogTraining] = member
        self._take_over: Callable[[tuple[Trained, ...]], EnsembleTraining] = ensemble

    def state(self) -> TeacherTrainingState:
        """Return all that lives across steps; write it before the training goes on."""
        if self._resumed is not None:
            return self._resumed
        return TeacherTrainingState(
            self._members,
            None if self._training is None else self._training.state(),
            None if self._ensemble is None else self._ensemble.state(),
        )

    def restore(self, state: TeacherTrainingState) -> None:
        """Go on where a training of the same arguments was."""
        self._members, self._resumed = state.members, state

    def run(self) -> Generator[Progress, None, Trained]:
        """Train to the end, and return the teacher.

        Raises:
            DivergedError: a loss is not finite.
        """
        count, resumed = self._count, self._resumed
        share = 1 / (count + _ENSEMBLE_SHARE) if count > 1 else 1.0
        for number in range(len(self._members), count):
            training = self._member(number)
            if resumed is not None and resumed.training is not None:
                training.restore(resumed.training)
            self._training, self._resumed, resumed = training, None, None
            begun = number * share
            member = yield from relay(training.run(), lambda report, begun=begun: _part(report, begun, share))
            self._members, self._training = (*self._members, member), None
        if count == 1:
            return self._members[0]
        ensemble = self._take_over(self._members)
        if resumed is not None and resumed.ensemble is not None:
            ensemble.restore(resumed.ensemble)
        self._ensemble, self._resumed = ensemble, None
        teacher = yield from relay(
            ensemble.run(), lambda report: _part(report, count * share, 1 - count * share)
        )
        return teacher._replace(warnings=self._warnings(teacher.score))

    def _warnings(self, score: float) -> tuple[TrainingWarning, ...]:
        """Return those of the members, and that of their ensemble's learner, which has this score."""
        popularity = self._task.popularity[SELECTION_METRIC]
        own = warning_of("teacher", (score,), best=score, restarts=0, popularity=popularity)
        members = tuple(warning for member in self._members for warning in member.warnings)
        return members if own is None else (*members, own)


def _part(report: Progress, begun: float, share: float) -> Progress:
    """Return the report of a part as one of the whole, in steps of the part's length."""
    whole = round(report.steps / share)
    return replace(report, step=min(whole, round(begun * whole) + report.step), steps=whole)
