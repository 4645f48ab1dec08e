"""The sequences that the sources of an evaluation consist of: embedded, or the items of labelled rivals."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from td3core.config import InnerConfig, Source, StudentConfig
from td3core.data import Histories, Sequences
from td3core.evaluation.coreset import coreset_users
from td3core.evaluation.labelled import Budget, Material, item_sequences, labels
from td3core.evaluation.users import embed_users, longest_users, random_users
from td3core.inner import Labeller
from td3core.summary import Summary


class EmbeddedSequences(NamedTuple):
    """Embedded sequences that learners are trained on, and what belongs to them."""

    embeddings: Float[Tensor, "users steps d3"]
    items: Float[Tensor, "items d3"]
    lr_factor: float
    """On the learning rate."""
    targets: Float[Tensor, "users steps d3"] | None = None
    """Expected embeddings of what is to be predicted; None: the sequences themselves."""
    lengths: Int[Tensor, " users"] | None = None
    """How many steps of each are no padding; None: all."""


class SourceSequences:
    """Makes the sequences of each source, and says for how many steps learners are trained on them.

    A labelled rival has as many sequences as the table of sources says, unless a number of them is given: then its
    trainings are as long as the table says, or until each sequence was read once.
    """

    def __init__(self, summary: Summary, train: Sequences, *, steps: int, spare_bytes: int | None) -> None:
        """Prepare; `steps` are those of a training on the summary."""
        self.summary = summary
        self.lesson = summary.lesson()
        self.labeller = summary.labeller
        self._train = train
        self._steps = steps
        self._spare_bytes = spare_bytes
        self._job = summary.manifest.spec

    def teacher(self) -> Labeller:
        """Return who labels.

        Raises:
            ValueError: there is nobody.
        """
        if self.labeller is None:
            raise ValueError("the archive has no teacher, as those of format 1: there is nobody to label")
        return self.labeller

    def inner(self, source: Source, sequences: int | None = None) -> tuple[InnerConfig, int]:
        """Return how a source is trained on, and for how many steps."""
        inner, steps = self._job.inner, self._steps
        if source.steps is not None and source.lr is not None:
            update = {"steps": source.steps, "lr": source.lr, "optimizer": "adam", "schedule": "cosine"}
            inner, steps = inner.model_copy(update=update), source.steps
        if sequences is not None:
            steps = max(steps, math.ceil(sequences / inner.batch_of(sequences)))
        return inner, steps

    @property
    def student_batch(self) -> int:
        """Sequences that a student reads in a step, of the summary or of a rival."""
        return StudentConfig().batch_of(len(self.lesson.inputs))

    def student(self, sequences: int | None = None) -> StudentConfig:
        """Return how a student is trained on a labelled rival."""
        batch, steps = self.student_batch, StudentConfig().steps
        if sequences is not None:
            steps = max(steps, math.ceil(sequences / batch))
        return StudentConfig(batch_users=batch, steps=steps)

    def items_of(self, source: Source, seed: int, *, most: int, sequences: int | None = None) -> Histories:
        """Return the items of a labelled rival, no more sequences than a training reads: `most`."""
        users, length = self.lesson.inputs.shape[:2]
        if sequences is not None:
            budget = Budget(rows=sequences)
        elif source.budget == "rows":
            budget = Budget(rows=users, most=most)
        elif self._spare_bytes is None:
            raise ValueError(f"{source.name} is as large as the archive: expected `spare_bytes`")
        else:
            budget = Budget(bytes=self._spare_bytes, most=most)
        material = Material(self._train, self.teacher(), length, self._job.data.exclude_seen)
        return item_sequences(source.trains_on, material, budget, seed=seed)

    def embedded(self, source: Source, seed: int, sequences: int | None = None) -> EmbeddedSequences:
        """Return what a source has to train on, if that is not distilled first."""
        if source.labelled:
            return self._labelled(source, seed, sequences)
        train, (users, steps) = self._train, self.lesson.inputs.shape[:2]
        users = min(users, train.n_users)
        match source.trains_on:
            case "coreset_users":
                return self._embedded(coreset_users(train, users, self.summary.items, length=steps))
            case "random_users":
                return self._embedded(random_users(train, users, np.random.default_rng(seed)))
            case "longest_users":
                return self._embedded(longest_users(train, users))
            case "summary" | "nothing":
                return EmbeddedSequences(
                    self.lesson.inputs,
                    self.summary.items,
                    self._lr_factor(source),
                    self.lesson.targets,
                )
            case (
                "farzi"
                | "small_farzi"
                | "log"
                | "item_counts"
                | "teacher"
                | "sampled_sequences"
                | "popular_tokens"
            ):
                raise ValueError(f"there are no embedded sequences of {source.name}")

    def _labelled(self, source: Source, seed: int, sequences: int | None) -> EmbeddedSequences:
        inner, steps = self.inner(source, sequences)
        most = steps * inner.batch_of(self._train.n_users)
        given = self.items_of(source, seed, most=most, sequences=sequences)
        items = self.summary.items
        return EmbeddedSequences(
            items[given.items],
            items,
            self._lr_factor(source),
            labels(self.teacher(), given),
            given.lengths,
        )

    def _lr_factor(self, source: Source) -> float:
        """Return the factor that the summary's own rate was learned with; other rates have none."""
        return self.summary.manifest.lr_factor if source.lr is None else 1.0

    def _embedded(self, users: NDArray[np.int64]) -> EmbeddedSequences:
        """Return real users as the summary's synthetic ones are: as long, on the same item factor."""
        items, length = self.summary.items, self.lesson.inputs.shape[1]
        embeddings, lengths = embed_users(self._train, users, items, length=length)
        return EmbeddedSequences(embeddings, items, self.summary.manifest.lr_factor, lengths=lengths)
