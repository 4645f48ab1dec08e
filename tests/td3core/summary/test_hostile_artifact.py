"""Archives made to hurt whoever loads them: each is refused in a sentence, in memory that the file's size bounds."""

import contextlib
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import safetensors.torch
import torch

from td3core import load_summary, save_summary
from td3core.errors import InvalidArtifactError
from td3core.runs.distillation import DistillationRun
from td3core.summary.export import main as export
from tests.support.archives import (
    Members,
    as_parquet,
    edit_manifest,
    members_of,
    patch_directory,
    rehash,
    rewritten,
    write_archive,
)
from tests.support.peak_memory import peak_bytes
from tests.support.specs import TINY_SPEC

MEGABYTE = 1 << 20
CRC, PACKED_SIZE, SIZE, FLAGS, METHOD = 16, 20, 24, 8, 10  # offsets in an entry of the directory


@pytest.fixture(scope="module")
def tucker_run(tiny_log: Path) -> DistillationRun:
    """Of one kind of summary: what is refused does not depend on it."""
    run = DistillationRun(tiny_log, TINY_SPEC, log_name="tiny.csv", device=torch.device("cpu"))
    for _ in run:
        pass
    return run


@pytest.fixture(scope="module")
def archive(tucker_run: DistillationRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "summary.zip"
    tucker_run.save(path)
    return path


def refused(archive: Path) -> str:
    """Load it, and return why that is refused."""
    with pytest.raises(InvalidArtifactError) as raised:
        load_summary(archive)
    assert len(str(raised.value)) < 3_000
    assert str(raised.value).isprintable()
    return str(raised.value)


def refused_in(archive: Path, most: int) -> str:
    """Load it in at most `most` bytes of memory, and return why that is refused."""
    reasons: list[str] = []
    assert peak_bytes(lambda: reasons.append(refused(archive))) < most
    return reasons[0]


def test_a_manifest_that_unpacks_to_a_quarter_of_a_gigabyte(archive: Path, tmp_path: Path) -> None:
    members = members_of(archive)
    members["manifest.json"] += b" " * (256 * MEGABYTE)
    bomb = write_archive(members, tmp_path / "bomb.zip")
    del members
    assert bomb.stat().st_size < MEGABYTE
    assert "manifest.json has 268," in refused_in(bomb, 16 * MEGABYTE)


@pytest.mark.parametrize("size", [100, 1 << 31, (1 << 32) - 1])
def test_sizes_that_are_lies(archive: Path, tmp_path: Path, size: int) -> None:
    """A directory that tells another size than a member has, smaller or larger."""
    lying = tmp_path / "lying.zip"
    for member in members_of(archive):
        lying.write_bytes(patch_directory(archive.read_bytes(), SIZE, struct.pack("<I", size), member=member))
        assert member in refused_in(lying, 16 * MEGABYTE) or "zip archive" in refused(lying)


def test_a_bomb_that_lies_about_what_it_takes_in_the_file(archive: Path, tmp_path: Path) -> None:
    """Its growth would look small if the directory were believed."""

    def zeros(members: Members) -> None:
        members["factors.safetensors"] = b"\0" * (64 * MEGABYTE)
        edit_manifest(members, lambda manifest: manifest["dataset"]["kept"].update(items=8 * MEGABYTE))
        rehash(members)

    bomb = rewritten(archive, tmp_path / "bomb.zip", zeros)
    assert "factors.safetensors has 67,108,864 bytes" in refused_in(bomb, 16 * MEGABYTE)
    packed = struct.pack("<I", 1 << 30)
    bomb.write_bytes(patch_directory(bomb.read_bytes(), PACKED_SIZE, packed, member="factors.safetensors"))
    assert "factors.safetensors has 67,108,864 bytes" in refused_in(bomb, 16 * MEGABYTE)


def test_a_directory_of_many_members(tmp_path: Path) -> None:
    crowd = tmp_path / "crowd.zip"
    with zipfile.ZipFile(crowd, "w") as target:
        for number in range(25_000):
            target.writestr(f"{number}", b"")
    assert "its directory has" in refused_in(crowd, 16 * MEGABYTE)


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (FLAGS, b"\1\0", "is encrypted"),
        (METHOD, struct.pack("<H", zipfile.ZIP_LZMA), "compression method 14"),
        (METHOD, struct.pack("<H", zipfile.ZIP_BZIP2), "compression method 12"),
        (METHOD, struct.pack("<H", zipfile.ZIP_STORED), "zip archive|has"),
        (CRC, b"\0\0\0\0", "Bad CRC"),
    ],
    ids=["encrypted", "lzma", "bzip2", "stored", "checksum"],
)
def test_members_that_are_not_plain(
    archive: Path, tmp_path: Path, offset: int, value: bytes, reason: str
) -> None:
    odd = tmp_path / "odd.zip"
    odd.write_bytes(patch_directory(archive.read_bytes(), offset, value, member="manifest.json"))
    with pytest.raises(InvalidArtifactError, match=reason):
        load_summary(odd)


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "C:\\evil", "read\x1b[31mme", "sub/", "manifest.json/x"],
)
def test_members_that_no_summary_has(archive: Path, tmp_path: Path, name: str) -> None:
    """None is written anywhere, and none is passed over."""
    odd = rewritten(archive, tmp_path / "odd.zip", lambda members: members.update({name: b"x"}))
    assert "expected only" in refused(odd) or "has no" in refused(odd)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.zip"]


def test_a_name_that_ends_early(archive: Path, tmp_path: Path) -> None:
    """The zip library reads no further than the zero."""
    odd = tmp_path / "odd.zip"
    odd.write_bytes(archive.read_bytes().replace(b"teacher.safetensors", b"items.parquet\0....."))
    assert "items.parquet\\x00....." in refused(odd)


def test_a_member_twice(archive: Path, tmp_path: Path) -> None:
    """Readers would differ in which of the two they take."""
    double = tmp_path / "double.zip"
    double.write_bytes(archive.read_bytes())
    with zipfile.ZipFile(double, "a") as target, pytest.warns(UserWarning, match="Duplicate"):
        target.writestr("manifest.json", b"{}")
    assert "members of the same name" in refused(double)


def ids(*values: str | None, **options: Any) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        column = pl.Series("item_id", values, dtype=pl.String)
        members["items.parquet"] = as_parquet(pl.DataFrame([column]), **options)
        rehash(members)

    return change


def test_a_row_for_every_byte_of_memory(archive: Path, tmp_path: Path) -> None:
    """One value thirty million times takes a few kilobytes as Parquet, and half a gigabyte when it is read."""
    one = pl.LazyFrame({"item_id": ["i1"] * 1_000_000})
    pl.concat([one] * 30).sink_parquet(tmp_path / "rows.parquet", statistics=False)
    many = (tmp_path / "rows.parquet").read_bytes()
    assert len(many) < MEGABYTE

    def change(members: Members) -> None:
        members["items.parquet"] = many
        rehash(members)

    small = rewritten(archive, tmp_path / "rows.zip", change)
    assert "items.parquet has 30,000,000 rows" in refused_in(small, 32 * MEGABYTE)


def test_one_id_of_many_megabytes(archive: Path, tmp_path: Path) -> None:
    known = [f"i{number}" for number in range(39)]
    for length, options in ((64 * MEGABYTE, {}), (2 * MEGABYTE, {"compression": "uncompressed"})):
        long = rewritten(archive, tmp_path / "long.zip", ids("a" * length, *known, **options))
        assert "items.parquet has" in refused_in(long, 32 * MEGABYTE)


@pytest.mark.parametrize("compression", ["gzip", "brotli", "lz4", "snappy"])
def test_a_compression_that_no_summary_has(archive: Path, tmp_path: Path, compression: str) -> None:
    known = [f"i{number}" for number in range(40)]
    odd = rewritten(archive, tmp_path / "odd.zip", ids(*known, compression=compression))
    assert "items.parquet: a column has the compression" in refused(odd)


def test_ids_that_are_none(archive: Path, tmp_path: Path) -> None:
    known = [f"i{number}" for number in range(39)]
    for value in (None, "i5"):
        odd = rewritten(archive, tmp_path / "odd.zip", ids(value, *known))
        assert "items.parquet: expected an `item_id` in each row" in refused(odd)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("item_id", range(40)),
        pl.Series("item_id", [float(number) for number in range(40)]),
        pl.Series("item_id", [[str(number)] for number in range(40)]),
        pl.Series("item_id", [{"a": str(number)} for number in range(40)]),
        pl.Series("item_id", [str(number).encode() for number in range(40)]),
        pl.Series("item_id", [str(number) for number in range(40)], dtype=pl.Categorical),
    ],
    ids=lambda column: str(column.dtype),
)
def test_ids_of_another_type(archive: Path, tmp_path: Path, column: pl.Series) -> None:
    def change(members: Members) -> None:
        members["items.parquet"] = as_parquet(pl.DataFrame([column]))
        rehash(members)

    assert "items.parquet" in refused(rewritten(archive, tmp_path / "odd.zip", change))


Tensors = dict[str, torch.Tensor]


def tensors(member: str, change: Callable[[Tensors], object]) -> Callable[[Members], None]:
    def changed(members: Members) -> None:
        stored = safetensors.torch.load(members[member])
        change(stored)
        members[member] = safetensors.torch.save(stored)
        rehash(members)

    return changed


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("member", "name"),
    [("factors.safetensors", "items.row_scale"), ("teacher.safetensors", "position.row_scale")],
)
def test_numbers_that_are_not_finite(
    archive: Path, tmp_path: Path, member: str, name: str, value: float
) -> None:
    change = tensors(member, lambda stored: stored[name].fill_(value))
    reason = refused(rewritten(archive, tmp_path / "odd.zip", change))
    assert reason == f"{member}: {name.removesuffix('.row_scale')} has numbers that are not finite"


@pytest.mark.parametrize(
    "kind",
    [
        torch.int16,
        torch.int64,
        torch.uint8,
        torch.bool,
        torch.complex64,
        torch.bfloat16,
        torch.float8_e4m3fn,
    ],
)
def test_tensors_of_another_type(archive: Path, tmp_path: Path, kind: torch.dtype) -> None:
    change = tensors("factors.safetensors", lambda stored: stored.update(items=stored["items"].to(kind)))
    reason = refused(rewritten(archive, tmp_path / "odd.zip", change))
    assert f"factors.safetensors: items is {kind}" in reason


def header(value: dict[str, Any], data: bytes = b"") -> bytes:
    encoded = json.dumps(value).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        (1 << 62).to_bytes(8, "little") + b"{}",
        (90 * MEGABYTE).to_bytes(8, "little") + b"{}",
        header({"items": {"dtype": "F32", "shape": [1 << 40, 16], "data_offsets": [0, 4]}}, b"1234"),
        header({"items": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 4]}}, b"1234"),
        header({"items": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 60]}}, b"1234"),
        header({"items": {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}}, b"1234"),
        header({"items": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}, b"1234"),
        header({"items": {"dtype": "F8_E8M0", "shape": [4], "data_offsets": [0, 4]}}, b"1234"),
        header({"items": {"dtype": "nonsense", "shape": [4], "data_offsets": [0, 4]}}, b"1234"),
        header(
            {f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(9_000)}
        ),
    ],
    ids=[
        "empty",
        "long",
        "longer",
        "shape",
        "overflow",
        "offsets",
        "negative",
        "4 bits",
        "8 bits",
        "type",
        "crowd",
    ],
)
def test_headers_of_tensors_that_are_lies(archive: Path, tmp_path: Path, data: bytes) -> None:
    def change(members: Members) -> None:
        members["factors.safetensors"] = data
        rehash(members)

    odd = rewritten(archive, tmp_path / "odd.zip", change)
    assert "factors.safetensors: " in refused_in(odd, 64 * MEGABYTE)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (b"[" * 100_000, "not valid JSON"),
        (b'{"format": "td3-summary", "format_version": ' + b"9" * 5_000 + b"}", "not valid JSON"),
        (b'{"format": "td3-summary", "format_version": NaN}', "NaN is no number of JSON"),
        (b'{"format": "td3-summary", "format_version": true}', "an integer"),
        (b'{"format": "td3-summary", "format_version": 2}', "Field required|is missing|expected"),
        (
            b'{"format": "td3-summary", "format_version": 2, "x": ' + b"[" * 500 + b"]" * 500 + b"}",
            "recursion",
        ),
        (b"null", "not the manifest of a summary"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"format": "td3-summary", "format_version": 2, "code_version": "\\u001b[31m"}', "x1b"),
    ],
    ids=["deep", "digits", "NaN", "boolean", "empty", "deep field", "null", "bytes", "escape"],
)
def test_manifests_that_are_none(archive: Path, tmp_path: Path, manifest: bytes, reason: str) -> None:
    odd = rewritten(
        archive, tmp_path / "odd.zip", lambda members: members.update({"manifest.json": manifest})
    )
    refused(odd)
    with pytest.raises(InvalidArtifactError, match=reason):
        load_summary(odd)


def test_a_number_that_is_too_large_for_a_float(archive: Path, tmp_path: Path) -> None:
    def change(members: Members) -> None:
        edit_manifest(members, lambda manifest: manifest.update(lr_factor=123.0))
        members["manifest.json"] = members["manifest.json"].replace(b"123.0", b"1e999")

    assert "lr_factor" in refused(rewritten(archive, tmp_path / "odd.zip", change))


def set_items(count: Any) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest["dataset"]["kept"].update(items=count)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_items(-1), "dataset.kept.items is -1"),
        (set_items(0), "dataset.kept.items is 0"),
        (set_items(1 << 40), "dataset.kept.items is 1099511627776"),
        (set_items(41), "expected the shapes"),
        (lambda manifest: manifest.update(lr_factor=-1.0), "lr_factor"),
        (lambda manifest: manifest.update(lr_factor=0.0), "lr_factor"),
        (lambda manifest: manifest["spec"]["summary"].update(users=10**9), "users"),
        (lambda manifest: manifest["files"].update({"../x": "0"}), "alone"),
        (lambda manifest: manifest["files"].pop("items.parquet"), "alone"),
        (lambda manifest: manifest["files"].update({"items.parquet": None}), "files"),
    ],
)
def test_claims_that_no_summary_makes(
    archive: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    odd = rewritten(archive, tmp_path / "odd.zip", lambda members: edit_manifest(members, change))
    assert reason in refused(odd)


def test_tensors_of_two_types_load_as_the_wider(
    tucker_run: DistillationRun, archive: Path, tmp_path: Path
) -> None:
    """As a tensor stays a 64-bit float that has a number too large for 16 bits."""
    large = tucker_run.summary.items.double() * 1e6
    change = tensors(
        "factors.safetensors", lambda stored: (stored.pop("items.row_scale"), stored.update(items=large))
    )
    summary = load_summary(rewritten(archive, tmp_path / "mixed.zip", change))
    assert torch.equal(summary.items, large)
    assert summary.teacher is not None
    assert {summary.teacher.dtype, *(part.dtype for part in summary.factors.tensors.values())} == {
        torch.float64
    }
    assert summary.expected_embeddings().dtype == torch.float64


def test_what_packs_too_well_to_be_read_again_is_stored_as_it_is(
    tucker_run: DistillationRun, tmp_path: Path
) -> None:
    """No summary is like this one, whose many items are all zero; but what is saved can be loaded."""
    summary = tucker_run.summary
    n_items = 300_000
    items = torch.zeros(n_items, summary.items.shape[1])
    kept = summary.manifest.dataset.kept.model_copy(update={"items": n_items})
    dataset = summary.manifest.dataset.model_copy(update={"kept": kept})
    manifest = summary.manifest.model_copy(update={"dataset": dataset})
    item_ids = tuple(f"item {number:07}" for number in range(n_items))
    wide = replace(summary, items=items, item_ids=item_ids, manifest=manifest)
    save_summary(wide, tmp_path / "zeros.zip")
    with zipfile.ZipFile(tmp_path / "zeros.zip") as opened:
        assert opened.getinfo("factors.safetensors").compress_type == zipfile.ZIP_STORED
    assert load_summary(tmp_path / "zeros.zip").item_ids == wide.item_ids


def test_the_export_tells_in_a_line_what_is_wrong(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = rewritten(archive, tmp_path / "odd.zip", lambda members: members.update({"\x1b[31m": b""}))
    with contextlib.suppress(SystemExit):
        export([str(odd), str(tmp_path / "out.csv")])
    told = capsys.readouterr().err
    assert "expected only" in told
    assert "\x1b" not in told
