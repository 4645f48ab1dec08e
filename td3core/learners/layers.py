"""Layers as functions of named weights, each with a leading dimension of learners."""

from math import sqrt

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from td3core.learners.base import Dropout, steps_at

INITIAL_STD = 0.02
"""Spread of fresh embeddings, as in BERT."""


def glorot_std(name: str, shape: tuple[int, ...]) -> float:
    """Spread of a fresh matrix that keeps activations in scale (Glorot and Bengio, AISTATS 2010); of embeddings."""
    return sqrt(2 / sum(shape)) if name.endswith(".weight") else INITIAL_STD


def norm_shapes(name: str, d: int) -> dict[str, tuple[int, ...]]:
    """Weights of `norm`."""
    return {f"{name}.scale": (d,), f"{name}.bias": (d,)}


def block_shapes(name: str, d: int, inner: int) -> dict[str, tuple[int, ...]]:
    """Weights of `transformer_block`.

    Keys have no bias: attention does not depend on it, and a weight with a zero gradient makes Adam's derivative
    explode.
    """
    return {
        f"{name}.query.weight": (d, d),
        f"{name}.query.bias": (d,),
        f"{name}.key.weight": (d, d),
        f"{name}.value.weight": (d, d),
        f"{name}.value.bias": (d,),
        f"{name}.out.weight": (d, d),
        f"{name}.out.bias": (d,),
        **norm_shapes(f"{name}.attention", d),
        f"{name}.expand.weight": (d, inner),
        f"{name}.expand.bias": (inner,),
        f"{name}.contract.weight": (inner, d),
        f"{name}.contract.bias": (d,),
        **norm_shapes(f"{name}.feedforward", d),
    }


def gru_shapes(name: str, d: int, hidden: int) -> dict[str, tuple[int, ...]]:
    """Weights of `gru`: of reset gate, update gate and candidate, side by side."""
    return {
        f"{name}.input.weight": (d, 3 * hidden),
        f"{name}.input.bias": (3 * hidden,),
        f"{name}.state.weight": (hidden, 3 * hidden),
    }


def linear(
    x: Float[Tensor, "learners m n d"], weights: dict[str, Tensor], name: str
) -> Float[Tensor, "learners m n e"]:
    """Multiply by `name.weight`, and add `name.bias` where there is one."""
    weight = weights[f"{name}.weight"]
    flat = x.flatten(1, 2)  # (learners, m * n, d)
    bias = weights.get(f"{name}.bias")
    out = flat @ weight if bias is None else torch.baddbmm(bias[:, None], flat, weight)
    return out.unflatten(1, x.shape[1:3])


def norm(
    x: Float[Tensor, "learners batch length d"], weights: dict[str, Tensor], name: str
) -> Float[Tensor, "learners batch length d"]:
    """Normalise the last dimension, then scale and shift it."""
    normal = functional.layer_norm(x, x.shape[-1:], eps=1e-12)
    return torch.addcmul(
        weights[f"{name}.bias"][:, None, None], normal, weights[f"{name}.scale"][:, None, None]
    )


def dropped(x: Tensor, dropout: Dropout | None) -> Tensor:
    """Drop, in training on real logs."""
    return x if dropout is None else dropout(x)


def transformer_block(
    x: Float[Tensor, "learners batch length d"],
    weights: dict[str, Tensor],
    name: str,
    *,
    heads: int,
    unseen: Bool[Tensor, "..."],
    dropout: Dropout | None,
    at: Int[Tensor, "#learners batch supervised"] | None = None,
) -> Float[Tensor, "learners batch supervised d"]:
    """Attend and feed forward, with the normalisation after each residual connection.

    `unseen` marks which keys a query does not attend to; it broadcasts to (learners, batch, heads, supervised, length).
    `at` are the steps whose output is needed, and only they are computed; None: every step.
    """

    def heads_of(part: str, steps: Tensor) -> Float[Tensor, "learners batch heads steps size"]:
        return linear(steps, weights, f"{name}.{part}").unflatten(-1, (heads, -1)).transpose(2, 3)

    key, value = heads_of("key", x), heads_of("value", x)
    if at is not None:
        x = steps_at(x, at)
    query = heads_of("query", x)
    scores = query @ key.transpose(-1, -2) / sqrt(query.shape[-1])
    attention = scores.masked_fill(unseen, -torch.inf).softmax(-1)
    mixed = (dropped(attention, dropout) @ value).transpose(2, 3).flatten(-2)
    x = norm(x + dropped(linear(mixed, weights, f"{name}.out"), dropout), weights, f"{name}.attention")
    hidden = functional.gelu(linear(x, weights, f"{name}.expand"))
    hidden = linear(hidden, weights, f"{name}.contract")
    return norm(x + dropped(hidden, dropout), weights, f"{name}.feedforward")


def gru(
    x: Float[Tensor, "learners length batch d"], weights: dict[str, Tensor], name: str
) -> Float[Tensor, "learners length batch hidden"]:
    """Run a gated recurrent unit along the second dimension, from a state of zeros.

    Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014, arXiv 1406.1078, in the form of
    `torch.nn.GRU`, where the reset gate acts after the state's product, so that a step needs one product; without
    that product's bias. Written out, because fused kernels have no second derivative.
    """
    recurrent = weights[f"{name}.state.weight"]
    hidden = recurrent.shape[1]
    gates, activations = linear(x, weights, f"{name}.input").split((2 * hidden, hidden), -1)
    state = gates.new_zeros(x.shape[0], x.shape[2], hidden)
    states: list[Tensor] = []
    for gate, activation in zip(gates.unbind(1), activations.unbind(1), strict=True):
        by_gate, by_activation = (state @ recurrent).split((2 * hidden, hidden), -1)
        reset, update = (gate + by_gate).sigmoid().chunk(2, -1)
        state = torch.addcmul(activation, reset, by_activation).tanh().lerp(state, update)
        states.append(state)
    return torch.stack(states, 1)
