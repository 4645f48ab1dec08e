"""What was found, as torch-free models: the service and the client read what the method writes."""

from td3core.results.certificate import QuickCertificate
from td3core.results.evaluation import EvaluationResult, Size, current_format
from td3core.results.figures import Comparison, Interval, IntervalsOver, Recovery, Spread
from td3core.results.job import JobMetrics, Stopped
from td3core.results.reading import (
    READING_CODES,
    DroppedByFilter,
    ReadingCode,
    ReadingReport,
    ReadingWarning,
)
from td3core.results.timing import Timing
from td3core.results.training import TrainingWarning
from td3core.results.trend import RankAgreement, Trend, TrendRow
from td3core.results.worth import Worth, WorthPoint

__all__ = [
    "READING_CODES",
    "Comparison",
    "DroppedByFilter",
    "EvaluationResult",
    "Interval",
    "IntervalsOver",
    "JobMetrics",
    "QuickCertificate",
    "RankAgreement",
    "ReadingCode",
    "ReadingReport",
    "ReadingWarning",
    "Recovery",
    "Size",
    "Spread",
    "Stopped",
    "Timing",
    "TrainingWarning",
    "Trend",
    "TrendRow",
    "Worth",
    "WorthPoint",
    "current_format",
]
