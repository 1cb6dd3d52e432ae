# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the patterns of `match` statements ask of their subject; `desugar.py` puts them together."""

from __future__ import annotations

import collections.abc
from typing import Any

from dycl.frontend.operators.conditions import Conditions

_SELF_MATCHING = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


class Patterns(Conditions):
    """Adds what `match` statements need."""

    @staticmethod
    def holds(value: Any) -> bool:  # noqa: ARG004 (it is bound on the way)
        """True, after a name was bound."""
        return True

    @staticmethod
    def is_sequence(value: Any, count: int, has_star: bool) -> bool:
        """Whether a sequence pattern of `count` parts, and maybe a starred one, may match."""
        is_one = isinstance(value, collections.abc.Sequence) and not isinstance(value, (str, bytes, bytearray))
        return is_one and (len(value) >= count if has_star else len(value) == count)

    @staticmethod
    def middle(value: Any, start: int, end: int | None) -> list[Any]:
        """What a starred part of a sequence pattern takes."""
        return list(value[start:end])

    @staticmethod
    def is_mapping(value: Any, keys: tuple[Any, ...]) -> bool:
        return isinstance(value, collections.abc.Mapping) and all(key in value for key in keys)

    @staticmethod
    def mapping_rest(value: Any, keys: tuple[Any, ...]) -> dict[Any, Any]:
        return {key: item for key, item in value.items() if key not in keys}

    @staticmethod
    def positional(value: Any, cls: type, index: int, count: int) -> Any:
        """The value that a positional part of a class pattern stands for."""
        if issubclass(cls, _SELF_MATCHING) and not hasattr(cls, "__match_args__"):
            if count > 1:
                raise TypeError(f"{cls.__name__}() accepts 1 positional sub-pattern ({count} given)")
            return value
        names = getattr(cls, "__match_args__", ())
        if count > len(names):
            plural = "" if len(names) == 1 else "s"
            raise TypeError(f"{cls.__name__}() accepts {len(names)} positional sub-pattern{plural} ({count} given)")
        return getattr(value, names[index])
