# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus that draw random numbers: eager's, after the same seed. See `frontend_cases.py`."""

from __future__ import annotations

import torch
import torch.distributions as D
import torch.nn.functional as F
from frontend_cases import B, N, X, Z, case

LONG = torch.export.Dim("n", min=1, max=2000)
ROUNDING = 1e-6


@case((X,), (N,), (Z,), (B,))
def one_side_draws_more(x):
    y = torch.rand(3)
    if x.sum() > 0:
        y = y + torch.rand(5, 3).sum(0)
    return y * x, torch.rand(2)


@case((X,), (N,), (Z,), (B,))
def sides_draw_otherwise(x):
    if x.sum() > 0:
        y = torch.randint(0, 10, (3,))
    else:
        y = torch.randperm(3)
    return y, torch.randint(-3, 1 << 40, (4,)), x


@case((X,), (N,), (Z,), (B,), unreached=1)
def returns_before_it_draws(x):
    if x.sum() < 0:
        return x
    x = x + torch.rand_like(x)
    if x[0] > 1.5:
        return x * torch.rand(())
    return x + torch.rand(3)


@case((X,), (N,), (Z,), (B,), tolerance=ROUNDING)
def draws_until_it_is_enough(x):
    n = 0
    while x.sum() < 6:
        x = x + torch.rand_like(x)
        if torch.rand(()) < 0.25:
            x = x + torch.randn(3) ** 2
        n = n + 1
    return x, n, torch.rand(1)


@case((X,), (N,), (Z,), (B,), unreached=1)
def drawn_condition(x):
    n = 0
    while torch.rand(()) < 0.79 and x.sum() > n:
        n = n + 1
    return x + n


@case((X,), (N,), (Z,), (B,), tolerance=ROUNDING)
def few_normals_keep_one_for_later(x):
    y = torch.randn(3)
    if x.sum() > 0:
        y = y + torch.randn(()) + torch.randn(20)[:3]
    return y, torch.randn(2), x


@case((X,), (N,), (Z,), (B,), tolerance=ROUNDING)
def normals_by_the_row(x):
    y = torch.normal(x, x.abs() + 1)
    if x.sum() > 0:
        y = y + torch.normal(0.0, x.abs()) + torch.normal(x.expand(7, 3), 2.0)[6]
    return y, torch.normal(1.0, 2.0, (2, 9))


@case((X,), (N,), (Z,), (B,))
def samples_tokens(x):
    tokens = []
    token = torch.tensor([0])
    while x.sum() > len(tokens) and len(tokens) < 5:
        token = torch.multinomial((x[0] + token + torch.arange(7.0)).softmax(-1).unsqueeze(0), 1)[0]
        tokens.append(token)
    return tokens, token, torch.rand(1)


@case((X,), (N,), (Z,), (B,))
def several_samples(x):
    p = torch.stack([x.abs() + 0.1, x.softmax(0)])
    if x.sum() > 0:
        return torch.multinomial(p, 2), torch.multinomial(p[0], 9, replacement=True)
    return torch.multinomial(p, 4, replacement=True), torch.multinomial(p[1], 1)


@case((X,), (N,), (Z,), (B,), tolerance=ROUNDING)
def dropout_on_a_path(x):
    if x.sum() > 0:
        x = F.dropout(x.expand(5, 3), 0.4).sum(0)
    return F.dropout(x, 0.5, training=True), F.dropout1d(x.reshape(1, 3, 1).expand(2, 3, 4), 0.5)


@case((X,), (N,), (Z,), (B,))
def bernoulli_by_tensor_and_number(x):
    y = torch.bernoulli(x.sigmoid())
    if x.sum() > 0:
        y.bernoulli_(0.3)
    return y, torch.zeros(3, dtype=torch.int64).bernoulli_(x.sigmoid())


@case((X,), (N,), (Z,), (B,), tolerance=ROUNDING)
def gumbel_softmax_of_scores(x):
    y = F.gumbel_softmax(x, tau=0.5)
    if y[0] > 0.1:
        y = F.gumbel_softmax(x, hard=True)
    return y


@case((X,), (N,), (Z,), (B,), tolerance=ROUNDING)
def written_in_place(x):
    y = torch.zeros(4, 3)
    if x.sum() > 0:
        y[1:, ::2].uniform_(-1, 1)
    else:
        y.t().exponential_(2.0)
    y[0].random_(5)
    return y * x, torch.rand_like(y.t())


@case((X,), (N,), (Z,), (B,), tolerance=ROUNDING)
def other_distributions(x):
    y = torch.empty(3).log_normal_(0.1, 0.5) + torch.empty(3).geometric_(0.3)
    if x.sum() > 0:
        y = y + torch.empty(3, dtype=torch.float64).cauchy_().clamp(-9, 9)
    return y * x


@case((X,), (N,), (Z,), (B,), tolerance=ROUNDING)
def library_of_distributions(x):
    if x.sum() > 0:
        return D.Categorical(logits=x, validate_args=False).sample((4,)), torch.rand(1)
    y = D.Normal(x, 2.0, validate_args=False).rsample((2,)) + D.Uniform(x - 1, x + 1, validate_args=False).sample()
    return y, D.Bernoulli(x.sigmoid(), validate_args=False).sample()


@case((X,), (N,), (Z,), (B,))
def seeds_on_one_side(x):
    y = torch.rand(3)
    if x.sum() > 0:
        torch.manual_seed(7)
    return y + torch.rand(3), torch.randint(0, 9, (2,)), x


@case((X,), (N,), (Z,), (B,))
def generator_of_its_own(x):
    generator = torch.Generator().manual_seed(3)
    y = torch.rand(3, generator=generator)
    if x.sum() > 0:
        y = y + torch.rand(3, generator=generator) + torch.rand(3)
    return y, torch.rand(1), torch.randperm(5, generator=generator), x


@case((torch.ones(3),), (torch.ones(1),), (-torch.ones(40),), (torch.ones(700) * 0.1,), dynamic=({0: LONG},))
def as_many_as_the_input(x):
    y = torch.rand_like(x)
    if x.sum() > 0:
        y = y + torch.rand(x.shape[0])
    return y + torch.randint(0, 9, (x.shape[0],)), torch.rand(1)


@case(
    *((torch.ones(n),) for n in (3, 15, 16, 17, 48, 1300)),
    (-torch.ones(16),),
    dynamic=({0: LONG},),
    tolerance=ROUNDING,
)
def as_many_normals_as_the_input(x):
    y = torch.randn_like(x)
    if x.sum() > 0:
        y = y + torch.randn_like(x)
    return y, torch.rand(1)


@case((X,), (N,), (Z,), (B,))
def as_many_as_are_chosen(x):
    chosen = x[x > 0]
    y = torch.rand_like(chosen)
    if x.sum() > 0:
        y = y + torch.rand(chosen.shape[0])
    return y, torch.rand(2)
