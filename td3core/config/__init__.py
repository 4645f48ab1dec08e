"""Configuration of jobs, evaluations and sampling: frozen pydantic models that hold the schema and the only defaults.

Nothing here imports torch.
"""

from td3core.config.base import Config
from td3core.config.data import ColumnsConfig, DataConfig, Encoding, LogFormat
from td3core.config.distillation import (
    Compilation,
    InnerConfig,
    InnerTargets,
    OuterConfig,
    Precision,
    StopConfig,
    SummaryConfig,
    SummaryKind,
    SummaryPrecision,
)
from td3core.config.evaluation import CertificateConfig, EvaluationSpec, TrendConfig
from td3core.config.job import JobSpec
from td3core.config.learner import LearnerConfig, LearnerKind, StudentConfig, TeacherConfig
from td3core.config.sampling import SamplingConfig, SamplingMethod
from td3core.config.sources import SOURCE_BY_NAME, SOURCES, EvaluationSource, Source

__all__ = [
    "SOURCES",
    "SOURCE_BY_NAME",
    "CertificateConfig",
    "ColumnsConfig",
    "Compilation",
    "Config",
    "DataConfig",
    "Encoding",
    "EvaluationSource",
    "EvaluationSpec",
    "InnerConfig",
    "InnerTargets",
    "JobSpec",
    "LearnerConfig",
    "LearnerKind",
    "LogFormat",
    "OuterConfig",
    "Precision",
    "SamplingConfig",
    "SamplingMethod",
    "Source",
    "StopConfig",
    "StudentConfig",
    "SummaryConfig",
    "SummaryKind",
    "SummaryPrecision",
    "TeacherConfig",
    "TrendConfig",
]
