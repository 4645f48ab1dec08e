import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch

from td3core import load_summary
from td3core.errors import InvalidArtifactError
from td3core.runs.distillation import DistillationRun


def rewritten(archive: Path, to: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(archive) as source:
        members = {name: source.read(name) for name in source.namelist()}
    change(members)
    with zipfile.ZipFile(to, "w") as target:
        for name, data in members.items():
            target.writestr(name, data)
    return to


def test_what_was_saved_is_what_is_loaded(finished_run: DistillationRun, archive: Path) -> None:
    loaded, saved = load_summary(archive), finished_run.summary
    assert type(loaded.factors) is type(saved.factors)
    for name, theirs in saved.factors.tensors.items():
        assert torch.equal(loaded.factors.tensors[name], theirs)
    assert torch.equal(loaded.expected_embeddings(), saved.expected_embeddings())
    assert torch.equal(loaded.items, saved.items)
    assert loaded.item_ids == saved.item_ids
    assert loaded.manifest.spec == saved.manifest.spec
    assert loaded.manifest.metrics == saved.manifest.metrics


def test_members_can_be_read_without_this_library(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert sorted(opened.namelist()) == ["factors.safetensors", "items.parquet", "manifest.json"]
        manifest = json.loads(opened.read("manifest.json"))
        items = pl.read_parquet(opened.read("items.parquet"))
    assert manifest["format_version"] == 1
    assert manifest["dataset"]["name"] == "tiny.csv"
    assert items.columns == ["row", "item_id"]
    assert items["item_id"].str.starts_with("i").all()


def test_usage_names_every_tensor(finished_run: DistillationRun, archive: Path) -> None:
    usage = load_summary(archive).manifest.usage
    for name in (*finished_run.summary.factors.tensors, "items"):
        assert f"`{name}`" in usage


def test_the_same_summary_gives_the_same_bytes(
    finished_run: DistillationRun, archive: Path, tmp_path: Path
) -> None:
    finished_run.save(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def drop_factors(members: dict[str, bytes]) -> None:
    del members["factors.safetensors"]


def flip_a_byte(members: dict[str, bytes]) -> None:
    data = bytearray(members["factors.safetensors"])
    data[-1] ^= 1
    members["factors.safetensors"] = bytes(data)


def later_version(members: dict[str, bytes]) -> None:
    members["manifest.json"] = members["manifest.json"].replace(
        b'"format_version": 1', b'"format_version": 2'
    )


def no_json(members: dict[str, bytes]) -> None:
    members["manifest.json"] = b"{"


def another_size(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    manifest["spec"]["summary"]["users"] += 1
    members["manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_factors, "no factors.safetensors"),
        (flip_a_byte, "factors.safetensors is damaged"),
        (later_version, "has format 2, which a later version wrote; expected format 1 to 1"),
        (no_json, "manifest.json"),
        (another_size, "shapes"),
    ],
)
def test_a_bad_archive_is_named(archive: Path, tmp_path: Path, change, message: str) -> None:
    bad = rewritten(archive, tmp_path / "bad.zip", change)
    with pytest.raises(InvalidArtifactError, match=message):
        load_summary(bad)


def test_a_file_that_is_no_archive_is_named(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(InvalidArtifactError, match=r"text\.zip"):
        load_summary(tmp_path / "text.zip")
    with pytest.raises(InvalidArtifactError, match=r"missing\.zip"):
        load_summary(tmp_path / "missing.zip")
    shutil.copy(archive, tmp_path / "cut.zip")
    with (tmp_path / "cut.zip").open("r+b") as file:
        file.truncate(archive.stat().st_size // 2)
    with pytest.raises(InvalidArtifactError, match=r"cut\.zip"):
        load_summary(tmp_path / "cut.zip")


@pytest.mark.parametrize(("offset", "bit"), [(8, 0), (8, 5), (10, 3)], ids=["encrypted", "patched", "method"])
def test_a_flipped_bit_is_named(archive: Path, tmp_path: Path, offset: int, bit: int) -> None:
    """In each entry of the archive's directory: what the zip library then raises is of many kinds."""
    data = bytearray(archive.read_bytes())
    start = data.find(b"PK\1\2")
    while start >= 0:
        data[start + offset] ^= 1 << bit
        start = data.find(b"PK\1\2", start + 4)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(data)
    with pytest.raises(InvalidArtifactError):
        load_summary(broken)
