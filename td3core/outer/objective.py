"""What the outer loop makes small: how badly learners that the summary has trained do on real sequences.

To add an objective, write a class with a `loss`, and let `build_objective` include it with its weight from the config.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.catalogue import Catalogue
from td3core.config import OuterConfig
from td3core.data import SupervisedChunks
from td3core.learners import Learner
from td3core.training import Trained, predict_targets


class TrainedCohort(NamedTuple):
    """Learners after their steps on the summary, and what they make of real sequences."""

    parameters: Float[Tensor, "learners parameters"]
    outputs: Float[Tensor, "learners targets d3"]
    """Predictions of the targets of `real`."""
    real: SupervisedChunks
    catalogue: Catalogue
    """The items of this outer step: all, or candidates."""


@runtime_checkable
class OuterObjective(Protocol):
    """One thing that learners are to do well."""

    def loss(self, trained: TrainedCohort) -> Float[Tensor, ""]:
        """Return the loss, summed over the learners; differentiable by their weights."""
        ...


@final
@dataclass(frozen=True)
class RealLoss:
    """Mean cross-entropy of the real targets among the items: the outer loss of the paper."""

    items: Float[Tensor, "items d3"]
    """All of them."""

    def loss(self, trained: TrainedCohort) -> Float[Tensor, ""]:
        """Return it, its partition function estimated from the candidates if there are any."""
        log_partitions = trained.catalogue.log_partition(trained.outputs)
        scores = (trained.outputs * self.items[trained.real.targets]).sum(-1)
        return (log_partitions - scores).mean(1).sum()


@final
@dataclass(frozen=True)
class Alignment:
    """Mean squared distance between the learners' features and the teacher's: the paper's surrogate objective."""

    learner: Learner
    teacher: Trained
    at: Literal["all", "last"]
    """At which of the targets; `last`: at the latest of each chunk."""

    def loss(self, trained: TrainedCohort) -> Float[Tensor, ""]:
        """Return the distance; a feature is a prediction, the vector that is compared with the items."""
        with torch.no_grad():
            features = predict_targets(
                self.learner, self.teacher.parameters, self.teacher.items, trained.real
            )
        apart = trained.outputs - features
        if self.at == "last":
            apart = apart[:, trained.real.last]
        return apart.square().mean((1, 2)).sum()


@final
@dataclass(frozen=True)
class WeightedSum:
    """Several objectives at once."""

    terms: tuple[tuple[float, OuterObjective], ...]

    def loss(self, trained: TrainedCohort) -> Float[Tensor, ""]:
        """Return the sum of the losses, each times its weight."""
        total = trained.outputs.new_zeros(())
        for weight, objective in self.terms:
            total = total + weight * objective.loss(trained)
        return total


def build_objective(config: OuterConfig, *, learner: Learner, teacher: Trained) -> OuterObjective:
    """Build the objective that the config describes; what has a weight of zero is left out."""
    terms: tuple[tuple[float, OuterObjective], ...] = (
        (1.0, RealLoss(teacher.items)),
        (config.alignment, Alignment(learner, teacher, config.alignment_at)),
    )
    return WeightedSum(tuple((weight, objective) for weight, objective in terms if weight))
