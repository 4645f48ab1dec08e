"""Students: learners that the teacher tells what follows in sequences drawn from a summary.

The summary is made to teach learners of one kind on the shared item factor, so what it has to tell of real sequences is
in them and not in S: S holds as much that only serves as a lesson, and that another learner learns by heart. So items
are drawn from S, the teacher, whose weights the archive carries, says what follows in these sequences, and learners of
any kind learn that: knowledge distillation (Hinton et al., 2015, arXiv 1503.02531) from nothing but the archive. They
stand on the shared item factor, or train an embedding of their own, of any size, from nothing. An archive without a
teacher, as 0.1.0 wrote them, trains a labeller on the summary, as the inner loop does, and takes that for the teacher.

For comparison a student can do without labels: it is then to predict S_t itself, and may read the mixtures `S_t E` of
its own embedding E in place of items.
"""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from td3core.catalogue import draw_items, soft_cross_entropy, soft_embedding
from td3core.config import InnerConfig, StudentConfig
from td3core.data import Histories
from td3core.errors import DivergedError
from td3core.inner import Batch, BatchSampler, Labeller
from td3core.learners import Dropout, Learner, MaskedItem, Objective, steps_at
from td3core.learners.layers import INITIAL_STD
from td3core.schedules import cosine_decay, set_learning_rate
from td3core.training.embeddings import EmbeddedTraining
from td3core.training.steps import differentiate

_DRAWS = 64  # items drawn of each step, once: their combinations are sequences enough


def train_labeller(
    embeddings: Float[Tensor, "mu zeta d3"],
    *,
    items: Float[Tensor, "items d3"],
    learner: Learner,
    inner: InnerConfig,
    lr_factor: float = 1.0,
    seed: int,
) -> Labeller:
    """Train a labeller on a summary's expected embeddings, as the inner loop does."""
    training = EmbeddedTraining(
        embeddings,
        items=items,
        learner=learner,
        inner=inner,
        steps=inner.life,
        seed=seed,
        lr_factor=lr_factor,
    )
    training.run(inner.life)
    return Labeller(learner, training.parameters, items)


class StudentTraining:
    """A learner, and its item embedding if that is its own, in training; `run` takes them some steps on.

    The learning rate falls along a cosine and is zero after `steps`.
    """

    def __init__(
        self,
        queries: Float[Tensor, "mu zeta k"] | None,
        keys: Float[Tensor, "items k"],
        *,
        learner: Learner,
        labeller: Labeller | None,
        given: Histories | None = None,
        config: StudentConfig,
        seed: int,
        items: Float[Tensor, "items d"] | None = None,
    ) -> None:
        """Begin; `items` is the factor to stand on, which then stays as it is.

        Sequences of items that are `given` are read in place of those of a summary, which has queries.
        """
        if (queries is None) != (given is not None):
            raise ValueError("expected either the queries of a summary or the items of given sequences")
        if given is not None and labeller is None:
            raise ValueError("given sequences are read with labels: expected a labeller")
        if (labeller is None) != (config.targets == "summary"):
            raise ValueError(
                f"targets {config.targets!r} {'need a' if labeller is None else 'have no use for a'} labeller"
            )
        self.queries = queries
        self.given = given
        self.keys = keys
        self.learner = learner
        self.labeller = labeller
        self.config = config
        self.steps = config.steps * self._objective().passes
        """Steps until each position was supervised equally often, whatever share of them a batch supervises."""
        self._generator = torch.Generator(keys.device).manual_seed(seed)
        self._dropout = Dropout(config.dropout, self._generator)
        if items is None:
            own = torch.empty(len(keys), learner.embedding_size, dtype=keys.dtype, device=keys.device)
            items = own.normal_(std=INITIAL_STD, generator=self._generator).requires_grad_()
        self._items = items
        self._parameters = learner.initialise(
            1, generator=self._generator, dtype=keys.dtype, device=keys.device
        ).requires_grad_()
        learned = [tensor for tensor in (self._items, self._parameters) if tensor.requires_grad]
        self._optimizer = torch.optim.Adam(learned, lr=config.lr, fused=True)
        self._taken = 0
        self._drawn: Int[Tensor, "mu zeta draws"] | None = None
        if queries is not None and config.inputs == "drawn":
            self._drawn = draw_items(queries, keys, _DRAWS, generator=self._generator)

    @property
    def items(self) -> Float[Tensor, "items d"]:
        """The item embedding as it is now."""
        return self._items.detach().clone()

    @property
    def parameters(self) -> Float[Tensor, "1 parameters"]:
        """The weights as they are now."""
        return self._parameters.detach().clone()

    def run(self, steps: int) -> None:
        """Take so many steps.

        Raises:
            DivergedError: a loss is not finite.
        """
        users, length = self._shape()
        lengths = None if self.given is None else self.given.lengths
        sampler = BatchSampler(self._objective(), users, length, self.config.batch_of(users), lengths=lengths)
        total = torch.zeros((), dtype=self.keys.dtype, device=self.keys.device)
        for batch in sampler.draw(steps, learners=1, generator=self._generator):
            loss = differentiate(partial(self._loss, batch), self._optimizer)
            set_learning_rate(self._optimizer, self.config.lr * cosine_decay(self._taken / self.steps))
            self._optimizer.step()
            self._taken += 1
            total += loss
        if not torch.isfinite(total):
            raise DivergedError(
                f"the loss was {float(total)} at step {self._taken}: lower the learning rate {self.config.lr}"
            )

    def _shape(self) -> tuple[int, int]:
        """Return the number of users to read, and of their steps."""
        read = self.queries if self.given is None else self.given.items
        assert read is not None
        return read.shape[0], read.shape[1]

    def _objective(self) -> Objective:
        """A masked labeller cannot predict all steps at once, so it decides which ones are supervised."""
        if self.labeller is not None and isinstance(self.labeller.learner.objective, MaskedItem):
            return self.labeller.learner.objective
        return self.learner.objective

    def _loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Cross-entropy of the steps that the batch asks for."""
        users, keys = batch.users[0], self.keys
        items = self._items_of(users)
        read = self._read(users, items, self._items)
        outputs = self.learner(
            self._parameters,
            read[None],
            batch.positions,
            lengths=batch.lengths,
            dropout=self._dropout,
        )
        if self.labeller is None:
            assert self.queries is not None
            targets = steps_at(self.queries[users][None], batch.positions)
        else:
            keys = self.labeller.items
            with torch.no_grad():
                known = self._read(users, items, keys)
                targets = self.labeller.learner(
                    self.labeller.parameters, known[None], batch.positions, lengths=batch.lengths
                )
        weights = batch.weights(targets)
        if weights is not None:
            outputs, targets = outputs[weights > 0], targets[weights > 0]
        return soft_cross_entropy(
            outputs.flatten(0, -2), self._items, queries=targets.flatten(0, -2), keys=keys
        )

    def _items_of(self, users: Int[Tensor, " batch"]) -> Int[Tensor, "batch zeta"] | None:
        """Return the items that are read; None: mixtures of all of them."""
        if self.given is not None:
            return self.given.items[users]
        return None if self._drawn is None else self._draw(self._drawn[users])

    def _read(
        self,
        users: Int[Tensor, " batch"],
        items: Int[Tensor, "batch zeta"] | None,
        values: Float[Tensor, "items d"],
    ) -> Float[Tensor, "batch zeta d"]:
        """Embed what these users hold."""
        if items is not None:
            return values[items]
        assert self.queries is not None
        return soft_embedding(self.queries[users], self.keys, values)

    def _draw(self, drawn: Int[Tensor, "batch zeta draws"]) -> Int[Tensor, "batch zeta"]:
        """Choose one of the draws of each step."""
        shape = (*drawn.shape[:2], 1)
        choice = torch.randint(_DRAWS, shape, generator=self._generator, device=drawn.device)
        return drawn.gather(2, choice)[..., 0]
