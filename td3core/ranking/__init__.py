"""How well a learner ranks the held-out items."""

from td3core.ranking.metrics import SELECTION_CUTOFF, SELECTION_METRIC
from td3core.ranking.task import RankingTask, predict_next, validation_task

__all__ = ["SELECTION_CUTOFF", "SELECTION_METRIC", "RankingTask", "predict_next", "validation_task"]
