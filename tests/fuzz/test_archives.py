"""Whatever an archive, a checkpoint or a Parquet file holds, it is read or refused as what it is not."""

import hashlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from td3core import load_summary, save_summary
from td3core.checkpoint import load_checkpoint
from td3core.errors import InvalidArtifactError, InvalidCheckpointError
from td3core.parquet import ParquetError, unpacked
from td3core.runs.distillation import DistillationRun
from td3core.runs.evaluation import EvaluationRun
from tests.support.archives import as_parquet, members_of, rehash, write_archive
from tests.support.fuzzing import changed_json, fuzzed, mutated

FIXTURES = Path(__file__).parents[1] / "fixtures"
OLD = FIXTURES / "checkpoints/2/summary.zip"


def written_now() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        save_summary(load_summary(OLD), Path(folder) / "summary.zip")
        return (Path(folder) / "summary.zip").read_bytes()


ARCHIVES = [OLD.read_bytes(), written_now()]
MEMBERS = members_of(OLD)
MANIFEST: Any = json.loads(MEMBERS["manifest.json"])
TABLES = [
    MEMBERS["items.parquet"],
    as_parquet(pl.DataFrame({"item_id": [f"i{number}" for number in range(15)]})),
    as_parquet(pl.DataFrame({"item_id": [f"i{number}" for number in range(15)]}), compression="uncompressed"),
]


def loaded(archive: Path) -> None:
    """Load it; a summary that is loaded is finite and can be used."""
    try:
        summary = load_summary(archive)
    except InvalidArtifactError as error:
        assert len(str(error)) < 5_000
        return
    assert summary.items.isfinite().all()
    assert len(set(summary.item_ids)) == len(summary.items) == summary.manifest.dataset.kept.items
    assert summary.expected_embeddings().shape == (*summary.factors.shape, summary.items.shape[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@fuzzed(120)
@given(mutated(ARCHIVES))
def test_archives(folder: Path, data: bytes) -> None:
    (folder / "summary.zip").write_bytes(data)
    loaded(folder / "summary.zip")


@fuzzed(80)
@given(st.sampled_from(["factors.safetensors", "items.parquet"]), st.data())
def test_members_with_hashes_that_fit(folder: Path, name: str, data: st.DataObject) -> None:
    members = dict(MEMBERS)
    seeds = TABLES if name == "items.parquet" else [MEMBERS[name]]
    members[name] = data.draw(mutated(seeds))
    rehash(members)
    loaded(write_archive(members, folder / "members.zip"))


@fuzzed(80)
@given(changed_json(MANIFEST))
def test_manifests(folder: Path, manifest: object) -> None:
    members = {**MEMBERS, "manifest.json": json.dumps(manifest).encode()}
    loaded(write_archive(members, folder / "manifest.zip"))


@fuzzed(150)
@given(mutated(TABLES))
def test_parquet(data: bytes) -> None:
    """What is measured is what a reader finds, if it finds anything."""
    try:
        found = unpacked(data)
    except ParquetError:
        return
    try:
        table = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return
    assert table.height == found.rows
    assert tuple(table.columns) == found.columns


CHECKPOINTS = {
    "teacher": DistillationRun.checkpoint_type,
    "distilling": DistillationRun.checkpoint_type,
    "evaluating": EvaluationRun.checkpoint_type,
}


@fuzzed(60)
@given(st.sampled_from(sorted(CHECKPOINTS)), st.booleans(), st.data())
def test_checkpoints(folder: Path, name: str, whole: bool, data: st.DataObject) -> None:
    """With digests that fit: of bytes that were changed, or of a state that was."""
    content = (FIXTURES / "checkpoints/2" / name).read_bytes()[:-64]
    if whole:
        content = data.draw(mutated([content]))
    else:
        end = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:end])
        state = data.draw(changed_json(json.loads(header["__metadata__"]["state"])))
        header["__metadata__"]["state"] = json.dumps(state)
        encoded = json.dumps(header).encode()
        content = len(encoded).to_bytes(8, "little") + encoded + content[end:]
    (folder / "checkpoint").write_bytes(content + hashlib.sha256(content).hexdigest().encode())
    try:
        state = load_checkpoint(folder / "checkpoint", CHECKPOINTS[name], device=torch.device("cpu"))
    except InvalidCheckpointError:
        return
    assert type(state).__name__ == "RunCheckpoint"
