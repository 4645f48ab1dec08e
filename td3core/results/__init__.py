"""What was found, as torch-free models: the service and the client read what the method writes."""

from td3core.results.certificate import QuickCertificate
from td3core.results.evaluation import EvaluationResult, Size
from td3core.results.figures import Comparison, Interval, Recovery, Spread
from td3core.results.timing import Timing
from td3core.results.trend import RankAgreement, Trend, TrendRow

__all__ = [
    "Comparison",
    "EvaluationResult",
    "Interval",
    "QuickCertificate",
    "RankAgreement",
    "Recovery",
    "Size",
    "Spread",
    "Timing",
    "Trend",
    "TrendRow",
]
