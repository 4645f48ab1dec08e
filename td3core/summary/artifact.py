"""Saving and loading a summary as a zip archive of safetensors, Parquet and JSON files.

The same summary gives the same bytes, because files are stored in a fixed order with a fixed date. Nothing is pickled.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import reduce
from math import prod
from pathlib import Path
from typing import NoReturn, cast

import polars as pl
import safetensors.torch
import torch
from jaxtyping import Float
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from td3core.config import SummaryPrecision
from td3core.errors import InvalidArtifactError, UnsupportedFormatError
from td3core.factors import Factors, factor_shapes, named_factors
from td3core.formats import MANIFEST, Document, first_fault
from td3core.learners import build_learner
from td3core.parquet import ParquetError, unpacked
from td3core.rounding import decode, encode
from td3core.summary.manifest import FORMAT, Manifest
from td3core.summary.members import Members, may_be_packed, open_members
from td3core.summary.summary import Summary
from td3core.version import VERSION

_FACTORS, _TEACHER, _ITEMS = "factors.safetensors", "teacher.safetensors", "items.parquet"
_MANIFEST = "manifest.json"
_OLDEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_LEVEL, _ZSTD_LEVEL = 9, 19  # of deflate, and of zstd within Parquet
_WORTH_PACKING = 0.95  # of the bytes before
_LARGEST_MANIFEST = 4 << 20  # bytes
_MOST_ITEMS = 2**31 - 1
_HEADERS = 1 << 20  # bytes that a member may have beside its tensors or ids
_LARGEST_NUMBER = 8  # bytes of a tensor's number, with its share of a scale
_LARGEST_ID = 1028  # bytes: those that an id of a log has at most, and its length
_LONGEST_FAULT = 500  # characters of what another library says


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
            packed = len(zlib.compress(data, _LEVEL))
            pays = packed < _WORTH_PACKING * len(data) and may_be_packed(len(data), packed)
            method = zipfile.ZIP_DEFLATED if pays else zipfile.ZIP_STORED
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

    It may come from anyone: nothing in it is executed, and loading takes memory in proportion to the file's size.

    Raises:
        InvalidArtifactError: The file is missing, damaged, has another format, or holds what no summary does.
    """
    with open_members(Path(path)) as members:
        manifest = _parse_manifest(members.read(_MANIFEST, most=_LARGEST_MANIFEST))
        hashed = {_FACTORS, _ITEMS} | (manifest.files.keys() & {_TEACHER})
        members.check_names(frozenset(hashed | {_MANIFEST}))
        if manifest.files.keys() != hashed:
            raise InvalidArtifactError(
                f"{_MANIFEST}: expected `files` to have the SHA-256 of {sorted(hashed)} alone"
            )
        factors, items = _parse_factors(members, manifest)
        teacher = _parse_teacher(members, manifest) if _TEACHER in manifest.files else None
        item_ids = _parse_items(members, manifest)
    return _of_one_type(Summary(factors, items, item_ids, manifest, teacher))


def _of_one_type(summary: Summary) -> Summary:
    """Give all tensors the widest type among them: one with a number too large for 16 bits is stored as it was."""
    tensors = [summary.items, *summary.factors.tensors.values()]
    tensors += [] if summary.teacher is None else [summary.teacher]
    return summary.to("cpu", reduce(torch.promote_types, (tensor.dtype for tensor in tensors)))


def _parse_manifest(data: bytes) -> Manifest:
    try:
        stored = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidArtifactError(f"{_MANIFEST} is not valid JSON: {error}") from error
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise InvalidArtifactError(
            f"{_MANIFEST} is not the manifest of a summary: expected `format` {FORMAT!r}"
        )
    document = cast("Document", stored)
    version = document.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise InvalidArtifactError(f"{_MANIFEST}: format_version is {_shown(version)}; expected an integer")
    try:
        upgraded = MANIFEST.upgrade(document, version=version)
        manifest = Manifest.model_validate_json(json.dumps(upgraded | {"format_version": MANIFEST.current}))
    except (UnsupportedFormatError, RecursionError) as error:
        raise InvalidArtifactError(f"{_MANIFEST}: {error}") from error
    except ValidationError as error:
        by = _shown(document.get("code_version"))
        raise InvalidArtifactError(
            f"{_MANIFEST}: {first_fault(error)[:_LONGEST_FAULT]}. The archive was written by version {by}, and this is "
            f"version {VERSION}; a later version may be able to load it"
        ) from error
    if not 0 < manifest.dataset.kept.items <= _MOST_ITEMS:
        raise InvalidArtifactError(
            f"{_MANIFEST}: dataset.kept.items is {manifest.dataset.kept.items}; expected 1 to {_MOST_ITEMS:,}"
        )
    return manifest


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _shown(value: object) -> str:
    return repr(value)[:100]


def _parse_items(members: Members, manifest: Manifest) -> tuple[str, ...]:
    rows = manifest.dataset.kept.items
    most = rows * _LARGEST_ID + _HEADERS
    data = members.read_hashed(_ITEMS, manifest.files[_ITEMS], most=most)
    try:
        size = unpacked(data)
        if size.rows != rows or size.bytes > most:
            raise InvalidArtifactError(
                f"{_ITEMS} has {size.rows:,} rows of {size.bytes:,} bytes; expected the {rows:,} items of the "
                f"manifest, of at most {most:,} bytes"
            )
        if sorted(size.columns) not in (["item_id"], ["item_id", "row"]):  # `row` is of format 1
            raise InvalidArtifactError(f"{_ITEMS} has the columns {_shown(size.columns)}; expected `item_id`")
        table = pl.read_parquet(io.BytesIO(data))
    except (ParquetError, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise InvalidArtifactError(f"{_ITEMS}: {str(error)[:_LONGEST_FAULT]}") from error
    ids = table["item_id"]
    if ids.dtype != pl.String:
        raise InvalidArtifactError(f"{_ITEMS}: item_id has the type {ids.dtype}; expected text")
    if "row" in table.columns and table["row"].to_list() != list(range(table.height)):
        raise InvalidArtifactError(f"{_ITEMS}: expected the rows 0 to {table.height - 1} in order")
    if ids.null_count() or ids.n_unique() != len(ids):
        raise InvalidArtifactError(f"{_ITEMS}: expected an `item_id` in each row, all of them different")
    return tuple(ids.to_list())


def _parse_factors(members: Members, manifest: Manifest) -> tuple[Factors, Tensor]:
    size, d3, n_items = (
        manifest.spec.summary,
        manifest.spec.learner.embedding_size,
        manifest.dataset.kept.items,
    )
    shapes = {**factor_shapes(size, n_items=n_items, embedding_size=d3), "items": (n_items, d3)}
    tensors = _parse_tensors(members, _FACTORS, manifest, shapes)
    return named_factors(size, tensors), tensors["items"]


def _parse_teacher(members: Members, manifest: Manifest) -> Float[Tensor, "1 parameters"]:
    layout = build_learner(manifest.spec.learner).layout
    weights = _parse_tensors(members, _TEACHER, manifest, layout.shapes)
    return layout.join({name: weight[None] for name, weight in weights.items()})


def _parse_tensors(
    members: Members, name: str, manifest: Manifest, expected: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    most = sum(prod(shape) for shape in expected.values()) * _LARGEST_NUMBER + _HEADERS
    data = members.read_hashed(name, manifest.files[name], most=most)
    try:
        tensors = decode(safetensors.torch.load(data))
    except (SafetensorError, ValueError, KeyError) as error:
        raise InvalidArtifactError(f"{name}: {str(error)[:_LONGEST_FAULT]}") from error
    shapes = {tensor_name: tuple(tensor.shape) for tensor_name, tensor in tensors.items()}
    if shapes != expected:
        raise InvalidArtifactError(
            f"{name}: expected the shapes {dict(expected)} of the manifest, got {str(shapes)[:_LONGEST_FAULT]}"
        )
    for tensor_name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InvalidArtifactError(f"{name}: {tensor_name} has numbers that are not finite")
    return tensors
