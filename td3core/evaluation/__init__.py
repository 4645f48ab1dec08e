"""What a summary is worth, beside the full log, the floor and its rivals."""

from td3core.evaluation.certificate import quick_certificate
from td3core.evaluation.evaluator import Evaluator, EvaluatorState
from td3core.evaluation.labelled import spare_bytes

__all__ = ["Evaluator", "EvaluatorState", "quick_certificate", "spare_bytes"]
