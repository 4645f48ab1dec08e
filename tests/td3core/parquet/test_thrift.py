import pytest

from td3core.parquet.thrift import ThriftError, read_struct


def test_a_struct_of_every_type() -> None:
    """By hand, from the specification of the compact protocol."""
    data = (
        b"\x11"  # field 1, true
        b"\x12"  # field 2, false
        b"\x15\xac\x02"  # field 3, 150 as a zigzag varint
        b"\x16\x01"  # field 4, -1
        b"\x18\x02hi"  # field 5
        b"\x19\x25\x02\x04"  # field 6, the list 1, 2
        b"\x1c\x15\x06\x00"  # field 7, a struct whose field 1 is 3
        b"\x05\x28\x08"  # field 20, by its number, 4
        b"\x00\xff"  # the end, and what follows
    )
    fields, end = read_struct(data, 0)
    assert fields == {1: True, 2: False, 3: 150, 4: -1, 5: b"hi", 6: [1, 2], 7: {1: 3}, 20: 4}
    assert end == len(data) - 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ends early"),
        (b"\x15", "ends early"),
        (b"\x15" + b"\xff" * 20, "more than 10 bytes"),
        (b"\x18\xff\xff\xff\xff\x07", "ends early"),
        (b"\x19\xf5\xff\xff\xff\xff\x07", "longer than the file"),
        (b"\x1c" * 100, "nested"),
        (b"\x1b\x00", "type 11"),
    ],
)
def test_what_is_no_struct_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ThriftError, match=reason):
        read_struct(data, 0)
