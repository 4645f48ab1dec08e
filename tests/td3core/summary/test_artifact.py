import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import safetensors.torch
import torch

from td3core import Summary, load_summary, save_summary
from td3core.config import SummaryPrecision
from td3core.config.sizes import summary_bytes
from td3core.data import build_sequences, leave_last_out
from td3core.errors import InvalidArtifactError
from td3core.factors import FarziFactors, TuckerFactors
from td3core.interactions import filter_log, read_log
from td3core.learners import build_learner
from td3core.outer import Distillation
from td3core.ranking import validation_task
from td3core.runs.distillation import DistillationRun
from td3core.training import Trained
from tests.support.archives import as_parquet, rehash, rewritten


def test_what_was_saved_is_what_is_loaded(finished_run: DistillationRun, archive: Path) -> None:
    loaded, saved = load_summary(archive), finished_run.summary
    assert type(loaded.factors) is type(saved.factors)
    for name, theirs in saved.factors.tensors.items():
        assert torch.equal(loaded.factors.tensors[name], theirs)
    assert torch.equal(loaded.expected_embeddings(), saved.expected_embeddings())
    assert torch.equal(loaded.items, saved.items)
    assert loaded.teacher is not None
    assert saved.teacher is not None
    assert torch.equal(loaded.teacher, saved.teacher)
    assert loaded.item_ids == saved.item_ids
    assert loaded.manifest.spec == saved.manifest.spec
    assert loaded.manifest.metrics == saved.manifest.metrics


def test_members_can_be_read_without_this_library(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == [
            "factors.safetensors",
            "teacher.safetensors",
            "items.parquet",
            "manifest.json",
        ]
        manifest = json.loads(opened.read("manifest.json"))
        weights = safetensors.torch.load(opened.read("teacher.safetensors"))
        items = pl.read_parquet(opened.read("items.parquet"))
    assert manifest["format_version"] == 2
    assert weights["position"].shape == (20, 16)
    assert weights["position"].dtype == torch.int8
    assert weights["position.row_scale"].shape == (20,)
    assert manifest["dataset"]["name"] == "tiny.csv"
    assert items.columns == ["item_id"]
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


def as_format_1(members: dict[str, bytes]) -> None:
    """Leave out what 0.1.0 did not write; its own archives are in `tests/fixtures/formats`."""
    del members["teacher.safetensors"]
    manifest = json.loads(members["manifest.json"])
    del manifest["files"]["teacher.safetensors"]
    del manifest["spec"]["inner"]["targets"], manifest["spec"]["summary"]["precision"]
    members["manifest.json"] = json.dumps(manifest | {"format_version": 1}).encode()


def test_an_archive_of_the_first_format_has_no_teacher(
    finished_run: DistillationRun, archive: Path, tmp_path: Path
) -> None:
    old = load_summary(rewritten(archive, tmp_path / "old.zip", as_format_1))
    assert old.teacher is None
    assert old.manifest.spec.inner.targets == "summary"
    assert old.manifest.spec.summary.precision == "float32"
    assert torch.equal(old.items, finished_run.summary.items)
    save_summary(old, tmp_path / "again.zip")
    assert load_summary(tmp_path / "again.zip").teacher is None
    assert old.to("cpu", torch.float64).teacher is None


def test_the_teacher_scores_as_it_did(finished_run: DistillationRun, archive: Path, tiny_log: Path) -> None:
    """It is the one whose figure is in the manifest."""
    summary = load_summary(archive)
    assert summary.teacher is not None
    config = summary.manifest.spec.data
    split = leave_last_out(build_sequences(filter_log(read_log(tiny_log, config), config)))
    learner = build_learner(summary.manifest.spec.learner)
    task = validation_task(
        split, max_length=learner.max_length, exclude_seen=config.exclude_seen, device=torch.device("cpu")
    )
    (figures,) = task.evaluate(learner, summary.teacher, summary.items)
    assert figures["ndcg@10"] == pytest.approx(summary.manifest.metrics["teacher"]["valid_ndcg@10"])


def with_precision(summary: Summary, precision: SummaryPrecision) -> Summary:
    spec = summary.manifest.spec
    stored = spec.summary.model_copy(update={"precision": precision})
    changed = spec.model_copy(update={"summary": stored})
    return replace(summary, manifest=summary.manifest.model_copy(update={"spec": changed}))


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_an_archive_saved_again_has_the_same_bytes(
    finished_run: DistillationRun, tmp_path: Path, precision: SummaryPrecision
) -> None:
    generator = torch.Generator().manual_seed(1)
    summary = with_precision(finished_run.summary, precision)
    summary = replace(summary, items=torch.randn(summary.items.shape, generator=generator))
    save_summary(summary, tmp_path / "first.zip")
    loaded = load_summary(tmp_path / "first.zip")
    assert torch.equal(loaded.items, summary.items) is (precision == "float32")
    save_summary(loaded, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "first.zip").read_bytes()


def test_each_precision_takes_less_and_as_much_as_was_estimated(
    finished_run: DistillationRun, tmp_path: Path
) -> None:
    """The tensors, which are most of what a log of real size needs; a byte and a bit for four."""
    sizes: dict[str, int] = {}
    both: dict[str, int] = {}
    expected: dict[str, int] = {}
    for precision in ("float32", "float16", "int8"):
        path = tmp_path / f"{precision}.zip"
        summary = with_precision(finished_run.summary, precision)
        save_summary(summary, path)
        with zipfile.ZipFile(path) as opened:
            tensors, teacher = (
                safetensors.torch.load(opened.read(f"{name}.safetensors")) for name in ("factors", "teacher")
            )
        sizes[precision] = sum(tensor.nbytes for tensor in tensors.values())
        both[precision] = sizes[precision] + sum(tensor.nbytes for tensor in teacher.values())
        expected[precision] = summary_bytes(summary.manifest.spec, items=len(summary.item_ids))
    assert sizes["float16"] == sizes["float32"] / 2
    assert sizes["int8"] < 0.5 * sizes["float32"]
    for smaller in "float16", "int8":
        saved = expected["float32"] - expected[smaller]
        assert saved == pytest.approx(both["float32"] - both[smaller], rel=0.15)


def test_members_are_compressed_where_that_pays(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        manifest = opened.getinfo("manifest.json")
        assert manifest.compress_type == zipfile.ZIP_DEFLATED
        assert manifest.compress_size < 0.5 * manifest.file_size
        assert all(member.compress_size <= member.file_size for member in opened.infolist())


def test_the_figure_is_that_of_the_summary_as_it_is_stored(
    finished_run: DistillationRun, archive: Path, tiny_log: Path
) -> None:
    """Computed again, from the archive alone, as the distillation validates."""
    summary = load_summary(archive)
    spec = summary.manifest.spec
    split = leave_last_out(build_sequences(filter_log(read_log(tiny_log, spec.data), spec.data)))
    learner = build_learner(spec.learner)
    task = validation_task(
        split, max_length=learner.max_length, exclude_seen=spec.data.exclude_seen, device=torch.device("cpu")
    )
    assert summary.teacher is not None
    distillation = Distillation(
        spec,
        learner=learner,
        teacher=Trained(summary.items, summary.teacher, 0.0),
        train=split.train,
        task=task,
    )
    assert isinstance(summary.factors, TuckerFactors | FarziFactors)
    distillation._average = summary.factors
    scored = distillation._validate(step=3)
    for name, factor in summary.factors.tensors.items():
        assert torch.equal(scored.factors.tensors[name], factor)
    assert scored.score == summary.manifest.metrics["summary"]["valid_ndcg@10"]


def store_as_integers(members: dict[str, bytes]) -> None:
    """Of a type that no precision has, with hashes that fit."""
    tensors = safetensors.torch.load(members["factors.safetensors"])
    with_hash(members, {**tensors, "items": tensors["items"].to(torch.int32)})


def drop_scales(members: dict[str, bytes]) -> None:
    tensors = safetensors.torch.load(members["factors.safetensors"])
    del tensors["items.row_scale"]
    with_hash(members, tensors)


def cut_scales(members: dict[str, bytes]) -> None:
    tensors = safetensors.torch.load(members["factors.safetensors"])
    with_hash(members, {**tensors, "items.row_scale": tensors["items.row_scale"][:-1].clone()})


def with_hash(members: dict[str, bytes], tensors: dict[str, torch.Tensor]) -> None:
    members["factors.safetensors"] = safetensors.torch.save(tensors)
    rehash(members)


def repeat_an_id(members: dict[str, bytes]) -> None:
    ids = pl.read_parquet(members["items.parquet"])
    with_items(members, pl.concat([ids[:1], ids[:-1]]))


def mix_rows(members: dict[str, bytes]) -> None:
    """Of the first format."""
    ids = pl.read_parquet(members["items.parquet"])
    with_items(members, ids.with_row_index("row").reverse())


def name_the_column_otherwise(members: dict[str, bytes]) -> None:
    with_items(members, pl.read_parquet(members["items.parquet"]).rename({"item_id": "item"}))


def with_items(members: dict[str, bytes], table: pl.DataFrame) -> None:
    members["items.parquet"] = as_parquet(table)
    rehash(members)


def drop_factors(members: dict[str, bytes]) -> None:
    del members["factors.safetensors"]


def flip_a_byte(members: dict[str, bytes]) -> None:
    data = bytearray(members["factors.safetensors"])
    data[-1] ^= 1
    members["factors.safetensors"] = bytes(data)


def later_version(members: dict[str, bytes]) -> None:
    members["manifest.json"] = members["manifest.json"].replace(
        b'"format_version": 2', b'"format_version": 3'
    )


def no_json(members: dict[str, bytes]) -> None:
    members["manifest.json"] = b"{"


def drop_teacher(members: dict[str, bytes]) -> None:
    del members["teacher.safetensors"]


def flip_a_weight(members: dict[str, bytes]) -> None:
    data = bytearray(members["teacher.safetensors"])
    data[-1] ^= 1
    members["teacher.safetensors"] = bytes(data)


def another_learner(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    manifest["spec"]["learner"]["layers"] += 1
    members["manifest.json"] = json.dumps(manifest).encode()


def another_size(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    manifest["spec"]["summary"]["users"] += 1
    members["manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_factors, "no factors.safetensors"),
        (flip_a_byte, "factors.safetensors is damaged"),
        (later_version, "has format 3, which a later version wrote; expected format 1 to 2"),
        (no_json, "manifest.json"),
        (another_size, "shapes"),
        (repeat_an_id, "items.parquet: expected an `item_id` in each row"),
        (mix_rows, "items.parquet: expected the rows 0 to 39 in order"),
        (name_the_column_otherwise, "items.parquet has the columns"),
        (store_as_integers, "factors.safetensors: items is torch.int32"),
        (drop_scales, "factors.safetensors: items.row_scale is None"),
        (cut_scales, "factors.safetensors: items.row_scale is torch.float16 of shape"),
        (drop_teacher, "no teacher.safetensors"),
        (flip_a_weight, "teacher.safetensors is damaged"),
        (another_learner, "teacher.safetensors: expected the shapes"),
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
