"""TD3: Tucker-factorised dataset distillation for sequential recommendation, as a plain PyTorch library.

`DistillationRun` distils a log, `load_summary` reads what came of it, `EvaluationRun` says what it is worth. Names are
loaded when they are first used: the configs, errors, results and readers of logs do without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from td3core.version import VERSION

if TYPE_CHECKING:
    from td3core.runs.distillation import DistillationRun
    from td3core.runs.evaluation import EvaluationRun
    from td3core.summary import Recommender, Summary, load_summary, save_summary

__all__ = [
    "DistillationRun",
    "EvaluationRun",
    "Recommender",
    "Summary",
    "__version__",
    "load_summary",
    "save_summary",
]

__version__ = VERSION

_HOMES = {
    "DistillationRun": "td3core.runs.distillation",
    "EvaluationRun": "td3core.runs.evaluation",
    "Recommender": "td3core.summary",
    "Summary": "td3core.summary",
    "load_summary": "td3core.summary",
    "save_summary": "td3core.summary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
