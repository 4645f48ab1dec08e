"""TD3: Tucker-factorised dataset distillation for sequential recommendation, as a plain PyTorch library.

`DistillationRun` distils a log, `load_summary` reads what came of it, `EvaluationRun` says what it is worth. Names are
loaded when they are first used: the configs, errors and readers of logs do without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from td3core.artifact import load_summary, save_summary
    from td3core.pipeline import DistillationRun, EvaluationRun
    from td3core.summary import Recommender, Summary

__all__ = ["DistillationRun", "EvaluationRun", "Recommender", "Summary", "load_summary", "save_summary"]

_HOME = {
    "DistillationRun": "pipeline",
    "EvaluationRun": "pipeline",
    "Recommender": "summary",
    "Summary": "summary",
    "load_summary": "artifact",
    "save_summary": "artifact",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"td3core.{_HOME[name]}"), name)
