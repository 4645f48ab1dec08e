"""Measuring one log: distilling it, timing other jobs beside it, and evaluating the summary.

What an interruption must not lose lies in a folder: the artefact with what was measured until then, and the trainings
of the evaluation.
"""

import json
import os
import shutil
import time
from collections.abc import Generator
from pathlib import Path

import torch

from benchmarks.machine import surroundings
from benchmarks.quality.request import Document, Request, job_differences, spec_differences
from td3core import DistillationRun, EvaluationRun
from td3core.config import JobSpec
from td3core.errors import InvalidCheckpointError
from td3core.progress import Progress, distillation_seconds
from td3core.ranking import SELECTION_METRIC

VALIDATED = SELECTION_METRIC
CHECKPOINT_SECONDS = 60.0
_CPU = torch.device("cpu")


def measure(request: Request, folder: Path) -> Generator[tuple[str, Progress], None, Document]:
    """Measure a log and return the report, ready for JSON; yield what is being done, and how far it is.

    Args:
        request: The log, and what to measure.
        folder: Where what is done already lies, and is put until the end; empty at first.

    Raises:
        Td3Error: The log cannot be distilled or evaluated as asked for.
    """
    torch.set_num_threads(request.threads)
    folder.mkdir(parents=True, exist_ok=True)
    archive, distilled = folder / "summary.zip", folder / "distilled.json"
    report = json.loads(distilled.read_text()) if distilled.exists() else None
    if report is None or job_differences(report, request):
        report = yield from _distil(request, archive)
        write_whole(distilled, json.dumps(report))
    timed: dict[str, Document] = report["beside"]
    for name, job in request.beside.items():
        if name not in timed or spec_differences(name, job, timed[name]["spec"]):
            timed[name] = yield from _time(request, name, job)
            write_whole(distilled, json.dumps(report))
    evaluation = EvaluationRun(
        archive,
        request.log,
        request.evaluation,
        log_name=request.name,
        distil_seconds=report["distil_seconds"],
        device=_CPU,
    )
    yield from _evaluate(evaluation, folder / "evaluation.checkpoint")
    if request.keep is not None:
        request.keep.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive, request.keep)
    return {
        **report,
        "settings": request.settings,
        "evaluation": request.evaluation.model_dump(mode="json"),
        "load": os.getloadavg()[0],
        **evaluation.result,
    }


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


def _distil(request: Request, archive: Path) -> Generator[tuple[str, Progress], None, Document]:
    """Distil the log, save the summary, and return what it took and came to."""
    machine = surroundings(request.threads)
    run = DistillationRun(request.log, request.job, log_name=request.name, device=_CPU)
    curve = yield from _recorded(run, "")
    run.save(archive)
    return {
        "log": request.name,
        "log_sha256": run.summary.manifest.dataset.sha256,
        "code_version": run.summary.manifest.code_version,
        "profile": run.summary.manifest.dataset.kept.model_dump(mode="json"),
        "spec": request.job.model_dump(mode="json"),
        "job_seconds": sum(run.seconds.values()),
        "distil_seconds": distillation_seconds(run.seconds),
        "job": run.metrics,
        "curve": curve,
        **machine,
        "beside": {},
    }


def _time(request: Request, name: str, job: JobSpec) -> Generator[tuple[str, Progress], None, Document]:
    """Distil the log as another job would, and return what it took and came to."""
    load = os.getloadavg()[0]
    run = DistillationRun(request.log, job, log_name=request.name, device=_CPU)
    curve = yield from _recorded(run, f"{name}, ")
    return {
        "spec": job.model_dump(mode="json"),
        "job_seconds": sum(run.seconds.values()),
        "job": run.metrics,
        "curve": curve,
        "load_before": load,
    }


def _recorded(
    run: DistillationRun, what: str
) -> Generator[tuple[str, Progress], None, list[dict[str, float]]]:
    """Go through a distillation; return each validation of the summary: seconds since the start, step, figure."""
    started = time.monotonic()
    curve: list[dict[str, float]] = []
    for progress in run:
        figure = progress.scores.get(VALIDATED) if progress.stage == "distilling" else None
        # Reports repeat the latest figure until there is another.
        if figure is not None and (not curve or curve[-1][VALIDATED] != figure):
            curve.append(
                {"seconds": time.monotonic() - started, "outer_step": progress.step, VALIDATED: figure}
            )
        yield f"{what}{progress.stage}", progress
    return curve


def _evaluate(run: EvaluationRun, checkpoint: Path) -> Generator[tuple[str, Progress], None, None]:
    """Evaluate from the checkpoint, where there is one of this run, and write it now and then."""
    if checkpoint.exists():
        try:
            run.resume(checkpoint)
        except InvalidCheckpointError:  # of other trainings: they are made anew
            checkpoint.unlink()
    saved = time.monotonic()
    for progress in run:
        if time.monotonic() - saved >= CHECKPOINT_SECONDS:
            run.checkpoint(checkpoint)
            saved = time.monotonic()
        yield progress.stage, progress
