"""What jobs end in when nothing disturbs them, to compare with after a disturbance."""

import os
from pathlib import Path
from typing import Any

from td3core.config import JobSpec

SEED = int(os.environ.get("TD3_TEST_SEED", "2026"))
"""Of the random moments; each test that draws shows it in its name."""


def small_spec(seed: int, *, steps: int = 20) -> dict[str, Any]:
    """A job of seconds, most of which pass in its outer steps; each seed gives a summary of its own."""
    return {
        "seed": seed,
        "learner": {"embedding_size": 8, "inner_size": 16, "max_length": 10},
        "teacher": {"members": 1, "max_epochs": 2},
        "summary": {"users": 4, "length": 10},
        "inner": {"steps": 10, "window": 3},
        "outer": {"steps": steps, "validate_every": 10, "validation_learners": 1},
        "certificate": {"learners": 0},
    }


class Undisturbed:
    """Summaries of small specs, made in this process by the library alone."""

    def __init__(self, log: Path, folder: Path) -> None:
        self.log = log
        self._folder = folder

    def archive(self, spec: dict[str, Any]) -> bytes:
        """The bytes that the job must end in, whatever happens to it."""
        path = self._folder / f"{spec['seed']}-{spec['outer']['steps']}.zip"
        if not path.exists():
            from td3core.runs.distillation import DistillationRun
            from worker.device import prepare_device

            device = prepare_device("cpu", threads=1)
            run = DistillationRun(
                self.log, JobSpec.model_validate(spec), log_name=self.log.name, device=device
            )
            for _ in run:
                pass
            run.save(path)
        return path.read_bytes()
