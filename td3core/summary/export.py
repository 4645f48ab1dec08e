"""Exporting sampled sequences to files for other libraries: `python -m td3core.export SUMMARY OUT`.

Parquet and CSV files have the columns user_id, item_id and timestamp; a RecBole atomic file (`.inter`) has the same
columns with their types in the header. The timestamp is the position in the sequence. `td3core.interactions.read_log`
reads all three formats.
"""

import argparse
import contextlib
import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import polars as pl
import torch
from pydantic import ValidationError

from td3core.config import SamplingConfig, SamplingMethod
from td3core.config.faults import faults
from td3core.errors import ExportError, Td3Error
from td3core.summary.artifact import load_summary

SHARE = 0.2
"""Default size of an export, as a fraction of the distilled interactions."""

_INTER_TYPES = {"user_id": "token", "item_id": "token", "timestamp": "float"}
_INTER_FORBIDDEN = "[\t\r\n]"


def sequences_table(sequences: Sequence[Sequence[str]]) -> pl.DataFrame:
    """Return one row per interaction, sequence after sequence, with the user ids s1, s2, ..."""
    lengths = [len(sequence) for sequence in sequences]
    users = [f"s{number}" for number, length in enumerate(lengths, 1) for _ in range(length)]
    return pl.DataFrame(
        {
            "user_id": pl.Series(users, dtype=pl.String),
            "item_id": pl.Series([item for sequence in sequences for item in sequence], dtype=pl.String),
            "timestamp": pl.Series([step for length in lengths for step in range(length)], dtype=pl.Int64),
        }
    )


def write_sequences(sequences: Sequence[Sequence[str]], path: Path, *, overwrite: bool = False) -> None:
    """Write the sequences atomically, in the format of the suffix.

    Raises:
        ExportError: The suffix is not supported, the file exists, an id cannot be written in the format, or the
            directory is not writable.
    """
    check_target(path, overwrite=overwrite)
    data = _encode(sequences_table(sequences), path.suffix)
    try:
        _write_whole(data, path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}") from error


def check_target(path: Path, *, overwrite: bool) -> None:
    """Check the output path before sampling.

    Raises:
        ExportError: The suffix is not supported, the directory does not exist, or the file exists.
    """
    if path.suffix not in (".parquet", ".csv", ".inter"):
        raise ExportError(f"{path.name}: unknown suffix {path.suffix!r}; expected .parquet, .csv or .inter")
    if not path.parent.is_dir():
        raise ExportError(f"{path.parent} is not a directory")
    if path.is_dir() or (path.exists() and not overwrite):
        raise ExportError(f"{path} exists already")


def sequences_amounting_to(interactions: float, length: int) -> int:
    """Return the number of sequences of this length that have about this many interactions, at least one."""
    return max(1, round(interactions / length))


def _encode(table: pl.DataFrame, suffix: str) -> bytes:
    file = io.BytesIO()
    match suffix:
        case ".parquet":
            table.write_parquet(file)
        case ".csv":
            table.write_csv(file)
        case _:
            awkward = table.filter(pl.col("item_id").str.contains(_INTER_FORBIDDEN))
            if len(awkward):
                raise ExportError(
                    f"item id {awkward['item_id'][0]!r} has a tab or a line break, which .inter does not support; "
                    "use .parquet or .csv"
                )
            typed = table.rename({name: f"{name}:{kind}" for name, kind in _INTER_TYPES.items()})
            typed.write_csv(file, separator="\t", quote_style="never")
    return file.getvalue()


def _write_whole(data: bytes, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        written = Path(folder) / path.name
        with written.open("wb") as file:
            file.write(data)
            file.flush()
            with contextlib.suppress(
                OSError
            ):  # some file systems have no fsync; the rename is atomic without it
                os.fsync(file.fileno())
        written.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Sample sequences from a summary and write them to a file."""
    fields = SamplingConfig.model_fields
    defaults = SamplingConfig()

    def told(name: str) -> str:
        return str(fields[name].description).replace("%", "%%")

    parser = argparse.ArgumentParser(
        prog="python -m td3core.export",
        description="Sample item sequences from a summary and write them, with the item ids of the log, to a file.",
        epilog="Columns: user_id (s1, s2, ...), item_id, timestamp (position in the sequence). On one machine, the "
        "same arguments give the same bytes.",
    )
    parser.add_argument("summary", type=Path, help="archive of a summary, from the service or `save_summary`")
    parser.add_argument(
        "out", type=Path, help="output file; its suffix is the format: .parquet, .csv or .inter (RecBole)"
    )
    parser.add_argument(
        "--sequences",
        type=int,
        metavar="N",
        help=f"number of sequences (default: as many as have {SHARE:.0%}% of the distilled interactions)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="random seed of learners and samples (default: 0)"
    )
    parser.add_argument(
        "--method",
        choices=get_args(SamplingMethod),
        default=defaults.method,
        help=f"{told('method')} (default: {defaults.method})",
    )
    parser.add_argument("--length", type=int, metavar="L", help=told("length"))
    parser.add_argument("--temperature", type=float, metavar="T", help=told("temperature"))
    parser.add_argument(
        "--first-temperature",
        type=float,
        metavar="T",
        default=defaults.first_temperature,
        help=f"{told('first_temperature')} (default: {defaults.first_temperature})",
    )
    parser.add_argument(
        "--learners",
        type=int,
        metavar="K",
        default=defaults.learners,
        help=f"{told('learners')} (default: {defaults.learners})",
    )
    parser.add_argument("--repeats", action="store_true", help="allow an item more than once in a sequence")
    parser.add_argument("--threads", type=int, default=1, help="number of torch threads (default: 1)")
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")
    options = parser.parse_args(arguments)
    try:
        sampling = SamplingConfig(
            method=options.method,
            length=options.length,
            temperature=options.temperature,
            first_temperature=options.first_temperature,
            learners=options.learners,
            distinct=not options.repeats,
        )
        check_target(options.out, overwrite=options.force)
        torch.set_num_threads(options.threads)
        summary = load_summary(options.summary)
        count = options.sequences
        if count is None:
            interactions = SHARE * summary.manifest.dataset.kept.interactions
            count = sequences_amounting_to(interactions, summary.sampled_length(sampling))
        sequences = summary.sample(count, seed=options.seed, sampling=sampling)
        write_sequences(sequences, options.out, overwrite=options.force)
    except ValidationError as error:
        parser.error("; ".join(map(str, faults(error.errors()))))
    except (Td3Error, ValueError) as error:
        parser.error(str(error))
