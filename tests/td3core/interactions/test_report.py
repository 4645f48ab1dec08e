"""What is reported of a log: the right value of every figure, and the right warnings."""

import bz2
import gzip
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from td3core.config import DataConfig
from td3core.errors import LogTooSmallError
from td3core.interactions import validate_log
from td3core.results import READING_CODES, ReadingCode, ReadingReport

LOOSE = {"min_user_interactions": 3, "min_item_interactions": 1}
START = 1_600_000_000
Row = tuple[str, str, int]


def report_of(
    path: Path, content: str | bytes, *, name: str = "log.csv", head_bytes: int | None = None, **data: Any
) -> ReadingReport:
    path = path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return validate_log(path, DataConfig.model_validate({**LOOSE, **data}), head_bytes=head_bytes).reading


def csv_of(rows: Iterable[tuple[Any, ...]], header: str = "user,item,ts") -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def plain(users: str = "abc", items: int = 4) -> list[Row]:
    """Every user meets every item once, at times of their own."""
    return [(user, f"i{item}", START + 60 * item) for user in users for item in range(items)]


def codes(report: ReadingReport) -> list[str]:
    return [warning.code for warning in report.warnings]


def test_the_report_of_a_log_without_peculiarities(tmp_path: Path) -> None:
    header = "user,item,ts,price,channel"
    rows = [(*row, 1, "web") for row in plain()]
    assert report_of(tmp_path, csv_of(rows, header)) == ReadingReport(
        whole=True,
        format="csv",
        compression=None,
        encoding="utf-8",
        layout="rows",
        separator=",",
        quoting="standard",
        header="found",
        columns={"user": "user", "item": "item", "timestamp": "ts"},
        passed_over=("price", "channel"),
        time_unit="seconds",
        first_time=datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC),
        last_time=datetime(2020, 9, 13, 12, 29, 40, tzinfo=UTC),
        users=3,
        items=4,
        interactions=12,
        shortest_sequence=4,
        longest_sequence=4,
        headers_left_out=0,
        null_ids_left_out=0,
        dropped=(),
        kept_share=1.0,
        ties=0.0,
        repeat_consumption=0.0,
        warnings=(),
    )


@pytest.mark.parametrize(
    ("name", "content", "data", "expected"),
    [
        (
            "log.tsv",
            csv_of(plain()).replace(",", "\t"),
            {},
            {"format": "tsv", "separator": "\t", "quoting": "none", "header": "found"},
        ),
        (
            "log.csv",
            csv_of(plain()).replace(",", ";"),
            {},
            {"format": "csv", "separator": ";", "quoting": "standard"},
        ),
        (
            "log.csv",
            csv_of(plain()).split("\n", 1)[1].replace(",", "::"),
            {"separator": "::", "header": ["user", "item", "ts"]},
            {"separator": "::", "quoting": "none", "header": "given"},
        ),
        (
            "log.csv.gz",
            gzip.compress(csv_of(plain()).encode()),
            {"quoting": "backslash"},
            {"format": "csv", "compression": "gzip", "quoting": "backslash"},
        ),
        (
            "log.jsonl",
            "".join(f'{{"item": "{i}", "user": "{u}", "n": 1, "ts": {t}}}\n' for u, i, t in plain()),
            {},
            {"format": "jsonl", "separator": None, "quoting": None, "header": None, "passed_over": ("n",)},
        ),
        (
            "log.inter",
            csv_of(plain(), "user_id:token,item_id:token,timestamp:float").replace(",", "\t"),
            {},
            {
                "format": "inter",
                "quoting": "none",
                "columns": {
                    "user": "user_id:token",
                    "item": "item_id:token",
                    "timestamp": "timestamp:float",
                },
            },
        ),
        (
            "log.csv.bz2",
            bz2.compress(csv_of([*plain("ab"), *plain("é")]).encode("latin-1")),
            {"encoding": "latin-1"},
            {"compression": "bzip2", "encoding": "latin-1"},
        ),
        (
            "log.txt",
            "".join(f"{user} i0 i1 i2 i3\n" for user in "abc"),
            {"layout": "sequences"},
            {"layout": "sequences", "separator": None, "header": None, "time_unit": None, "passed_over": ()},
        ),
        (
            "log.csv",
            csv_of([(*row, 5) for row in plain()], "user,item,ts,rating"),
            {"min_rating": 2.0},
            {"columns": {"user": "user", "item": "item", "timestamp": "ts", "rating": "rating"}},
        ),
        (
            "log.csv",
            csv_of([(*row, 5) for row in plain()], "user,item,ts,rating"),
            {},
            {"passed_over": ("rating",)},
        ),
    ],
    ids=[
        "tsv",
        "semicolons",
        "colons",
        "gzip",
        "json lines",
        "inter",
        "latin-1",
        "sequences",
        "ratings used",
        "ratings not used",
    ],
)
def test_how_the_file_was_read(
    tmp_path: Path, name: str, content: str | bytes, data: dict[str, Any], expected: dict[str, Any]
) -> None:
    report = report_of(tmp_path, content, name=name, **data).model_dump()
    assert {field: report[field] for field in expected} == expected
    assert report["interactions"] == 12


def test_how_parquet_was_read(tmp_path: Path) -> None:
    rows = [(user, item, datetime.fromtimestamp(time, UTC)) for user, item, time in plain()]
    frame = pl.DataFrame(rows, schema=["user", "item", "when"], orient="row")
    for unit in ("us", "ns"):
        frame.with_columns(pl.col("when").dt.cast_time_unit(unit)).write_parquet(tmp_path / "log.parquet")
        data = DataConfig.model_validate({**LOOSE, "columns": {"timestamp": "when"}})
        report = validate_log(tmp_path / "log.parquet", data).reading
        assert (report.format, report.encoding, report.header) == ("parquet", None, None)
        assert (report.time_unit, report.first_time) == ("dates", datetime.fromtimestamp(START, UTC))
        assert report.last_time == datetime.fromtimestamp(START + 180, UTC)


def test_of_the_beginning_of_a_parquet_file_nothing_can_be_read(tmp_path: Path) -> None:
    pl.DataFrame({"user": ["a"] * 9, "item": ["b"] * 9}).write_parquet(tmp_path / "log.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "log.parquet").read_bytes()[:-9])
    assert validate_log(tmp_path / "cut.parquet", DataConfig(min_rating=2.0), head_bytes=100).kept is None
    report = validate_log(tmp_path / "cut.parquet", DataConfig(), head_bytes=100).reading
    assert (report.whole, report.format, report.interactions, report.columns) == (False, "parquet", 0, {})


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)],
)
def test_units_of_numbers_are_judged_by_their_size(tmp_path: Path, unit: str, factor: int) -> None:
    rows = [(user, item, time * factor + factor // 2) for user, item, time in plain()]
    report = report_of(tmp_path, csv_of(rows))
    half = timedelta(seconds=factor // 2 / factor)
    assert report.time_unit == unit
    assert report.first_time == datetime.fromtimestamp(START, UTC) + half
    assert report.last_time == datetime.fromtimestamp(START + 180, UTC) + half


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([f"2020-01-0{day}" for day in range(1, 5)], ("dates", datetime(2020, 1, 1, tzinfo=UTC))),
        ([f"2020010{day}T120000Z" for day in range(1, 5)], ("dates", datetime(2020, 1, 1, 12, tzinfo=UTC))),
        (
            [f"2020-01-01T12:00:00.00000000{n}Z" for n in range(1, 5)],
            ("dates", datetime(2020, 1, 1, 12, tzinfo=UTC)),
        ),
        ([1, 2, 3, 4], ("other", None)),
        ([START + n + 0.5 for n in range(4)], ("seconds", datetime.fromtimestamp(START + 0.5, UTC))),
    ],
    ids=["days", "compact", "nanoseconds", "counts", "fractions"],
)  # fmt: skip
def test_other_times(tmp_path: Path, times: list[Any], expected: tuple[str, datetime | None]) -> None:
    rows = [(user, f"i{item}", times[item]) for user in "abc" for item in range(4)]
    report = report_of(tmp_path, csv_of(rows))
    assert (report.time_unit, report.first_time) == expected
    assert report.ties == 0.0


def test_times_in_the_form_of_the_spec_are_dates(tmp_path: Path) -> None:
    rows = [(user, f"i{item}", f"1/{item + 1}/2020") for user in "abc" for item in range(4)]
    report = report_of(tmp_path, csv_of(rows), time_format="%m/%d/%Y")
    assert (report.time_unit, report.last_time) == ("dates", datetime(2020, 1, 4, tzinfo=UTC))


def test_what_each_filter_dropped(tmp_path: Path) -> None:
    """By hand: the filters in their order, each on what the one before has left."""
    rows = [
        *[(user, f"i{item}", START + item, 5) for user in "abcd" for item in range(6)],
        ("a", "i0", START, 5),  # a repeat
        ("a", "i0", START, 1),  # goes for its rating
        ("low", "bad", START, 1),  # with its user and its item
        *[("few", f"i{item}", START + item, 5) for item in range(3)],
        *[("few", "x", START + 9, 5)],  # with the only interaction of x
        *[("e", f"i{item}", START + item, 5) for item in range(2)],
        *[("e", f"y{item}", START + item, 5) for item in range(3)],  # rare, and then e is too short
    ]
    data = {"min_rating": 2.0, "min_user_interactions": 5, "min_item_interactions": 2}
    report = report_of(tmp_path, csv_of(rows, "user,item,ts,rating"), **data)
    assert [tuple(dropped.model_dump().values()) for dropped in report.dropped] == [
        ("min_rating", 1, 1, 2, 2 / 36),
        ("repeats", 0, 0, 1, 1 / 36),
        ("min_user_interactions", 1, 1, 4, 4 / 36),
        ("min_item_interactions", 0, 3, 3, 3 / 36),
        ("too_short", 1, 0, 2, 2 / 36),
    ]
    assert report.kept_share == 24 / 36
    assert (report.users, report.items, report.interactions) == (7, 11, 36)
    assert (report.shortest_sequence, report.longest_sequence) == (1, 8)
    assert codes(report) == ["repeats_dropped"]


def test_rounds_of_the_core_filter_are_added_up(tmp_path: Path) -> None:
    """The last user goes with the first round; so does d, whose user is left with three and goes with the second."""
    words = ("abcd", "abca", "abcb", "abc")
    rows = [(f"u{user}", item) for user, items in enumerate(words) for item in items]
    data: dict[str, Any] = {"core_filter": "iterated", "min_user_interactions": 4, "min_item_interactions": 2}
    report = report_of(tmp_path, csv_of(rows, "user,item"), **data)
    assert [tuple(dropped.model_dump().values()) for dropped in report.dropped] == [
        ("min_user_interactions", 2, 0, 6, 6 / 15),
        ("min_item_interactions", 0, 1, 1, 1 / 15),
    ]


def test_a_head_is_reported_as_one(tmp_path: Path) -> None:
    """Ratings and repeats are dropped of it; users and items are not counted."""
    rows = [("a", "i0", START), ("a", "i0", START), ("b", "i1", START + 1), *plain("cde")]
    content = csv_of(rows)
    report = report_of(tmp_path, content, head_bytes=len("user,item,ts\n" + "a,i0,1600000000\n" * 3) + 5)
    assert (report.whole, report.interactions, report.users) == (False, 3, 2)
    assert [(dropped.filter, dropped.interactions) for dropped in report.dropped] == [("repeats", 1)]
    assert codes(report) == ["repeats_dropped"]


def spread(users: str = "abcd") -> list[Row]:
    """Ten items a user, one a minute."""
    return plain(users, 10)


def day(time: int) -> str:
    return str(datetime.fromtimestamp(time, UTC).date())


CASES: dict[ReadingCode, tuple[str, dict[str, Any], str]] = {
    ReadingCode.FILE_ORDER: (csv_of([row[:2] for row in plain()], "user,item"), {}, "no timestamps"),
    ReadingCode.MANY_TIES: (csv_of([*spread("abc"), *[(u, "x", START) for u in "abc"]]), {}, "18.2% of the"),
    ReadingCode.NEWEST_FIRST: (
        csv_of([*[(u, i, day(START - 50_000 * n)) for n, (u, i, _) in enumerate(spread())]]),
        {},
        "sort the log oldest first",
    ),
    ReadingCode.TIMES_PASSED_OVER: (
        csv_of([(*row, "x") for row in plain()], "user,item,ts,review_date"),
        {},
        "review_date may be times as well, but ts orders the log",
    ),
    ReadingCode.REPEATS_DROPPED: (csv_of([*plain(), *plain()]), {}, "12 rows (50.0%)"),
    ReadingCode.REPEAT_CONSUMPTION: (
        csv_of([*spread("abc"), *[(u, "i0", START + 9_999) for u in "abc"], ("a", "i0", START + 9_998)]),
        {},
        "11.8% of the interactions",
    ),
    ReadingCode.FILTERS_DROP_MOST: (
        csv_of([*plain("ab"), *[(f"u{n}", "i0", START) for n in range(9)]]),
        {},
        "dropped 52.9% of the interactions (min_user_interactions 52.9%)",
    ),
    ReadingCode.NULL_IDS_DROPPED: (
        csv_of([*plain(), ("NA", "i0", START), ("a", "", START)]),
        {"null_ids": "drop"},
        "2 rows without a user or an item",
    ),
    ReadingCode.NULL_IDS_KEPT: (
        csv_of([*plain(), *[("NA", item, time) for _, item, time in plain("a")]]),
        {"null_ids": "keep"},
        "all of them are one user or item",
    ),
    ReadingCode.HEADER_REPEATED: (
        csv_of(plain("ab")) + csv_of(plain("cd")),
        {},
        "1 rows were left out that repeat the header",
    ),
}


@pytest.mark.parametrize("code", ReadingCode, ids=str)
def test_every_warning(tmp_path: Path, code: ReadingCode) -> None:
    content, data, said = CASES[code]
    report = report_of(tmp_path, content, **data)
    (found,) = [warning for warning in report.warnings if warning.code == code]
    assert said in found.detail
    assert found.detail.endswith(".")
    assert code in READING_CODES


@pytest.mark.parametrize(
    ("content", "data", "code"),
    [
        (csv_of([*spread("abcd"), ("a", "x", START)]), {}, "many_ties"),
        (csv_of(sorted(spread(), key=lambda row: -row[2])), {}, "newest_first"),
        (csv_of([*spread(), ("a", "i0", START + 9_999)]), {}, "repeat_consumption"),
        (
            csv_of([*spread("ab"), *[(u, "i0", START + 9_999 + n) for u in "ab" for n in range(9)]]),
            {"exclude_seen": False},
            "repeat_consumption",
        ),
        (csv_of([*plain(), *plain()]), {"repeats": "keep"}, "repeats_dropped"),
        (csv_of([*plain("ab"), *[(f"u{n}", "i0", START) for n in range(7)]]), {}, "filters_drop_most"),
        (csv_of(plain()), {"null_ids": "keep"}, "null_ids_kept"),
    ],
    ids=["few ties", "no ties", "rare repeats", "seen items ranked", "repeats kept", "under half", "no null ids"],
)  # fmt: skip
def test_no_warning_without_need(tmp_path: Path, content: str, data: dict[str, Any], code: str) -> None:
    assert code not in codes(report_of(tmp_path, content, **data))


def test_the_warnings_come_with_the_gravest_first(tmp_path: Path) -> None:
    rows = [*plain("ab"), *plain("ab"), *[(f"u{n}", "i0", START) for n in range(9)]]
    assert codes(report_of(tmp_path, csv_of(rows))) == ["filters_drop_most", "repeats_dropped"]


def test_rows_without_an_id_are_left_out_of_parquet(tmp_path: Path) -> None:
    users = [None, "NaN", *[row[0] for row in plain()]]
    items = [1.0, 2.0, *[float("nan")], *[float(row[1][1:]) for row in plain()][1:]]
    pl.DataFrame({"user": users, "item": items}).write_parquet(tmp_path / "log.parquet")
    data = DataConfig.model_validate({**LOOSE, "null_ids": "drop"})
    report = validate_log(tmp_path / "log.parquet", data).reading
    assert (report.null_ids_left_out, report.interactions) == (3, 11)


def test_many_long_names_are_cut(tmp_path: Path) -> None:
    header = "user,item,ts," + ",".join(f"{n}" + "x" * 500 for n in range(200))
    report = report_of(tmp_path, csv_of([(*row, *[1] * 200) for row in plain()], header))
    assert [len(name) for name in report.passed_over] == [100] * 50


rows = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("xyzwv"), st.integers(0, 4), st.integers(1, 3)),
    min_size=8,
    max_size=60,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=rows,
    timed=st.booleans(),
    scale=st.sampled_from([1, 10**17, 0.5]),
    rating=st.none() | st.just(2.0),
    repeats=st.sampled_from(["drop", "keep"]),
    core=st.sampled_from(["single", "iterated"]),
    minima=st.tuples(st.integers(3, 5), st.integers(1, 4)),
)
def test_the_figures_are_those_of_a_plain_recount(
    tmp_path: Path,
    rows: list[tuple[str, str, int, int]],
    timed: bool,
    scale: float,
    rating: float | None,
    repeats: str,
    core: str,
    minima: tuple[int, int],
) -> None:
    header = "user,item,ts,rating" if timed else "user,item,n,rating"
    scaled = [(user, item, time * scale, score) for user, item, time, score in rows]
    data = {
        "min_rating": rating,
        "repeats": repeats,
        "core_filter": core,
        "min_user_interactions": minima[0],
        "min_item_interactions": minima[1],
    }
    try:
        report = report_of(tmp_path, csv_of(scaled, header), **data)
    except LogTooSmallError:
        return
    dropped, left = recounted(rows, timed=timed, **data)
    assert [tuple(one.model_dump().values())[:4] for one in report.dropped] == dropped
    assert sum(one.share for one in report.dropped) == pytest.approx(1 - report.kept_share)
    assert report.kept_share == len(left) / len(rows)
    moments = Counter((row[0], row[2]) for row in left)
    ties = sum(moments[row[0], row[2]] > 1 for row in left) / len(left)
    assert report.ties == (pytest.approx(ties) if timed else None)
    met = len(left) - len({row[:2] for row in left})
    assert report.repeat_consumption == pytest.approx(met / len(left))
    lengths = Counter(row[0] for row in rows).values()
    assert (report.shortest_sequence, report.longest_sequence) == (min(lengths), max(lengths))
    assert (report.users, report.items) == (len(lengths), len({row[1] for row in rows}))


def recounted(
    rows: list[tuple[str, str, int, int]], *, timed: bool, **data: Any
) -> tuple[list[tuple[str, int, int, int]], list[tuple[str, str, int, int]]]:
    """What each filter drops and what they leave, row by row."""
    dropped: dict[str, tuple[int, int, int]] = {}

    def keep(name: str, kept: list[tuple[str, str, int, int]]) -> None:
        nonlocal rows
        counts = [
            (len({row[0] for row in some}), len({row[1] for row in some}), len(some)) for some in (rows, kept)
        ]
        if counts[0][2] > counts[1][2]:
            before = dropped.get(name, (0, 0, 0))
            dropped[name] = tuple(b + old - new for b, old, new in zip(before, *counts, strict=True))  # pyright: ignore[reportArgumentType]
        rows = kept

    if data["min_rating"] is not None:
        keep("min_rating", [row for row in rows if row[3] >= data["min_rating"]])
    if timed and data["repeats"] == "drop":
        keep("repeats", [row for n, row in enumerate(rows) if row[:3] not in [old[:3] for old in rows[:n]]])
    while True:
        before = len(rows)
        users, items = Counter(row[0] for row in rows), Counter(row[1] for row in rows)
        keep("min_user_interactions", [row for row in rows if users[row[0]] >= data["min_user_interactions"]])
        keep("min_item_interactions", [row for row in rows if items[row[1]] >= data["min_item_interactions"]])
        if data["core_filter"] == "single" or len(rows) == before:
            break
    users = Counter(row[0] for row in rows)
    keep("too_short", [row for row in rows if users[row[0]] >= 3])
    return [(name, *counts) for name, counts in dropped.items()], rows
