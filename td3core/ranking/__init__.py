"""How well a learner ranks the held-out items."""

from td3core.ranking.task import RankingTask, predict_next

__all__ = ["RankingTask", "predict_next"]
