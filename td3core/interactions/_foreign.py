"""Files that are no logs: what they are, and what can be done."""

import re

from td3core.interactions._encoding import utf_16_of

_CONVERT = "write the interactions to CSV or Parquet"
_ALONE = "unpack it, and send the log alone"
_PICKLE = f"a Python pickle, which is never loaded; {_CONVERT}"
_DUMP = f"a dump of a database; {_CONVERT}"
_PAGE = "a page of HTML or XML, perhaps of a login; send the log itself"
_STARTS = {
    b"7z\xbc\xaf": f"a 7-Zip archive; {_ALONE}",
    b"Rar!\x1a": f"a RAR archive; {_ALONE}",
    b"\x1f\x9d": "compressed by compress; use gzip",
    b"\x04\x22\x4d\x18": "compressed by LZ4; use zstd or gzip",
    b"\xff\x06\x00\x00sNaPpY": "compressed by Snappy; use zstd or gzip",
    b"\x1f\x8b": "compressed twice; decompress it once",
    b"PK\x03\x04": "an archive within compressed data; unpack it, and send the log alone",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as CSV",
    b"SQLite format 3\x00": f"an SQLite database; {_CONVERT}",
    b"\x89HDF": f"an HDF5 file; {_CONVERT}",
    b"\x93NUMPY": f"a NumPy array; {_CONVERT}",
    b"Obj\x01": f"an Avro file; {_CONVERT}",
    b"FEA1": "a Feather file of version 1; write it as version 2",
    b"SEQ\x06": f"a Hadoop sequence file; {_CONVERT}",
    b"MATLAB 5.0": f"a MATLAB file; {_CONVERT}",
    b"RDX": f"a file of R; {_CONVERT}",
    b"%PDF-": f"a PDF document; {_CONVERT}",
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file by `git lfs pull`",
    b"-- MySQL dump": _DUMP,
    b"--\n-- PostgreSQL": _DUMP,
    b"PGDMP": _DUMP,
    **{bytes([0x80, protocol]): _PICKLE for protocol in range(2, 6)},
    **{bytes([0x78, level]): "compressed by zlib; use gzip or zstd" for level in (0x01, 0x5E, 0x9C, 0xDA)},
    b"\x5d\x00\x00": "compressed by the old format of LZMA; use xz",
}
_PATTERNS = (
    # The protocols 0 and 1: lists, tuples, dictionaries and what a class or function of a module makes.
    (
        re.compile(rb"(\(l|\(d|\()p\d+\n|[\]})]q.|c(copy_?reg|_*builtins?_*|\w+(\.\w+)+)\n\w+\n", re.DOTALL),
        _PICKLE,
    ),
    (
        re.compile(
            rb"(\s|--.*\n|/\*[^*]*\*/;?)*"
            rb"(insert\s+into|(create|drop|lock)\s+table|begin(\s+transaction)?;|pragma\s|set\s+[@\w]+\s*=|set\s+names|copy\s.*from\s+stdin)",
            re.IGNORECASE,
        ),
        _DUMP,
    ),
    (
        re.compile(rb"[-+]?[\d.]+( \d+:[-+.\deE]+)+ ?\r?\n"),
        f"a sparse matrix in the format of LIBSVM; {_CONVERT}",
    ),
    (re.compile(rb"(%YAML.*\n)?(---\s*\n)?- ?['\"\w]+: .*\n"), "YAML; write JSON, an object for each line"),
)
_PAGES = (b"<!doctype", b"<html", b"<?xml")
_TAR_AT = 257
_LOOKED_AT = 4096  # bytes, for patterns


def what_it_is(head: bytes) -> str | None:
    """Name the file by its first bytes, with the one thing to do, if it is known and not read."""
    for start, what in _STARTS.items():
        if head.startswith(start):
            return what
    for pattern, what in _PATTERNS:
        if pattern.match(head, 0, _LOOKED_AT):
            return what
    if head[:200].lstrip().lower().startswith(_PAGES):
        return _PAGE
    if head[_TAR_AT:].startswith(b"ustar"):
        return f"a tar archive; {_ALONE}"
    if head.startswith(b"ORC") and b"\x00" in head:
        return f"an ORC file; {_CONVERT}"
    encoding = utf_16_of(head)
    if encoding is not None:
        return f"UTF-16 text; save it as UTF-8, or set data.encoding to {encoding}"
    if b"\x00" in head:
        return f"binary (it contains NUL bytes) and of no known format; {_CONVERT}"
    return None
