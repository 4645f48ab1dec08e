"""What an import loads, and what it does not."""

import subprocess
import sys

import pytest

import td3core


def loaded_by(code: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has loaded after `code`."""
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "td3core",
        "td3core.config",
        "td3core.errors",
        "td3core.results",
        "td3core.formats",
        "td3core.interactions",
    ],
)
def test_torch_is_not_loaded_by_what_the_service_shares(module: str) -> None:
    assert not loaded_by(f"import {module}") & {"torch", "scipy"}


def test_a_teacher_is_trained_without_scipy() -> None:
    loaded = loaded_by("import td3core.training, td3core.ranking")
    assert "torch" in loaded
    assert "scipy" not in loaded


def test_the_package_lists_what_it_gives() -> None:
    assert dir(td3core) == sorted(td3core.__all__)
    assert all(getattr(td3core, name) for name in td3core.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = td3core.nothing  # pyright: ignore[reportAttributeAccessIssue]
