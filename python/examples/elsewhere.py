# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Networks that nobody here wrote: from packages on PyPI, their code untouched, with control flow on tensor values.

Each factory makes one with a small random configuration, and has `inputs(count, seed)` that together take its paths:

    dycl compile python/examples/elsewhere.py:mixtral -o mixtral.dycl
    dycl verify python/examples/elsewhere.py:mixtral

What a wrapper does is to fix arguments: no line of the packages is changed or repeated. See
docs/networks-from-elsewhere.md. The packages are the extra `elsewhere` of pyproject.toml.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import dycl
from dycl.zoo.network import Factory, network

Drawn = Iterator[tuple[Tensor, ...]]


class Fixed(nn.Module):
    """A model called with fixed arguments: `call(model, *tensors)`."""

    def __init__(self, model: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model
        self.call = call

    def forward(self, *tensors: Tensor) -> Any:
        return self.call(self.model, *tensors)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spread(model: nn.Module, std: float) -> nn.Module:
    """The model with weights of a standard deviation, for decisions that differ from input to input."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model


def tokens(generator: torch.Generator, *shape: int, low: int = 3, high: int = 32) -> Tensor:
    return torch.randint(low, high, shape, generator=generator)


def texts(length: int, *, low: int = 3, high: int = 32) -> Callable[[int, int], Drawn]:
    """What draws inputs of one text of so many tokens."""

    def draw(count: int, seed: int) -> Drawn:
        generator = seeded(seed)
        for _ in range(count):
            yield (tokens(generator, 1, length, low=low, high=high),)

    return draw


# Halting and fixed points -------------------------------------------------------------------------------------------


def _gru_inputs(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        yield (torch.randn(2, 1, 8, generator=generator) * (1, 3, 5, 10, 20)[i % 5],)


@network(_gru_inputs)
def adaptive_gru() -> tuple[nn.Module, tuple[Tensor]]:
    """Adaptive computation time: a GRU that ponders at each step until all of the batch have halted."""
    from pytorch_adaptive_computation_time import AdaptiveGRU

    torch.manual_seed(0)
    model = AdaptiveGRU(8, 8, 1, 0.1, initial_halting_bias=-0.6, time_limit=4)
    return model.eval(), (torch.zeros(2, 1, 8),)


def _equilibrium_inputs(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        yield (torch.randn(2, 4, generator=generator) * (0.0, 0.002, 0.01, 0.1, 1.0, 3.0, 30.0)[i % 7],)


class Equilibrium(nn.Module):
    """A layer whose output is a fixed point, found by torchdeq's solver: `z = tanh(W z + x)`."""

    def __init__(self) -> None:
        super().__init__()
        from torchdeq import get_deq

        self.linear = nn.Linear(4, 4)
        self.deq = get_deq(f_solver="fixed_point_iter", f_max_iter=4, f_tol=1e-2)

    def forward(self, x: Tensor) -> Tensor:
        found, _ = self.deq(lambda z: torch.tanh(self.linear(z) + x), torch.zeros_like(x))
        return found[-1]


@network(_equilibrium_inputs)
def equilibrium() -> tuple[nn.Module, tuple[Tensor]]:
    """Deep equilibrium model: fixed-point iteration until it converges (torchdeq)."""
    torch.manual_seed(0)
    model = Equilibrium().eval()
    with torch.no_grad():
        model.linear.weight.mul_(0.4)
    return model, (torch.zeros(2, 4),)


# Sparse and structured outputs ----------------------------------------------------------------------------------------


def _scores(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        yield (torch.randn(3, 8, generator=generator) * (0.1, 0.3, 1.0, 3.0, 10.0)[i % 5],)


@network(_scores)
def sparsemax() -> tuple[nn.Module, tuple[Tensor]]:
    """Sparsemax by a partial sort, again with twice as many for rows whose support was not found (entmax)."""
    from entmax import Sparsemax

    return Sparsemax(dim=-1, k=2), (torch.zeros(3, 8),)


@network(_scores)
def entmax15() -> tuple[nn.Module, tuple[Tensor]]:
    """1.5-entmax, likewise (entmax)."""
    from entmax import Entmax15

    return Entmax15(dim=-1, k=2), (torch.zeros(3, 8),)


def _emissions(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        lengths = torch.randint(1, 5, (2, 1), generator=generator)
        lengths[i % 2] = 4
        mask = torch.arange(4) < lengths
        mask[:, 0] = i % 7 != 6  # which raises
        yield torch.randn(2, 4, 3, generator=generator), mask


@network(_emissions)
def crf() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Viterbi decoding of a conditional random field: tag sequences as long as each mask says (pytorch-crf)."""
    from torchcrf import CRF

    torch.manual_seed(0)
    model = Fixed(CRF(3, batch_first=True), lambda model, emissions, mask: model.decode(emissions, mask))
    return model.eval(), (torch.zeros(2, 4, 3), torch.ones(2, 4, dtype=torch.bool))


def _firing(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        alpha = torch.rand(1, 6, generator=generator) * (0.02, 0.1, 0.3, 0.6, 1.0, 3.0, float("nan"))[i % 7]
        yield torch.randn(1, 6, 4, generator=generator), alpha


@network(_firing)
def integrate_and_fire() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Continuous integrate-and-fire: an output for each time the weights add up to one (torch-cif)."""
    from torch_cif import cif_function

    def fire(_: nn.Module, x: Tensor, alpha: Tensor) -> Any:
        found = cif_function(x, alpha, unbound_alpha=True)
        return found["cif_out"][0], found["cif_lengths"][0], found["delays"][0]

    return Fixed(nn.Identity(), fire), (torch.zeros(1, 6, 4), torch.zeros(1, 6))


# Vision ---------------------------------------------------------------------------------------------------------------


def _images(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        coarse = torch.rand(1, 1, 3, 3, generator=generator) * (0.0, 0.5, 0.7, 1.0)[i % 4]
        image = nn.functional.interpolate(coarse, (10, 10), mode="bilinear")
        yield (image + 0.2 * torch.rand(1, 1, 10, 10, generator=generator),)


@network(_images)
def canny() -> tuple[nn.Module, tuple[Tensor]]:
    """Canny edges: weak edges that touch strong ones become strong, until none changes (kornia)."""
    from kornia.filters import Canny

    return Canny(low_threshold=0.1, high_threshold=0.3, hysteresis=True), (torch.zeros(1, 1, 10, 10),)


def _boxes(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        corner = torch.rand(6, 2, generator=generator) * (1, 4, 16)[i % 3]
        size = torch.rand(6, 2, generator=generator) * 3 + 0.5
        yield torch.cat([corner, corner + size], 1), torch.rand(6, generator=generator)


@network(_boxes)
def suppression() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Non-maximum suppression, while boxes are left (kornia)."""
    from kornia.geometry.bbox import nms

    def suppress(_: nn.Module, boxes: Tensor, scores: Tensor) -> Tensor:
        return nms(boxes, scores, 0.3)

    return Fixed(nn.Identity(), suppress), (torch.zeros(6, 4), torch.zeros(6))


def _keypoints(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        scale = (1.0, 1.0, 0.3, 3.0)[i % 4]
        first, second = (torch.randn(1, n, 16, generator=generator) * scale for n in (5, 6))
        points = [torch.rand(1, n, 2, generator=generator) for n in (5, 6)]
        if i % 4 == 3:
            points[i % 8 // 4] *= 5 * (-1) ** (i // 8)  # outside of the image, which raises
        yield points[0], first, points[1], second


@network(_keypoints)
def lightglue() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """LightGlue: matches keypoints in as many layers as it takes to be confident (kornia)."""
    from kornia.feature import LightGlue

    torch.manual_seed(0)
    model = LightGlue(
        features=None,  # pyright: ignore[reportArgumentType]
        input_dim=16,
        descriptor_dim=16,
        num_heads=2,
        n_layers=2,
        width_confidence=-1,
        depth_confidence=0.5,
        filter_threshold=0.0,
        flash=False,
    )
    spread(model.token_confidence, 2.0)

    def match(model: nn.Module, points0: Tensor, first: Tensor, points1: Tensor, second: Tensor) -> Any:
        size = torch.ones(1, 2)
        found = model(
            {
                "image0": {"keypoints": points0, "descriptors": first, "image_size": size},
                "image1": {"keypoints": points1, "descriptors": second, "image_size": size},
            }
        )
        return found["matches0"], found["matching_scores0"], found["stop"]

    return Fixed(model, match).eval(), (
        torch.zeros(1, 5, 2),
        torch.zeros(1, 5, 16),
        torch.zeros(1, 6, 2),
        torch.zeros(1, 6, 16),
    )


# Language -------------------------------------------------------------------------------------------------------------


def _proteins(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        sequence = tokens(generator, 2, 8, low=4, high=24)
        if i % 3:
            sequence[0, -(i % 3) :] = 1  # padding
        yield (sequence,)


@network(_proteins)
def esm2() -> tuple[nn.Module, tuple[Tensor]]:
    """ESM-2, a protein language model: it masks padding only where there is any (fair-esm)."""
    from esm.model.esm2 import ESM2

    torch.manual_seed(0)
    model = ESM2(num_layers=2, embed_dim=16, attention_heads=2, alphabet="ESM-1b").eval()
    example = torch.full((2, 8), 5)
    with torch.no_grad():
        model(example)  # fills the caches of its rotary embeddings
    return Fixed(model, lambda model, sequence: model(sequence)["logits"]), (example,)


def _padded(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        mask = torch.ones(2, 6, dtype=torch.long)
        if i % 3:
            mask[0, -(i % 3) :] = 0
        yield tokens(generator, 2, 6), mask


@network(_padded)
def bert() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """BERT, which leaves the attention mask out where it masks nothing (transformers)."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(vocab_size=32, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    model = BertModel(config, add_pooling_layer=False).eval()

    def encode(model: nn.Module, ids: Tensor, mask: Tensor) -> Any:
        return model(input_ids=ids, attention_mask=mask).last_hidden_state

    return Fixed(model, encode), (torch.full((2, 6), 5), torch.ones(2, 6, dtype=torch.long))


@network(texts(2))
def mixtral() -> tuple[nn.Module, tuple[Tensor]]:
    """Mixtral: each expert that some token chose computes for the tokens that chose it (transformers)."""
    from transformers import MixtralConfig, MixtralForCausalLM

    torch.manual_seed(0)
    config = MixtralConfig(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_local_experts=4,
        num_experts_per_tok=2,
        experts_implementation="eager",  # pyright: ignore[reportCallIssue]
    )
    model = MixtralForCausalLM(config).eval()
    return Fixed(model, lambda model, ids: model(input_ids=ids, use_cache=False).logits), (torch.full((1, 2), 5),)


def _hidden(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for _ in range(count):
        yield (torch.randn(1, 5, 16, generator=generator),)


@network(_hidden)
def switch() -> tuple[nn.Module, tuple[Tensor]]:
    """The sparse layer of Switch Transformers: experts by name, with a capacity (transformers)."""
    from transformers import SwitchTransformersConfig
    from transformers.models.switch_transformers.modeling_switch_transformers import SwitchTransformersSparseMLP

    torch.manual_seed(0)
    config = SwitchTransformersConfig(d_model=16, d_ff=16, num_experts=4, expert_capacity=2)
    model = SwitchTransformersSparseMLP(config).eval()
    spread(model.router, 1.0)
    example = torch.zeros(1, 5, 16)
    with torch.no_grad():
        model(example)  # notes the dtype
    return model, (example,)


@network(texts(4))
def switch_encoder() -> tuple[nn.Module, tuple[Tensor]]:
    """The encoder of Switch Transformers: its second layer is sparse (transformers)."""
    from transformers import SwitchTransformersConfig, SwitchTransformersEncoderModel

    torch.manual_seed(0)
    config = SwitchTransformersConfig(
        vocab_size=32,
        d_model=16,
        d_ff=16,
        d_kv=8,
        num_heads=2,
        num_experts=2,
        expert_capacity=2,
        num_layers=2,
        num_sparse_encoder_layers=1,
    )
    model = spread(SwitchTransformersEncoderModel(config).eval(), 0.5)
    example = torch.full((1, 4), 5)
    with torch.no_grad():
        model(example)  # notes the dtype
    return Fixed(model, lambda model, ids: model(input_ids=ids).last_hidden_state), (example,)


def _tables(count: int, seed: int) -> Drawn:
    generator = seeded(seed)
    for i in range(count):
        yield (torch.randn(1, 5, 8, generator=generator) * (0.3, 1, 2, 5)[i % 4],)


@network(_tables)
def slanet() -> tuple[nn.Module, tuple[Tensor]]:
    """SLANet's head: the structure of a table, token by token until the end token (transformers)."""
    from transformers import SLANetConfig
    from transformers.models.slanet.modeling_slanet import SLANetSLAHead

    torch.manual_seed(0)
    config = SLANetConfig(post_conv_out_channels=8, hidden_size=8, out_channels=4, max_text_length=3)
    model = spread(SLANetSLAHead(config).eval(), 1.0)  # pyright: ignore[reportArgumentType]
    return Fixed(model, lambda model, hidden: model(hidden).last_hidden_state), (torch.zeros(1, 5, 8),)


@network(texts(3, low=0, high=8))
def generation() -> tuple[nn.Module, tuple[Tensor]]:
    """Greedy decoding with a cache of keys and values, until the end token (x-transformers)."""
    from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

    torch.manual_seed(0)
    layers = Decoder(dim=16, depth=1, heads=2, attn_dim_head=8)
    model = AutoregressiveWrapper(TransformerWrapper(num_tokens=8, max_seq_len=16, attn_layers=layers)).eval()
    spread(model, 0.5)
    example = torch.zeros(1, 3, dtype=torch.long)

    def generate(model: Any, prompt: Tensor) -> Tensor:
        return model.generate(prompt, 4, eos_token=3, temperature=0.0)

    with torch.no_grad():
        generate(model, example)  # fills the caches of einops
    return Fixed(model, generate), (example,)


NETWORKS: dict[str, Factory[[], Any]] = {
    made.__name__: made
    for made in (
        *(adaptive_gru, equilibrium, sparsemax, entmax15, crf, integrate_and_fire),
        *(canny, suppression, lightglue),
        *(esm2, bert, mixtral, switch, switch_encoder, slanet, generation),
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="sparsemax")
    parser.add_argument("--count", type=int, default=20, help="how many inputs to compare on")
    given = parser.parse_args()
    factory = NETWORKS[given.network]
    model, args = factory()
    program = dycl.compile(model, args)
    print(dycl.verify(program, model, factory.inputs(given.count, seed=1), search=0))


if __name__ == "__main__":
    main()
