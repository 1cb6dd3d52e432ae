# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors of torch and numpy, in and out. torch is used only where the process has it already."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from dycl.errors import InputError
from dycl.runtime.host_runtime import DTYPES, NAMES, fits, size_problem, type_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dycl.signature import Signature, TensorSpec

Array = np.ndarray[Any, np.dtype[Any]]

# torch's name of a dtype -> MLIR's: torch names its dtypes as numpy does.
_TORCH_NAMES = {f"torch.{dtype.name}": name for name, (dtype, _) in DTYPES.items()}


def is_torch(value: Any) -> bool:
    """Whether a value is a torch tensor; imports nothing."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_array(value: Any) -> bool:
    """Whether a value is what the program takes for a tensor: a numpy array or scalar, or a torch tensor."""
    return isinstance(value, (np.ndarray, np.generic)) or is_torch(value)


def to_numpy(value: Any, spec: TensorSpec) -> Array:
    """The elements of an input, as a numpy array that may share its memory.

    Raises:
        InputError: where the value is no plain tensor on the CPU, or of another dtype or shape than `spec`.
    """
    array = _plain(value)
    if array is not None and fits(NAMES.get(array.dtype, ""), array.shape, spec.dtype, spec.shape):
        return array
    torch_tensor = is_torch(value)
    if torch_tensor:
        dtype = _check_torch(value, spec)
    elif type(value) in (np.ndarray, np.memmap) or isinstance(value, np.generic):
        dtype = NAMES.get(value.dtype) or str(value.dtype)
    else:
        raise InputError(f"input {spec.name} is a {_class_name(value)}; expected a tensor or array of {spec}")
    shape = tuple(value.shape)
    if not fits(dtype, shape, spec.dtype, spec.shape):
        raise InputError(f"input {spec.name} is {type_text(dtype, shape)}; expected {spec}")
    return _torch_to_numpy(value) if torch_tensor else np.asarray(value)


def number_to_numpy(value: Any, spec: TensorSpec) -> Any:
    """A Python number as an array of rank 0; what is no Python number, as it is.

    Raises:
        InputError: where the program takes a number of another kind, or one that is not so large.
    """
    if not isinstance(value, (bool, int, float)):
        return value
    dtype: np.dtype[Any] = DTYPES[spec.dtype][0]
    kinds = {"b": (bool,), "i": (int,), "u": (int,)}.get(dtype.kind, (int, float))
    if type(value) not in kinds:
        raise InputError(f"input {spec.name} is {value!r}; expected a {kinds[-1].__name__}, for {spec}")
    info: Any = np.iinfo(dtype.name) if dtype.kind in "iu" else None
    if info is not None and not info.min <= value <= info.max:
        raise InputError(f"input {spec.name} is {value!r}, which is no {spec}")
    return np.array(value, dtype)


def check_sizes(inputs: Sequence[Array], signature: Signature) -> None:
    """Check the dynamic sizes of a call's inputs.

    Raises:
        InputError: where one is out of its range, or two that have to agree do not.
    """
    if signature.sizes:
        names = [spec.name for spec in signature.inputs]
        problem = size_problem([size.to_json() for size in signature.sizes], names, [a.shape for a in inputs])
        if problem is not None:
            raise InputError(problem)


def to_torch(array: Array) -> Any:
    """A torch tensor over an array's memory."""
    torch = sys.modules["torch"]
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def check_writable(value: Any, spec: TensorSpec) -> None:
    """Refuse an input that the program writes and the caller may not.

    Raises:
        InputError: for a read-only numpy array, or a numpy scalar.
    """
    if not is_torch(value) and not (isinstance(value, np.ndarray) and value.flags.writeable):
        raise InputError(f"input {spec.name} is read-only; expected a writable array, since the program writes it")


def write_back(value: Any, result: Array) -> None:
    """Give a caller's tensor the values that the program left in it."""
    if is_torch(value):
        value.detach().copy_(to_torch(result))
    else:
        value[...] = result


def _plain(value: Any) -> Array | None:
    """The elements of an array, or of a torch tensor that is nothing special, as most inputs are: found without asking
    torch for each property.

    Torch gives no array of a tensor that is elsewhere than on the CPU, sparse, of bfloat16, or requires a gradient, nor
    of one whose conjugation or negation is only noted.
    """
    if type(value) is np.ndarray:
        return value
    torch = sys.modules.get("torch")
    if torch is None or type(value) is not torch.Tensor:
        return None
    try:
        return value.numpy()
    except (TypeError, RuntimeError):
        return None


def _check_torch(tensor: Any, spec: TensorSpec) -> str:
    """MLIR's name of a tensor's dtype, once the tensor is a plain one on the CPU."""
    torch = sys.modules["torch"]
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        raise InputError(f"input {spec.name} is a {_class_name(tensor)}; expected a plain torch.Tensor")
    if tensor.device.type != "cpu":
        raise InputError(f"input {spec.name} is on device {tensor.device}; expected the CPU: pass {spec.name}.cpu()")
    if tensor.layout != torch.strided:
        raise InputError(f"input {spec.name} has layout {tensor.layout}; expected a dense tensor")
    return _TORCH_NAMES.get(str(tensor.dtype)) or str(tensor.dtype)


def _torch_to_numpy(tensor: Any) -> Array:
    torch = sys.modules["torch"]
    plain = tensor.detach().resolve_conj().resolve_neg()
    if plain.dtype == torch.bfloat16:
        return plain.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return plain.numpy()


def _class_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
