import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from worker.device import naming_memory_errors, prepare_device


def test_the_device_and_threads_are_as_told() -> None:
    before = torch.get_num_threads()
    try:
        assert prepare_device("cpu", threads=1) == torch.device("cpu")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_auto_takes_what_is_there() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert prepare_device("auto", threads=torch.get_num_threads()).type == expected


def in_a_process_of_its_own(script: str, **environment: str) -> str:
    """Return what the script prints, because these switches of torch hold for a process."""
    done = subprocess.run(
        [sys.executable, "-c", f"import os, torch; from worker.device import prepare_device; {script}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "tf32", "precision"),
    [("cuda", True, "high"), ("cuda", False, "highest"), ("cpu", True, "highest")],
)
def test_products_take_the_tensor_cores_of_a_gpu_if_asked(name: str, tf32: bool, precision: str) -> None:
    script = f"prepare_device({name!r}, threads=1, tf32={tf32}); print(torch.get_float32_matmul_precision())"
    assert in_a_process_of_its_own(script) == precision


@pytest.mark.parametrize(
    ("given", "kept"), [({}, ":4096:8"), ({"CUBLAS_WORKSPACE_CONFIG": ":16:8"}, ":16:8")]
)
def test_algorithms_are_deterministic_if_asked(given: dict[str, str], kept: str) -> None:
    script = "prepare_device('cpu', threads=1, deterministic=True); "
    script += "print(torch.are_deterministic_algorithms_enabled(), os.environ['CUBLAS_WORKSPACE_CONFIG'])"
    assert in_a_process_of_its_own(script, **given) == f"True {kept}"


def test_algorithms_are_as_fast_as_they_can_be_by_default() -> None:
    script = "prepare_device('cpu', threads=1); print(torch.are_deterministic_algorithms_enabled())"
    assert in_a_process_of_its_own(script) == "False"


def test_running_out_of_memory_has_a_name() -> None:
    with pytest.raises(MemoryError), naming_memory_errors():
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), naming_memory_errors():
        torch.mm(torch.ones(2, 3), torch.ones(2, 3))


@pytest.mark.parametrize("module", ["worker", "worker.keeper"])
def test_the_commands_say_what_they_lack(module: str, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "TD3_BROKER_URL is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_workers_parent_loads_no_torch() -> None:
    script = "import sys, os; os.environ['TD3_BROKER_URL'] = 'redis://x'; import worker.app; "
    script += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
