"""How well a learner ranks the held-out items."""

from td3core.ranking.metrics import (
    SELECTION_CUTOFF,
    SELECTION_METRIC,
    Figures,
    metrics_by_user,
    ranking_metrics,
)
from td3core.ranking.task import RankingTask, predict_next, validation_task

__all__ = [
    "SELECTION_CUTOFF",
    "SELECTION_METRIC",
    "Figures",
    "RankingTask",
    "metrics_by_user",
    "predict_next",
    "ranking_metrics",
    "validation_task",
]
