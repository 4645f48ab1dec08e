"""What the documents name exists: files, headings, settings, fields, sources; the specs that they show are valid."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter

from api.settings import Settings
from td3core.config import EvaluationSpec, JobSpec
from td3core.config.sources import SOURCES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *(ROOT / package / "README.md" for package in ("td3core", "td3client")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("benchmarks/**/*.md")),
    *sorted(ROOT.glob("examples/*.md")),
]
GENERATED = ROOT / "docs/reference"
# Read by the client and by the tests, not by the service.
OTHER_VARIABLES = {f"TD3_{name}" for name in ("URL", "TOKEN", "PROFILE")} | {
    f"TD3_TEST_{name}" for name in ("POSTGRES_URL", "BROKER_URL", "SEED")
}

LINK = re.compile(r"(?<!`)\[[^\]]*\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"\bTD3_[A-Z0-9_]+\b(?!\.\.\.)")
FIELD = re.compile(r"`(data|learner|teacher|inner|outer|stop)\.(\w+)`")

INLINE_SPEC = re.compile(r"""(?<=[`'])\{"[^`']*\}(?=[`'])""")
FENCED_SPEC = re.compile(r"^```json\n(\{.*?\})\n```", re.MULTILINE | re.DOTALL)
SPECS: TypeAdapter[JobSpec | EvaluationSpec] = TypeAdapter(JobSpec | EvaluationSpec)
PAGES_WITH_SPECS = [
    path
    for path in DOCUMENTS
    if path.name
    in ("submit.md", "evaluate.md", "choose-a-spec.md", "quickstart.md", "prepare-a-log.md", "logs.md")
]

document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def prose(path: Path) -> str:
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """Headings as Python-Markdown and forges write them in an address."""
    texts = (
        re.sub(r"[`*]|\[([^\]]+)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(prose(path))
    )
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower()) for text in texts}


def dead_links(path: Path) -> Iterator[str]:
    for target, anchor in LINK.findall(prose(path)):
        linked = (path.parent / target).resolve() if target else path
        if not linked.exists():
            yield target
        elif linked.parent == GENERATED:  # the site's build knows the anchors
            continue
        elif anchor and anchor not in anchors(linked):
            yield f"{target}#{anchor}"


@document
def test_links_lead_somewhere(path: Path) -> None:
    assert list(dead_links(path)) == []


@document
def test_variables_that_are_named_are_read(path: Path) -> None:
    settings = {f"TD3_{name.upper()}" for name in Settings.model_fields}
    assert set(VARIABLE.findall(path.read_text(encoding="utf-8"))) - settings - OTHER_VARIABLES == set()


@document
def test_fields_of_a_spec_that_are_named_exist(path: Path) -> None:
    for section, field in FIELD.findall(prose(path)):
        model = JobSpec.model_fields[section].annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        assert field in model.model_fields, f"{section}.{field}"


def test_every_document_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    queue = [ROOT / "README.md"]
    while queue:
        path = queue.pop()
        if path in seen or path.suffix != ".md" or not path.exists():
            continue
        seen.add(path)
        queue += [(path.parent / target).resolve() for target, _ in LINK.findall(prose(path)) if target]
    assert [path for path in DOCUMENTS if path not in seen] == []


@pytest.mark.parametrize("path", PAGES_WITH_SPECS, ids=lambda path: path.name)
def test_specs_that_are_shown_are_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    specs = INLINE_SPEC.findall(text) + (FENCED_SPEC.findall(text) if path.name == "choose-a-spec.md" else [])
    assert specs
    for spec in specs:
        SPECS.validate_json(spec)


def test_every_source_is_explained() -> None:
    text = (ROOT / "docs/explanation/evaluation.md").read_text(encoding="utf-8")
    rows = [row for row in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE) if "`" in row]
    tokens = set(re.findall(r"`(\w+)`", "".join(rows)))
    suffixes = {token for token in tokens if token.startswith("_")}

    def explained(name: str) -> bool:
        return name in tokens or any(
            name.endswith(suffix) and explained(name.removesuffix(suffix)) for suffix in suffixes
        )

    names = {source.name for source in SOURCES}
    assert [name for name in names if not explained(name)] == []
    assert tokens - suffixes <= names


def test_the_demo_in_the_readme_begins_its_steps_as_the_demo_does() -> None:
    """As far as a step's line does not depend on the run."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    printed = re.findall(
        r"\[bold\](\d\.)\[/\]([^{\"]+)", (ROOT / "embedded/demo.py").read_text(encoding="utf-8")
    )
    assert len(printed) == 5
    for number, text in printed:
        assert f"\n{number}{text}" in readme
