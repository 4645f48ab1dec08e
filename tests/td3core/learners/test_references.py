"""Learners against independent references: PyTorch's own layers with the same weights, and plain loops."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from td3core.learners import NARM, BERT4Rec, GRU4Rec, SASRec
from td3core.learners.base import ParameterLayout

CPU = torch.device("cpu")
D, INNER, LENGTH = 8, 12, 6


def random_weights(layout: ParameterLayout, generator: torch.Generator) -> Tensor:
    return 0.4 * torch.randn(1, layout.size, dtype=torch.float64, generator=generator)


def only(layout: ParameterLayout, parameters: Tensor) -> dict[str, Tensor]:
    """Weights of the one learner there is."""
    return {name: weight[0] for name, weight in layout.split(parameters).items()}


def torch_gru(weights: dict[str, Tensor], layers: int, d: int, inner: int) -> nn.GRU:
    """PyTorch's GRU with our weights; it has a second bias, which we leave out."""
    reference = nn.GRU(d, inner, layers, batch_first=True).double()
    with torch.no_grad():
        for layer in range(layers):
            reference.get_parameter(f"weight_ih_l{layer}").copy_(weights[f"{layer}.input.weight"].T)
            reference.get_parameter(f"weight_hh_l{layer}").copy_(weights[f"{layer}.state.weight"].T)
            reference.get_parameter(f"bias_ih_l{layer}").copy_(weights[f"{layer}.input.bias"])
            reference.get_parameter(f"bias_hh_l{layer}").zero_()
    return reference


@pytest.mark.parametrize("layers", [1, 2])
def test_gru4rec_is_torch_gru_and_a_projection(layers: int, generator: torch.Generator) -> None:
    learner = GRU4Rec(embedding_size=D, layers=layers, inner_size=INNER, max_length=LENGTH - 1)
    parameters = random_weights(learner.layout, generator)
    weights = only(learner.layout, parameters)
    sequences = torch.randn(3, LENGTH, D, dtype=torch.float64, generator=generator)
    states, _ = torch_gru(weights, layers, D, INNER)(sequences[:, :-1])
    expected = states @ weights["out.weight"] + weights["out.bias"]
    torch.testing.assert_close(learner(parameters, sequences[None])[0], expected)


@pytest.mark.parametrize("layers", [1, 2])
def test_narm_attends_as_the_paper_says_step_by_step(layers: int, generator: torch.Generator) -> None:
    learner = NARM(embedding_size=D, layers=layers, inner_size=INNER, max_length=LENGTH - 1)
    parameters = random_weights(learner.layout, generator)
    weights = only(learner.layout, parameters)
    sequences = torch.randn(3, LENGTH, D, dtype=torch.float64, generator=generator)
    found = learner(parameters, sequences[None])[0]
    states, _ = torch_gru(weights, layers, D, INNER)(sequences[:, :-1])
    for user in range(3):
        for t in range(LENGTH - 1):
            latest = states[user, t]
            local = torch.zeros(INNER, dtype=torch.float64)
            for j in range(t + 1):
                state = states[user, j]
                gate = (latest @ weights["query.weight"] + state @ weights["key.weight"]).sigmoid()
                local = local + (gate @ weights["energy.weight"]) * state
            expected = torch.cat((latest, local)) @ weights["out.weight"]
            torch.testing.assert_close(found[user, t], expected)


def torch_encoder(weights: dict[str, Tensor], layers: int, heads: int) -> nn.TransformerEncoder:
    """PyTorch's encoder with our weights; it has a bias of the keys, which changes nothing."""
    layer = nn.TransformerEncoderLayer(
        D, heads, INNER, dropout=0.0, activation="gelu", layer_norm_eps=1e-12, batch_first=True
    )
    reference = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).double()
    names = {
        "self_attn.out_proj": "out",
        "linear1": "expand",
        "linear2": "contract",
    }
    norms = {"norm1": "attention", "norm2": "feedforward"}
    with torch.no_grad():
        for index in range(layers):
            ours = {name.removeprefix(f"{index}."): w for name, w in weights.items() if name[0] == str(index)}
            theirs = reference.layers[index]
            theirs.get_parameter("self_attn.in_proj_weight").copy_(
                torch.cat([ours[f"{part}.weight"].T for part in ("query", "key", "value")])
            )
            arbitrary = torch.linspace(-1, 1, D, dtype=torch.float64)
            theirs.get_parameter("self_attn.in_proj_bias").copy_(
                torch.cat((ours["query.bias"], arbitrary, ours["value.bias"]))
            )
            for their_name, name in names.items():
                theirs.get_parameter(f"{their_name}.weight").copy_(ours[f"{name}.weight"].T)
                theirs.get_parameter(f"{their_name}.bias").copy_(ours[f"{name}.bias"])
            for their_name, name in norms.items():
                theirs.get_parameter(f"{their_name}.weight").copy_(ours[f"{name}.scale"])
                theirs.get_parameter(f"{their_name}.bias").copy_(ours[f"{name}.bias"])
    return reference


def embedding_norm(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
    return functional.layer_norm(x, (D,), weights["embedding.scale"], weights["embedding.bias"], 1e-12)


@pytest.mark.parametrize(("layers", "heads"), [(1, 1), (2, 4)])
def test_sasrec_is_torch_encoder_behind_a_causal_mask(
    layers: int, heads: int, generator: torch.Generator
) -> None:
    learner = SASRec(embedding_size=D, layers=layers, heads=heads, inner_size=INNER, max_length=LENGTH - 1)
    parameters = random_weights(learner.layout, generator)
    weights = only(learner.layout, parameters)
    sequences = torch.randn(3, LENGTH, D, dtype=torch.float64, generator=generator)
    x = embedding_norm(sequences[:, :-1] + weights["position"], weights)
    future = nn.Transformer.generate_square_subsequent_mask(LENGTH - 1, dtype=torch.float64)
    expected = torch_encoder(weights, layers, heads)(x, mask=future)
    torch.testing.assert_close(learner(parameters, sequences[None])[0], expected)


@pytest.mark.parametrize(("layers", "heads"), [(1, 1), (2, 4)])
def test_bert4rec_is_torch_encoder_over_gaps(layers: int, heads: int, generator: torch.Generator) -> None:
    learner = BERT4Rec(embedding_size=D, layers=layers, heads=heads, inner_size=INNER, max_length=LENGTH - 1)
    parameters = random_weights(learner.layout, generator)
    weights = only(learner.layout, parameters)
    sequences = torch.randn(2, LENGTH, D, dtype=torch.float64, generator=generator)
    gaps = sequences.clone()
    gaps[0, [5, 2]] = weights["mask"]
    gaps[1, [3, 1]] = weights["mask"]
    x = embedding_norm(gaps + weights["position"], weights)
    padding = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
    encoded = torch_encoder(weights, layers, heads)(x, src_key_padding_mask=padding)
    positions = torch.tensor([[5, 2], [3, 1]])
    found = learner(parameters, sequences[None], positions[None], lengths=torch.tensor([[6, 4]]))
    torch.testing.assert_close(found[0, 0], encoded[0, [5, 2]])
    torch.testing.assert_close(found[0, 1], encoded[1, [3, 1]])
