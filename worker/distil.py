"""A distillation: log from storage, td3core, archive to storage."""

import hashlib
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from api.db import now
from api.ids import new_id
from api.models import Dataset, Job, RunState, Summary
from api.runs import claims
from api.runs.claims import Claim
from td3core.config import JobSpec
from worker.execute import Attempt, Finish
from worker.follow import follow, starting


def distil_job(attempt: Attempt) -> Finish:
    """Run the job and put its archive into storage; the finish makes it the job's summary."""
    starting(attempt.watch, "reading")
    from td3core.pipeline import DistillationRun
    from worker.device import naming_memory_errors, prepare_device

    with attempt.database.reading() as session:
        job = session.get_one(Job, attempt.run_id)
    log = attempt.folder / "log"
    attempt.storage.download(job.dataset.storage_key, log, sha256=job.dataset.sha256)
    run = DistillationRun(
        log,
        JobSpec.model_validate(job.spec),
        log_name=job.dataset.name,
        device=prepare_device(attempt.settings.device, threads=attempt.settings.torch_threads),
    )
    with naming_memory_errors():
        follow(run, attempt.watch)
    archive = attempt.folder / "summary.zip"
    run.save(archive)
    sha256 = _sha256(archive)
    key = f"{job.tenant_id}/summaries/{sha256}-{new_id('put')}"
    attempt.storage.put_file(key, archive, sha256=sha256)
    size = archive.stat().st_size
    profile = run.profile.model_dump(mode="json") if run.profile else None
    metrics: dict[str, Any] = run.metrics

    def finish(session: Session, held: Claim) -> RunState:
        state = claims.succeed(session, held, metrics=metrics)
        if state is RunState.SUCCEEDED:
            session.add(
                Summary(
                    job_id=job.id,
                    tenant_id=job.tenant_id,
                    created_at=now(session),
                    bytes=size,
                    sha256=sha256,
                    storage_key=key,
                )
            )
            session.execute(update(Dataset).where(Dataset.id == job.dataset_id).values(profile=profile))
        return state

    return finish


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
