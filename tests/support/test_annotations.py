"""Wrong shapes, dtypes and types are refused in tests, and nowhere else."""

import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError

from td3core.config import LearnerConfig
from td3core.learners import build_learner
from td3core.ranking.metrics import target_ranks

SCORES, TARGETS = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize(
    "targets",
    [torch.zeros(3, dtype=torch.int64), torch.zeros(2), torch.zeros(2, 1, dtype=torch.int64), [0, 0]],
)
def test_a_wrong_tensor_is_refused(targets: object) -> None:
    assert target_ranks(SCORES, TARGETS).tolist() == [3, 3]
    with pytest.raises(TypeCheckError):
        target_ranks(SCORES, targets)  # pyright: ignore[reportArgumentType]


def test_so_is_what_is_no_tensor() -> None:
    with pytest.raises(TypeCheckError):
        build_learner(LearnerConfig().model_dump())  # pyright: ignore[reportArgumentType]


def test_other_processes_run_without_the_checks() -> None:
    code = "import td3core.ranking.metrics, sys; print('beartype' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
