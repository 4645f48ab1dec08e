"""What a summary is worth: fresh learners trained on it, beside the full log, the floor and rivals of the same size.

See `sources` for what they are trained on, and `td3core.results.evaluation` for what comes of it.
"""

import statistics
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Int32
from torch import Tensor

from td3core.config import SOURCE_BY_NAME, SOURCES, EvaluationSource, EvaluationSpec, LearnerConfig
from td3core.data import Split
from td3core.errors import DivergedError, InvalidArtifactError
from td3core.evaluation.bootstrap import Estimate, estimates
from td3core.evaluation.fidelity import comparisons, recoveries, spreads
from td3core.evaluation.rival import Rival
from td3core.evaluation.sources import Sources, Trial
from td3core.evaluation.timing import compare_seconds
from td3core.evaluation.trend import configurations, trend_of
from td3core.evaluation.worth import Reading, WorthSearch
from td3core.progress import Progress, relay
from td3core.ranking import Figures
from td3core.results import EvaluationResult, Size, Timing, Trend, Worth
from td3core.summary import Summary


class _Unit(NamedTuple):
    """One training."""

    config: LearnerConfig
    source: EvaluationSource
    seed: int


@dataclass(frozen=True)
class EvaluatorState:
    """The finished rivals and trainings of an evaluation."""

    rivals: Mapping[EvaluationSource, Rival | None]
    """None for one whose distillation diverged."""
    trials: tuple[Trial | None, ...]
    """In the order in which they are made; None for one that diverged."""
    labelled: tuple[Trial | None, ...]
    """Those on labelled users that the worth of the summary is read from, in the same way."""


class Evaluator:
    """Trains and scores learners on the sources of one evaluation."""

    def __init__(
        self,
        summary: Summary,
        split: Split,
        spec: EvaluationSpec,
        *,
        size: Size | None = None,
        spare_bytes: int | None = None,
        distil_seconds: float | None = None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.spec = spec
        self.size = size
        self.distil_seconds = distil_seconds
        self.learner = summary.manifest.spec.learner
        self._sources = Sources(summary, split, spec, spare_bytes=spare_bytes, device=device, dtype=dtype)
        if not self._asked_sources():
            raise InvalidArtifactError(
                f"the archive has no teacher, as those of format 1: {', '.join(spec.sources)} cannot be made of it"
            )
        self._units = list(dict.fromkeys((*self._compared(), *self._trend_units())))
        self._worth = WorthSearch(
            self._sources, self._readings(), seeds=self._seeds(spec.seeds), learner=self.learner
        )
        self._trials: dict[_Unit, Trial] = {}
        self._diverged: set[tuple[LearnerConfig, EvaluationSource]] = set()
        self._done = 0
        """How many of the units have come to their end."""

    def state(self) -> EvaluatorState:
        """Return the trainings that have come to their end."""
        done = self._units[: self._done]
        return EvaluatorState(
            self._sources.rivals,
            tuple(self._trials.get(unit) for unit in done),
            tuple(self._worth.trials),
        )

    def restore(self, state: EvaluatorState) -> None:
        """Skip these rivals and trainings."""
        self._sources.rivals = dict(state.rivals)
        self._worth.trials = list(state.labelled)
        self._done = len(state.trials)
        for unit, trial in zip(self._units, state.trials, strict=False):
            if trial is None:
                self._diverged.add((unit.config, unit.source))
            else:
                self._trials[unit] = trial

    def run(self) -> Generator[Progress, None, EvaluationResult]:
        """Evaluate every learner on every source, seed after seed, and then find what the summary is worth."""
        rivals = sum(SOURCE_BY_NAME[name].preparation_cost for name in self._sources.rival_configs)
        total = rivals + self._cost(self._units) + self._worth.cost
        report = Progress("evaluating", 0, len(self._units) + self._worth.steps)
        if set(self._sources.rival_configs) - set(self._sources.rivals):
            yield from relay(self._sources.distil_rivals(), partial(_within, report, share=rivals / total))
        done = self._units[: self._done]
        report = replace(report, step=len(done), fraction=(rivals + self._cost(done)) / total)
        for unit in self._units[self._done :]:
            share = self._cost([unit]) / total
            work = self._sources.trial(unit.config, unit.source, unit.seed)
            scores: dict[str, float] = {}
            try:
                trial = yield from relay(work, partial(_within, report, share=share))
            except DivergedError:  # no reason to lose the others
                self._diverged.add((unit.config, unit.source))
            else:
                self._trials[unit] = trial
                scores = {f"{unit.source} {name}": trial.figures[name] for name in _ndcg(trial.figures)}
            self._done += 1
            report = replace(report, step=self._done, scores=scores, fraction=report.fraction + share)
            yield report
        search = self._worth.run(self._ranks_of_summaries())
        worth = yield from relay(search, partial(_after, report, share=self._worth.cost / total))
        return self._result(worth)

    def _cost(self, units: Sequence[_Unit]) -> float:
        """Return about what share of the time these trainings take, relative to others."""
        return sum(
            SOURCE_BY_NAME[unit.source].training_cost(unit.config, distilled=self.learner) for unit in units
        )

    def _configs(self) -> dict[str, LearnerConfig]:
        kinds = dict.fromkeys(self.spec.learners)
        return {kind: self.learner.model_copy(update={"kind": kind}) for kind in kinds}

    def _seeds(self, count: int) -> range:
        return range(self.spec.seed, self.spec.seed + count)

    def _compared(self) -> Iterator[_Unit]:
        for config in self._configs().values():
            for seed in self._seeds(self.spec.seeds):
                for source in dict.fromkeys(self.spec.sources):
                    if self._sources.lacks(source):
                        continue
                    yield _Unit(config, source, seed)

    def _trend_units(self) -> Iterator[_Unit]:
        if self.spec.trend is not None:
            for config in configurations(self.spec.trend, self.learner):
                for seed in self._seeds(self.spec.trend.seeds):
                    yield _Unit(config, "full", seed)
                    yield _Unit(config, "summary", seed)

    def _readings(self) -> Iterator[Reading]:
        """Yield the summaries whose worth is asked for, as they are compared with rivals."""
        if self.spec.worth and self._sources.labeller is not None:
            for config in self._configs().values():
                for summary in (self._compared_with_rivals(config), "summary_own_embedding"):
                    if summary in self.spec.sources:
                        yield Reading(config, summary)

    def _ranks_of_summaries(self) -> dict[Reading, Int32[Tensor, "seeds users"]]:
        """Return the ranks of every summary on which no learner diverged."""
        return {
            reading: torch.stack([trial.ranks for trial in self._of(*reading, self.spec.seeds)])
            for reading in self._readings()
            if reading not in self._diverged
        }

    def _result(self, worth: Mapping[Reading, Worth]) -> EvaluationResult:
        configs = self._configs()
        estimated = self._estimates()
        figures = {
            kind: {source: estimated[config, source] for source in self._scored_sources(config)}
            for kind, config in configs.items()
        }
        return EvaluationResult(
            results={
                kind: {source: spreads(found) for source, found in by_source.items()}
                for kind, by_source in figures.items()
            },
            recovery={kind: recoveries(by_source) for kind, by_source in figures.items()},
            own_recovery={
                kind: recoveries(by_source, "summary_own_embedding") for kind, by_source in figures.items()
            },
            comparison={
                kind: comparisons(by_source, self._compared_with_rivals(configs[kind]))
                for kind, by_source in figures.items()
            },
            worth={
                kind: {reading.summary: found for reading, found in worth.items() if reading.config == config}
                for kind, config in configs.items()
            }
            if self.spec.worth
            else {},
            diverged={
                kind: tuple(name for name in self._asked_sources() if (config, name) in self._diverged)
                for kind, config in configs.items()
            },
            unavailable=self._unavailable(),
            warnings=tuple(
                warning
                for unit in self._units
                if unit in self._trials
                for warning in self._trials[unit].warnings
            ),
            seconds={
                kind: {source: self._mean_seconds(config, source) for source in self._scored_sources(config)}
                for kind, config in configs.items()
            },
            timing={
                kind: self._timing(config)
                for kind, config in configs.items()
                if {"summary", "full"} <= set(self._scored_sources(config))
            },
            trend=self._trend(),
            size=self.size,
            seeds=tuple(self._seeds(self.spec.seeds)),
            intervals="seeds and users",
            split=self.spec.split,
            protocol=self.spec.protocol,
            exclude_seen=self._sources.exclude_seen,
        )

    def _compared_with_rivals(self, config: LearnerConfig) -> EvaluationSource:
        """Name the source that trains on the summary as others train on rivals: not as a student."""
        return next(
            source.name
            for source in SOURCES
            if source.role == "summary" and not source.teaches(config, distilled=self.learner)
        )

    def _asked_sources(self) -> list[EvaluationSource]:
        """Return the sources of the spec, in the order of the table, without those that lack their teacher."""
        return [
            source.name
            for source in SOURCES
            if source.name in self.spec.sources and not self._sources.lacks(source.name)
        ]

    def _unavailable(self) -> tuple[str, ...]:
        """Name what was asked for and needs the teacher that is not there."""
        sources = [
            source.name
            for source in SOURCES
            if source.name in self.spec.sources and self._sources.lacks(source.name)
        ]
        lacks_worth = self.spec.worth and self._sources.labeller is None
        return (*sources, *(["worth"] if lacks_worth else []))

    def _scored_sources(self, config: LearnerConfig) -> list[EvaluationSource]:
        """Return those on which no training of a learner diverged."""
        return [name for name in self._asked_sources() if (config, name) not in self._diverged]

    def _of(self, config: LearnerConfig, source: EvaluationSource, seeds: int) -> list[Trial]:
        return [self._trials[_Unit(config, source, seed)] for seed in self._seeds(seeds)]

    def _estimates(self) -> dict[tuple[LearnerConfig, EvaluationSource], dict[str, Estimate]]:
        """Estimate the figures of every source that is compared, by learner."""
        return self._estimated(
            (
                (config, source)
                for config in self._configs().values()
                for source in self._scored_sources(config)
            ),
            self.spec.seeds,
        )

    def _estimated(
        self, pairs: Iterable[tuple[LearnerConfig, EvaluationSource]], seeds: int
    ) -> dict[tuple[LearnerConfig, EvaluationSource], dict[str, Estimate]]:
        ranks = {pair: torch.stack([trial.ranks for trial in self._of(*pair, seeds)]) for pair in pairs}
        return estimates(ranks, self.spec.cutoffs)

    def _mean_seconds(self, config: LearnerConfig, source: EvaluationSource) -> float:
        return statistics.fmean(trial.seconds for trial in self._of(config, source, self.spec.seeds))

    def _timing(self, config: LearnerConfig) -> Timing:
        return compare_seconds(
            summary=[trial.curve[-1] for trial in self._of(config, "summary", self.spec.seeds)],
            full=[trial.curve for trial in self._of(config, "full", self.spec.seeds)],
            distil=self.distil_seconds,
        )

    def _trend(self) -> Trend | None:
        if self.spec.trend is None:
            return None
        configs = [
            config
            for config in configurations(self.spec.trend, self.learner)
            if not {(config, "summary"), (config, "full")} & self._diverged
        ]
        sources: tuple[EvaluationSource, EvaluationSource] = ("summary", "full")
        found = self._estimated(product(configs, sources), self.spec.trend.seeds)
        rows = [
            (config, spreads(found[config, "summary"]), spreads(found[config, "full"])) for config in configs
        ]
        return trend_of(rows) if rows else None


def _ndcg(figures: Figures) -> Iterator[str]:
    return (name for name in figures if name.startswith("ndcg"))


def _after(before: Progress, then: Progress, *, share: float) -> Progress:
    return replace(
        then,
        step=before.step + then.step,
        steps=before.steps,
        fraction=before.fraction + then.fraction * share,
    )


def _within(before: Progress, part: float, *, share: float) -> Progress:
    return replace(before, fraction=before.fraction + part * share)
