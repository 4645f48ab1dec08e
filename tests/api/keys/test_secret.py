import hashlib
import re
from collections.abc import Callable

import pytest

from api.keys.secret import digest, is_well_formed, new_secret

ZEROS = "td3_" + "0" * 30
CHECKSUM = "21KTLi"
"""The CRC-32 of ZEROS, 1851921382, in base 62 with the digits 0-9, A-Z, a-z."""


def test_a_key_has_the_prefix_the_random_part_and_the_checksum() -> None:
    made = {new_secret() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"td3_[0-9A-Za-z]{36}", text) and is_well_formed(text) for text in made)
    assert len({text[4:34] for text in made}) == 200


def test_the_checksum_is_that_of_the_key_without_it() -> None:
    assert is_well_formed(ZEROS + CHECKSUM)
    assert not is_well_formed(ZEROS + "000000")


@pytest.mark.parametrize("position", range(4, 40))
def test_a_mistyped_character_is_seen(position: int) -> None:
    text = new_secret()
    other = "a" if text[position] != "a" else "b"
    assert not is_well_formed(text[:position] + other + text[position + 1 :])


@pytest.mark.parametrize(
    "change",
    [str.lower, str.upper, lambda text: text[:-1], lambda text: f"{text}\n", lambda text: f"x{text}"],
)
def test_what_is_no_key(change: Callable[[str], str]) -> None:
    assert not is_well_formed(change(ZEROS + CHECKSUM))
    assert not is_well_formed(change(new_secret()))


def test_only_its_sha_256_is_stored() -> None:
    assert digest(ZEROS) == hashlib.sha256(ZEROS.encode()).hexdigest()
