"""Reading, validating, filtering and profiling interaction logs. Nothing here imports torch."""

from td3core.interactions._blocks import Limits
from td3core.interactions._filter import check_size, filter_log
from td3core.interactions._log import InteractionLog
from td3core.interactions._profile import LogProfile, profile_log
from td3core.interactions._read import read_log
from td3core.interactions._validate import LogStudy, PreparedLog, prepare_log, validate_log

__all__ = [
    "InteractionLog",
    "Limits",
    "LogProfile",
    "LogStudy",
    "PreparedLog",
    "check_size",
    "filter_log",
    "prepare_log",
    "profile_log",
    "read_log",
    "validate_log",
]
