"""Execution of an evaluation: fetch archive and log, run td3core, write the results to the row."""

from typing import Any

from sqlalchemy.orm import Session

from api.models import Evaluation, RunState
from api.runs import claims
from api.runs.claims import Claim
from td3core.formats import read_evaluation_spec
from td3core.interactions import Limits
from td3core.progress import distillation_seconds
from worker.execute import Attempt, Finish
from worker.follow import follow, starting


def evaluate_job(attempt: Attempt) -> Finish:
    """Execute the evaluation; the returned function records its results."""
    starting(attempt, "evaluating")
    from td3core.runs import EvaluationRun
    from worker.device import naming_memory_errors, prepare_device

    with attempt.database.reading() as session:
        evaluation = session.get_one(Evaluation, attempt.run_id)
        job = evaluation.job
        dataset, summary = job.dataset, job.summary
    assert summary is not None  # an evaluation is created only for a job with a summary
    log, archive = attempt.folder / "log", attempt.folder / "summary.zip"
    attempt.files.fetch(dataset.storage_key, log, sha256=dataset.sha256)
    attempt.files.fetch(summary.storage_key, archive, sha256=summary.sha256)
    run = EvaluationRun(
        archive,
        log,
        read_evaluation_spec(evaluation.spec, version=evaluation.spec_format),
        log_name=dataset.name,
        limits=Limits(columns=attempt.settings.max_columns),
        distil_seconds=_distil_seconds(job.metrics),
        device=prepare_device(
            attempt.settings.device,
            threads=attempt.settings.torch_threads,
            tf32=attempt.settings.tf32,
            deterministic=attempt.settings.deterministic,
        ),
    )
    with naming_memory_errors():
        follow(run, attempt)
    result = run.result

    def finish(session: Session, held: Claim) -> RunState:
        return claims.succeed(session, held, result=result)

    return finish


def _distil_seconds(metrics: dict[str, Any] | None) -> float | None:
    """Return the seconds of teacher and distillation, which jobs of older versions do not have."""
    seconds = (metrics or {}).get("seconds", {})
    return distillation_seconds(seconds) if seconds else None
