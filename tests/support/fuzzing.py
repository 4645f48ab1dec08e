"""Hostile variations of what is valid, for tests of everything that parses.

`make test` tries the same few variations each time; `make fuzz` tries others for as long as it is told to.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

_LONG = os.environ.get("TD3_TEST_FUZZ") == "1"
_MANY = 500  # in each round of `tools.fuzz`


def fuzzed(examples: int) -> settings:
    """Return the settings of a test that tries so many variations, the same each time, or many in a long run."""
    return settings(
        max_examples=_MANY if _LONG else examples,
        derandomize=not _LONG,
        database=None,
        deadline=None,
        suppress_health_check=(
            HealthCheck.too_slow,
            HealthCheck.function_scoped_fixture,
            HealthCheck.filter_too_much,
        ),
    )


_NOTABLE = [0, 1, 2, 9, 10, 13, 27, 34, 44, 0x28, 0x2F, 0x4B, 0x7F, 0x80, 0xB5, 0xFE, 0xFF]
"""Bytes that parsers look for."""


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Draw one of the seeds with some of its bytes changed, cut out, repeated or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(data)))
        end = min(len(data), place + draw(st.sampled_from([1, 1, 2, 4, 8, 100])))
        match draw(st.sampled_from(["flip", "byte", "cut", "end", "repeat", "insert", "number"])):
            case "flip" if place < len(data):
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "byte" if place < len(data):
                data[place] = draw(st.sampled_from(_NOTABLE) | st.integers(0, 255))
            case "cut":
                del data[place:end]
            case "end":
                del data[place:]
            case "repeat":
                data[place:place] = data[place:end] * draw(st.sampled_from([1, 3, 50]))
            case "insert":
                data[place:place] = draw(st.binary(max_size=20))
            case _:
                width = draw(st.sampled_from([1, 2, 4, 8]))
                value = draw(st.sampled_from([0, 1, (1 << 8 * width) - 1, 1 << (8 * width - 1), 1 << 20]))
                data[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 1 << 31, 1 << 63, 10**400, 1e308, "", "auto", "\x00", "\x1b[31m", "é" * 300])
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def changed_json(draw: st.DrawFn, seed: object, most: int = 3) -> object:
    """Draw a copy of a JSON value in which some values are others, are gone, or are new."""
    value = _copy(seed)
    for _ in range(draw(st.integers(1, most))):
        inner: object = value
        while isinstance(inner, dict | list) and inner:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = draw(st.sampled_from(keys))
            child = inner[key]  # type: ignore[index]
            if not isinstance(child, dict | list) or not child or draw(st.integers(0, 4)) == 0:
                if isinstance(inner, dict) and draw(st.integers(0, 4)) == 0:
                    del inner[key]
                else:
                    inner[key] = draw(JSON)  # type: ignore[index]
                break
            inner = child
    return value


def _copy(value: object) -> object:
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value
