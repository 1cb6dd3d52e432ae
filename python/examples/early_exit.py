# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A network of one's own with an early exit: compile it, run it, and see which way each input went."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import dycl


class Net(nn.Module):
    """A small classifier first; a larger one only where the small one is not sure."""

    def __init__(self) -> None:
        super().__init__()
        self.small = nn.Linear(16, 4)
        self.large = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, x: Tensor) -> Tensor:
        logits = self.small(x)
        if logits.softmax(dim=-1).max() > 0.5:
            return logits
        return self.large(x)


def make_net() -> tuple[Net, tuple[Tensor]]:
    """What `dycl compile python/examples/early_exit.py:make_net` calls: the model, and example arguments."""
    torch.manual_seed(0)
    return Net().eval(), (torch.zeros(1, 16),)


def main() -> None:
    model, args = make_net()
    program = dycl.compile(model, args)
    for x in (torch.zeros(1, 16), 3 * torch.ones(1, 16)):
        torch.testing.assert_close(program(x), model(x))
        print(" → ".join(f"{edge.target} ({edge.label})" for edge in program.last_path))


if __name__ == "__main__":
    main()
