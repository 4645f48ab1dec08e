"""Saving and loading a summary as a zip archive of safetensors, Parquet and JSON files.

The same summary gives the same bytes, because files are stored in a fixed order with a fixed date. Nothing is pickled.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import polars as pl
import safetensors.torch
from jaxtyping import Float
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from td3core.config import SummaryPrecision
from td3core.errors import InvalidArtifactError, UnsupportedFormatError
from td3core.factors import Factors, factor_shapes, named_factors
from td3core.formats import MANIFEST, Document, first_fault
from td3core.learners import build_learner
from td3core.rounding import decode, encode
from td3core.summary.manifest import FORMAT, Manifest
from td3core.summary.summary import Summary
from td3core.version import VERSION

_FACTORS, _TEACHER, _ITEMS = "factors.safetensors", "teacher.safetensors", "items.parquet"
_MANIFEST = "manifest.json"
_OLDEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_LEVEL, _ZSTD_LEVEL = 9, 19  # of deflate, and of zstd within Parquet
_WORTH_PACKING = 0.95  # of the bytes before
_LARGEST_MEMBER = 16 << 30  # bytes; no valid archive has a larger file


def save_summary(summary: Summary, path: Path) -> None:
    """Write the archive."""
    precision = summary.manifest.spec.summary.precision
    members = {_FACTORS: _bytes_of({**summary.factors.tensors, "items": summary.items}, precision)}
    if summary.teacher is not None:
        weights = build_learner(summary.manifest.spec.learner).layout.split(summary.teacher)
        members[_TEACHER] = _bytes_of({name: weight[0] for name, weight in weights.items()}, precision)
    members[_ITEMS] = _table_of(summary.item_ids)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    manifest = summary.manifest.model_copy(update={"files": hashes})
    members[_MANIFEST] = manifest.model_dump_json(indent=2).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            packed = len(zlib.compress(data, _LEVEL)) < _WORTH_PACKING * len(data)
            method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name, _OLDEST_ZIP_DATE), data, method, _LEVEL)


def _table_of(item_ids: Sequence[str]) -> bytes:
    table = io.BytesIO()
    ids = pl.Series("item_id", item_ids, dtype=pl.String)
    pl.DataFrame([ids]).write_parquet(table, compression_level=_ZSTD_LEVEL, statistics=False)
    return table.getvalue()


def _bytes_of(tensors: Mapping[str, Tensor], precision: SummaryPrecision) -> bytes:
    stored = encode({name: tensor.detach() for name, tensor in tensors.items()}, precision)
    return safetensors.torch.save({name: tensor.cpu().contiguous() for name, tensor in stored.items()})


def load_summary(path: Path | str) -> Summary:
    """Load an archive of the service or of `save_summary`.

    Raises:
        InvalidArtifactError: The file is missing, damaged, or has another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _parse_manifest(_read(archive, _MANIFEST))
            parts = (_FACTORS, _TEACHER, _ITEMS) if _TEACHER in manifest.files else (_FACTORS, _ITEMS)
            members = {name: _read(archive, name) for name in parts}
    except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise InvalidArtifactError(f"{path} cannot be read as a zip archive: {error}") from error
    for name, data in members.items():
        found = hashlib.sha256(data).hexdigest()
        if found != manifest.files.get(name):
            raise InvalidArtifactError(
                f"{name} is damaged: expected SHA-256 {manifest.files.get(name)}, got {found}"
            )
    item_ids = _parse_items(members[_ITEMS])
    factors, items = _parse_factors(members[_FACTORS], manifest, len(item_ids))
    teacher = _parse_teacher(members[_TEACHER], manifest) if _TEACHER in members else None
    return Summary(factors, items, item_ids, manifest, teacher)


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise InvalidArtifactError(f"the archive has no {name}; it contains {archive.namelist()}") from None
    if info.file_size > _LARGEST_MEMBER:
        raise InvalidArtifactError(f"{name} has {info.file_size} bytes; expected at most {_LARGEST_MEMBER}")
    return archive.read(info)


def _parse_manifest(data: bytes) -> Manifest:
    try:
        stored = json.loads(data)
    except ValueError as error:
        raise InvalidArtifactError(f"{_MANIFEST} is not valid JSON: {error}") from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise InvalidArtifactError(
            f"{_MANIFEST} is not the manifest of a summary: expected `format` {FORMAT!r}"
        )
    document = cast("Document", stored)
    version = document.get("format_version")
    if not isinstance(version, int):
        raise InvalidArtifactError(f"{_MANIFEST}: format_version is {version!r}; expected an integer")
    try:
        upgraded = MANIFEST.upgrade(document, version=version)
        return Manifest.model_validate_json(json.dumps(upgraded | {"format_version": MANIFEST.current}))
    except UnsupportedFormatError as error:
        raise InvalidArtifactError(f"{_MANIFEST}: {error}") from error
    except ValidationError as error:
        by = document.get("code_version")
        raise InvalidArtifactError(
            f"{_MANIFEST}: {first_fault(error)}. The archive was written by version {by}, and this is version "
            f"{VERSION}; a later version may be able to load it"
        ) from error


def _parse_items(data: bytes) -> tuple[str, ...]:
    try:
        table = pl.read_parquet(io.BytesIO(data))
        ids = table["item_id"].cast(pl.String)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidArtifactError(f"{_ITEMS}: {error}") from error
    if "row" in table.columns and table["row"].to_list() != list(range(table.height)):  # of format 1
        raise InvalidArtifactError(f"{_ITEMS}: expected the rows 0 to {table.height - 1} in order")
    if ids.null_count() or ids.n_unique() != len(ids):
        raise InvalidArtifactError(f"{_ITEMS}: expected an `item_id` in each row, all of them different")
    return tuple(ids.to_list())


def _parse_factors(data: bytes, manifest: Manifest, n_items: int) -> tuple[Factors, Tensor]:
    size, d3 = manifest.spec.summary, manifest.spec.learner.embedding_size
    shapes = {**factor_shapes(size, n_items=n_items, embedding_size=d3), "items": (n_items, d3)}
    tensors = _parse_tensors(_FACTORS, data, shapes)
    return named_factors(size, tensors), tensors["items"]


def _parse_teacher(data: bytes, manifest: Manifest) -> Float[Tensor, "1 parameters"]:
    layout = build_learner(manifest.spec.learner).layout
    weights = _parse_tensors(_TEACHER, data, layout.shapes)
    return layout.join({name: weight[None] for name, weight in weights.items()})


def _parse_tensors(member: str, data: bytes, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    try:
        tensors = decode(safetensors.torch.load(data))
    except (SafetensorError, ValueError) as error:
        raise InvalidArtifactError(f"{member}: {error}") from error
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != expected:
        raise InvalidArtifactError(f"{member}: expected the shapes {expected} of the manifest, got {shapes}")
    return tensors
