"""The reference pages name everything that the code has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from api.app import create_app
from api.settings import Settings
from guide.reference import reference_pages
from guide.reference.markdown import table
from guide.reference.schema import model_tables
from td3client.cli import app
from td3core.config import EvaluationSpec, JobSpec, SamplingConfig, StudentConfig
from td3core.results import ReadingCode

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {Path(path).stem: text for path, text in reference_pages().items()}


def paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from paths(kind, f"{prefix}{name}.")


@pytest.mark.parametrize("model", [JobSpec, EvaluationSpec, SamplingConfig, StudentConfig])
def test_every_field_of_a_spec_has_a_row(pages: dict[str, str], model: type[BaseModel]) -> None:
    assert [path for path in paths(model) if f"\n| `{path}` | " not in pages["spec"]] == []


def test_a_row_says_type_default_bounds_and_meaning(pages: dict[str, str]) -> None:
    seed = JobSpec.model_fields["seed"].description
    assert f"| `seed` | integer | `0` | ≥ 0, < 2^63 | {seed} |" in pages["spec"]
    users = next(line for line in pages["spec"].splitlines() if line.startswith("| `summary.users`"))
    assert users.startswith("| `summary.users` | integer | `60` | ≥ 1")
    kind = next(line for line in pages["spec"].splitlines() if line.startswith("| `learner.kind`"))
    assert '| one of `"sasrec"`, `"gru4rec"`, `"narm"`, `"bert4rec"` | `"sasrec"` |' in kind


def test_every_setting_has_a_row(pages: dict[str, str]) -> None:
    rows = re.findall(r"^\| `(TD3_\w+)`", pages["settings"], re.MULTILINE)
    assert rows == [f"TD3_{name.upper()}" for name in Settings.model_fields]
    assert "| `TD3_MAX_UPLOAD_BYTES` | `8GiB` | bytes |" in pages["settings"]
    assert "`TD3_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_ENDPOINT`" in pages["settings"]


def test_every_command_is_described(pages: dict[str, str]) -> None:
    names = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]
    assert len(names) > 5
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names += [
            f"{group.name} {command.name}"
            for command in group.typer_instance.registered_commands
            if command.name
        ]
    assert "webhooks list" in names
    assert [name for name in names if f"### `td3 {name}`" not in pages["cli"]] == []
    assert (
        "| `--url` |  | URL of the service. Also read from `TD3_URL`. Default: that of the profile"
        in pages["cli"]
    )
    assert (
        "| `--profile` | Profile of the service, of `td3 login`. Also read from `TD3_PROFILE`. |"
        in pages["cli"]
    )


def test_every_module_that_can_be_run_is_described(pages: dict[str, str]) -> None:
    # The tether is started by the embedded profile alone; the client's module is the command `td3`.
    internal = {"embedded.tether", "td3client"}
    runnable = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        for package in ("api", "worker", "td3core", "td3client", "embedded")
        for path in ROOT.glob(f"{package}/**/*.py")
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    described = set(re.findall(r"^### `python -m ([\w.]+)`$", pages["cli"], re.MULTILINE))
    assert described == runnable - internal
    assert "--revision REVISION" in pages["cli"]


def test_every_operation_and_every_problem_is_listed(pages: dict[str, str]) -> None:
    document = create_app(Settings()).openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f"## `{method.upper()} {path}`" in pages["api"]
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    for code in content.get("examples", {}):
                        if "urn:td3:problem" in str(content["examples"][code]):
                            assert f"\n| `{code}` | " in pages["problems"]
    for code in ("internal_error", "method_not_allowed", "client_disconnected", "log_too_small"):
        assert f"\n| `{code}` | " in pages["problems"]


def test_codes_of_failed_runs_are_those_of_the_code(pages: dict[str, str]) -> None:
    listed = pages["problems"].partition("## Errors of failed runs")[2]
    sources = "".join(
        path.read_text(encoding="utf-8")
        for pattern in ("api/runs/*.py", "worker/execute.py", "worker/limits.py")
        for path in ROOT.glob(pattern)
    )
    raised = re.findall(r'(?:"code": |_failure\(\s*)"(\w+)"', sources)
    assert len(raised) >= 5
    assert [code for code in raised if f"| `{code}` |" not in listed] == []


def test_the_tensors_of_each_kind_have_their_shapes(pages: dict[str, str]) -> None:
    for row in (
        "| `core` | d1 x d2 x d3 |",
        "| `users` | users x d1 |",
        "| `time` | length x d2 |",
        "| `latents` | users x length x d |",
        "| `decoder` | items x d |",
    ):
        assert row in pages["artefact"]
    assert "`dataset.kept.interactions`" in pages["artefact"]


def test_every_warning_about_a_log_is_listed(pages: dict[str, str]) -> None:
    assert [code for code in ReadingCode if f"\n| `{code}` | " not in pages["reading"]] == []
    entries = pages["reading"].partition("### Entries of `dropped`")[2]
    assert "\n| `share` | number |" in entries


def test_cells_keep_their_table_whole() -> None:
    assert (
        table(("a", "b", "c"), [("x|y", "", "two\nlines")])
        == "| a | c |\n| --- | --- |\n| x\\|y | two lines |\n"
    )


def test_models_within_models_have_tables_of_their_own() -> None:
    class Inner(BaseModel):
        """What is inside."""

        size: int | None = None

    class Outer(BaseModel):
        inner: Inner
        name: str

    text = model_tables(Outer)
    assert "| `inner` | object ([fields](#inner)) | required | What is inside. |" in text
    assert "### `inner`\n\nWhat is inside.\n" in text
    assert "| `inner.size` | integer or null | `null` |" in text
    assert "### `inner`" not in model_tables(Outer, skip=("Inner",))
