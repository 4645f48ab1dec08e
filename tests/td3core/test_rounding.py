"""How tensors are stored and what that costs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from td3core.rounding import decode, encode, rounded

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=3)
exponents = st.integers(-30, 18)


def drawn(shape: list[int], exponent: int, seed: int) -> torch.Tensor:
    """Values of about two to this power."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2.0**exponent


@given(shapes, exponents, st.integers(0, 1000), st.sampled_from(["float32", "float16", "int8"]))
def test_what_was_stored_once_is_stored_alike_again(
    shape: list[int], exponent: int, seed: int, precision
) -> None:
    first = encode({"x": drawn(shape, exponent, seed)}, precision)
    again = encode(decode(first), precision)
    assert first.keys() == again.keys()
    for name, stored in first.items():
        assert torch.equal(stored, again[name])


@given(shapes, st.integers(-12, 12), st.integers(0, 1000))
def test_integers_are_off_by_half_a_level_of_their_row(shape: list[int], exponent: int, seed: int) -> None:
    x = drawn([*shape, 7], exponent, seed)
    found = rounded({"x": x}, "int8")["x"]
    level = x.abs().amax(-1, keepdim=True) / 127
    finest = 2.0**-14  # below it scales are powers of two, up to twice as large
    assert ((found - x).abs() <= torch.where(level > finest, 0.5006 * level, level)).all()


def test_a_row_is_a_byte_a_number_and_two_for_its_scale() -> None:
    """By hand: 2 / 127 as a 16-bit float, rounded up, is 0.015762329..."""
    stored = encode({"x": torch.tensor([[2.0, -1.0, 0.0], [0.0, 0.0, 0.0]])}, "int8")
    assert stored["x"].dtype == torch.int8
    assert stored["x"].tolist() == [[127, -63, 0], [0, 0, 0]]
    assert stored["x.row_scale"].dtype == torch.float16
    scale = stored["x.row_scale"][0].item()
    assert 2 / 127 <= scale < 2 / 127 * (1 + 2**-10)
    assert decode(stored)["x"].tolist() == [[127 * scale, -63 * scale, 0.0], [0.0, 0.0, 0.0]]


def test_a_tiny_scale_that_is_a_power_of_two_stays() -> None:
    """Below the normal 16-bit floats, where a larger one would lose a bit each time."""
    x = torch.tensor([[127.0, 1.0]]) * 2.0**-20
    assert torch.equal(rounded({"x": x}, "int8")["x"], x)


def test_rows_do_not_share_a_scale() -> None:
    x = torch.tensor([[1000.0, 1.0], [0.001, 0.002]])
    found = rounded({"x": x}, "int8")["x"]
    torch.testing.assert_close(found[1], x[1], rtol=0.01, atol=0.0)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_vectors_are_16_bit_floats(precision) -> None:
    x = torch.tensor([1.0, 1e-4, 3.0])
    stored = encode({"x": x}, precision)
    assert {name: tensor.dtype for name, tensor in stored.items()} == {"x": torch.float16}
    assert torch.equal(decode(stored)["x"], x.half().float())


@pytest.mark.parametrize("precision", ["float16", "int8"])
@pytest.mark.parametrize("large", [1e8, float("inf"), float("nan")])
def test_what_is_too_large_stays_as_it_is(precision, large: float) -> None:
    x = torch.tensor([[large, 1.0 / 3.0]])
    stored = encode({"x": x}, precision)
    assert stored.keys() == {"x"}
    torch.testing.assert_close(stored["x"], x, rtol=0.0, atol=0.0, equal_nan=True)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_the_type_of_the_computation_stays(precision) -> None:
    x = drawn([3, 4], 0, 1).double()
    found = rounded({"x": x}, precision)["x"]
    assert found.dtype == torch.float64
    assert torch.equal(found, x) is (precision == "float32")


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ({"x": torch.ones(2, 3, dtype=torch.int8)}, "x.row_scale is None"),
        (
            {"x": torch.ones(2, 3, dtype=torch.int8), "x.row_scale": torch.ones(3, dtype=torch.float16)},
            r"of shape \(3,\); expected torch.float16 of shape \(2,\)",
        ),
        (
            {"x": torch.ones(2, 3, dtype=torch.int8), "x.row_scale": torch.ones(2)},
            "x.row_scale is torch.float32",
        ),
        ({"x": torch.ones(2, 3, dtype=torch.int64)}, "x is torch.int64"),
    ],
    ids=["no scales", "scales of columns", "wide scales", "integers"],
)
def test_what_cannot_be_is_named(stored: dict[str, torch.Tensor], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        decode(stored)
