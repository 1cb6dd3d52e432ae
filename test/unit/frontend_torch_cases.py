# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus with Python code of torch's that decides on data: distributions, masks of transformers.

See `frontend_cases.py`. Where a distribution refuses its parameters, the program has `...` for the tensor that eager
puts at the end of its message, so that the functions catch the exception.
"""

from __future__ import annotations

import torch
from frontend_cases import case
from torch import nn
from torch.distributions import (
    Bernoulli,
    Categorical,
    Exponential,
    Independent,
    Laplace,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    TanhTransform,
    TransformedDistribution,
    Uniform,
    kl_divergence,
)

L = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.0, -0.5]])
NAN = torch.tensor([[float("nan"), 1.0, 2.0], [1.0, 2.0, 3.0]])
P = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])
LOGITS = ((L,), (-L * 3,), (NAN,))
PARAMETERS = ((L, P), (L * 2, P + 1), (L, -P), (NAN, P))


@case(*LOGITS, tolerance=1e-6, unreached=3)
def policy(logits):
    try:
        choice = Categorical(logits=logits)
    except ValueError:
        return torch.zeros(2), torch.zeros(2, dtype=torch.int64)
    action = choice.probs.argmax(-1)
    if choice.entropy().mean() > 0.5:
        return choice.log_prob(action), action
    return -choice.entropy(), choice.mode


@case(
    (P, torch.tensor([0, 2])),
    (P, torch.tensor([0, 3])),
    (P, torch.tensor([-1, 0])),
    (-P, torch.tensor([0, 0])),
    tolerance=1e-6,
)
def categorical_of_probabilities(probs, value):
    try:
        choice = Categorical(probs)
        return choice.log_prob(value), choice.logits, choice.entropy()
    except ValueError:
        return probs * 2, probs, value


@case((P, torch.tensor([0, 2])), (P, torch.tensor([1, 0])), (-P, torch.tensor([0, 2])), tolerance=1e-6)
def categorical_that_is_not_checked(probs, value):
    value = value.abs() % 3
    choice = Categorical(probs, validate_args=False)
    if choice.entropy().sum() > 1:
        return choice.log_prob(value), choice.mode
    return choice.logits[0], choice.mode


@case(*PARAMETERS, tolerance=1e-6, unreached=6)
def normal(mean, scale):
    try:
        one = Normal(mean, scale)
    except ValueError:
        if scale.min() > 0:
            return mean * 0, 0, 0
        return scale, 1, 1
    if one.variance.mean() > 1:
        return one.log_prob(mean + 1), one.entropy(), one.cdf(mean * 2)
    return Independent(one, 1).log_prob(mean - 1), one.stddev, one.mode


@case(*PARAMETERS, tolerance=1e-6, unreached=1)
def divergence(mean, scale):
    try:
        return kl_divergence(Normal(mean, scale), Normal(torch.zeros_like(mean), torch.ones_like(scale)))
    except ValueError:
        return kl_divergence(
            Laplace(torch.tensor(0.0), torch.tensor(1.0)), Laplace(torch.tensor(1.0), torch.tensor(2.0))
        )


@case((P,), (P + 1,), (-P,), tolerance=1e-6, unreached=5)
def probabilities(p):
    try:
        coin = Bernoulli(p)
        return coin.log_prob((p > 0.25).float()), coin.entropy(), coin.mean
    except ValueError:
        return Bernoulli(logits=p).probs, p, p


@case((P,), (-P,), (P * 3,), tolerance=1e-5, unreached=6)
def several_distributions(p):
    try:
        return (
            Laplace(p, p).log_prob(p * 2),
            Exponential(p).log_prob(p),
            Uniform(torch.zeros_like(p), p).log_prob(p / 2),
        )
    except ValueError:
        return Laplace(p, torch.ones_like(p)).log_prob(p + 1), p, p


@case((L,), (L * 2,), (NAN,), tolerance=1e-5, unreached=3)
def mixture_and_transforms(x):
    try:
        mixture = MixtureSameFamily(Categorical(logits=x), Normal(x, torch.ones_like(x)))
        squashed = TransformedDistribution(Normal(x, torch.ones_like(x)), [TanhTransform(cache_size=1)])
        return mixture.log_prob(x[:, 0]), mixture.mean, squashed.log_prob(torch.tanh(x * 0.02))
    except ValueError:
        return OneHotCategorical(logits=torch.ones(3)).entropy(), x, x


PRIOR = Normal(torch.zeros(3), torch.ones(3))


@case((L,), (-L,), (L * 0,), tolerance=1e-6, unreached=2)
def prior_from_outside(x):
    if PRIOR.log_prob(x).sum() > -10:
        return PRIOR.log_prob(x), kl_divergence(PRIOR, Normal(x, torch.ones_like(x)))
    return PRIOR.entropy(), PRIOR.stddev


torch.manual_seed(0)
ENCODER = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1, norm=nn.LayerNorm(4)).eval()
DECODER = nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, batch_first=True), 1).eval()
X = torch.randn(2, 3, 4)
PADDED = tuple((X * scale, torch.tensor(n)) for scale, n in ((1, [3, 2]), (-1, [1, 3]), (2, [3, 3]), (-3, [1, 1])))
MASKS = (
    [[0, 0, 1], [0, 0, 0]],
    [[0, 1, 0], [0, 0, 0]],
    [[1, 0, 0], [0, 1, 1]],
    [[0, 1, 1], [0, 0, 1]],
)


@case(*PADDED, tolerance=1e-5)
def padding_stands_last(x, n):
    padding = torch.arange(3) >= n[:, None].clamp(1, 3)
    if x.mean() > 0:
        return ENCODER(x, src_key_padding_mask=padding)
    return ENCODER(x * 2, src_key_padding_mask=padding.float() * -5)


@case(*((X, torch.tensor(mask)) for mask in MASKS), (-X, torch.tensor(MASKS[1])), tolerance=1e-5)
def padding_stands_anywhere(x, mask):
    padding = mask.bool() & torch.tensor([False, True, True])
    y = ENCODER(x, src_key_padding_mask=padding)
    if x.mean() > 0:
        return y
    return DECODER(y, y, memory_key_padding_mask=padding)


@case((X,), (-X,), tolerance=1e-5)
def masks_that_may_be_causal(x):
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    y = ENCODER(x, mask=causal)
    if x.mean() > 0:
        return DECODER(y, x, tgt_mask=causal), y
    return DECODER(x, y, tgt_mask=causal, tgt_is_causal=True), y


M = torch.tensor([[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 2.0]])
MATRICES = ((M,), (M - 2 * torch.eye(3),), (-M,), (M * 0,), (M * float("nan"),), (M[[1, 2, 0]],))


@case(*MATRICES, tolerance=1e-5, unreached=1)
def cholesky_factor(m):
    factor = torch.linalg.cholesky(m.clamp(-4, 4))
    if factor[0, 0] > 1.9:
        return factor @ factor.mT, torch.linalg.solve_triangular(factor, m, upper=False)
    return factor, torch.linalg.solve_triangular(factor.mT, m[:2], upper=True, left=False)


@case(*MATRICES, tolerance=1e-5)
def cholesky_factors_of_a_batch(m):
    both = torch.stack([torch.eye(3), m.clamp(-4, 4)])
    return torch.linalg.cholesky(both, upper=True), torch.linalg.cholesky_ex(both)[1]


@case(*MATRICES[:3], tolerance=1e-5, unreached=3)
def multivariate_normal(m):
    m = m.clamp(-4, 4)
    try:
        one = MultivariateNormal(m[0], m)
    except ValueError:
        return m[0], m[0]
    return one.log_prob(m), one.entropy()


@case(*MATRICES[:3], tolerance=1e-5, unreached=3)
def multivariate_normal_of_a_factor(m):
    m = m.clamp(-4, 4)
    try:
        one = MultivariateNormal(m[0], scale_tril=m.tril())
        return kl_divergence(one, MultivariateNormal(torch.zeros(3), torch.eye(3))), one.variance
    except ValueError:
        return m[0], m[0]
