"""SASRec: self-attentive sequential recommendation.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, arXiv 1808.09781, with the normalisation after
each residual connection, as in BERT4Rec and RecBole. Keys have no bias: attention does not depend on it, and a weight
with a zero gradient makes Adam's derivative explode.
"""

from math import sqrt
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from td3core.learners.base import Dropout, ParameterLayout

_INITIAL_STD = 0.02


@final
class SASRec:
    """A causal Transformer over item embeddings."""

    def __init__(
        self, *, embedding_size: int, layers: int, heads: int, inner_size: int, max_length: int
    ) -> None:
        self.embedding_size = embedding_size
        self.layers = layers
        self.heads = heads
        self.max_length = max_length
        d, inner = embedding_size, inner_size
        shapes: dict[str, tuple[int, ...]] = {"position": (max_length, d), **_norm_shapes("embedding", d)}
        for layer in range(layers):
            shapes |= {
                f"{layer}.query.weight": (d, d),
                f"{layer}.query.bias": (d,),
                f"{layer}.key.weight": (d, d),
                f"{layer}.value.weight": (d, d),
                f"{layer}.value.bias": (d,),
                f"{layer}.out.weight": (d, d),
                f"{layer}.out.bias": (d,),
                **_norm_shapes(f"{layer}.attention", d),
                f"{layer}.expand.weight": (d, inner),
                f"{layer}.expand.bias": (inner,),
                f"{layer}.contract.weight": (inner, d),
                f"{layer}.contract.bias": (d,),
                **_norm_shapes(f"{layer}.feedforward", d),
            }
        self.layout = ParameterLayout(shapes)

    def initialise(
        self, learners: int, *, generator: torch.Generator, dtype: torch.dtype, device: torch.device
    ) -> Float[Tensor, "learners parameters"]:
        """Draw weights from N(0, 0.02^2), biases zero, norms one."""
        parameters = torch.empty(learners, self.layout.size, dtype=dtype, device=device)
        for name, weight in self.layout.split(parameters).items():
            if name.endswith(".bias"):
                weight.zero_()
            elif name.endswith(".scale"):
                weight.fill_(1.0)
            else:
                weight.normal_(std=_INITIAL_STD, generator=generator)
        return parameters

    def __call__(
        self,
        parameters: Float[Tensor, "learners parameters"],
        embeddings: Float[Tensor, "learners batch length d3"],
        dropout: Dropout | None = None,
    ) -> Float[Tensor, "learners batch length d3"]:
        """Predict the next embedding at every step."""
        weights = self.layout.split(parameters)
        length = embeddings.shape[2]
        x = embeddings + weights["position"][:, None, :length]
        x = _dropped(_norm(x, weights, "embedding"), dropout)
        for layer in range(self.layers):
            attended = self._attend(x, weights, layer, dropout)
            x = _norm(x + _dropped(attended, dropout), weights, f"{layer}.attention")
            hidden = functional.gelu(_linear(x, weights, f"{layer}.expand"))
            hidden = _linear(hidden, weights, f"{layer}.contract")
            x = _norm(x + _dropped(hidden, dropout), weights, f"{layer}.feedforward")
        return x

    def _attend(
        self, x: Tensor, weights: dict[str, Tensor], layer: int, dropout: Dropout | None
    ) -> Float[Tensor, "learners batch length d3"]:
        query, key, value = (
            _linear(x, weights, f"{layer}.{name}").unflatten(-1, (self.heads, -1)).transpose(2, 3)
            for name in ("query", "key", "value")
        )  # (learners, batch, heads, length, d3 / heads)
        length = x.shape[2]
        future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        scores = query @ key.transpose(-1, -2) / sqrt(query.shape[-1])
        attention = scores.masked_fill(future, -torch.inf).softmax(-1)
        mixed = _dropped(attention, dropout) @ value
        return _linear(mixed.transpose(2, 3).flatten(-2), weights, f"{layer}.out")


def _norm_shapes(name: str, d: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.scale": (d,), f"{name}.bias": (d,)}


def _linear(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    weight = weights[f"{name}.weight"]
    flat = x.flatten(1, 2)  # (learners, batch * length, d)
    bias = weights.get(f"{name}.bias")
    out = flat @ weight if bias is None else torch.baddbmm(bias[:, None], flat, weight)
    return out.unflatten(1, x.shape[1:3])


def _norm(x: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    normal = functional.layer_norm(x, x.shape[-1:], eps=1e-12)
    return torch.addcmul(
        weights[f"{name}.bias"][:, None, None], normal, weights[f"{name}.scale"][:, None, None]
    )


def _dropped(x: Tensor, dropout: Dropout | None) -> Tensor:
    return x if dropout is None else dropout(x)
