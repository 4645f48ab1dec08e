"""What a summary is worth, beside the full log, the floor and its rivals."""

from td3core.evaluation.certificate import quick_certificate
from td3core.evaluation.evaluator import Evaluator, EvaluatorState

__all__ = ["Evaluator", "EvaluatorState", "quick_certificate"]
