"""Evaluation of an artefact on its log."""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, final

import torch

from td3core.config import EvaluationSpec
from td3core.data import Sequences, leave_last_out, parquet_bytes
from td3core.errors import InvalidLogError
from td3core.evaluation import Evaluator, EvaluatorState, spare_bytes
from td3core.formats import EVALUATION_SPEC, read_evaluation_spec
from td3core.interactions import Limits
from td3core.progress import Progress
from td3core.results import EvaluationResult, Size
from td3core.runs.base import ResumableRun, RunCheckpoint, sha256_of
from td3core.summary import Summary, load_summary


@final
class EvaluationRun(ResumableRun[EvaluatorState]):
    """Evaluation of an artefact on the log from which it was distilled. Iterate over it, then read `result`.

    After a resume, finished trainings are not repeated, except for the teacher of rivals that are not distilled yet.
    """

    checkpoint_type = RunCheckpoint[EvaluatorState]
    spec_format = EVALUATION_SPEC
    spec: EvaluationSpec

    def __init__(
        self,
        artifact: Path,
        log: Path,
        spec: EvaluationSpec,
        *,
        log_name: str | None = None,
        limits: Limits | None = None,
        distil_seconds: float | None = None,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(log, spec, log_name=log_name, limits=limits, device=device, dtype=dtype)
        self.artifact = artifact
        self.distil_seconds = distil_seconds
        self._evaluator: Evaluator | None = None
        self._result: EvaluationResult | None = None

    @property
    def result(self) -> dict[str, Any]:
        """The result, ready for JSON.

        Raises:
            RuntimeError: The run has not ended.
        """
        if self._result is None:
            raise RuntimeError("the run has no result before its end")
        return self._result.model_dump(mode="json")

    def _read_spec(self, stored: Mapping[str, Any], *, version: int) -> EvaluationSpec:
        return read_evaluation_spec(stored, version=version)

    def _inputs(self) -> dict[str, Any]:
        return {"artifact": sha256_of(self.artifact)}

    def _state(self) -> EvaluatorState | None:
        return self._resumed if self._evaluator is None else self._evaluator.state()

    def _run(self, started: float) -> Generator[Progress, None, None]:
        yield Progress("evaluating", 0, 1)
        summary = load_summary(self.artifact)
        _, sequences = self._read(summary.manifest.spec.data)
        if tuple(sequences.item_ids.to_list()) != summary.item_ids:
            raise InvalidLogError(
                f"this is not the log that was distilled: after filtering it has {sequences.n_items} items, which "
                f"differ from the {len(summary.item_ids)} items of the summary"
            )
        evaluator = Evaluator(
            summary,
            leave_last_out(sequences),
            self.spec,
            size=Size(
                summary_bytes=self.artifact.stat().st_size,
                summary_parameters=sum(tensor.numel() for tensor in summary.factors.tensors.values()),
                item_parameters=summary.items.numel(),
                teacher_parameters=None if summary.teacher is None else summary.teacher.numel(),
                log_bytes=self.log.stat().st_size,
                log_parquet_bytes=self._log_parquet_bytes(summary, sequences),
                log_interactions=len(sequences.items),
            ),
            spare_bytes=spare_bytes(self.artifact),
            distil_seconds=self.distil_seconds,
            device=self.device,
            dtype=self.dtype,
        )
        if self._resumed is not None:
            evaluator.restore(self._resumed)
        self._evaluator, self._resumed = evaluator, None
        self._result = yield from evaluator.run()

    def _log_parquet_bytes(self, summary: Summary, sequences: Sequences) -> int:
        """Return what the manifest says of this very file; measure it where that says nothing."""
        manifest = summary.manifest
        known = manifest.metrics.get("log_parquet_bytes")
        if isinstance(known, int) and known > 0 and manifest.dataset.sha256 == self._log_sha256:
            return known
        return parquet_bytes(sequences)
