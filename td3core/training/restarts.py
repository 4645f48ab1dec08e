"""When a training on a log has come to nothing, and how it then starts again.

A learner first finds out which items are popular, whatever the history, and then, within a few epochs, how histories
tell users apart. Some never leave the first plateau. Fresh item embeddings are small (0.02), so that all histories look
alike, and recurrent or deep learners, above all narrow ones under dropout, get hardly any gradient that tells them
apart. From wider embeddings and with less dropout nearly all of them leave it. What is left are narrow learners that
are too slow and large ones whose rate is too high.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

from td3core.config import TeacherConfig

MOST_RESTARTS = 2
BAR = 1.05
"""A training that has learned from histories has at least this many times the score of popularity.

One that has not ends within 3% of popularity, above as well as below it, as the best of several validations does.
"""

_EPOCHS = 6  # after the warm-up, before a training is given up
_FLAT_EPOCHS, _FLAT = 4, 1.02  # it is on a plateau if these epochs brought no more than this factor
_SPREAD, _DROPOUT, _RATE = 10.0, 0.25, 4.0


@dataclass(frozen=True)
class Recipe:
    """How a training differs from what is configured, mostly by factors."""

    spread: float = 1.0
    """On the spread of fresh item embeddings."""
    dropout: float = 1.0
    rate: float = 1.0
    """On the learning rate."""
    most_scale: float = 1.0
    """The largest factor on the rate that the size of a learner gives."""


def recipe(restarts: int, *, small: bool) -> Recipe:
    """Return how a training is made that was started again so often; `small` learners need no lower rate."""
    if not restarts:
        return Recipe()
    rate = 1.0 if restarts == 1 else _RATE if small else 1 / _RATE
    return Recipe(_SPREAD, _DROPOUT, rate, most_scale=inf)


def is_stuck(scores: Sequence[float], *, misses: int, popularity: float, config: TeacherConfig) -> bool:
    """Tell whether a training is not above the score of popularity, and no longer on its way there.

    `scores` are those of its epochs, and `misses` how many of the last ones brought no better one. A training that
    has no epochs left has come to its end, whatever it was worth.
    """
    if len(scores) >= config.max_epochs or max(scores) >= BAR * popularity:
        return False
    if misses >= config.patience:
        return True
    if len(scores) < ceil(config.warm_up) + _EPOCHS:
        return False
    before, latest = scores[:-_FLAT_EPOCHS], scores[-_FLAT_EPOCHS:]
    return max(latest) <= _FLAT * max(before)
