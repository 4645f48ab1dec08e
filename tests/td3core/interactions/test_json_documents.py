"""JSON that is not one object in each line, and objects that hold a list of interactions."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from td3core.config import DataConfig
from td3core.errors import BadRowsError, InvalidLogError, MissingColumnError, UnreadableLogError
from td3core.interactions import Limits, read_log
from td3core.interactions._json_document import as_lines

OBJECTS = [{"user": "u1", "item": "i}1", "ts": 1}, {"user": 'u"2\\', "item": "i,[2", "ts": 2}]
ROWS = [("u1", "i}1", 1), ('u"2\\', "i,[2", 2)]


def read(path: Path, content: str | bytes, **data: Any) -> list[tuple[object, ...]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_log(path, DataConfig.model_validate(data)).frame.rows()


def dump(indent: int | None = None) -> list[str]:
    return [json.dumps(one, indent=indent) for one in OBJECTS]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        json.dumps(OBJECTS, separators=(",", ":")),
        "[\n" + ",\n".join(dump()) + "\n]\n",
        "[\r\n" + "\r\n,".join(dump()) + "\r\n]\r\n",
        "\ufeff\n [ " + " , ".join(dump(2)) + " ] ",
        "".join(dump()),
        " ".join(dump()) + "\n",
        ",".join(dump()),
        "\n".join(dump(2)),
        "".join(dump(2)),
        "[" + dump()[0] + "]\n[" + dump()[1] + "]",
        "\n".join(dump()),
    ],
)
@pytest.mark.parametrize("name", ["log.json", "log.txt"])
def test_every_layout_gives_the_same_log(tmp_path: Path, name: str, content: str) -> None:
    assert read(tmp_path / name, content) == ROWS
    assert read(tmp_path / f"{name}.gz", gzip.compress(content.encode())) == ROWS


@settings(max_examples=200, deadline=None)
@given(
    objects=st.lists(
        st.dictionaries(
            st.text(max_size=3), st.text('"\\[]{},\n\t é𠀀a', max_size=6), min_size=1, max_size=3
        ),
        min_size=1,
        max_size=5,
    ),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    array=st.booleans(),
)
def test_objects_are_the_same_however_they_are_cut(
    objects: list[dict[str, str]], indent: int | None, ascii_only: bool, sizes: list[int], array: bool
) -> None:
    texts = [json.dumps(one, indent=indent, ensure_ascii=ascii_only) for one in objects]
    text = ("[" + ",".join(texts) + "]" if array else "".join(texts)).encode()
    chunks: list[bytes] = []
    while text:
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(text[:size])
        text = text[size:]
    lines = b"".join(as_lines(chunks, array=array, may_be_cut=False)).decode().split("\n")
    assert [json.loads(line) for line in lines if line.strip()] == objects
    assert len([line for line in lines[: len(objects)] if line.strip()]) == len(objects)


def test_problems_have_the_number_of_the_object(tmp_path: Path) -> None:
    objects = [{"user": "u", "item": n if n % 1000 else None, "note": "x\ny"} for n in range(1, 2001)]
    with pytest.raises(
        BadRowsError, match="2 problems in the log, the first in object 1000, column item"
    ) as caught:
        read(tmp_path / "log.json", json.dumps(objects, indent=1))
    assert [problem.line for problem in caught.value.problems] == [1000, 2000]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(OBJECTS)[:-1], "the JSON document is truncated"),
        (json.dumps(OBJECTS)[:-9], "the JSON document is truncated"),
        (json.dumps(OBJECTS) + "]", "a bracket is closed that was not opened"),
        (
            json.dumps([["u", "i", 1], ["u", "j", 2]]),
            "elements of an array, are arrays; expected a JSON object",
        ),
        (json.dumps([1, 2]), "expected a JSON object for each interaction"),
        ("[]", "blank lines"),
        (
            json.dumps({"info": {}, "playlists": [{"pid": 1, "tracks": []}]}),
            r"jq -c '\.playlists\[\]'.*data\.events",
        ),
        (
            json.dumps({"info": {}, "playlists": [{"pid": 1, "tracks": []}]}, indent=1),
            "list of objects in 'playlists'",
        ),
        (
            json.dumps({"user": {"0": "a"}, "item": {"0": "b"}}),
            'one JSON object of columns .*orient="records"',
        ),
        (json.dumps({"1": ["a", "b"], "2": ["c"]}), "one JSON object of columns or of users"),
        ('[{"user": 1, "item": 2} {"user": ]', "truncated"),
        ('[{"user": 1, "item": 2}, {"user": }]', "in object 2: not valid JSON"),
        ('[{"user": 1, "item": 2}, 7, {"user": 1, "item": 2}]', "in object 2: not valid JSON"),
        ('[{"user": 1, "item": 2}, null]', "in object 2: not a JSON object"),
    ],
)
def test_documents_that_are_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(InvalidLogError, match=said):
        read(tmp_path / "log.json", content)


def test_an_object_longer_than_a_block(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps([{"user": 1, "item": 2}, {"user": 1, "item": "x" * 50_000}]))
    with pytest.raises(UnreadableLogError, match="object 2 is longer than 10,000 bytes"):
        read_log(path, DataConfig(), limits=Limits(block_bytes=10_000))


def test_a_document_is_read_in_blocks_and_its_head_may_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    objects = [{"user": f"u{n % 9}", "item": f"i{n % 5}", "ts": n} for n in range(100_000)]
    path.write_text(json.dumps(objects, indent=1))
    log = read_log(path, DataConfig(), limits=Limits(block_bytes=100_000))
    assert log.frame["timestamp"].to_list() == list(range(100_000))
    head = read_log(path, DataConfig(), head_bytes=50_000).frame
    assert 500 < head.height < 1200
    assert head.rows() == log.frame.head(head.height).rows()


SESSIONS = [
    {"session": 1, "events": [{"aid": 7, "ts": 10, "type": "clicks"}, {"aid": 8, "ts": 11, "type": "carts"}]},
    {"session": 2, "events": []},
    {"session": 3, "events": [{"aid": 7, "ts": 9, "type": "clicks"}]},
]
SPEC = {"events": "events", "columns": {"user": "session", "item": "aid"}}


@pytest.mark.parametrize("array", [False, True])
def test_events_of_a_session_are_interactions_of_its_user(tmp_path: Path, array: bool) -> None:
    content = json.dumps(SESSIONS) if array else "\n".join(map(json.dumps, SESSIONS))
    assert read(tmp_path / "log.jsonl", content, **SPEC) == [("1", "7", 10), ("1", "8", 11), ("3", "7", 9)]


def test_of_a_key_that_both_have_the_one_of_the_event_counts(tmp_path: Path) -> None:
    one = {"user": "u", "ts": 99, "events": [{"item": "a", "ts": 1}, {"item": "b", "ts": 2, "user": "x"}]}
    content = json.dumps(one) + "\n" + json.dumps({**one, "events": [{"item": "a", "ts": 3, "user": "y"}]})
    with pytest.raises(BadRowsError, match="line 1, column user: empty value"):
        read(tmp_path / "log.jsonl", content, events="events")
    for record in (one["events"][0],):
        record["user"] = "x"
    assert read(tmp_path / "log.jsonl", json.dumps(one), events="events") == [("x", "a", 1), ("x", "b", 2)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"session": 4}',
            r"line 4, column events: expected a list of objects in 'events', as data.events says",
        ),
        ('{"session": 4, "events": null}', "expected a list of objects"),
        ('{"session": 4, "events": {"aid": 1, "ts": 1}}', "expected a list of objects"),
        ('{"session": 4, "events": [{"aid": 1, "ts": 1}, 5]}', "event 2 is not an object"),
        ('{"session": 4, "events": [null]}', "event 1 is not an object"),
        (
            '{"session": 4, "events": [{"aid": [1], "ts": 1}]}',
            "line 4, column aid: neither text nor a number",
        ),
        ('{"session": 4, "events": [{"aid": 1}]}', "line 4, column ts: empty value"),
        ('{"session": null, "events": [{"aid": 1, "ts": 1}]}', "line 4, column session: empty value"),
        ('{"session": 4, "events": [', "line 4: not valid JSON"),
    ],
)
def test_a_bad_event_is_refused_by_its_line(tmp_path: Path, line: str, said: str) -> None:
    content = "\n".join([*map(json.dumps, SESSIONS), line])
    with pytest.raises(BadRowsError, match=said):
        read(tmp_path / "log.jsonl", content, **SPEC)


def test_specs_of_events_that_do_not_fit(tmp_path: Path) -> None:
    content = "\n".join(map(json.dumps, SESSIONS))
    with pytest.raises(
        MissingColumnError, match=r"no object has a list of objects named 'clicks', but data\.events"
    ):
        read(tmp_path / "log.jsonl", content, **{**SPEC, "events": "clicks"})
    with pytest.raises(
        MissingColumnError, match="the item 'session' is not a key of the objects in 'events'"
    ):
        read(tmp_path / "log.jsonl", content, events="events", columns={"item": "session", "user": "aid"})
    with pytest.raises(UnreadableLogError, match=r"data\.events is for JSON, but the log is delimited text"):
        read(tmp_path / "log.csv", "user,item\na,b\n", events="events")


def test_a_time_that_only_late_events_have(tmp_path: Path) -> None:
    early = [{"user": n, "events": [{"item": n}]} for n in range(1000)]
    content = "\n".join(map(json.dumps, [*early, {"user": 1, "events": [{"item": 1, "ts": 5}]}]))
    with pytest.raises(MissingColumnError, match="look like times: ts"):
        read(tmp_path / "log.jsonl", content, events="events")


def test_half_a_character_is_refused_where_it_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(BadRowsError, match="line 2, column item"):
        read(tmp_path / "log.jsonl", '{"user": "a", "item": "b"}\n{"user": "a", "item": "b\\ud800"}\n')


@pytest.mark.parametrize("number", ["1.00000000000000000e30000000", "1e400", "-1e400"])
def test_a_number_of_a_few_letters_takes_no_memory(tmp_path: Path, number: str) -> None:
    with pytest.raises(BadRowsError, match="line 2, column user: neither text nor a number"):
        read(tmp_path / "log.jsonl", f'{{"user": 1, "item": 3}}\n{{"user": {number}, "item": 3}}\n')


def test_sessions_without_events_beside_a_time_that_is_not_theirs(tmp_path: Path) -> None:
    session = '{"user": 1, "meta": {"time": 5}, "events": [{"item": 3}]}\n'
    empty = '{"user": 2, "meta": {"time": 5}, "events": []}\n'
    assert read(tmp_path / "log.jsonl", session + empty, events="events") == [("1", "3")]


def test_a_key_that_only_late_events_have_is_refused(tmp_path: Path) -> None:
    session = '{"user": 1, "time": 1600000000, "events": [{"item": 3}]}\n' * 1100
    late = '{"user": 2, "time": 1600000000, "events": [{"item": 3, "time": 1700000000}]}\n'
    with pytest.raises(
        BadRowsError, match="line 1101, column time: an event has this key, which those of the"
    ):
        read(tmp_path / "log.jsonl", session + late, events="events")


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    twice = '{"user": 1, "user": 2, "item": 3}'
    with pytest.raises(BadRowsError, match="line 2, column user: the object has this key twice"):
        read(tmp_path / "log.jsonl", f'{{"user": 1, "item": 3}}\n{twice}\n')
    with pytest.raises(BadRowsError, match="object 1, column user: the object has this key twice"):
        read(tmp_path / "log.json", f"[{twice}]")
    many = '{"user": 1, "item": 3}\n' * 3000
    with pytest.raises(BadRowsError, match="line 3001, column user: the object has this key twice"):
        read(tmp_path / "log.jsonl", f"{many}{twice}\n")
    session = '{"user": 1, "events": [{"item": 3}, {"item": 4, "item": 5}]}\n'
    with pytest.raises(BadRowsError, match="line 1, column item: the object has this key twice"):
        read(tmp_path / "log.jsonl", session, events="events")
    spaced = '{"user" : 1, "user" : 2, "item" : 3}\n'
    with pytest.raises(BadRowsError, match="line 1, column user: the object has this key twice"):
        read(tmp_path / "log.jsonl", spaced)
    named_alike = '{"user": 1, "item": 3, "context": {"user": "x"}}\n'
    assert read(tmp_path / "log.jsonl", named_alike) == [("1", "3")]
    inner = '{"user": 1, "item": 3, "context": {"a": 1, "a": 2}}\n'
    assert read(tmp_path / "log.jsonl", inner) == [("1", "3")]
