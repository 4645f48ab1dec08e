from dataclasses import dataclass

import pytest
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from td3core.catalogue import Catalogue
from td3core.config import OuterConfig
from td3core.data import SupervisedChunks, supervise
from td3core.learners import NextItem, SASRec
from td3core.outer.objective import Alignment, RealLoss, TrainedCohort, WeightedSum, build_objective
from td3core.training import Trained, predict_targets


@pytest.fixture
def real(items: Tensor, generator: torch.Generator) -> SupervisedChunks:
    """A chunk of five items and one of three."""
    chunks = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 8, 11, 11]])
    return supervise(chunks, NextItem(), n_items=len(items), generator=generator)


@pytest.fixture
def teacher(learner: SASRec, items: Tensor, generator: torch.Generator) -> Trained:
    parameters = learner.initialise(1, generator=generator, dtype=items.dtype, device=items.device)
    return Trained(items, parameters, 0.0)


@pytest.fixture
def trained(
    learner: SASRec, items: Tensor, real: SupervisedChunks, generator: torch.Generator
) -> TrainedCohort:
    """Two learners."""
    parameters = learner.initialise(2, generator=generator, dtype=items.dtype, device=items.device)
    outputs = predict_targets(learner, parameters, items, real)
    return TrainedCohort(parameters, outputs, real, Catalogue(items))


def test_the_real_loss_is_the_cross_entropy_of_every_learner(items: Tensor, trained: TrainedCohort) -> None:
    expected = sum(
        functional.cross_entropy(outputs @ items.T, torch.tensor([2, 3, 4, 5, 7, 8]))
        for outputs in trained.outputs
    )
    torch.testing.assert_close(RealLoss(items).loss(trained), expected)


@pytest.mark.parametrize(("at", "which"), [("all", [0, 1, 2, 3, 4, 5]), ("last", [3, 5])])
def test_alignment_is_the_distance_from_the_teachers_features(
    learner: SASRec, teacher: Trained, trained: TrainedCohort, at, which: list[int]
) -> None:
    (features,) = predict_targets(learner, teacher.parameters, teacher.items, trained.real)
    expected = sum(functional.mse_loss(outputs[which], features[which]) for outputs in trained.outputs)
    torch.testing.assert_close(Alignment(learner, teacher, at).loss(trained), expected)


@dataclass(frozen=True)
class Weights:
    """An objective that anybody could add."""

    def loss(self, trained: TrainedCohort) -> Float[Tensor, ""]:
        return trained.parameters.square().sum()


def test_objectives_add_up_by_their_weights(items: Tensor, trained: TrainedCohort) -> None:
    both = WeightedSum(((2.0, RealLoss(items)), (0.5, Weights())))
    expected = 2 * RealLoss(items).loss(trained) + trained.parameters.square().sum() / 2
    torch.testing.assert_close(both.loss(trained), expected)


def test_what_has_no_weight_is_left_out(
    learner: SASRec, teacher: Trained, items: Tensor, trained: TrainedCohort
) -> None:
    config = OuterConfig(alignment=0.0)
    assert build_objective(config, learner=learner, teacher=teacher) == WeightedSum(((1.0, RealLoss(items)),))
    config = OuterConfig(alignment=3.0, alignment_at="last")
    expected = RealLoss(items).loss(trained) + 3 * Alignment(learner, teacher, "last").loss(trained)
    built = build_objective(config, learner=learner, teacher=teacher)
    torch.testing.assert_close(built.loss(trained), expected)
