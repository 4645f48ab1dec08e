"""Sequences sampled from a summary as a file that other libraries read: `python -m td3core.export SUMMARY OUT`.

Parquet and CSV have the columns user_id, item_id and timestamp; a RecBole atomic file (`.inter`) the same ones with
their types in the header. The timestamp is the position within the sequence. `td3core.interactions.read_log` reads all.
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
from td3core.errors import ExportError, Td3Error
from td3core.summary.artifact import load_summary

SHARE = 0.2
"""How much of the log's interactions an export amounts to, where no number of sequences is given."""

_INTER_TYPES = {"user_id": "token", "item_id": "token", "timestamp": "float"}
_INTER_FORBIDDEN = "[\t\r\n]"


def sequences_table(sequences: Sequence[Sequence[str]]) -> pl.DataFrame:
    """Return one row an interaction, sequence after sequence; the user ids are s1, s2 and so on."""
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
    """Write the sequences in the format that the suffix names; the file appears whole or not at all.

    Raises:
        ExportError: the suffix is none of ours, the file is there already, an id cannot be written in the format, or
            the folder cannot be written to.
    """
    check_target(path, overwrite=overwrite)
    data = _encode(sequences_table(sequences), path.suffix)
    try:
        _write_whole(data, path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}") from error


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse what can be refused before anything is sampled.

    Raises:
        ExportError: the suffix is none of ours, the folder is missing, or the file is there already.
    """
    if path.suffix not in (".parquet", ".csv", ".inter"):
        raise ExportError(
            f"{path.name}: the suffix tells the format and must be .parquet, .csv or .inter, not {path.suffix!r}"
        )
    if not path.parent.is_dir():
        raise ExportError(f"{path.parent} is not a folder")
    if path.is_dir() or (path.exists() and not overwrite):
        raise ExportError(f"{path} is there already")


def sequences_amounting_to(interactions: float, length: int) -> int:
    """Return how many sequences of that length have about so many interactions, at least one."""
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
                    f"item {awkward['item_id'][0]!r} has a tab or a line break, which .inter cannot hold; "
                    "write .parquet or .csv"
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
            with contextlib.suppress(OSError):  # some file systems have no fsync; the rename is what counts
                os.fsync(file.fileno())
        written.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Sample from an artefact into a file."""
    fields = SamplingConfig.model_fields
    defaults = SamplingConfig()

    def told(name: str) -> str:
        return str(fields[name].description).replace("%", "%%")

    parser = argparse.ArgumentParser(
        prog="python -m td3core.export",
        description="Sample item sequences from a summary, in the ids of the log, for any recommender library.",
        epilog="Columns: user_id (s1, s2, ...), item_id, timestamp (the position in the sequence). The same arguments "
        "give the same bytes on the same machine.",
    )
    parser.add_argument("summary", type=Path, help="the archive that the service or `save_summary` wrote")
    parser.add_argument(
        "out", type=Path, help="the file; its suffix tells the format: .parquet, .csv, .inter (RecBole)"
    )
    parser.add_argument(
        "--sequences",
        type=int,
        metavar="N",
        help=f"how many; left out: as many as amount to {SHARE:.0%}% of the interactions that were distilled",
    )
    parser.add_argument("--seed", type=int, default=0, help="of learners and draws (default: 0)")
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
    parser.add_argument("--repeats", action="store_true", help="let an item come twice in a sequence")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it is there")
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
        problems = (f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        parser.error("; ".join(problems))
    except (Td3Error, ValueError) as error:
        parser.error(str(error))
