"""What an evaluation trains learners on, and one such training.

- `full`: the whole training split, from scratch, embedding included; the ceiling.
- `summary`: the summary, on the shared item factor. Learners of another kind than the distillation's are taught (see
  `student`), from nothing but the summary; `summary_untaught` trains all alike, as the paper does.
- `floor`: nothing; an untrained learner on the shared item factor.
- `random`, `longest`, `coreset`: as many steps as on the summary on as many real users, each cut to its last steps, at
  every position, on the shared item factor.
- `random_stopped`, `longest_stopped`, `coreset_stopped`: the same, but stopped where the validation NDCG is best. A few
  real users overfit soon, so this is the most that can be made of them; it takes the held-out items of all users to
  know when.
- `farzi`, `farzi_small`: other summaries of as many synthetic users and steps, distilled for the purpose (see `rival`):
  Farzi's as it is by default, and one that stores no more numbers than the summary, as far as its rank goes down.
- `own_full`, `own_soft`: the whole training split, and the summary (taught), for learners with an item embedding of
  their own of another width, from scratch.
- `popularity`: no learner; items by training interactions.
"""

from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from td3core.config import EvaluationSource, EvaluationSpec, LearnerConfig, StudentConfig, SummaryConfig
from td3core.data import Split, popularity
from td3core.errors import DivergedError
from td3core.evaluation.coreset import coreset_users
from td3core.evaluation.fidelity import Figures
from td3core.evaluation.rival import Rival, as_small, as_wide, distil_rivals
from td3core.evaluation.users import embed_users, longest_users, random_users
from td3core.learners import Learner, build_learner
from td3core.progress import relay
from td3core.ranking import RankingTask
from td3core.stopwatch import CurvePoint, Stopwatch
from td3core.summary import Summary
from td3core.training import EmbeddedTraining, LogTraining, Trained

_CHECKS = 8  # pieces of a training, after each of which it may be validated
_VALIDATION_METRIC = "ndcg@10"


class Trial(NamedTuple):
    """A learner, trained on a source and scored."""

    figures: Figures
    """On the held-out items."""
    seconds: float
    """Of training, without any validation."""
    curve: tuple[CurvePoint, ...] = ()
    """Validation NDCG@10 as training went on; of `full` by epochs, of `summary` at the end."""


class Sources:
    """Everything that learners are trained on in one evaluation."""

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
        self.device = device
        self.dtype = dtype
        self.job = summary.manifest.spec
        self.steps = spec.steps or self.job.inner.steps
        self.history_length = summary.history_length
        self._own_embedding_size = spec.own_embedding_size
        self.exclude_seen = self.job.data.exclude_seen if spec.exclude_seen is None else spec.exclude_seen
        watch = Stopwatch(device)
        watch.start()
        self._embeddings = self.summary.expected_embeddings()
        watch.stop()
        self._embedding_seconds = watch.seconds
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
            cutoffs=(10,),
            exclude_seen=self.job.data.exclude_seen,
            device=device,
        )
        size = self.job.summary
        small = as_small(
            size, n_items=len(self.summary.items), embedding_size=self.job.learner.embedding_size
        )
        wanted: dict[EvaluationSource, SummaryConfig] = {"farzi": as_wide(size), "farzi_small": small}
        self.rival_configs: dict[EvaluationSource, SummaryConfig] = {
            source: config for source, config in wanted.items() if source in spec.sources
        }
        """What is to be distilled for the purpose."""
        self.rivals: dict[EvaluationSource, Rival | None] = {}
        """What learners are trained on of it, once it is distilled; None: that diverged."""

    def distil_rivals(self) -> Generator[float, None, None]:
        """Make the rivals that are not there yet, yielding the fraction done."""
        yield from distil_rivals(
            self.rival_configs,
            self.rivals,
            self.job,
            self.split.train,
            self._validation,
            device=self.device,
            dtype=self.dtype,
        )

    def scored_teacher(self, teacher: Trained) -> Figures:
        """Score the learner and the item factor that the summary comes from."""
        learner = build_learner(self.job.learner)
        (figures,) = self._held_out.evaluate(learner, teacher.parameters, teacher.items)
        return figures

    def trial(
        self, config: LearnerConfig, source: EvaluationSource, seed: int
    ) -> Generator[float, None, Trial]:
        """Train a fresh learner and score it, yielding the fraction done.

        Raises:
            DivergedError: a loss or a score is not finite, or was not when a rival was distilled.
        """
        learner = build_learner(config)
        match source:
            case "popularity":
                counts = torch.from_numpy(popularity(self.split.train)).to(self.device, self.dtype)
                return Trial(self._held_out.evaluate_scores(counts), 0.0)
            case "full":
                return (yield from self._full(config, seed))
            case "own_full":
                return (yield from self._full(config.of_width(self._own_embedding_size), seed))
            case "own_soft":
                own = config.of_width(self._own_embedding_size)
                return (yield from self._taught(own, seed, own_embedding=True))
            case "floor":
                training = self._training(learner, seed, self._embeddings)
                return Trial(self._scored(learner, training.parameters), 0.0)
            case "summary" if config.embedding_size != self.job.learner.embedding_size:
                return (yield from self._taught(config, seed, own_embedding=True))
            case "summary" if config.kind != self.job.learner.kind:
                return (yield from self._taught(config, seed, own_embedding=False))
            case "summary" | "summary_untaught":
                training = self._training(learner, seed, self._embeddings)
                parameters, seconds = yield from self._trained(learner, training)
                seconds += self._embedding_seconds
                end = CurvePoint(seconds, self._validated(learner, parameters))
                return Trial(self._scored(learner, parameters), seconds, (end,))
            case "farzi" | "farzi_small":
                rival = self.rivals[source]
                if rival is None:
                    raise DivergedError(f"the distillation of {source} diverged")
                training = self._training(learner, seed, rival.embeddings, rival=rival)
                parameters, seconds = yield from self._trained(learner, training)
                return Trial(self._scored(learner, parameters, rival.items), seconds)
            case _:
                embeddings, lengths = embed_users(
                    self.split.train,
                    self._real_users(source, seed),
                    self.summary.items,
                    length=self._embeddings.shape[1],
                )
                training = self._training(learner, seed, embeddings, lengths=lengths)
                stopped = source.endswith("_stopped")
                parameters, seconds = yield from self._trained(learner, training, stopped=stopped)
                return Trial(self._scored(learner, parameters), seconds)

    def _full(self, config: LearnerConfig, seed: int) -> Generator[float, None, Trial]:
        learner = build_learner(config)
        training = LogTraining(
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
        trained = yield from relay(training.run(), lambda progress: progress.step / progress.steps)
        (figures,) = self._held_out.evaluate(learner, trained.parameters, trained.items)
        return Trial(figures, trained.curve[-1].seconds, trained.curve)

    def _taught(
        self, config: LearnerConfig, seed: int, *, own_embedding: bool
    ) -> Generator[float, None, Trial]:
        learner = build_learner(config)
        watch = Stopwatch(self.device)
        watch.start()
        training = self.summary.student_training(
            learner, StudentConfig(), own_embedding=own_embedding, seed=seed
        )
        watch.stop()
        for before, after in _pieces(training.steps):
            watch.start()
            training.run(after - before)
            watch.stop()
            yield after / training.steps
        end = CurvePoint(watch.seconds, self._validated(learner, training.parameters, training.items))
        figures = self._scored(learner, training.parameters, training.items)
        return Trial(figures, watch.seconds, (end,))

    def _real_users(self, source: str, seed: int) -> NDArray[np.int64]:
        mu, zeta = self._embeddings.shape[:2]
        train = self.split.train
        count = min(mu, train.n_users)
        match source.removesuffix("_stopped"):
            case "longest":
                return longest_users(train, count)
            case "coreset":
                return coreset_users(train, count, self.summary.items, length=zeta)
            case _:
                return random_users(train, count, np.random.default_rng(seed))

    def _training(
        self,
        learner: Learner,
        seed: int,
        embeddings: Float[Tensor, "mu zeta d3"],
        *,
        rival: Rival | None = None,
        lengths: Int[Tensor, " mu"] | None = None,
    ) -> EmbeddedTraining:
        return EmbeddedTraining(
            embeddings,
            items=self.summary.items if rival is None else rival.items,
            learner=learner,
            inner=self.job.inner,
            steps=self.steps,
            seed=seed,
            lr_factor=(rival or self.summary.manifest).lr_factor,
            lengths=lengths,
        )

    def _trained(
        self, learner: Learner, training: EmbeddedTraining, *, stopped: bool = False
    ) -> Generator[float, None, tuple[Float[Tensor, "1 parameters"], float]]:
        """Train; return the weights at the end, or if `stopped` those of the best validation, and the seconds."""
        best, parameters = -1.0, training.parameters
        watch = Stopwatch(self.device)
        for before, after in _pieces(self.steps):
            watch.start()
            training.run(after - before)
            watch.stop()
            yield after / self.steps
            if stopped:
                score = self._validated(learner, training.parameters)
                if score <= best:
                    continue
                best = score
            parameters = training.parameters
        return parameters, watch.seconds

    def _validated(
        self,
        learner: Learner,
        parameters: Float[Tensor, "1 parameters"],
        items: Float[Tensor, "items d3"] | None = None,
    ) -> float:
        (figures,) = self._validation.evaluate(
            learner,
            parameters,
            self.summary.items if items is None else items,
            history_length=self.history_length,
        )
        return figures[_VALIDATION_METRIC]

    def _scored(
        self,
        learner: Learner,
        parameters: Float[Tensor, "1 parameters"],
        items: Float[Tensor, "items d3"] | None = None,
    ) -> Figures:
        (figures,) = self._held_out.evaluate(
            learner,
            parameters,
            self.summary.items if items is None else items,
            history_length=self.history_length,
        )
        return figures


def _pieces(steps: int) -> Iterator[tuple[int, int]]:
    """Yield where each piece of a training begins and ends."""
    return pairwise(np.linspace(0, steps, min(_CHECKS, steps) + 1).round().astype(int).tolist())
