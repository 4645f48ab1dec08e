"""Ordinary training on a real log: the teacher, and the full-data ceiling."""

import logging
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from td3core.catalogue import mean_cross_entropy, with_smaller_blocks
from td3core.checkpoint import OptimizerTensors, optimizer_tensors, restore_generator, restore_optimizer
from td3core.config import TeacherConfig
from td3core.data import Sequences, SupervisedChunks, chunk_batches, room_for_chunks, supervise
from td3core.errors import DivergedError
from td3core.learners import NextItem
from td3core.learners.base import Dropout, Learner
from td3core.learners.layers import INITIAL_STD
from td3core.progress import Progress, Stage
from td3core.ranking import SELECTION_METRIC, RankingTask
from td3core.results import TrainingWarning
from td3core.schedules import cosine_decay, set_learning_rate
from td3core.stopwatch import CurvePoint, Stopwatch
from td3core.training.health import warning_of
from td3core.training.recorded import RecordedGradient
from td3core.training.restarts import MOST_RESTARTS, is_stuck, recipe
from td3core.training.steps import differentiate

log = logging.getLogger(__name__)

_REPORT_EVERY = 10  # steps
_UNSCALED = 64  # width times depth of the largest learner that is trained at the full rate


class Trained(NamedTuple):
    """A learner with the item embedding it was trained beside."""

    items: Float[Tensor, "items d3"]
    parameters: Float[Tensor, "1 parameters"]
    score: float
    """Validation NDCG at the cut-off of `SELECTION_METRIC`."""
    trajectory: Float[Tensor, "epochs parameters"] | None = None
    """Weights after each epoch up to this one."""
    curve: tuple[CurvePoint, ...] = ()
    """How it went, epoch after epoch: those after the best one and those before a restart included."""
    warnings: tuple[TrainingWarning, ...] = ()
    """What is to be said of it, and of the trainings that it comes from."""


@dataclass(frozen=True)
class TrainingCourse:
    """How far a training on a log is, and what has come of it."""

    total: Float[Tensor, ""]
    """Of the losses of this epoch."""
    restarts: int = 0
    """How often the training was started again."""
    epoch: int = 0
    """Epochs done since then."""
    drawn_from: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The state of the shuffle from which this epoch's batches were drawn."""
    step: int = 0
    """Batches of this epoch that are done."""
    epoch_steps: int = 0
    """Batches of the first epoch; where chunks are cut is drawn, so that others differ a little."""
    best: Trained | None = None
    misses: int = 0
    """Epochs since the best one of those since the last start."""
    trajectory: tuple[Float[Tensor, " parameters"], ...] = ()
    """Weights after each epoch since then."""
    curve: tuple[CurvePoint, ...] = ()
    """Of all epochs."""

    @property
    def scores(self) -> tuple[float, ...]:
        """Of the epochs since the last start."""
        return tuple(point.score for point in self.curve[len(self.curve) - self.epoch :])


@dataclass(frozen=True)
class LogTrainingState:
    """All that lives across the steps of a training on a log; its tensors are those of the training itself."""

    course: TrainingCourse
    seconds: float
    items: Float[Tensor, "items d3"]
    parameters: Float[Tensor, "1 parameters"]
    optimizer: OptimizerTensors
    generator: UInt8[Tensor, " state"]


def next_item_loss(
    learner: Learner,
    parameters: Float[Tensor, "1 parameters"],
    items: Float[Tensor, "items d3"],
    batch: SupervisedChunks,
    dropout: Dropout | None = None,
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the batch's targets; differentiable by all weights."""
    (outputs,) = predict_targets(learner, parameters, items, batch, dropout)
    return mean_cross_entropy(outputs, items, batch.targets)


def predict_targets(
    learner: Learner,
    parameters: Float[Tensor, "learners parameters"],
    items: Float[Tensor, "items d3"],
    batch: SupervisedChunks,
    dropout: Dropout | None = None,
) -> Float[Tensor, "learners targets d3"]:
    """Return the predictions of the batch's targets."""
    embeddings = functional.embedding(batch.items, items)
    outputs = learner(
        parameters,
        embeddings.expand(len(parameters), *embeddings.shape),
        None if batch.positions is None else batch.positions[None],
        lengths=batch.lengths[None],
        dropout=dropout,
    )
    return batch.of_targets(outputs)


def _lr_scale(learner: Learner) -> float:
    """Return the factor on the learning rate by width and depth, which is above 1 for small learners."""
    return (_UNSCALED / (learner.embedding_size * learner.layers)) ** 0.5


class LogTraining:
    """Training of weights and item embedding on a log until the validation NDCG stops rising.

    If it does not get beyond popularity it starts again, otherwise than before (see `restarts`).

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
        seed: int,
        stage: Stage,
        name: str = "training",
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Begin; its `name` is for those who read of it."""
        self.learner = learner
        self.train = train
        self.task = task
        self.config = config
        self.stage: Stage = stage
        self.name = name
        self._notice: str | None = None
        """Of a restart that is not reported yet."""
        self._configured_dropout = dropout
        self._generator = torch.Generator(device).manual_seed(seed)
        self._shuffle = np.random.default_rng(seed)
        self._watch = Stopwatch(device)
        self._course = TrainingCourse(torch.zeros((), dtype=dtype, device=device))
        self._follow_recipe(0)
        self._draw_weights()

    def _follow_recipe(self, restarts: int) -> None:
        """Train from now on as after so many restarts."""
        scale = _lr_scale(self.learner)
        followed = recipe(restarts, small=scale >= 1)
        lr = self.config.lr * min(followed.most_scale, scale) if self.config.scale_lr else self.config.lr
        self._lr = lr * followed.rate
        self._dropout = Dropout(self._configured_dropout * followed.dropout, self._generator)
        self._item_std = INITIAL_STD * followed.spread

    def _draw_weights(self) -> None:
        dtype, device = self._course.total.dtype, self._course.total.device
        self._items = torch.empty(self.train.n_items, self.learner.embedding_size, dtype=dtype, device=device)
        self._items.normal_(std=self._item_std, generator=self._generator).requires_grad_()
        drawn = self.learner.initialise(1, generator=self._generator, dtype=dtype, device=device)
        self._parameters = drawn.requires_grad_()
        self._optimizer = torch.optim.Adam(
            [self._items, self._parameters], lr=self._lr, weight_decay=self.config.weight_decay, fused=True
        )
        self._recorded = self._recording()

    def _recording(self) -> RecordedGradient | None:
        """Return what records the gradient by the weights as they lie and the dropout of now, where that pays."""
        if not self._items.is_cuda or not isinstance(self.learner.objective, NextItem):
            return None
        rows = room_for_chunks(self.train, length=self.learner.max_length, batch_size=self.config.batch_size)
        recorded = RecordedGradient(self.learner, self._dropout, self._items, self._parameters, rows=rows)
        return recorded if recorded.pays else None

    def state(self) -> LogTrainingState:
        """Return all that lives across steps and epochs; write it before the training goes on."""
        return LogTrainingState(
            course=self._course,
            seconds=self._watch.seconds,
            items=self._items,
            parameters=self._parameters,
            optimizer=optimizer_tensors(self._optimizer),
            generator=self._generator.get_state(),
        )

    @torch.no_grad()
    def restore(self, state: LogTrainingState) -> None:
        """Go on where a training of the same arguments was."""
        self._course = state.course
        self._follow_recipe(state.course.restarts)
        self._recorded = self._recording()
        self._shuffle.bit_generator.state = state.course.drawn_from
        self._watch.seconds = state.seconds
        self._items.copy_(state.items)
        self._parameters.copy_(state.parameters)
        restore_optimizer(self._optimizer, state.optimizer)
        restore_generator(self._generator, state.generator)

    def run(self) -> Generator[Progress, None, Trained]:
        """Train to the end, and return the best.

        Raises:
            DivergedError: a loss is not finite.
        """
        while self._course.epoch < self.config.max_epochs and self._course.misses < self.config.patience:
            self._watch.start()
            self._course = replace(self._course, drawn_from=self._shuffle.bit_generator.state)
            yield from self._run_epoch(self._draw_batches())
            self._watch.stop()
            total = self._course.total
            if not torch.isfinite(total):
                raise DivergedError(
                    f"the training loss was {float(total)} in epoch {self._course.epoch + 1}: lower teacher.lr"
                )
            self._end_epoch()
            if self._is_to_restart():
                self._restart()
        best = self._course.best
        assert best is not None
        found = warning_of(
            self.name,
            self._course.scores,
            best=best.score,
            restarts=self._course.restarts,
            popularity=self.task.popularity[SELECTION_METRIC],
        )
        if found is not None and found.reason != "restarted":  # that is told already
            log.warning("%s", found.detail)
        return best._replace(curve=self._course.curve, warnings=() if found is None else (found,))

    def _set_rate(self, epochs: float) -> None:
        """Set the learning rate: it rises over the first steps, and decays along a cosine from epoch to epoch."""
        decay = cosine_decay(self._course.epoch / self.config.max_epochs)
        rise = min(1.0, epochs / self.config.warm_up) if self.config.warm_up else 1.0
        set_learning_rate(self._optimizer, self._lr * decay * rise)

    def _draw_batches(self) -> list[Int[Tensor, "_chunks _steps"]]:
        return [
            chunks
            for _ in range(self.learner.objective.passes)
            for chunks in chunk_batches(
                self.train,
                length=self.learner.max_length,
                batch_size=self.config.batch_size,
                generator=self._shuffle,
                device=self._items.device,
            )
        ]

    def _run_epoch(self, batches: list[Int[Tensor, "_chunks _steps"]]) -> Generator[Progress, None, None]:
        """Take a step on each batch that is not done yet."""
        epoch, epoch_steps = self._course.epoch, self._course.epoch_steps or len(batches)
        for index in range(self._course.step, len(batches)):
            loss = self._differentiate(batches[index])
            self._set_rate(epoch + (index + 1) / epoch_steps)
            self._optimizer.step()
            total = self._course.total + loss
            self._course = replace(self._course, total=total, step=index + 1, epoch_steps=epoch_steps)
            if index % _REPORT_EVERY == 0:
                self._watch.stop()
                yield self._report(float(loss), index * epoch_steps // len(batches))
                self._watch.start()

    def _differentiate(self, chunks: Int[Tensor, "chunks steps"]) -> Float[Tensor, ""]:
        """Give the weights their gradient by these chunks; return the loss."""
        if self._recorded is not None:
            found = with_smaller_blocks(partial(self._recorded, chunks))
            self._items.grad, self._parameters.grad = found.by_items, found.by_parameters
            return found.loss.clone()
        batch = supervise(
            chunks, self.learner.objective, n_items=self.train.n_items, generator=self._generator
        )
        return differentiate(
            lambda: next_item_loss(self.learner, self._parameters, self._items, batch, self._dropout),
            self._optimizer,
        )

    def _report(self, loss: float, step: int) -> Progress:
        """Report this step of an epoch; epochs before a restart count as well."""
        course = self._course
        notice, self._notice = self._notice, None
        lost = len(course.curve) - course.epoch
        return Progress(
            self.stage,
            (lost + course.epoch) * course.epoch_steps + step,
            (lost + self.config.max_epochs) * course.epoch_steps,
            {"train": loss},
            {} if course.best is None else {SELECTION_METRIC: course.best.score},
            warning=notice,
        )

    def _end_epoch(self) -> None:
        """Validate, and keep what is best."""
        course, items, parameters = self._course, self._items.detach(), self._parameters.detach()
        (figures,) = self.task.evaluate(self.learner, parameters, items)
        score = figures[SELECTION_METRIC]
        trajectory = (*course.trajectory, parameters[0].clone())
        best, misses = course.best, course.misses + 1
        if score > max(course.scores, default=-1.0):
            misses = 0
        if best is None or score > best.score:
            best = Trained(items.clone(), parameters.clone(), score, torch.stack(trajectory))
        self._course = replace(
            course,
            total=torch.zeros_like(course.total),
            epoch=course.epoch + 1,
            step=0,
            best=best,
            misses=misses,
            trajectory=trajectory,
            curve=(*course.curve, CurvePoint(self._watch.seconds, score)),
        )

    def _is_to_restart(self) -> bool:
        course = self._course
        if course.restarts >= MOST_RESTARTS:
            return False
        popularity = self.task.popularity[SELECTION_METRIC]
        return is_stuck(course.scores, misses=course.misses, popularity=popularity, config=self.config)

    def _restart(self) -> None:
        """Begin again with fresh weights; what is best so far remains the best until there is better."""
        course = self._course
        popularity = self.task.popularity[SELECTION_METRIC]
        self._notice = (
            f"{self.name}: no better than popularity after {course.epoch} epochs (validation {SELECTION_METRIC} "
            f"{max(course.scores):.4f}, popularity {popularity:.4f}); it starts again, restart {course.restarts + 1} "
            f"of {MOST_RESTARTS}"
        )
        log.warning("%s", self._notice)
        self._course = replace(course, restarts=course.restarts + 1, epoch=0, misses=0, trajectory=())
        self._follow_recipe(self._course.restarts)
        self._draw_weights()
