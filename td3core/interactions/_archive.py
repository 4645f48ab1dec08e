"""Reading the one file in a zip archive."""

import errno
import re
import struct
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from td3core.errors import UnreadableLogError
from td3core.zip_file import BoundedFile

ZIP_MAGIC = b"PK\x03\x04"

_OTHERS = re.compile(r"__MACOSX/|(?:.*/)?\.DS_Store$|.*/$")
"""Folders, and what macOS adds."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile does not bound what the others expand to
_OTHER_METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd"}
_ENCRYPTED = 1
_SHOWN = 5
_FAMILIES = {
    "an Excel workbook; save the sheet as CSV": re.compile(r"xl/workbook\.(xml|bin)"),
    "an OpenDocument file; save the sheet as CSV": re.compile(r"META-INF/manifest\.xml|content\.xml"),
    "a NumPy archive; write the interactions to CSV or Parquet": re.compile(r".*\.npy"),
    "a PyTorch file; write the interactions to CSV or Parquet": re.compile(r"[^/]+/data\.pkl"),
}


def zip_name(path: Path) -> str:
    """Return the name of the one file in an archive.

    Raises:
        UnreadableLogError: It has no file or several, is encrypted or damaged, or is the file of a program.
    """
    with _opened(path) as archive:
        return _only(archive).filename


def zip_member(path: Path, piece: int) -> Generator[bytes, None, None]:
    """Yield the content of the one file in an archive, in pieces of at most `piece` bytes.

    Its sizes are not believed: reading ends where the compressed data or the size in the directory ends, whichever is
    first, and a checksum tells whether that is the whole file.

    Raises:
        EOFError: The compressed data are truncated.
        UnreadableLogError: The archive has no file or several, is encrypted or damaged, or is the file of a program.
    """
    with _opened(path) as archive, archive.open(_only(archive)) as file:
        while chunk := file.read(piece):
            yield chunk


@contextmanager
def _opened(path: Path) -> Generator[zipfile.ZipFile, None, None]:
    try:
        with BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, ValueError) as error:
        raise UnreadableLogError(f"the zip archive is damaged or truncated: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise UnreadableLogError("the zip archive is damaged: a place in it is none") from error


def _only(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    names = archive.namelist()
    for what, name in _FAMILIES.items():
        if any(name.fullmatch(one) for one in names):
            raise UnreadableLogError(f"the file is {what}")
    files = [member for member in archive.infolist() if not _OTHERS.match(member.filename)]
    if len(files) != 1:
        shown = ", ".join(ascii(member.filename[:60])[1:-1] for member in files[:_SHOWN])
        more = ", …" if len(files) > _SHOWN else ""
        raise UnreadableLogError(
            f"the zip archive has {len(files):,} files{f' ({shown}{more})' if files else ''}; expected exactly one: "
            "unpack it, and send the log alone"
        )
    (only,) = files
    if only.flag_bits & _ENCRYPTED:
        raise UnreadableLogError(
            "the file in the zip archive is encrypted; unpack it, and send the log alone"
        )
    if only.compress_type not in _METHODS:
        name = _OTHER_METHODS.get(only.compress_type, f"method {only.compress_type}")
        raise UnreadableLogError(
            f"the file in the zip archive is compressed by {name}; expected deflate: unpack it, and send the log alone"
        )
    return only
