"""How the tensors of a summary are stored: as they are, as 16-bit floats, or as 8-bit integers with scales.

A row of a tensor runs along its last axis, such as the factors of an item. As `int8` it is `s q`: q are integers from
-127 to 127, and the scale s is a 16-bit float. A vector would be a single row: the few there are, biases and
norms, stay 16-bit floats.

Whatever was rounded once stays as it is when it is rounded again, to the bit: scales are rounded up, and their product
with an integer is exact in 32-bit floats.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from td3core.config import SummaryPrecision

SCALE = ".row_scale"
"""Ends the name of the tensor with the scales of another one's rows."""

_LEVELS = 127
_SCALE_BITS = 11  # of the significand of a 16-bit float
_SMALLEST_NORMAL = -13  # exponent of a 16-bit float, its significand being from 0.5 to 1
_SMALLEST = 2.0**-24


def encode(tensors: Mapping[str, Tensor], precision: SummaryPrecision) -> dict[str, Tensor]:
    """Return what is to be stored; what is too large for a 16-bit float, or for a scale, stays as it is."""
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if precision == "float32":
            stored[name] = tensor
            continue
        if precision == "int8" and tensor.ndim > 1:
            values, scales = _quantise(tensor.float())
            if scales.isfinite().all():
                stored |= {name: values, f"{name}{SCALE}": scales}
                continue
        half = tensor.half()
        stored[name] = half if half.isfinite().all() else tensor
    return stored


def decode(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, as 32-bit floats unless they are stored as they were.

    Raises:
        ValueError: A tensor has a type that `encode` does not give it, or scales that are missing or of another shape.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in stored:
            continue
        if tensor.dtype == torch.int8:
            scales = stored.get(f"{name}{SCALE}")
            if scales is None or scales.shape != tensor.shape[:-1] or scales.dtype != torch.float16:
                found = None if scales is None else f"{scales.dtype} of shape {tuple(scales.shape)}"
                raise ValueError(
                    f"{name}{SCALE} is {found}; expected torch.float16 of shape {tuple(tensor.shape[:-1])}"
                )
            tensors[name] = tensor.float() * scales.float()[..., None]
        elif tensor.dtype in (torch.float16, torch.float32, torch.float64):
            tensors[name] = tensor.float() if tensor.dtype == torch.float16 else tensor
        else:
            raise ValueError(f"{name} is {tensor.dtype}; expected a floating-point type or torch.int8")
    return tensors


def rounded(tensors: Mapping[str, Tensor], precision: SummaryPrecision) -> dict[str, Tensor]:
    """Return the tensors as they are once they were stored, in the type that they have."""
    stored = decode(encode(tensors, precision))
    return {name: stored[name].to(tensor.dtype) for name, tensor in tensors.items()}


def _quantise(x: Float[Tensor, "*rows width"]) -> tuple[Int8[Tensor, "*rows width"], Float[Tensor, "*rows"]]:
    """Return the integers and the scales, 16-bit floats that are infinite where a row's largest value is too large."""
    fraction, exponent = torch.frexp(x.abs().amax(-1) / _LEVELS)
    # Below the normal 16-bit floats scales are powers of two: cut off anywhere else, they would shrink again and again.
    bits = torch.where(exponent >= _SMALLEST_NORMAL, _SCALE_BITS, 1)
    fraction = torch.ldexp(torch.ldexp(fraction, bits).ceil(), -bits)
    scales = torch.ldexp(fraction, exponent).clamp(min=_SMALLEST)
    values = (x / scales[..., None]).round().clamp(-_LEVELS, _LEVELS)
    return values.to(torch.int8), scales.half()
