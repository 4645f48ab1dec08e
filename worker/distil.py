"""Execution of a distillation job: fetch the log, run td3core, store the archive."""

from typing import Any

from sqlalchemy.orm import Session

from api.datasets import service as datasets
from api.db import now
from api.models import Job, RunState, SummaryArchive
from api.runs import claims
from api.runs.claims import Claim
from td3core.formats import read_job_spec
from td3core.interactions import Limits
from worker.execute import Attempt, Finish
from worker.follow import follow, starting


def distil_job(attempt: Attempt) -> Finish:
    """Execute the job and store its archive; the returned function records it as the summary of the job."""
    starting(attempt, "reading")
    from td3core.runs import DistillationRun
    from worker.device import naming_memory_errors, prepare_device

    with attempt.database.reading() as session:
        job = session.get_one(Job, attempt.run_id)
    log = attempt.folder / "log"
    attempt.files.fetch(job.dataset.storage_key, log, sha256=job.dataset.sha256)
    run = DistillationRun(
        log,
        read_job_spec(job.spec, version=job.spec_format),
        log_name=job.dataset.name,
        limits=Limits(columns=attempt.settings.max_columns),
        device=prepare_device(
            attempt.settings.device,
            threads=attempt.settings.torch_threads,
            tf32=attempt.settings.tf32,
            deterministic=attempt.settings.deterministic,
        ),
    )
    told = False

    def tell_of_log() -> None:
        """Store what is known of the log as soon as it has been read."""
        nonlocal told
        if run.study is not None and not told:
            study = run.study
            told = attempt.watch.write(
                lambda session, held: datasets.complete(session, held, job.dataset_id, study)
            )

    with naming_memory_errors():
        follow(run, attempt, stepped=tell_of_log)
    archive = attempt.folder / "summary.zip"
    key, sha256 = attempt.files.keep(f"{job.tenant_id}/summaries", archive, write=run.save)
    size = archive.stat().st_size
    study = run.study
    assert study is not None  # it is the log that was distilled
    metrics: dict[str, Any] = run.metrics

    def finish(session: Session, held: Claim) -> RunState:
        datasets.complete(session, held, job.dataset_id, study)
        state = claims.succeed(session, held, metrics=metrics)
        if state is RunState.SUCCEEDED:
            session.add(
                SummaryArchive(
                    job_id=job.id,
                    tenant_id=job.tenant_id,
                    created_at=now(session),
                    bytes=size,
                    sha256=sha256,
                    storage_key=key,
                )
            )
        return state

    return finish
