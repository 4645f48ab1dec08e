import io

import polars as pl
import pytest

from td3core.parquet import ParquetError, unpacked
from tests.support.archives import as_parquet

IDS = [f"item {number}" for number in range(1_000)]


def test_ids_unpack_to_their_bytes_and_lengths() -> None:
    """Each takes four bytes for its length, and a bit says whether it is there."""
    plain = sum(4 + len(item) for item in IDS)
    for compression in ("uncompressed", "zstd"):
        found = unpacked(as_parquet(pl.DataFrame({"item_id": IDS}), compression=compression))
        assert (found.columns, found.rows) == (("item_id",), 1_000)
        assert plain <= found.bytes <= plain + 1_000


def test_columns_and_row_groups_add_up() -> None:
    table = pl.DataFrame({"row": range(1_000), "item_id": IDS})
    together, apart = (unpacked(as_parquet(table, row_group_size=size)) for size in (1_000, 100))
    assert together.columns == apart.columns == ("row", "item_id")
    assert together.rows == apart.rows == 1_000
    assert together.bytes <= apart.bytes <= together.bytes + 10 * 2 * 100


def test_a_dictionary_counts_once_and_its_rows_all() -> None:
    found = unpacked(as_parquet(pl.DataFrame({"item_id": ["a" * 10_000] * 50_000})))
    assert found.rows == 50_000
    assert 10_000 < found.bytes < 20_000


@pytest.mark.parametrize("column", [[["a"]], [{"a": "b"}]], ids=["list", "struct"])
def test_nested_columns_are_refused(column: list[object]) -> None:
    with pytest.raises(ParquetError):
        unpacked(as_parquet(pl.DataFrame({"item_id": column})))


@pytest.mark.parametrize("length", [0, 3, 11, 12, 200])
def test_a_file_that_is_cut_is_refused(length: int) -> None:
    whole = as_parquet(pl.DataFrame({"item_id": IDS}))
    for part in (whole[:length], whole[-length:] if length else b"", whole[: -length or None] + b"\0"):
        with pytest.raises(ParquetError):
            unpacked(part)


def test_a_footer_that_tells_other_rows_than_its_pages_is_refused() -> None:
    """As a varint, 50 is one byte, which stands in the footer, in the row group, in the column and in its page."""
    data = as_parquet(
        pl.DataFrame({"item_id": [str(number) for number in range(50)]}), compression="uncompressed"
    )
    fifty, other = bytes([100]), bytes([102])  # zigzag
    places = [place for place in range(len(data)) if data[place : place + 1] == fifty]
    refused = 0
    for place in places:
        changed = data[:place] + other + data[place + 1 :]
        try:
            assert unpacked(changed).rows == 50
        except ParquetError as error:
            refused += "tells" in str(error)
    assert refused >= 4


def test_what_polars_reads_is_measured_alike() -> None:
    """The rows of a file by two readers."""
    for count in (1, 2, 1_000):
        data = as_parquet(pl.DataFrame({"item_id": IDS[:count]}))
        assert unpacked(data).rows == pl.read_parquet(io.BytesIO(data)).height
