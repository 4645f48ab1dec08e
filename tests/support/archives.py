"""Archives of summaries, taken apart and put together again as an attacker would."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

Members = dict[str, bytes]


def members_of(archive: Path) -> Members:
    with zipfile.ZipFile(archive) as source:
        return {name: source.read(name) for name in source.namelist()}


def write_archive(members: Mapping[str, bytes], to: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(to, "w", method) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return to


def rewritten(archive: Path, to: Path, change: Callable[[Members], None]) -> Path:
    members = members_of(archive)
    change(members)
    return write_archive(members, to)


def rehash(members: Members) -> None:
    """Let the manifest tell what the other members are."""
    others = {
        name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != "manifest.json"
    }
    edit_manifest(members, lambda manifest: manifest.update(files=others))


def edit_manifest(members: Members, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()


def as_parquet(table: pl.DataFrame, **options: Any) -> bytes:
    file = io.BytesIO()
    table.write_parquet(file, statistics=False, **options)
    return file.getvalue()


def patch_directory(archive: bytes, offset: int, value: bytes, *, member: str | None = None) -> bytes:
    """Overwrite a field of the directory's entries, by its offset in an entry: of one member, or of all."""
    patched = bytearray(archive)
    start = patched.find(b"PK\1\2")
    while start >= 0:
        name = patched[start + 46 : start + 46 + int.from_bytes(patched[start + 28 : start + 30], "little")]
        if member in (None, name.decode()):
            patched[start + offset : start + offset + len(value)] = value
        start = patched.find(b"PK\1\2", start + 46)
    return bytes(patched)
