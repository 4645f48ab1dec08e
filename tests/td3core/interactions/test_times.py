"""Finding the timestamp, and refusing a log that has a time which is not used."""

from pathlib import Path

import polars as pl
import pytest

from td3core.config import ColumnsConfig, DataConfig
from td3core.errors import MissingColumnError
from td3core.interactions import read_log

NONE = DataConfig(columns=ColumnsConfig(timestamp="none"))


def read(path: Path, text: str, data: DataConfig | None = None) -> list[tuple[object, ...]]:
    path.write_text(text)
    return read_log(path, data or DataConfig()).frame.rows()


@pytest.mark.parametrize(
    "name",
    [
        "t_dat",
        "utcTimestamp",
        "review_time",
        "click_timestamp",
        "InvoiceDate",
        "created_at",
        "event_ts",
        "timestamp_ms",
        "timestamp:float",
    ],
)
def test_usual_names_of_times_order_the_log(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / "log.csv", f"user,item,{name}\na,b,7\n") == [("a", "b", 7)]


@pytest.mark.parametrize(
    "name", ["order_number", "updated_at", "modifiedAt", "date_day", "lastModifiedTime", "hour"]
)
def test_a_column_named_like_a_time_must_be_used_or_declined(tmp_path: Path, name: str) -> None:
    text = f"user,item,{name}\na,b,7\n"
    with pytest.raises(MissingColumnError, match=rf"look like times: {name}; set data.columns.timestamp"):
        read(tmp_path / "log.csv", text)
    assert read(tmp_path / "log.csv", text, NONE) == [("a", "b")]
    chosen = DataConfig(columns=ColumnsConfig(timestamp=name))
    assert read(tmp_path / "log.csv", text, chosen) == [("a", "b", 7)]


@pytest.mark.parametrize(
    "values",
    [
        (1500018111, 1500018112, 1600000000),
        (1500018111000, 1500018112000, 1),
        ("2020-01-02", "2020-01-03", "2021-01-01"),
        (1500018111.25, 1500018112.5, 1600000000),
        ("NULL", 1500018111, "NaT", 1500018112, 1600000000),
        (20170714, 20170715, 20170801),
        ("14-Jul-17", "15-Jul-17", "01-Aug-17"),
    ],
)
def test_a_column_valued_like_a_time_is_refused(tmp_path: Path, values: tuple[object, ...]) -> None:
    text = "user,item,x\n" + "".join(f"a,b{n},{value}\n" for n, value in enumerate(values))
    if values[-1] == 1:  # one value that is no time, and the column is none
        assert len(read(tmp_path / "log.csv", text)) == 3
    else:
        with pytest.raises(MissingColumnError, match="look like times: x"):
            read(tmp_path / "log.csv", text)
        assert len(read(tmp_path / "log.csv", text, NONE)) == len(values)
    assert len(read(tmp_path / "log.csv", text.replace("x", "order_id", 1))) == len(values)


def test_dates_of_parquet_are_seen_by_their_type(tmp_path: Path) -> None:
    days = pl.Series(["2020-01-02", "2020-01-03", "2020-01-04"]).str.to_date()
    frame = pl.DataFrame({"user": ["a", "a", "a"], "item": ["b", "c", "d"], "x": days})
    frame.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(MissingColumnError, match="look like times: x"):
        read_log(tmp_path / "log.parquet", DataConfig())


@pytest.mark.parametrize(
    "name", ["release_date", "play_time", "birthYear", "timezone", "category", "format", "rating"]
)
def test_times_of_users_and_items_and_durations_are_left_alone(tmp_path: Path, name: str) -> None:
    rows = read(tmp_path / "log.csv", f"user,item,{name}\na,b,7\n")
    assert [row[:2] for row in rows] == [("a", "b")]


def test_a_time_that_is_named_like_a_duration_is_one_by_its_values(tmp_path: Path) -> None:
    rows = "".join(f"a,b{n},2017-07-14T02:4{n}:00Z\n" for n in range(3))
    with pytest.raises(MissingColumnError, match="look like times: play_time"):
        read(tmp_path / "log.csv", "user,item,play_time\n" + rows)
    assert len(read(tmp_path / "log.csv", "user,item,published_at\n" + rows)) == 3


@pytest.mark.parametrize("days", ["timestamp", "created_at"])
def test_days_under_a_usual_name_do_not_hide_a_finer_time(tmp_path: Path, days: str) -> None:
    rows = [(f"b{n}", "2017-07-14", 1500018111000 + n) for n in range(3)]
    text = "".join(f"a,{item},{day},{time}\n" for item, day, time in rows)
    with pytest.raises(MissingColumnError, match=f"look like times: {days}, time_ms"):
        read(tmp_path / "log.csv", f"user,item,{days},time_ms\n" + text)
    chosen = DataConfig(columns=ColumnsConfig(timestamp="time_ms"))
    assert [row[2] for row in read(tmp_path / "log.csv", f"user,item,{days},time_ms\n" + text, chosen)] == [
        time for _, _, time in rows
    ]
    assert len(read(tmp_path / "log.csv", f"user,item,{days},price\n" + text.replace("15000181", ""))) == 3


def test_floats_of_parquet_are_looked_at_as_well(tmp_path: Path) -> None:
    times = [1500018111.25, 1500018112.5, 1500018113.0]
    frame = pl.DataFrame({"user": ["a"] * 3, "item": ["b", "c", "d"], "t": times})
    frame.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(MissingColumnError, match="look like times: t"):
        read_log(tmp_path / "log.parquet", DataConfig())


def test_a_day_does_not_hide_a_finer_time(tmp_path: Path) -> None:
    with pytest.raises(MissingColumnError, match="several columns may contain the timestamp: date, time_ms"):
        read(tmp_path / "log.csv", "user,item,date,time_ms\na,b,20170714,1500018111000\n")
    assert read(tmp_path / "log.csv", "user,item,timestamp,updated_at\na,b,1,2\n") == [("a", "b", 1)]
    assert read(tmp_path / "log.csv", "user,item,date\na,b,1\n") == [("a", "b", 1)]


def test_a_key_of_json_that_appears_late_is_seen(tmp_path: Path) -> None:
    early = '{"user": "a", "item": "b", "note": "the \\"time\\""}\n' * 1001
    assert len(read(tmp_path / "log.jsonl", early)) == 1001
    late = early + '{"user": "a", "item": "b", "timestamp": 5}\n'
    with pytest.raises(
        MissingColumnError, match=r"look like times: timestamp \(which the first 1,000 lines lack\)"
    ):
        read(tmp_path / "log.jsonl", late)
    assert len(read(tmp_path / "log.jsonl", late, NONE)) == 1002
