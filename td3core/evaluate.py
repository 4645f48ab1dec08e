"""What a summary is worth: fresh learners trained on it, beside the full log, the floor and subsets of the same size.

- `full`: trained on the whole training split, from scratch, embedding included; the ceiling.
- `summary`: trained on the summary, on the shared item factor.
- `floor`: untrained, on the shared item factor.
- `random`, `longest`: trained as many steps on as many real users, each cut to its last steps, at every position.
- `random_stopped`, `longest_stopped`: the same, but stopped where the validation NDCG is best. A few real users overfit
  soon, so this is the most that can be made of them; it takes the held-out items of all users to know when.
- `popularity`: no learner; items by training interactions.
"""

import statistics
import time
from collections.abc import Generator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from td3core.config import EvaluationSource, EvaluationSpec, LearnerKind
from td3core.embedded import EmbeddedTraining, embed_users, longest_users, random_users
from td3core.fidelity import EvaluationResult, Figures, recoveries, spreads
from td3core.learners import Learner, build_learner
from td3core.progress import Progress, relay
from td3core.ranking import RankingTask
from td3core.sequences import Split, popularity
from td3core.summary import Summary
from td3core.train import train_on_log

_CHECKS = 8  # pieces of a training, after each of which it may be validated
_VALIDATION_CUTOFF = 10
_WORK: dict[EvaluationSource, float] = {
    "full": 20.0,
    "summary": 2.0,
    "random": 2.0,
    "longest": 2.0,
    "random_stopped": 2.0,
    "longest_stopped": 2.0,
    "floor": 0.1,
    "popularity": 0.1,
}  # about how the time divides, for the progress alone


class Evaluator:
    """Trains and scores learners on the sources of one evaluation."""

    def __init__(
        self,
        summary: Summary,
        split: Split,
        spec: EvaluationSpec,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.summary = summary.to(device, dtype)
        self.split = split
        self.spec = spec
        self.device = device
        self.dtype = dtype
        self.job = summary.manifest.spec
        self.exclude_seen = self.job.data.exclude_seen if spec.exclude_seen is None else spec.exclude_seen
        self.steps = spec.steps or self.job.inner.steps
        self._embeddings = self.summary.expected_embeddings()
        self._held_out = RankingTask(
            split,
            part=spec.split,
            max_length=self.job.learner.max_length,
            cutoffs=spec.cutoffs,
            protocol=spec.protocol,
            exclude_seen=self.exclude_seen,
            generator=torch.Generator().manual_seed(spec.seed),
            device=device,
        )
        self._validation = RankingTask(
            split,
            part="valid",
            max_length=self.job.learner.max_length,
            cutoffs=(_VALIDATION_CUTOFF,),
            exclude_seen=self.job.data.exclude_seen,
            device=device,
        )

    def run(self) -> Generator[Progress, None, EvaluationResult]:
        """Evaluate every learner on every source, seed after seed."""
        seeds = tuple(range(self.spec.seed, self.spec.seed + self.spec.seeds))
        units: list[tuple[LearnerKind, EvaluationSource, int]] = [
            (kind, source, seed)
            for kind in dict.fromkeys(self.spec.learners)
            for seed in seeds
            for source in dict.fromkeys(self.spec.sources)
        ]
        figures: dict[str, dict[str, list[Figures]]] = {}
        seconds: dict[str, dict[str, list[float]]] = {}
        work, fraction, losses = sum(_WORK[source] for _, source, _ in units), 0.0, Figures()
        for index, (kind, source, seed) in enumerate(units):
            started = time.monotonic()
            before, share = Progress("evaluating", index, len(units), losses, fraction), _WORK[source] / work
            found = yield from relay(self._score(kind, source, seed), partial(_within, before, share=share))
            figures.setdefault(kind, {}).setdefault(source, []).append(found)
            seconds.setdefault(kind, {}).setdefault(source, []).append(time.monotonic() - started)
            fraction += share
            losses = {f"{source} {name}": value for name, value in found.items() if name.startswith("ndcg")}
            yield Progress("evaluating", index + 1, len(units), losses, fraction)
        results = {
            kind: {source: spreads(rows) for source, rows in by_source.items()}
            for kind, by_source in figures.items()
        }
        return EvaluationResult(
            results=results,
            recovery={kind: recoveries(by_source) for kind, by_source in results.items()},
            seconds={
                kind: {source: statistics.fmean(times) for source, times in by_source.items()}
                for kind, by_source in seconds.items()
            },
            seeds=seeds,
            split=self.spec.split,
            protocol=self.spec.protocol,
            exclude_seen=self.exclude_seen,
        )

    def _score(
        self, kind: LearnerKind, source: EvaluationSource, seed: int
    ) -> Generator[float, None, Figures]:
        """Train on one source, yielding the fraction done; return the held-out figures."""
        config = self.job.learner.model_copy(update={"kind": kind})
        learner = build_learner(config)
        items = self.summary.items
        match source:
            case "popularity":
                counts = torch.from_numpy(popularity(self.split.train))
                return self._held_out.evaluate_scores(counts.to(self.device, self.dtype))
            case "full":
                training = train_on_log(
                    learner,
                    self.split.train,
                    self._validation,
                    config=self.job.teacher,
                    dropout=config.dropout,
                    seed=seed,
                    stage="evaluating",
                    device=self.device,
                    dtype=self.dtype,
                )
                trained = yield from relay(training, lambda progress: progress.step / progress.steps)
                parameters, items = trained.parameters, trained.items
            case "floor":
                parameters = self._training(learner, seed, self._embeddings).parameters
            case "summary":
                training = self._training(learner, seed, self._embeddings)
                parameters = yield from self._trained(learner, training)
            case "random" | "longest" | "random_stopped" | "longest_stopped":
                users = self._real_users(source, seed)
                embeddings, lengths = embed_users(
                    self.split.train, users, items, length=self._embeddings.shape[1]
                )
                training = self._training(learner, seed, embeddings, lengths)
                stopped = source.endswith("_stopped")
                parameters = yield from self._trained(learner, training, stopped=stopped)
        reach = None if source == "full" else self.summary.reach
        (figures,) = self._held_out.evaluate(learner, parameters, items, reach=reach)
        return figures

    def _real_users(self, source: EvaluationSource, seed: int) -> NDArray[np.int64]:
        count = min(self._embeddings.shape[0], self.split.train.n_users)
        if source.startswith("longest"):
            return longest_users(self.split.train, count)
        return random_users(self.split.train, count, np.random.default_rng(seed))

    def _training(
        self, learner: Learner, seed: int, embeddings: Tensor, lengths: Tensor | None = None
    ) -> EmbeddedTraining:
        return EmbeddedTraining(
            embeddings,
            items=self.summary.items,
            learner=learner,
            inner=self.job.inner,
            steps=self.steps,
            seed=seed,
            lr_factor=self.summary.manifest.lr_factor,
            lengths=lengths,
        )

    def _trained(
        self, learner: Learner, training: EmbeddedTraining, *, stopped: bool = False
    ) -> Generator[float, None, Float[Tensor, "1 parameters"]]:
        """Train for the spec's steps; return the weights at the end, or if `stopped` those of the best validation."""
        best, parameters = -1.0, training.parameters
        marks = np.linspace(0, self.steps, min(_CHECKS, self.steps) + 1).round().astype(int)
        for before, after in zip(marks[:-1].tolist(), marks[1:].tolist(), strict=True):
            training.run(after - before)
            yield after / self.steps
            if stopped:
                (figures,) = self._validation.evaluate(
                    learner, training.parameters, self.summary.items, reach=self.summary.reach
                )
                score = figures[f"ndcg@{_VALIDATION_CUTOFF}"]
                if score <= best:
                    continue
                best = score
            parameters = training.parameters
        return parameters


def _within(before: Progress, part: float, *, share: float) -> Progress:
    return replace(before, fraction=before.fraction + part * share)
