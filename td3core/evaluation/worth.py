"""What a summary is worth in real users: how many of them are as good to train on, with labels of the same teacher.

A summary that is ahead of as many labelled real users as it has rows may be worth twice as many or all of them, and
only their number says which. So learners are trained on more and more labelled users, until they rank as well as those
of the summary. Whoever labels real users is not bound to the few steps that suit a summary: on the shared item factor
the stronger of a short and a long training counts, and however many users there are, each is read at least once.
"""

import math
import statistics
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int32
from torch import Tensor

from td3core.config import SOURCE_BY_NAME, EvaluationSource, LearnerConfig
from td3core.errors import DivergedError
from td3core.evaluation.bootstrap import ends_of, estimates
from td3core.evaluation.fidelity import comparison, spreads
from td3core.evaluation.sources import Sources, Trial
from td3core.progress import Progress, relay
from td3core.ranking import SELECTION_CUTOFF, SELECTION_METRIC, ranking_metrics
from td3core.results import Worth, WorthPoint

_MOST_USERS = 1 << 16
"""Beyond these a reading says little more, and their labels take gigabytes."""
_SHARED: tuple[EvaluationSource, ...] = ("random_labelled", "random_labelled_long")
_OWN_EMBEDDING: tuple[EvaluationSource, ...] = ("random_labelled_own_embedding",)


class Reading(NamedTuple):
    """Learners that were trained on a summary in one way, whose worth is to be found."""

    config: LearnerConfig
    summary: EvaluationSource

    @property
    def rivals(self) -> tuple[EvaluationSource, ...]:
        """The ways in which such learners are trained on labelled real users."""
        return _OWN_EMBEDDING if SOURCE_BY_NAME[self.summary].own_embedding else _SHARED


class _Training(NamedTuple):
    """One training on labelled real users."""

    reading: Reading
    source: EvaluationSource
    users: int
    seed: int


class _Point(NamedTuple):
    """So many labelled users, and the learners of the strongest way to train on them."""

    users: int
    source: EvaluationSource
    ranks: Int32[Tensor, "seeds users"]
    score: float


class WorthSearch:
    """Trains learners on more and more labelled users, reading after reading.

    Which training comes next depends on those before it alone, so a search that begins with the `trials` of another
    goes on where that was.
    """

    def __init__(
        self, sources: Sources, readings: Iterable[Reading], *, seeds: Sequence[int], learner: LearnerConfig
    ) -> None:
        """Prepare; `learner` is that of the distillation."""
        self._sources = sources
        self._readings = tuple(readings)
        self._seeds = seeds
        self._learner = learner
        self._rows = sources.summary.factors.shape[0]
        self._users = sources.split.train.n_users
        self._counts = user_counts(self._rows, min(self._users, _MOST_USERS))
        self._ended = 0
        self.trials: list[Trial | None] = []
        """Of trainings that have come to their end, in their order; None for one that diverged."""

    @property
    def steps(self) -> int:
        """How many trainings there are at most."""
        return sum(1 for reading in self._readings for _ in self._trainings(reading))

    @property
    def cost(self) -> float:
        """About what share of the time they take at most, on the scale of the table of sources."""
        return self._cost(training for reading in self._readings for training in self._trainings(reading))

    def run(
        self, ranks: Mapping[Reading, Int32[Tensor, "seeds users"]]
    ) -> Generator[Progress, None, dict[Reading, Worth]]:
        """Search, given the ranks by learners of the summary; readings that have none are skipped.

        Yields reports of the search as a whole; trainings that turn out not to be needed count as done.
        """
        found: dict[Reading, Worth] = {}
        report = Progress("evaluating", 0, self.steps)
        for reading in self._readings:
            most = list(self._trainings(reading))
            end = replace(
                report,
                step=report.step + len(most),
                fraction=report.fraction + self._cost(most) / self.cost,
            )
            if reading in ranks:
                points = yield from self._points(reading, _score(ranks[reading]), report)
                teacher = yield from relay(
                    self._sources.trial(reading.config, "teacher", self._seeds[0]), lambda _, now=report: now
                )
                found[reading] = self._worth(reading, ranks[reading], teacher.ranks[None], points)
            yield end
            report = end
        return found

    def _trainings(self, reading: Reading) -> Iterator[_Training]:
        """Yield all that may be made, in their order."""
        for users in self._counts:
            for source in reading.rivals:
                for seed in self._seeds:
                    yield _Training(reading, source, users, seed)

    def _cost(self, trainings: Iterable[_Training]) -> float:
        return sum(
            SOURCE_BY_NAME[training.source].training_cost(training.reading.config, distilled=self._learner)
            for training in trainings
        )

    def _points(
        self, reading: Reading, score: float, report: Progress
    ) -> Generator[Progress, None, list[_Point]]:
        """Train on more and more users, until their learners reach `score`."""
        points: list[_Point] = []
        best: _Point | None = None
        trials: list[Trial | None] = []
        for training in self._trainings(reading):
            trials.append((yield from self._trial(training, report)))
            report = self._after(report, training, trials[-1])
            if training.seed != self._seeds[-1]:
                continue
            ended = [trial.ranks for trial in trials if trial is not None]
            if len(ended) == len(trials):
                ranks = torch.stack(ended)
                point = _Point(training.users, training.source, ranks, _score(ranks))
                best = point if best is None or point.score > best.score else best
            trials = []
            if training.source != reading.rivals[-1]:
                continue
            if best is not None:
                points.append(best)
                if best.score >= score:
                    break
            best = None
        return points

    def _trial(self, training: _Training, report: Progress) -> Generator[Progress, None, Trial | None]:
        """Train and score a learner, or return what is known already; None if it diverges."""
        self._ended += 1
        if self._ended <= len(self.trials):
            return self.trials[self._ended - 1]
        work = self._sources.trial(
            training.reading.config, training.source, training.seed, sequences=training.users
        )
        share = self._cost([training]) / self.cost
        try:
            trial = yield from relay(
                work, lambda part: replace(report, fraction=report.fraction + part * share)
            )
        except DivergedError:  # no reason to lose the others
            trial = None
        self.trials.append(trial)
        yield self._after(report, training, trial)
        return trial

    def _after(self, before: Progress, training: _Training, trial: Trial | None) -> Progress:
        scored = f"{training.users} users {SELECTION_METRIC}"
        return replace(
            before,
            step=before.step + 1,
            fraction=before.fraction + self._cost([training]) / self.cost,
            scores={} if trial is None else {scored: _score(trial.ranks[None])},
        )

    def _worth(
        self,
        reading: Reading,
        summary: Int32[Tensor, "seeds users"],
        teacher: Int32[Tensor, "1 users"],
        points: Sequence[_Point],
    ) -> Worth:
        # Under the names that the certificate has for them, so that intervals are the same.
        ours, theirs = (reading.config, reading.summary), (reading.config, "teacher")
        of_points = {(reading.config, point.users): point.ranks for point in points}
        found = estimates({ours: summary, theirs: teacher, **of_points}, (SELECTION_CUTOFF,))
        figures = {key: by_metric[SELECTION_METRIC] for key, by_metric in found.items()}
        spread = {key: spreads(by_metric)[SELECTION_METRIC] for key, by_metric in found.items()}
        curve = [(point.users, figures[reading.config, point.users]) for point in points]
        users = users_as_good(figures[ours].mean, [(count, figure.mean) for count, figure in curve])
        drawn = [
            users_as_good(draw, [(count, figure.draws[row]) for count, figure in curve])
            for row, draw in enumerate(figures[ours].draws)
        ]
        low, high = ends_of(np.array([math.inf if count is None else count for count in drawn]))
        return Worth(
            metric=SELECTION_METRIC,
            summary=spread[ours],
            teacher=spread[theirs],
            lead_over_teacher=comparison(figures[ours], figures[theirs]),
            rows=self._rows,
            log_users=self._users,
            users=users,
            low=low if math.isfinite(low) else None,
            high=high if math.isfinite(high) else None,
            times_rows=None if users is None else users / self._rows,
            curve=tuple(
                WorthPoint(users=point.users, source=point.source, figure=spread[reading.config, point.users])
                for point in points
            ),
        )


def user_counts(rows: int, most: int) -> tuple[int, ...]:
    """Return `rows` and then twice as many each time, as long as that is less than `most`, and at last `most`."""
    counts: list[int] = []
    count = rows
    while count < most:
        counts.append(count)
        count *= 2
    return (*counts, most)


def users_as_good(score: float, curve: Sequence[tuple[int, float]]) -> float | None:
    """Return for how many users a curve of (users, score) first comes to `score`; None: it never does.

    Between two points the score is taken to rise evenly with the logarithm of the users. Where the first is as good
    already, it is that.
    """
    before: tuple[int, float] | None = None
    for users, reached in curve:
        if reached >= score:
            if before is None:
                return float(users)
            fewer, below = before
            return fewer * (users / fewer) ** ((score - below) / (reached - below))
        before = (users, reached)
    return None


def _score(ranks: Int32[Tensor, "seeds users"]) -> float:
    """Return the mean over seeds."""
    return statistics.fmean(ranking_metrics(row, (SELECTION_CUTOFF,))[SELECTION_METRIC] for row in ranks)
