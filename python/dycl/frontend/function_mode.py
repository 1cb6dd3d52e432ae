# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What torch's functions are called through while a program is recorded, by the user's code and by libraries'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import interpolate
from torch.overrides import TorchFunctionMode

from dycl.errors import UnsupportedConstructError
from dycl.frontend.eager_errors import ERRORS, note_if_eager_raises, overflow_of_number
from dycl.frontend.locations import here
from dycl.frontend.number_arguments import NumberArguments, depends
from dycl.frontend.recorder import Recorder, is_recorded, outside_modes
from dycl.frontend.resizing import Resizing
from dycl.frontend.selections import asks_for_sizes
from dycl.frontend.size_numbers import as_size
from dycl.frontend.sizes import UnknownSizeError
from dycl.frontend.values import Number

_RECURRENT = {torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu}


def _refuse_dropout_between_layers(func: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Torch's decompositions leave it out, without a word (2.13: `num_layers < i - 1` in `_rnn_helper`)."""
    is_packed = "batch_sizes" in kwargs or isinstance(args[1 if func is torch.lstm else 2], torch.Tensor)
    given = dict(zip(("num_layers", "dropout", "train"), args[5 if is_packed else 4 :], strict=False)) | kwargs
    if given["train"] and given["dropout"] and given["num_layers"] > 1:
        raise UnsupportedConstructError(
            "dropout between the layers of an RNN in training mode",
            hint="call model.eval(), or use RNNs of one layer with nn.Dropout between them",
            location=here(),
        )


_MAX_ASKED = 3
"""How many conditions on sizes one call of a function may ask, each of which makes a branch."""


class FunctionMode(TorchFunctionMode):
    """One mode for all: it costs a microsecond whenever anything asks a tensor for an attribute.

    Args:
        recorder: what is recorded.
        before: what is called before each function, with it and its arguments; `after`: what is called after it. Both
            are called while no function runs: they may make branches.
        choose: gives what a call gives on both sides of a condition on sizes, which a function asked.
    """

    def __init__(
        self,
        recorder: Recorder,
        before: Callable[[Any, Any, Any], None],
        after: Callable[[], None],
        choose: Callable[[torch.SymBool, Callable[[], Any]], Any],
    ) -> None:
        super().__init__()
        self._before, self._after, self._choose = before, after, choose
        self._asked = 0
        self._recorder = recorder
        self._numbers = NumberArguments(recorder)
        self._resizing = Resizing(is_recorded, outside_modes, lambda size: as_size(Number(size, int), recorder))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _RECURRENT and not self._recorder.allow_random:
            _refuse_dropout_between_layers(func, args, kwargs)
        self._before(func, args, kwargs)
        result = self._call(func, args, kwargs)
        self._after()
        return result

    def _call(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if func is interpolate:
            resized = self._resizing.resize(*args, **kwargs)
            if resized is not None:
                return resized
        # Most calls are attributes of a tensor, its only argument.
        is_attribute = len(args) == 1 and not kwargs and isinstance(args[0], torch.Tensor)
        if not is_attribute and any(map(depends, (*args, *kwargs.values()))):
            return self._numbers.call(func, args, kwargs)
        overflow = None if is_attribute else overflow_of_number(func, args, kwargs)
        if overflow is not None:
            raise overflow
        try:
            form = asks_for_sizes(func, args, kwargs)
            result = NotImplemented if form is None else form(*args, **kwargs)
            return func(*args, **kwargs) if result is NotImplemented else result
        except UnknownSizeError as error:
            condition = self._recorder.sizes.condition_of(error)
            if condition is None or self._asked >= _MAX_ASKED:
                raise
            self._asked += 1
            try:
                return self._choose(condition, lambda: self._call(func, args, kwargs))
            finally:
                self._asked -= 1
        except (*ERRORS, AssertionError) as error:
            eager = note_if_eager_raises(error, func, args, kwargs)
            if eager is error:
                raise
            raise eager from error
