# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Phase `compile`: one iree-compile process per region, as many at a time as there are cores."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dycl.compiler.cache import CompilationCache, cache_key
from dycl.compiler.target_facts import find_facts
from dycl.compiler.tools import failure, find_iree_compile
from dycl.errors import CompileError, SourceLocation, UnsupportedConstructError
from dycl.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dycl.compiler.targets import TargetSpec
    from dycl.options import Options

# What is the same for every region and target. ARCHITECTURE.md has the figures behind the choice.
_COMMON_FLAGS = (
    "--iree-opt-level=O3",
    # Two sizes that depend on data and do not agree: an error, not memory read out of bounds.
    "--iree-opt-strip-assertions=false",
    # A VMFB needs neither to run, and both would carry the user's paths to the device.
    "--iree-vm-bytecode-module-strip-source-map=true",
    "--iree-llvmcpu-debug-symbols=false",
    # Half a kilobyte a region, for looking into a VMFB with unzip.
    "--iree-vm-emit-polyglot-zip=false",
)
# The transposes that this adds to weights cancel against those of `frontend/layouts.py`; where there are none, they are
# hoisted into initializers, which run at load, not in a call. For SPIR-V, IREE 3.13 fails on what it gives:
# "'arith.addf' op requires the same type", or "uses … bytes of shared memory".
_CPU_FLAGS = (
    "--iree-preprocessing-pass-pipeline=builtin.module(util.func(iree-preprocessing-convert-conv-to-channels-last))",
)
# Weights laid out by tiles, once when a region is loaded, as IREE's kernels for products read them.
_PACKING_FLAGS = ("--iree-opt-data-tiling",)
# What a region is compiled with that fails without. IREE 3.13 fuses an op that has several users into one of them, and
# may then find its store outside of what it distributed ("'vector.store' op write affecting operations on global
# resources are restricted to workgroup distributed contexts"), for few rows of an entropy.
_CAREFUL_FLAGS = ("--iree-dispatch-creation-fuse-multi-use=false",)
# The last attempt: a softmax of a tensor of two dynamic sizes is else fused into a loop with memory that IREE cannot
# put on the stack.
_UNFUSED_FLAGS = ("--iree-dispatch-creation-opt-level=O1",)
# Where each core has a process, the threads of one only wait for each other's: a tenth less time a region.
_ONE_THREAD_FLAGS = ("--mlir-disable-threading",)


@dataclass(frozen=True)
class RegionJob:
    """A region module to compile for a target.

    Attributes:
        name: the region's name, for messages.
        module: the module's text.
        target: what to compile for.
        output: where the VMFB goes.
        cost: an estimate in any unit; the costliest is started first.
        packs_weights: have IREE pack weights; where it fails with that, they stay as they are.
        plain: the module with tiles and layouts of IREE's own, for where it refuses ours; "" where `module` is that.
        flags: what this job adds to the flags of its target.
    """

    name: str
    module: str
    target: TargetSpec
    output: Path
    cost: int = 0
    packs_weights: bool = False
    plain: str = ""
    flags: tuple[str, ...] = ()


def demotes_f64(target: TargetSpec, options: Options) -> bool:
    """Whether f64 is computed as f32 for a target: where it has no f64, and the user asked for it."""
    return options.demote_f64 and not find_facts(target).has_f64


def compile_command(target: TargetSpec, options: Options) -> tuple[str, ...]:
    """iree-compile with every flag but input and output.

    Raises:
        CompileError: where iree-compile is not installed.
    """
    # Never by default, as IREE has it: that would change the signatures of regions.
    demote = f"--iree-input-demote-f64-to-f32={'true' if demotes_f64(target, options) else 'false'}"
    own = _CPU_FLAGS if target.is_cpu else ()
    return (find_iree_compile(), *target.compiler_flags(), *_COMMON_FLAGS, *own, demote)


def embedding_flags(archive: Path) -> tuple[str, ...]:
    """The flags with which a VMFB holds the weights that it uses, from an archive, instead of naming them."""
    return (f"--iree-parameter-import=model={archive}", f"--iree-parameter-import-maximum-size={2**62}")


def compile_regions(jobs: Sequence[RegionJob], options: Options) -> list[RegionJob]:
    """Compile each region to its VMFB; on failure or interrupt nothing goes on running.

    Returns:
        The jobs of which `plain` was compiled, since IREE refused `module`.

    Raises:
        CompileError: for the first region that fails, with the command that reproduces it.
        UnsupportedConstructError: where IREE has no such function of 64-bit floats.
    """
    commands = {target: compile_command(target, options) for target in {job.target for job in jobs}}
    cache = CompilationCache() if options.cache else None
    longest_first = sorted(jobs, key=lambda job: job.cost, reverse=True)
    refused: list[RegionJob] = []
    with _Children() as children, Progress("compiling regions", len(jobs), options.progress) as progress:
        cores = os.cpu_count() or 1
        workers = min(len(jobs), options.jobs or cores) or 1
        threading_flags = _ONE_THREAD_FLAGS if workers >= cores else ()
        with ThreadPoolExecutor(workers, thread_name_prefix="iree-compile") as pool:
            futures = {
                pool.submit(
                    _compile_region, job, (*commands[job.target], *job.flags), threading_flags, children, cache
                ): job
                for job in longest_first
            }
            try:
                for future in as_completed(futures):
                    if not future.result():
                        refused.append(futures[future])
                    progress.advance(futures[future].name)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                children.kill()
                raise
    if cache is not None:
        cache.trim()
    return refused


def _compile_region(
    job: RegionJob,
    command: Sequence[str],
    threading_flags: Sequence[str],
    children: _Children,
    cache: CompilationCache | None,
) -> bool:
    """Compiles `job.module` or, where IREE refuses that, `job.plain`; whether it was the first."""
    packing = (_PACKING_FLAGS,) if job.packs_weights else ()
    status, diagnostics = 0, ""
    modules = [module for module in (job.module, job.plain) if module]
    for module in modules:
        last = (_UNFUSED_FLAGS,) if module is modules[-1] else ()
        attempts = (*packing, (), _CAREFUL_FLAGS, *last)
        status, diagnostics = _compile_module(job, module, attempts, command, threading_flags, children, cache)
        if status == 0:
            return module is job.module
    doing = f"compiling region {job.name} for {job.target.text}"
    if re.search(r"\bf64\b", diagnostics) and not find_facts(job.target).has_f64:
        doing = f"{job.target.text} has no f64, which may be the cause (see --demote-f64): {doing}"
    text = job.plain or job.module
    refusal = _missing_function(text, diagnostics)
    if refusal is not None:
        raise refusal
    raise failure(command, text, doing=doing, diagnostics=diagnostics, status=status, takes_output=True)


_MISSING = re.compile(r"undefined symbol: (\w+)|failed to legalize operation 'math\.(\w+)'")
_OPS_OF_C = {"fmod": "arith.remf", "pow": "math.powf"}
"""The operations that IREE makes functions of C's of another name."""


def _missing_function(module: str, diagnostics: str) -> UnsupportedConstructError | None:
    """The refusal of a function of 64-bit floats that IREE takes from a C library, which it then has not."""
    found = _MISSING.search(diagnostics)
    name = (found[1] or found[2]) if found else ""
    op = _OPS_OF_C.get(name, f"math.{name}")
    line = next((line for line in module.splitlines() if f" {op} " in line and "f64" in line), None)
    if line is None:
        return None
    alias = re.search(r"loc\((#loc\d*)\)$", line)
    place = re.search(rf'^{alias[1]} = loc\("([^"]+)":(\d+):\d+', module, re.MULTILINE) if alias else None
    return UnsupportedConstructError(
        f"`{name}` of 64-bit floats, which IREE has not",
        hint="compute it in 32 bits, with `.float()` before and `.double()` after it",
        location=SourceLocation(place[1], int(place[2])) if place else None,
    )


def _compile_module(
    job: RegionJob,
    module: str,
    attempts: Sequence[tuple[str, ...]],
    command: Sequence[str],
    threading_flags: Sequence[str],
    children: _Children,
    cache: CompilationCache | None,
) -> tuple[int, str]:
    """Compiles a module with the first of some flags that do: 0, or the last exit status and what IREE said."""
    # The flags of a job name files, which a key does not look into.
    flags = (*command[1:], *attempts[0])
    key = cache_key(module, flags, job.target) if cache is not None and not job.flags else None
    if cache is not None and key is not None and cache.find(key, job.output):
        return 0, ""
    status, diagnostics = 0, ""
    try:
        for added in attempts:
            status, said = children.run([*command, *added, *threading_flags, "-o", str(job.output), "-"], module)
            if status == 0:
                if cache is not None and key is not None and not children.stopped:
                    cache.keep(key, job.output)
                return 0, ""
            if not added:  # What is reported is what happens with the usual flags.
                diagnostics = said
    except OSError as error:
        raise CompileError(f"region {job.name} failed: cannot run {command[0]}: {error}") from error
    return status, diagnostics


class _Children:
    """The running processes, so that a failure or an interrupt ends all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def __enter__(self) -> _Children:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def run(self, command: Sequence[str], text: str) -> tuple[int, str]:
        """Run a command on `text`: its exit status and what it printed on standard error."""
        pipe = subprocess.PIPE
        with self._lock:
            if self._stopped:
                return 0, ""  # Nobody reads it: another region failed, or the user interrupted.
            child = subprocess.Popen(command, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, text=True)
            self._running.add(child)
        try:
            _, diagnostics = child.communicate(text)
        finally:
            with self._lock:
                self._running.discard(child)
        return child.returncode, diagnostics

    @property
    def stopped(self) -> bool:
        """Whether commands were ended, or not run at all."""
        return self._stopped

    def kill(self) -> None:
        with self._lock:
            self._stopped = True
            for child in self._running:
                child.kill()
