"""A job from the log to the archive, and an evaluation of one: iterators of progress that can be left and resumed."""

from td3core.runs.base import ResumableRun
from td3core.runs.distillation import DistillationRun
from td3core.runs.evaluation import EvaluationRun

__all__ = ["DistillationRun", "EvaluationRun", "ResumableRun"]
