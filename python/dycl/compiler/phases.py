# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The phases that dycl-opt and dycl-translate carry out, each a function from text to text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from dycl.compiler.tools import find_dycl_tool, run_filter, run_on_file
from dycl.errors import CompileError, SourceLocation, UnsupportedConstructError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dycl.compiler.target_facts import VectorUnit

# Named operations that IREE has otherwise, or no more. With them others become generic ones, too.
_NAMED = re.compile(
    r"\blinalg\.(abs|add|ceil|div|div_unsigned|elementwise|erf|exp|floor|log|max|min|mul|negf|powf|reciprocal|round|rsqrt|"
    r"select|sqrt|square|sub|tanh) "
)
_OPT_FLAGS = ("--allow-unregistered-dialect", "--mlir-print-debuginfo")


def read(path: Path, function: str | None = None) -> str:
    """A module that somebody wrote, as the phase `import` would hand it over: one public function, `main`.

    Args:
        path: its file.
        function: which function is the program; None for `main`, or the only public one.

    Raises:
        CompileError: where there is none, or it has what no program has; the message names file and line.
    """
    pipeline = "--dycl-read-pipeline" + (f"=program={function}" if function else "")
    text = run_on_file(find_dycl_tool("dycl-opt"), [*_OPT_FLAGS, pipeline], path, doing=f"reading {path}")
    return _dycl_opt("--linalg-generalize-named-ops", text, phase="import") if _NAMED.search(text) else text


def parse(path: Path) -> str:
    """A module as it is, with its own locations or those in its file.

    Raises:
        CompileError: where it does not parse; the message names file and line.
    """
    return run_on_file(find_dycl_tool("dycl-opt"), _OPT_FLAGS, path, doing=f"reading {path}")


def optimize(module: str, *, channels_last: bool = False) -> str:
    """Structured IR with fewer, better regions to come (phase `optimize`).

    Args:
        module: the result of the phase `import`.
        channels_last: compute on images with their channels innermost, as is fast on CPUs, also between regions.
    """
    pipeline = "--dycl-optimize-pipeline" + ("=channels-last" if channels_last else "")
    try:
        return _dycl_opt(pipeline, module, phase="optimize")
    except CompileError as error:
        raise _undefined(error) or error from None


_COMPUTED_WITH = re.compile(r"^(?P<file>.+?):(?P<line>\d+):\d+: note: it is computed with here$", re.MULTILINE)


def _undefined(error: CompileError) -> UnsupportedConstructError | None:
    """The refusal of what is computed with a value that a path leaves undefined, if that is why a phase has failed."""
    if " is undefined on this path, and no stand-in " not in error.diagnostics:
        return None
    place = _COMPUTED_WITH.search(error.diagnostics)
    is_known = place is not None and not place["file"].startswith("<")
    return UnsupportedConstructError(
        "a list or tensor whose size depends on data, computed with where a path has ended or jumped before it had any",
        hint="assign it before the condition (an empty list, `x[:0]`), or compute with it on the other side only",
        location=SourceLocation(place["file"], int(place["line"])) if place is not None and is_known else None,
    )


def outline(module: str, *, simplify_host: bool = True) -> str:
    """Every maximal control-flow-free piece as a function of its own (phase `outline`)."""
    pipeline = "--dycl-outline-pipeline" + ("" if simplify_host else "=simplify-host=false")
    return _dycl_opt(pipeline, module, phase="outline")


def partition(module: str, placement: str = "") -> str:
    """One module per region, and the host program that invokes them (phase `partition`).

    Args:
        module: the result of the phase `outline`.
        placement: options of the pipeline that place regions on devices (`PlacementRules.pipeline_options`).
    """
    pipeline = "--dycl-partition-pipeline" + (f"={placement}" if placement else "")
    return _dycl_opt(pipeline, module, phase="partition")


def legalize_for_iree(partitioned: str) -> str:
    """A partitioned module, its regions written so that IREE compiles them for any target: groups, scatters."""
    pipeline = "--pass-pipeline=builtin.module(builtin.module(dycl-split-groups,func.func(dycl-isolate-scatters)))"
    return _dycl_opt(pipeline, partitioned, phase="partition for IREE")


def legalize_for_spirv(partitioned: str) -> str:
    """A partitioned module, its regions written so that IREE makes SPIR-V of them, for the target vulkan."""
    passes = "dycl-split-groups,func.func(dycl-legalize-for-spirv,dycl-isolate-scatters)"
    return _dycl_opt(
        f"--pass-pipeline=builtin.module(builtin.module({passes}))", partitioned, phase="partition for vulkan"
    )


def tile_for_cpu(
    partitioned: str,
    unit: VectorUnit,
    tuning: Sequence[str] = (),
    *,
    winograd: bool = True,
    lists_choices: bool = False,
) -> str:
    """A partitioned module, its regions written so that IREE makes fast code of them for a CPU's vector unit.

    Args:
        partitioned: the result of the phase `partition`.
        unit: the vector unit.
        tuning: tiles that are known to be faster than the rules', as `dycl.compiler.tuning_file.Tuning.pass_options`.
        winograd: compute convolutions of 3x3 with fewer products where that is expected to be faster.
        lists_choices: list what may be chosen, for `ir_inspection.find_choices`.
    """
    options = [f"vector-bits={unit.bits}", f"registers={unit.registers}"]
    options += [] if winograd else ["winograd=false"]
    options += [f"tuning={','.join(tuning)}"] if tuning else []
    options += ["list-choices=true"] if lists_choices else []
    return _dycl_opt(f"--dycl-cpu-pipeline={' '.join(options)}", partitioned, phase="partition for CPUs")


def host_source(partitioned: str) -> str:
    """The host program as Python; contract D of ARCHITECTURE.md.

    Raises:
        CompileError: where what was generated is no Python.
    """
    source = _dycl_translate("--dycl-to-python", partitioned)
    try:
        compile(source, "host.py", "exec")
    except SyntaxError as error:
        raise CompileError(f"dycl-translate --dycl-to-python gave wrong Python: {error}", diagnostics=source) from error
    return source


def host_module(partitioned: str, n_state: int) -> str:
    """The host program as a module for IREE's VM; `n_state` of its arguments, the last, are state."""
    return _dycl_opt(f"--dycl-host-pipeline=num-state={n_state}", partitioned, phase="host")


def description(partitioned: str) -> dict[str, Any]:
    """What the program consists of, as JSON; contract C of ARCHITECTURE.md."""
    return json.loads(_dycl_translate("--dycl-to-json", partitioned))


def _dycl_opt(pipeline: str, module: str, *, phase: str) -> str:
    return run_filter(find_dycl_tool("dycl-opt"), [*_OPT_FLAGS, pipeline], module, doing=f"phase {phase}")


def _dycl_translate(flag: str, module: str) -> str:
    flags = ["--allow-unregistered-dialect", flag]
    return run_filter(find_dycl_tool("dycl-translate"), flags, module, doing="emitting the host")
