# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Weights by key, made when they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Weights(Mapping[str, T], Generic[T]):
    """Weights by key, each made by a function whenever it is read.

    Folded and transposed weights together are as large as the model. Made one at a time, as they are written to the
    archive, they take the memory of one: a program holds no second copy of its model.
    """

    def __init__(self, makers: Mapping[str, Callable[[], T]]) -> None:
        self._makers = dict(makers)

    @staticmethod
    def of(weights: Mapping[str, T]) -> Weights[T]:
        """The same weights; those of another `Weights` are not made."""
        if isinstance(weights, Weights):
            return weights
        return Weights({key: lambda weight=weight: weight for key, weight in weights.items()})

    def only(self, keys: Iterable[str]) -> Weights[T]:
        """Those of some keys, in the order of these."""
        return Weights({key: self._makers[key] for key in keys})

    def union(self, other: Weights[T]) -> Weights[T]:
        """These, and those of another."""
        return Weights({**self._makers, **other._makers})

    def map(self, function: Callable[[T], U]) -> Weights[U]:
        """What `function` gives for each, whenever that is read."""
        return Weights({key: lambda make=make: function(make()) for key, make in self._makers.items()})

    def maker(self, key: str) -> Callable[[], T]:
        """The function that makes a weight."""
        return self._makers[key]

    def define(self, key: str, make: Callable[[], T]) -> None:
        """Adds a weight, or makes one otherwise."""
        self._makers[key] = make

    def __getitem__(self, key: str) -> T:
        return self._makers[key]()

    def __contains__(self, key: object) -> bool:
        return key in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)
