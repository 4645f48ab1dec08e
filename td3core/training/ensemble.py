"""One learner that knows what an ensemble knows, from sequences that the ensemble makes up.

Single trainings on a small log differ much by their seeds, and their ensemble is better than each. Taught on the log
itself, a learner does not take the ensemble over: it overfits the few sequences there are. On sequences that the
members roll out it does: knowledge distillation without data (Hinton et al., 2015, arXiv 1503.02531; Yue et al.,
"Black-Box Attacks on Sequential Recommenders via Data-Free Model Extraction", RecSys 2021; born-again networks:
Furlanello et al., ICML 2018). It begins with the weights and the item factor of the best member, so that few steps do.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from td3core.catalogue import ensemble_cross_entropy
from td3core.checkpoint import OptimizerTensors, optimizer_tensors, restore_generator, restore_optimizer
from td3core.data import Histories, Sequences
from td3core.errors import DivergedError
from td3core.inner import Labeller
from td3core.learners.base import Learner
from td3core.progress import Progress, Stage
from td3core.ranking import SELECTION_METRIC, RankingTask
from td3core.schedules import cosine_decay, set_learning_rate
from td3core.training.log import Trained
from td3core.training.rollouts import roll_out_as_log
from td3core.training.steps import differentiate

STEPS = 150
_LR = 3e-3
_WARM_UP = 30  # steps
_ROLLED_OUT = 50_000  # steps, of all members together
_BATCH = 1_600  # steps
_VALIDATE_EVERY = 50
_REPORT_EVERY = 10


@dataclass(frozen=True)
class EnsembleCourse:
    """How far the training is, and what has come of it."""

    step: int
    best: Trained | None


@dataclass(frozen=True)
class EnsembleState:
    """All that lives across its steps; its tensors are those of the training itself."""

    course: EnsembleCourse
    rollouts: Histories
    items: Float[Tensor, "items d3"]
    parameters: Float[Tensor, "1 parameters"]
    optimizer: OptimizerTensors
    generator: UInt8[Tensor, " state"]


class EnsembleTraining:
    """A learner that is told the mean of the members' predictions on sequences that they roll out.

    Between two reports it can be left for another, fresh one to go on from its `state`.
    """

    def __init__(
        self,
        learner: Learner,
        members: Sequence[Trained],
        train: Sequences,
        task: RankingTask,
        *,
        distinct: bool,
        seed: int,
        stage: Stage,
    ) -> None:
        """Begin; `distinct` sequences have no item twice."""
        self._members = [Labeller(learner, member.parameters, member.items) for member in members]
        self._first = max(members, key=lambda member: member.score)
        self._learner = learner
        self._task = task
        self._stage: Stage = stage
        items = self._first.items
        self._generator = torch.Generator(items.device).manual_seed(seed)
        self._items = items.clone().requires_grad_()
        self._parameters = self._first.parameters.clone().requires_grad_()
        self._optimizer = torch.optim.Adam([self._items, self._parameters], lr=_LR, fused=True)
        self._course = EnsembleCourse(0, None)
        self._train = train
        self._length = min(learner.max_length, train.n_items) if distinct else learner.max_length
        self._distinct = distinct
        self._rollouts: Histories | None = None

    def state(self) -> EnsembleState | None:
        """Return all that lives across steps; None before the first. Write it before the training goes on."""
        if self._rollouts is None:
            return None
        return EnsembleState(
            course=self._course,
            rollouts=self._rollouts,
            items=self._items,
            parameters=self._parameters,
            optimizer=optimizer_tensors(self._optimizer),
            generator=self._generator.get_state(),
        )

    @torch.no_grad()
    def restore(self, state: EnsembleState) -> None:
        """Go on where a training of the same arguments was."""
        self._course, self._rollouts = state.course, state.rollouts
        self._items.copy_(state.items)
        self._parameters.copy_(state.parameters)
        restore_optimizer(self._optimizer, state.optimizer)
        restore_generator(self._generator, state.generator)

    def run(self) -> Generator[Progress, None, Trained]:
        """Train to the end, and return the best, with the trajectory of the member that it began with.

        Raises:
            DivergedError: a loss is not finite.
        """
        if self._rollouts is None:
            self._rollouts = self._roll_out()
        steps = int(self._rollouts.lengths.sum())
        sequences = max(1, round(_BATCH * len(self._rollouts.lengths) / steps))
        for step in range(self._course.step, STEPS):
            loss = self._step(self._rollouts, sequences, step)
            best = self._course.best
            if (step + 1) % _VALIDATE_EVERY == 0:
                if not torch.isfinite(loss):
                    raise DivergedError(
                        f"the loss of the learner that takes the ensemble over was {float(loss)} at step {step + 1}: "
                        "set teacher.members to 1"
                    )
                best = self._validated(best)
            self._course = EnsembleCourse(step + 1, best)
            if step % _REPORT_EVERY == 0:
                scores = {} if best is None else {SELECTION_METRIC: best.score}
                yield Progress(self._stage, step + 1, STEPS, {"train": float(loss)}, scores)
        assert self._course.best is not None
        return self._course.best

    def _roll_out(self) -> Histories:
        """Return sequences of all members, each of as many steps."""
        rolled_out = [
            roll_out_as_log(
                member,
                self._train,
                _ROLLED_OUT // len(self._members),
                length=self._length,
                distinct=self._distinct,
                generator=self._generator,
            )
            for member in self._members
        ]
        items, lengths = zip(*rolled_out, strict=True)
        return Histories(torch.cat(items), torch.cat(lengths))

    def _step(self, rollouts: Histories, sequences: int, step: int) -> Float[Tensor, ""]:
        """Take one step on so many of the sequences; return the loss."""
        device = rollouts.lengths.device
        rows = torch.randint(len(rollouts.lengths), (sequences,), generator=self._generator, device=device)
        lengths = rollouts.lengths[rows]
        batch = rollouts.items[rows, : int(lengths.max())]
        real = torch.arange(1, batch.shape[1], device=device) < lengths[:, None]
        with torch.no_grad():
            labels = [(member.outputs(member.items[batch])[real], member.items) for member in self._members]
        learner = Labeller(self._learner, self._parameters, self._items)

        def loss_of_batch() -> Float[Tensor, ""]:
            outputs = learner.outputs(functional.embedding(batch, self._items))
            return ensemble_cross_entropy(outputs[real], self._items, labels)

        loss = differentiate(loss_of_batch, self._optimizer)
        rise = min(1.0, (step + 1) / _WARM_UP)
        set_learning_rate(self._optimizer, _LR * rise * cosine_decay(step / STEPS))
        self._optimizer.step()
        return loss

    def _validated(self, best: Trained | None) -> Trained:
        """Return what is better: the best so far, or the learner as it is now."""
        items, parameters = self._items.detach().clone(), self._parameters.detach().clone()
        (figures,) = self._task.evaluate(self._learner, parameters, items)
        score = figures[SELECTION_METRIC]
        if best is not None and best.score >= score:
            return best
        return self._first._replace(items=items, parameters=parameters, score=score)
