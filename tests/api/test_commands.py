import subprocess
import sys
from pathlib import Path

import pytest


def test_importing_the_application_loads_no_torch() -> None:
    script = "import sys, api.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("module", ["api", "api.migrate"])
def test_the_command_says_what_is_wrong(tmp_path: Path, module: str) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "TD3_PORT": "many"}
    done = subprocess.run(
        [sys.executable, "-m", module],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "TD3_PORT='many'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_lists_the_settings() -> None:
    done = subprocess.run([sys.executable, "-m", "api", "--help"], capture_output=True, text=True, check=True)
    assert "TD3_LEASE_SECONDS" in done.stdout
    assert "None" not in done.stdout
