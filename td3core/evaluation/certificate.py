"""The quick form of the fidelity certificate, that goes into every artefact.

A few learners on the summary and on what it competes with, scored on the validation items. Teacher and summary were
chosen by these very items, so that the figures flatter both a little; an evaluation on the test items does not. There
are no seconds in it: the same seed gives the same bytes.
"""

from collections.abc import Generator

import torch

from td3core.config import SOURCES, EvaluationSource, EvaluationSpec
from td3core.data import Split
from td3core.errors import DivergedError
from td3core.evaluation.bootstrap import estimates
from td3core.evaluation.fidelity import comparisons, recoveries, spreads
from td3core.evaluation.sources import Sources, Trial
from td3core.progress import Progress, relay
from td3core.ranking import SELECTION_CUTOFF
from td3core.results import QuickCertificate
from td3core.summary import Summary
from td3core.training import Trained

_TRAINED: tuple[EvaluationSource, ...] = tuple(source.name for source in SOURCES if source.in_certificates)


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
    spec = EvaluationSpec(split="valid", cutoffs=(SELECTION_CUTOFF,), seeds=learners)
    sources = Sources(summary, split, spec, device=device, dtype=dtype)
    trained: list[EvaluationSource] = [source for source in _TRAINED if not sources.lacks(source)]
    rows: dict[str, list[Trial]] = {"full": [sources.scored_teacher(teacher)]}
    diverged: list[str] = []
    report = Progress("packing", 0, len(trained) * learners)
    for done, source in enumerate(trained):
        trials: list[Trial] = []
        try:
            for seed in range(learners):
                report = Progress("packing", done * learners + seed, report.steps)
                trial = yield from relay(sources.trial(job.learner, source, seed), lambda _, now=report: now)
                trials.append(trial)
        except DivergedError:  # a rival's failure is no reason to lose the summary
            diverged.append(source)
        else:
            rows[source] = trials
    found = estimates(
        {source: torch.stack([trial.ranks for trial in trials]) for source, trials in rows.items()},
        spec.cutoffs,
    )
    return QuickCertificate(
        learner=job.learner.kind,
        seeds=tuple(range(learners)),
        intervals="seeds and users",
        results={source: spreads(figures) for source, figures in found.items()},
        recovery=recoveries(found),
        comparison=comparisons(found),
        diverged=tuple(diverged),
    )
