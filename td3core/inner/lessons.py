"""What learners train on: the expected embeddings of a summary, with its own targets or the teacher's labels.

The paper's learners are to predict S_t. A label is what the teacher predicts at a step for the same inputs; learners
that are told it learn more from the same sequences (Qin et al., "A Label is Worth A Thousand Images in Dataset
Distillation", NeurIPS 2024, arXiv 2406.10485). A label is differentiable by the inputs before its step, so that an
outer loop can look for the inputs with the most instructive labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.catalogue import Catalogue
from td3core.config import InnerTargets
from td3core.learners import Learner, MaskedItem


class Lesson(NamedTuple):
    """Sequences of embeddings, and what is to be predicted at their steps."""

    inputs: Float[Tensor, "mu zeta d3"]
    targets: Float[Tensor, "mu zeta d3"] | None = None
    """Expected embeddings of the targets; None: the inputs themselves."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What there is of the two."""
        return (self.inputs,) if self.targets is None else (self.inputs, self.targets)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Lesson":
        """Change each tensor."""
        return Lesson(*map(change, self.tensors))


class Labeller(NamedTuple):
    """A trained learner with the item factor it stands on, which says what comes next."""

    learner: Learner
    parameters: Float[Tensor, "1 parameters"]
    items: Float[Tensor, "items d3"]

    def outputs(self, inputs: Float[Tensor, "users zeta d3"]) -> Float[Tensor, "users steps d3"]:
        """Return what is predicted at every step but the first from those before it; differentiable by the inputs."""
        if not isinstance(self.learner.objective, MaskedItem):
            return self.learner(self.parameters, inputs[None])[0]
        # A masked learner sees all that it need not predict, so each step needs a sequence that ends there.
        users, length = inputs.shape[:2]
        ends = torch.arange(1, length, device=inputs.device).repeat(users)  # (users * steps,)
        prefixes = inputs.repeat_interleave(length - 1, 0)
        outputs = self.learner(self.parameters, prefixes[None], ends[None, :, None], lengths=ends[None] + 1)
        return outputs.view(users, length - 1, -1)


@dataclass(frozen=True)
class LessonMaker:
    """Gives the expected embeddings of a summary their targets."""

    labeller: Labeller | None
    share: float
    """Of the labels in the targets; the rest is of the inputs."""

    def lesson(self, inputs: Float[Tensor, "mu zeta d3"], catalogue: Catalogue) -> Lesson:
        """Return the lesson, differentiable by the inputs; sums are taken over these items."""
        if self.labeller is None or not self.share:
            return Lesson(inputs)
        outputs = self.labeller.outputs(inputs)
        labels = catalogue.mean(outputs, catalogue.sums(outputs))
        first, others = inputs[:, :1], inputs[:, 1:]  # the first step is never a target
        return Lesson(inputs, torch.cat((first, torch.lerp(others, labels, self.share)), 1))


_LABEL_SHARES: dict[InnerTargets, float] = {"summary": 0.0, "mixed": 0.5, "teacher": 1.0}


def build_lesson_maker(targets: InnerTargets, labeller: Labeller | None) -> LessonMaker:
    """Build what `inner.targets` names."""
    return LessonMaker(labeller, _LABEL_SHARES[targets])
