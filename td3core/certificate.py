"""The quick form of the fidelity certificate, that goes into every artefact.

A few learners on the summary and on what it competes with, scored on the validation items. Teacher and summary were
chosen by these very items, so that the figures flatter both a little; an evaluation on the test items does not. There
are no seconds in it: the same seed gives the same bytes.
"""

from collections.abc import Generator
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from td3core.config import EvaluationSource, EvaluationSpec, LearnerKind
from td3core.errors import DivergedError
from td3core.fidelity import Comparison, Figures, Recovery, Spread, comparisons, recoveries, spreads
from td3core.progress import Progress, relay
from td3core.sequences import Split
from td3core.sources import Sources
from td3core.summary import Summary
from td3core.train import Trained

_TRAINED: tuple[EvaluationSource, ...] = ("summary", "floor", "random", "longest", "coreset")


class QuickCertificate(BaseModel):
    """What the summary is worth on the validation items."""

    model_config = ConfigDict(frozen=True)

    split: Literal["valid"] = "valid"
    learner: LearnerKind
    seeds: tuple[int, ...]
    results: dict[str, dict[str, Spread]] = Field(description="source -> metric; `full` is the teacher")
    recovery: dict[str, Recovery] = Field(description="metric -> recovery")
    comparison: dict[str, dict[str, Comparison]] = Field(description="rival -> metric")
    diverged: tuple[str, ...] = Field(description="Sources on which a learner's training did.")


def quick_certificate(
    summary: Summary,
    split: Split,
    teacher: Trained,
    *,
    learners: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Generator[Progress, None, QuickCertificate]:
    """Train and score so many learners a source."""
    job = summary.manifest.spec
    spec = EvaluationSpec(split="valid", cutoffs=(10,), seeds=learners)
    sources = Sources(summary, split, spec, device=device, dtype=dtype)
    rows: dict[str, list[Figures]] = {"full": [sources.scored_teacher(teacher)]}
    diverged: list[str] = []
    report = Progress("packing", 0, len(_TRAINED) * learners)
    for done, source in enumerate(_TRAINED):
        figures: list[Figures] = []
        try:
            for seed in range(learners):
                report = Progress("packing", done * learners + seed, report.steps)
                trial = yield from relay(sources.trial(job.learner, source, seed), lambda _, now=report: now)
                figures.append(trial.figures)
        except DivergedError:  # a rival's failure is no reason to lose the summary
            diverged.append(source)
        else:
            rows[source] = figures
    results = {source: spreads(figures) for source, figures in rows.items()}
    return QuickCertificate(
        learner=job.learner.kind,
        seeds=tuple(range(learners)),
        results=results,
        recovery=recoveries(results),
        comparison=comparisons(results),
        diverged=tuple(diverged),
    )
