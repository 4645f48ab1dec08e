"""The synthetic sequence summary, and recommenders that are trained on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from td3core.catalogue import Catalogue
from td3core.config import LearnerConfig, SamplingConfig, StudentConfig
from td3core.data import Histories
from td3core.factors import Factors, expected_embeddings, history_length, map_tensors, soft_sequences
from td3core.inner import Labeller, Lesson, build_lesson_maker
from td3core.learners import Learner, build_learner
from td3core.ranking import predict_next
from td3core.summary.manifest import Manifest
from td3core.summary.sampling import draw_ancestral, draw_independent
from td3core.training import EmbeddedTraining, StudentTraining, train_labeller


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """The learned factors, the item factor V, the item ids of its rows, and the teacher, which stands on V."""

    factors: Factors
    items: Float[Tensor, "items d3"]
    item_ids: tuple[str, ...]
    manifest: Manifest
    teacher: Float[Tensor, "1 parameters"] | None = None
    """Weights of the teacher, a learner of `manifest.spec.learner` on `items`; None in archives of format 1."""

    def __repr__(self) -> str:
        users, length = self.factors.shape
        name = self.manifest.dataset.name
        return f"Summary(users={users}, length={length}, items={len(self.item_ids)}, log={name!r})"

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Summary":
        """Return the summary on another device or with another precision."""
        dtype = dtype or self.items.dtype
        factors = map_tensors(self.factors, lambda factor: factor.to(device, dtype))
        teacher = None if self.teacher is None else self.teacher.to(device, dtype)
        return replace(self, factors=factors, items=self.items.to(device, dtype), teacher=teacher)

    @property
    def history_length(self) -> int:
        """How many steps of a history a learner reads that was trained on the summary."""
        return history_length(self.factors)

    def with_metrics(self, **metrics: Any) -> "Summary":
        """Return the summary with additional metrics in its manifest."""
        manifest = self.manifest.model_copy(update={"metrics": {**self.manifest.metrics, **metrics}})
        return replace(self, manifest=manifest)

    def soft_sequences(self) -> Float[Tensor, "mu zeta items"]:
        """Return S: a distribution over the items for every step of every synthetic user."""
        return soft_sequences(self.factors, self.items)

    def expected_embeddings(self) -> Float[Tensor, "mu zeta d3"]:
        """Return X = S V, the inputs and targets of a learner on the shared item factor."""
        return expected_embeddings(self.factors, self.items)

    @property
    def labeller(self) -> Labeller | None:
        """The teacher, which says what comes next; None in archives of format 1."""
        if self.teacher is None:
            return None
        return Labeller(build_learner(self.manifest.spec.learner), self.teacher, self.items)

    def lesson(self) -> Lesson:
        """Return what learners on the shared item factor train on: X, and the targets that `inner.targets` names."""
        maker = build_lesson_maker(self.manifest.spec.inner.targets, self.labeller)
        return maker.lesson(self.expected_embeddings(), Catalogue(self.items))

    def sample(self, n: int, *, seed: int = 0, sampling: SamplingConfig | None = None) -> list[list[str]]:
        """Sample `n` sequences of item ids, from one synthetic user after the other.

        With the method `ancestral`, `sampling.learners` learners are trained on the summary first, which takes most of
        the time.

        Raises:
            ValueError: `n` is less than 1, or the sequences are longer than the catalogue or the summary allows.
        """
        if n < 1:
            raise ValueError(f"n is {n}; expected at least 1")
        sampling = sampling or SamplingConfig()
        length = self.sampled_length(sampling)
        device = self.items.device
        generator = torch.Generator(device).manual_seed(seed)
        users = torch.arange(n, device=device) % self.factors.shape[0]
        if sampling.method == "independent":
            shares = [
                draw_independent(
                    self.factors,
                    items=self.items,
                    users=users,
                    length=length,
                    temperature=sampling.divisor,
                    distinct=sampling.distinct,
                    generator=generator,
                )
            ]
        else:
            shares = [
                draw_ancestral(
                    self.factors,
                    items=self.items,
                    users=share,
                    learner=trained.learner,
                    parameters=trained.parameters,
                    length=length,
                    temperature=sampling.divisor,
                    first_temperature=sampling.first_temperature,
                    distinct=sampling.distinct,
                    generator=generator,
                )
                for number, share in enumerate(users.chunk(sampling.learners))
                for trained in (self.train(seed=seed + number),)
            ]
        return [[self.item_ids[item] for item in sequence] for share in shares for sequence in share.tolist()]

    def sampled_length(self, sampling: SamplingConfig) -> int:
        """Return the number of items of each sampled sequence.

        Raises:
            ValueError: It is larger than the catalogue (`distinct`) or the summary (`independent`) allows.
        """
        steps, items = self.factors.shape[1], len(self.item_ids)
        length = sampling.length
        if length is None:
            length = steps if sampling.method == "independent" else max(2, steps // 2)
            length = min(length, items) if sampling.distinct else length
        if sampling.method == "independent" and length > steps:
            raise ValueError(
                f"length is {length}; expected at most {steps}, the steps of the summary, with method independent"
            )
        if sampling.distinct and length > items:
            raise ValueError(
                f"length is {length}; expected at most {items}, the items of the catalogue, with distinct items"
            )
        return length

    def train(
        self,
        *,
        steps: int | None = None,
        seed: int = 0,
        learner: LearnerConfig | None = None,
        taught: bool | None = None,
        own_embedding: bool = False,
        student: StudentConfig | None = None,
    ) -> "Recommender":
        """Train a fresh learner on the summary; by default one of the distillation's, as in its inner loop.

        A learner of another kind, or with an embedding of its own, is a student of the teacher (see `student`), unless
        `taught` says otherwise. It stands on the shared item factor, unless `own_embedding` is set or its embedding is
        of another size: then it learns an item embedding from nothing.

        Raises:
            ValueError: the number of steps is negative, the learner's length does not fit the summary, or an own
                embedding is to be trained untaught.
            DivergedError: a student's loss is not finite.
        """
        if steps is not None and steps < 0:
            raise ValueError(f"steps is {steps}; expected at least 0")
        spec = self.manifest.spec
        config = learner or spec.learner
        if config.max_length < self.factors.shape[1]:
            raise ValueError(
                f"max_length of the learner is {config.max_length}; expected at least {self.factors.shape[1]}, the "
                "steps of the summary"
            )
        own_embedding = own_embedding or config.embedding_size != self.items.shape[1]
        if taught is None:
            taught = own_embedding or config.kind != spec.learner.kind
        built = build_learner(config)
        if taught:
            training = self.student_training(
                built, student or StudentConfig(), own_embedding=own_embedding, seed=seed
            )
            training.run(training.steps if steps is None else steps)
            return Recommender(built, training.parameters, training.items, self.item_ids, self.history_length)
        if own_embedding:
            raise ValueError("a learner with its own item embedding must be taught: expected taught=True")
        steps = spec.inner.life if steps is None else steps
        lesson = self.lesson()
        training = EmbeddedTraining(
            lesson.inputs,
            targets=lesson.targets,
            items=self.items,
            learner=built,
            inner=spec.inner,
            steps=steps,
            seed=seed,
            lr_factor=self.manifest.lr_factor,
        )
        training.run(steps)
        return Recommender(built, training.parameters, self.items, self.item_ids, self.history_length)

    def student_training(
        self, learner: Learner, config: StudentConfig, *, own_embedding: bool, seed: int
    ) -> StudentTraining:
        """Start the training of a student; an archive without a teacher trains a labeller first."""
        labeller = None
        if config.targets == "labelled":
            labeller = self.labeller or train_labeller(
                self.expected_embeddings(),
                items=self.items,
                learner=build_learner(self.manifest.spec.learner),
                inner=self.manifest.spec.inner,
                lr_factor=self.manifest.lr_factor,
                seed=seed,
            )
        return StudentTraining(
            self.factors.queries(),
            self.factors.keys(self.items),
            learner=learner,
            labeller=labeller,
            config=config,
            seed=seed,
            items=None if own_embedding else self.items,
        )


@dataclass(frozen=True, eq=False)
class Recommender:
    """A trained learner that recommends items by their ids."""

    learner: Learner
    parameters: Float[Tensor, "1 parameters"]
    items: Float[Tensor, "items d3"]
    item_ids: tuple[str, ...]
    history_length: int
    """Maximum number of latest items of a history that it reads."""

    @torch.no_grad()
    def recommend(
        self, history: Sequence[str], *, k: int = 10, exclude_seen: bool = True
    ) -> list[tuple[str, float]]:
        """Return the `k` best next items with their scores, best first, for a history of item ids, oldest first.

        Raises:
            ValueError: No item of the history is in the catalogue. Single unknown items are ignored.
        """
        row_of = {item: row for row, item in enumerate(self.item_ids)}
        rows = [row_of[item] for item in history if item in row_of]
        if not rows:
            raise ValueError(f"none of the {len(history)} items of the history is in the catalogue")
        known = torch.tensor([rows], device=self.items.device)
        histories = Histories(known, torch.tensor([len(rows)], device=self.items.device))
        scores = (
            self.items
            @ predict_next(
                self.learner, self.parameters, self.items, histories, history_length=self.history_length
            )[0, 0]
        )
        if exclude_seen:
            scores[rows] = -torch.inf
        best = scores.topk(min(k, len(self.item_ids)))
        return [
            (self.item_ids[row], score)
            for row, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            if score > -torch.inf
        ]
