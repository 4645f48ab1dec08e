"""What an evaluation trains learners on, and one such training; `td3core.config.sources` has the table of them.

Learners are trained in one of three ways: on the log, embedding included; as students of the summary or of a labelled
rival (see `td3core.training.students`); or on embedded sequences with the item factor that belongs to them, for as many
steps as on the summary unless the table says otherwise. A few real users overfit soon, so a source that is stopped at
its best validation is the most that can be made of them; it takes the validation items of all users to know when.
"""

from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor

from td3core.config import (
    SOURCE_BY_NAME,
    EvaluationSource,
    EvaluationSpec,
    LearnerConfig,
    Source,
    StudentConfig,
)
from td3core.data import Split, popularity
from td3core.errors import DivergedError
from td3core.evaluation.rival import Rival, distil_rivals, rival_summaries
from td3core.evaluation.sequences import EmbeddedSequences, SourceSequences
from td3core.inner import Labeller
from td3core.learners import Learner, build_learner
from td3core.progress import relay
from td3core.ranking import SELECTION_METRIC, Figures, RankingTask, ranking_metrics, validation_task
from td3core.results import TrainingWarning
from td3core.stopwatch import CurvePoint, Stopwatch
from td3core.summary import Summary
from td3core.training import EmbeddedTraining, LogTraining, StudentTraining, Trained

_CHECKS = 8  # pieces of a training, after each of which it may be validated


class Trial(NamedTuple):
    """A learner, trained on a source and scored."""

    ranks: Int32[Tensor, " users"]
    """Of each user's held-out item."""
    figures: Figures
    """What they come to."""
    seconds: float
    """Of training, without any validation."""
    curve: tuple[CurvePoint, ...] = ()
    """Validation NDCG@10 as training went on; of `full` by epochs, of `summary` at the end."""
    warnings: tuple[TrainingWarning, ...] = ()
    """Of a training on the log."""


class Sources:
    """Everything that learners are trained on in one evaluation."""

    def __init__(
        self,
        summary: Summary,
        split: Split,
        spec: EvaluationSpec,
        *,
        spare_bytes: int | None = None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Prepare; `spare_bytes` are those of the archive that a rival may fill (see `labelled`)."""
        self.summary = summary.to(device, dtype)
        self.labeller = self.summary.labeller
        self.split = split
        self.device = device
        self.dtype = dtype
        self.job = summary.manifest.spec
        self.steps = spec.steps or self.job.inner.life
        self.history_length = summary.history_length
        self._own_embedding_size = spec.own_embedding_size
        self.exclude_seen = self.job.data.exclude_seen if spec.exclude_seen is None else spec.exclude_seen
        watch = Stopwatch(device)
        watch.start()
        self._sequences = SourceSequences(
            self.summary, split.train, steps=self.steps, spare_bytes=spare_bytes
        )
        watch.stop()
        self._lesson_seconds = watch.seconds
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
        self._validation = validation_task(
            split,
            max_length=self.job.learner.max_length,
            exclude_seen=self.job.data.exclude_seen,
            device=device,
        )
        self.rival_configs = rival_summaries(spec.sources, self.job, n_items=len(self.summary.items))
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
            teacher=None if self.labeller is None else self._trained_teacher(self.labeller),
            device=self.device,
            dtype=self.dtype,
        )

    def _trained_teacher(self, labeller: Labeller) -> Trained:
        (figures,) = self._validation.evaluate(*labeller)
        return Trained(labeller.items, labeller.parameters, figures[SELECTION_METRIC])

    def scored_teacher(self, teacher: Trained) -> Trial:
        """Score the learner and the item factor that the summary comes from."""
        learner = build_learner(self.job.learner)
        (ranks,) = self._held_out.ranks(learner, teacher.parameters, teacher.items)
        return self._trial(ranks)

    def trial(
        self, config: LearnerConfig, source: EvaluationSource, seed: int, *, sequences: int | None = None
    ) -> Generator[float, None, Trial]:
        """Train a fresh learner and score it, yielding the fraction done.

        A labelled rival may be given a number of `sequences` other than that of the table.

        Raises:
            DivergedError: a loss or a score is not finite, or was not when a rival was distilled.
        """
        row = SOURCE_BY_NAME[source]
        if row.own_embedding:
            config = config.of_width(self._own_embedding_size)
        if row.trains_on == "item_counts":
            counts = torch.from_numpy(popularity(self.split.train)).to(self.device, self.dtype)
            return self._trial(self._held_out.ranks_of_scores(counts))
        if row.trains_on == "teacher":
            (ranks,) = self._held_out.ranks(*self._sequences.teacher())
            return self._trial(ranks)
        if row.trains_on == "log":
            return (yield from self._on_log(config, row, seed))
        if row.teaches(config, distilled=self.job.learner):
            return (yield from self._as_student(config, row, seed, sequences))
        return (yield from self._on_sequences(config, row, seed, sequences))

    def lacks(self, source: EvaluationSource) -> bool:
        """Tell whether the archive has no teacher for it."""
        return SOURCE_BY_NAME[source].needs_teacher and self.labeller is None

    def _on_log(self, config: LearnerConfig, source: Source, seed: int) -> Generator[float, None, Trial]:
        learner = build_learner(config)
        training = LogTraining(
            learner,
            self.split.train,
            self._validation,
            config=self.job.teacher,
            dropout=config.dropout,
            seed=seed,
            stage="evaluating",
            name=f"{source.name}, {config.kind}, layers {config.layers}, width {config.embedding_size}, seed {seed}",
            device=self.device,
            dtype=self.dtype,
        )
        trained = yield from relay(training.run(), lambda progress: progress.step / progress.steps)
        (ranks,) = self._held_out.ranks(learner, trained.parameters, trained.items)
        trial = self._trial(ranks, trained.curve[-1].seconds, trained.curve)
        return trial._replace(warnings=trained.warnings)

    def _as_student(
        self, config: LearnerConfig, source: Source, seed: int, sequences: int | None
    ) -> Generator[float, None, Trial]:
        learner = build_learner(config)
        watch = Stopwatch(self.device)
        watch.start()
        if source.labelled:
            training = self._student_of_given(learner, source, seed, sequences)
        else:
            training = self.summary.student_training(
                learner,
                StudentConfig(),
                own_embedding=source.own_embedding
                or config.embedding_size != self.job.learner.embedding_size,
                seed=seed,
            )
        watch.stop()
        for before, after in _pieces(training.steps):
            watch.start()
            training.run(after - before)
            watch.stop()
            yield after / training.steps
        curve: tuple[CurvePoint, ...] = ()
        if source.role == "summary":
            curve = (
                CurvePoint(watch.seconds, self._validated(learner, training.parameters, training.items)),
            )
        return self._scored(learner, training.parameters, training.items, watch.seconds, curve)

    def _student_of_given(
        self, learner: Learner, source: Source, seed: int, sequences: int | None
    ) -> StudentTraining:
        """Start the training of a student on a labelled rival."""
        config = self._sequences.student(sequences)
        most = self._sequences.student_batch * config.steps * learner.objective.passes
        return StudentTraining(
            None,
            self.summary.items,
            learner=learner,
            labeller=self._sequences.teacher(),
            given=self._sequences.items_of(source, seed, most=most, sequences=sequences),
            config=config,
            seed=seed,
        )

    def _on_sequences(
        self, config: LearnerConfig, source: Source, seed: int, count: int | None
    ) -> Generator[float, None, Trial]:
        learner = build_learner(config)
        inner, steps = self._sequences.inner(source, count)
        sequences = self._made(source, seed, count)
        training = EmbeddedTraining(
            sequences.embeddings,
            targets=sequences.targets,
            items=sequences.items,
            learner=learner,
            inner=inner,
            steps=steps,
            seed=seed,
            lr_factor=sequences.lr_factor,
            lengths=sequences.lengths,
        )
        if source.trains_on == "nothing":
            return self._scored(learner, training.parameters, sequences.items)
        parameters, seconds = yield from self._trained(
            learner, training, sequences.items, steps=steps, stopped=source.stopped
        )
        curve: tuple[CurvePoint, ...] = ()
        if source.trains_on == "summary":
            seconds += self._lesson_seconds
            curve = (CurvePoint(seconds, self._validated(learner, parameters, sequences.items)),)
        return self._scored(learner, parameters, sequences.items, seconds, curve)

    def _made(self, source: Source, seed: int, count: int | None) -> EmbeddedSequences:
        """Return what a source has to train on.

        Raises:
            DivergedError: the distillation of a rival did.
        """
        if source.name not in self.rival_configs:
            return self._sequences.embedded(source, seed, count)
        rival = self.rivals[source.name]
        if rival is None:
            raise DivergedError(f"the distillation of {source.name} diverged")
        return EmbeddedSequences(*rival)

    def _trained(
        self,
        learner: Learner,
        training: EmbeddedTraining,
        items: Float[Tensor, "items d3"],
        *,
        steps: int,
        stopped: bool,
    ) -> Generator[float, None, tuple[Float[Tensor, "1 parameters"], float]]:
        """Train; return the weights at the end, or if `stopped` those of the best validation, and the seconds."""
        best, parameters = -1.0, training.parameters
        watch = Stopwatch(self.device)
        for before, after in _pieces(steps):
            watch.start()
            training.run(after - before)
            watch.stop()
            yield after / steps
            if stopped:
                score = self._validated(learner, training.parameters, items)
                if score <= best:
                    continue
                best = score
            parameters = training.parameters
        return parameters, watch.seconds

    def _validated(
        self,
        learner: Learner,
        parameters: Float[Tensor, "1 parameters"],
        items: Float[Tensor, "items d3"],
    ) -> float:
        (figures,) = self._validation.evaluate(
            learner,
            parameters,
            items,
            history_length=self.history_length,
        )
        return figures[SELECTION_METRIC]

    def _scored(
        self,
        learner: Learner,
        parameters: Float[Tensor, "1 parameters"],
        items: Float[Tensor, "items d3"],
        seconds: float = 0.0,
        curve: tuple[CurvePoint, ...] = (),
    ) -> Trial:
        (ranks,) = self._held_out.ranks(
            learner,
            parameters,
            items,
            history_length=self.history_length,
        )
        return self._trial(ranks, seconds, curve)

    def _trial(
        self, ranks: Int32[Tensor, " users"], seconds: float = 0.0, curve: tuple[CurvePoint, ...] = ()
    ) -> Trial:
        return Trial(ranks, ranking_metrics(ranks, self._held_out.cutoffs), seconds, curve)


def _pieces(steps: int) -> Iterator[tuple[int, int]]:
    """Yield where each piece of a training begins and ends."""
    return pairwise(np.linspace(0, steps, min(_CHECKS, steps) + 1).round().astype(int).tolist())
