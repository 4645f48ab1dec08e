"""Whether a training on a log went well, and what to say and to do if it did not.

A ceiling that has collapsed makes every recovery look good, and a teacher that has, makes every summary worthless. That
a training has learned from histories shows in comparison with popularity, which is all that a learner can know without
them. That its rate was too high may show late: its last epochs are then far below its best one.
"""

from collections.abc import Sequence

from td3core.ranking import SELECTION_METRIC
from td3core.results import TrainingWarning
from td3core.training.restarts import BAR

FALLEN = 0.6
"""Last epochs that are below this part of the best one are no mere overfitting.

That costs a training some 20% until patience ends it. One that collapses falls to popularity, which was 0.3 of the
best on MovieLens-100k and LastFM and 0.57 on the sample log.
"""
_LAST_EPOCHS = 3  # of which the best counts, since single validations of small logs vary
_FEWER_LAYERS = "fewer layers (learner.layers)"


def warning_of(
    training: str, scores: Sequence[float], *, best: float, restarts: int, popularity: float
) -> TrainingWarning | None:
    """Return what is to be said of a training with these scores of its epochs since its last start; None: nothing.

    `best` is the score of the epoch that was kept, and `popularity` that of ranking items by popularity.
    """
    metric = f"validation {SELECTION_METRIC}"
    again = f" even though it was started again {_times(restarts)}" if restarts else ""
    if best < BAR * popularity:
        reason = "popularity"
        detail = (
            f"{training}: {metric} {best:.4f} is no better than that of popularity, {popularity:.4f}{again}. It has "
            f"learned nothing from histories, and what is set against it says nothing. {_remedy(scores)}."
        )
    elif max(scores[-_LAST_EPOCHS:]) < FALLEN * best:
        reason = "fell"
        detail = (
            f"{training}: {metric} fell from {best:.4f} to {scores[-1]:.4f}; the best epoch was kept. Lower "
            f"teacher.lr, or take {_FEWER_LAYERS}."
        )
    elif restarts:
        reason = "restarted"
        detail = (
            f"{training}: it was no better than popularity ({metric} {popularity:.4f}) and was started again "
            f"{_times(restarts)}, with larger initial embeddings, less dropout and another learning rate; it then came "
            f"to {best:.4f}. Another teacher.lr or {_FEWER_LAYERS} may do better."
        )
    else:
        return None
    return TrainingWarning(
        reason=reason,
        training=training,
        score=best,
        last_score=scores[-1],
        popularity=popularity,
        restarts=restarts,
        detail=detail,
    )


def _remedy(scores: Sequence[float]) -> str:
    """Say what to try: more epochs where the last one was the best of several, and otherwise an easier training."""
    if len(scores) > 1 and scores[-1] == max(scores):
        return "Its last epoch was its best one: raise teacher.max_epochs or lower teacher.batch_size"
    return f"Try another teacher.lr, first a lower one, or {_FEWER_LAYERS}"


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"
