"""Timestamps that cannot order a log are refused, and those that can are kept exact."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from td3core.config import DataConfig
from td3core.errors import BadRowsError, UnreadableLogError
from td3core.interactions import read_log

FORMER = DataConfig(rules=1, quoting="standard")
BEGIN = 1_500_000_000


def read_csv(path: Path, times: list[object], data: DataConfig | None = None) -> list[int | float]:
    path.write_text("user,item,ts\n" + "".join(f"u,i,{time}\n" for time in times), encoding="utf-8")
    return read_log(path, data or DataConfig()).frame["timestamp"].to_list()


def read_parquet(path: Path, times: pl.Series, data: DataConfig | None = None) -> list[int | float]:
    pl.DataFrame({"user": ["u"] * len(times), "item": ["i"] * len(times), "ts": times}).write_parquet(path)
    return read_log(path, data or DataConfig()).frame["timestamp"].to_list()


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([BEGIN, BEGIN + 7, 1000 * BEGIN], "several units: 2 in seconds and 1 in milliseconds; convert"),
        (
            [BEGIN * 10**9, BEGIN * 10**6, BEGIN * 10**6],
            "several units: 2 in microseconds and 1 in nanoseconds",
        ),
        ([BEGIN + n for n in range(9)] + [0, 0], "2 of 11 timestamps are 0, which is no time; remove"),
        ([1000 * BEGIN, -1, 1000 * BEGIN + 3], "1 of 3 timestamps are -1, which is no time"),
        (["2017-07-14", "1970-01-01", "2017-07-15"], "1 of 3 timestamps are 0, which is no time"),
        ([BEGIN, 2**31 - 1, BEGIN + 5], "1 of 3 timestamps are 2.14748e\\+09, which is no time"),
        (
            ["0001-01-01T00:00:00Z", "2017-07-14", "2017-07-15"],
            "1 of 3 timestamps are in year 1, which is no time",
        ),
        (["2017-07-14", "9999-12-31", "2017-07-15"], "are at the end of year 9999, which is no time"),
        ([BEGIN, BEGIN // 60, BEGIN + 9], "2 in seconds and 1 in minutes, or days such as 20260131"),
        ([BEGIN, 20170714, BEGIN + 9], "2 in seconds and 1 in minutes, or days such as 20260131"),
        ([20170714, 20170714074151], "1 in minutes, or days such as 20260131 and 1 in times such as"),
        (["9100000000000000.5", "9100000000000007"], "too large to be exact as floating-point numbers"),
    ],
)
def test_timestamps_that_cannot_order_a_log_are_refused(
    tmp_path: Path, times: list[object], told: str
) -> None:
    with pytest.raises(UnreadableLogError, match=told) as caught:
        read_csv(tmp_path / "log.csv", times)
    assert [problem.field for problem in caught.value.problems] == ["data.columns.timestamp"]
    assert len(read_csv(tmp_path / "log.csv", times, FORMER)) == len(times)


@pytest.mark.parametrize(
    "times",
    [
        [0, 1, 2, 5],
        [0, 10**9, 10**12, 10**15, 5],
        [BEGIN, BEGIN + 0.25],
        [BEGIN * 10**9, BEGIN * 10**9 + 1],
        [-5, 0, 5],
        [20170714, 20170715],
    ],
    ids=["positions", "no times", "fractions", "nanoseconds", "negative", "days"],
)
def test_other_numbers_are_left_alone(tmp_path: Path, times: list[object]) -> None:
    assert read_csv(tmp_path / "log.csv", times) == times


def test_rounded_timestamps_are_named_by_their_lines(tmp_path: Path) -> None:
    with pytest.raises(BadRowsError) as caught:
        read_csv(tmp_path / "log.csv", [BEGIN, "1.5E+09", "1.50002E+12", "1.5e3"])
    assert [(problem.line, problem.value) for problem in caught.value.problems] == [
        (3, "1.5E+09"),
        (4, "1.50002E+12"),
    ]
    assert "rounded" in caught.value.problems[0].reason


def test_rounded_timestamps_of_json_are_named_as_well(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"user": 1, "item": 2, "ts": 1.502E+09}\n')
    with pytest.raises(BadRowsError, match="rounded, as a spreadsheet does"):
        read_log(tmp_path / "log.jsonl", DataConfig())
    (tmp_path / "log.jsonl").write_text('{"user": 1, "item": 2, "ts": 1.501555365E9}\n')
    assert read_log(tmp_path / "log.jsonl", DataConfig()).frame["timestamp"].to_list() == [1501555365]


def test_days_that_are_written_as_numbers_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadRowsError, match=r"set data\.time_format to '%d%m%Y'") as caught:
        read_csv(tmp_path / "log.csv", ["14072017", "01082017"])
    assert [problem.line for problem in caught.value.problems] == [3]
    read = read_csv(tmp_path / "log.csv", ["14072017", "01082017"], DataConfig(time_format="%d%m%Y"))
    assert read == [1499990400 * 10**6, 1501545600 * 10**6]


def test_decimals_with_a_fraction_are_exact_or_refused(tmp_path: Path) -> None:
    quarters = pl.Series([Decimal(f"{BEGIN}.25"), Decimal(f"{BEGIN}.5")], dtype=pl.Decimal(38, 9))
    assert read_parquet(tmp_path / "log.parquet", quarters) == [BEGIN + 0.25, BEGIN + 0.5]
    fine = pl.Series([Decimal(f"{BEGIN}.000000009")], dtype=pl.Decimal(38, 9))
    with pytest.raises(BadRowsError, match="more digits than a floating-point number has"):
        read_parquet(tmp_path / "log.parquet", fine)


def test_nanoseconds_of_parquet_stay_exact(tmp_path: Path) -> None:
    times = [BEGIN * 10**9 + 3, BEGIN * 10**9 + 1]
    moments = pl.Series(times).cast(pl.Datetime("ns"))
    assert read_parquet(tmp_path / "log.parquet", moments) == times
    assert read_parquet(tmp_path / "log.parquet", moments, FORMER) == [BEGIN * 10**6] * 2
    decimals = pl.Series([Decimal(time) for time in times], dtype=pl.Decimal(38, 0))
    assert read_parquet(tmp_path / "log.parquet", decimals) == times
    assert read_parquet(tmp_path / "log.parquet", decimals, FORMER) == [float(time) for time in times]
    assert read_parquet(tmp_path / "log.parquet", pl.Series([date(2017, 7, 14)])) == [1499990400 * 10**6]


def test_the_basic_form_of_iso_8601_is_a_date(tmp_path: Path) -> None:
    times: list[object] = ["20170714T074151Z", "20170714T074151.25+0100"]
    assert read_csv(tmp_path / "log.csv", times) == [1500018111_000000, 1500014511_250000]


def test_a_missing_date_in_the_first_row_is_the_only_one_to_blame(tmp_path: Path) -> None:
    with pytest.raises(BadRowsError) as caught:
        read_csv(tmp_path / "log.csv", ["NaT", "2017-07-14", "2017-07-15"])
    assert [problem.line for problem in caught.value.problems] == [2]


def test_dates_of_another_form_are_told_what_is_read_and_how_to_do_without(tmp_path: Path) -> None:
    with pytest.raises(BadRowsError, match=r"not of ISO 8601; set data\.time_format to '%m/%d/%Y %H:%M' if"):
        read_csv(tmp_path / "log.csv", ["07/14/2017 07:41", "07/15/2017 08:12"])
