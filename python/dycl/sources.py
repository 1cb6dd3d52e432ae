# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the SOURCE of a command names: a factory in a file or a module, or a file that holds a program."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import linecache
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from dycl.errors import DyclError

_EXPECTED = "expected FILE.py:FACTORY, PACKAGE.MODULE:FACTORY or FILE.mlir"
_LATER = {".pt2": "an exported program", ".onnx": "an ONNX model"}


class SourceError(DyclError):
    """A SOURCE names nothing, or its factory does not give a model."""


@dataclass(frozen=True)
class Source:
    """A model to compile, or the path of a program.

    Attributes:
        model: an `nn.Module`, a function, or the path of an `.mlir` file.
        args: example arguments; None where the source has none.
        kwargs: example keyword arguments.
        factory: what made them; None for a file that holds a program.
    """

    model: Any
    args: tuple[Any, ...] | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    factory: Callable[..., Any] | None = None


def load_source(text: str, factory_arguments: Mapping[str, Any]) -> Source:
    """The model and example arguments that `text` names.

    A factory is called with `factory_arguments`; it returns a model, `(model, args)` or `(model, args, kwargs)`.

    Raises:
        SourceError: where `text` names nothing, its module cannot be imported, or its factory fails; one line that
            says what is expected, or where in the user's code it failed.
    """
    path = Path(text)
    if path.suffix in _LATER and ":" not in path.name:
        raise SourceError(f"{text}: {_LATER[path.suffix]} ({path.suffix}) is not supported yet; {_EXPECTED}")
    if path.suffix == ".mlir" and ":" not in path.name:
        return _program_file(path, factory_arguments)
    where, colon, name = text.rpartition(":")
    if not (colon and where and name):
        raise SourceError(f"{text!r} names no factory; {_EXPECTED}")
    module = import_file(Path(where)) if where.endswith(".py") else _import_module(where)
    return _result_of(_find_factory(module, where, name), text, factory_arguments)


def parse_factory_arguments(texts: Sequence[str]) -> dict[str, Any]:
    """The keyword arguments of `--arg NAME=JSON`.

    Raises:
        SourceError: for wrong syntax, or a name that is given twice.
    """
    arguments: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise SourceError(f"--arg {text!r} is not NAME=JSON; expected for example tiny=true or seed=3")
        if name in arguments:
            raise SourceError(f"--arg {name} is given twice")
        try:
            arguments[name] = json.loads(value)
        except ValueError:
            raise SourceError(
                f'--arg {text!r}: {value!r} is not JSON; expected for example {name}=true, {name}=3 or {name}="text"'
            ) from None
    return arguments


def _program_file(path: Path, factory_arguments: Mapping[str, Any]) -> Source:
    if not path.is_file():
        raise SourceError(f"{path} does not exist")
    if factory_arguments:
        raise SourceError(f"{path} is a program, not a factory, and takes no --arg")
    return Source(path)


def import_file(path: Path) -> ModuleType:
    """The module of a user's Python file.

    Raises:
        SourceError: where it does not exist or importing it fails, with the place in the user's code.
    """
    if not path.is_file():
        raise SourceError(f"{path} does not exist")
    name = path.stem if path.stem not in sys.modules else f"source_{path.stem}"  # A user's json.py is not json.
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SourceError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    # As `python FILE.py` has it: its neighbours can be imported, and its functions find their module again.
    sys.path.insert(0, str(path.parent.resolve()))
    sys.modules[name] = module
    loader = spec.loader
    _run_users_code(lambda: loader.exec_module(module), f"importing {path}")
    return module


def _import_module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return _run_users_code(lambda: importlib.import_module(name), f"importing {name}")
    except SourceError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name and f"{name}.".startswith(f"{cause.name}."):
            raise SourceError(f"there is no module {cause.name!r} to import; {_EXPECTED}") from cause
        raise


def _find_factory(module: ModuleType, where: str, name: str) -> Callable[..., Any]:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if callable(found):
        return found
    names = sorted(_factories_in(module))
    choice = f"; it has {', '.join(names)}" if names else ""
    problem = "has no" if found is None else "has something else than a factory under the name"
    raise SourceError(f"{where} {problem} {name!r}{choice}")


def _factories_in(module: ModuleType) -> list[str]:
    """The public functions and classes that a module defines, or says that it offers."""
    offered = getattr(module, "__all__", None)
    if offered is not None:
        return list(offered)
    members = vars(module).items()
    return [
        name
        for name, value in members
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", None) == module.__name__
    ]


def _result_of(factory: Callable[..., Any], text: str, arguments: Mapping[str, Any]) -> Source:
    try:
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        takes = ", ".join(str(p.replace(annotation=p.empty)) for p in inspect.signature(factory).parameters.values())
        raise SourceError(f"{text} takes ({takes}): {error}; give its arguments as --arg NAME=JSON") from None
    except ValueError:
        pass  # A builtin without a signature: the call itself will tell.
    result = _run_users_code(lambda: factory(**arguments), f"factory {text}")
    parts: tuple[Any, ...] = result if isinstance(result, tuple) and 1 <= len(result) <= 3 else (result,)
    model, args, kwargs = (*parts, None, None)[:3]
    returns = "expected a model, (model, args) or (model, args, kwargs)"
    if not callable(model):
        raise SourceError(f"factory {text} returned {_kind(result)}; {returns}")
    if args is not None and not isinstance(args, tuple):
        raise SourceError(f"factory {text} returned args of type {_kind(args)}, not a tuple; {returns}")
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise SourceError(f"factory {text} returned kwargs of type {_kind(kwargs)}, not a dict; {returns}")
    return Source(model, args, kwargs or {}, factory)


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {', '.join(map(_kind, value)) or 'nothing'}"
    return type(value).__name__


def _run_users_code(call: Callable[[], Any], doing: str) -> Any:
    """What `call` returns; its exception as one line with the place in the user's code, the exception as the cause."""
    try:
        return call()
    except (Exception, SystemExit) as error:
        what = traceback.format_exception_only(error)[-1].strip()
        raise SourceError(f"{doing} failed{_place(error)}: {what}") from error


def _place(error: BaseException) -> str:
    """Where in the user's code an error comes from: ` at net.py:12, in make: net = Net(3)`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" at {error.filename}:{error.lineno}: `{(error.text or '').strip()}`"
    own = (__file__, "<frozen", str(Path(importlib.__file__).parent))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(own)]
    users = [f for f in frames if "site-packages" not in f.filename] or frames
    if not users:
        return ""
    frame = users[-1]
    line = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
    return f" at {frame.filename}:{frame.lineno}, in {frame.name}: `{line}`"
