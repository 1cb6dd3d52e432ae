# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a user may choose of a compilation."""

from __future__ import annotations

from dataclasses import dataclass

PHASES = ("rewrite", "import", "optimize", "outline", "partition", "compile", "bundle")


@dataclass(frozen=True)
class Options:
    """Options of `dycl.compile`, all with a default.

    Attributes:
        simplify_host: run the HCFG optimizations that turn regions which only pass on an input, or a constant, into
            host assignments (DyCL paper, section 4.3). Off only for comparison.
        fold_batch_norm: fold batch norms in evaluation mode into the convolution or linear layer before them, at
            compile time; changes results by rounding only.
        demote_f64: compute f64 as f32 for targets that have no f64 (Vulkan); results then have f32's precision. Without
            it such a program is refused for them.
        allow_random: accept batch norms in training mode, and record every random op as it is, with what the compiler
            below makes of it: its own numbers, or an error. Without it, a program draws the numbers that eager draws
            after the same seed (`Program.manual_seed`), and what cannot be drawn so is refused.
        checks: "eager" to raise what eager PyTorch raises where an index is out of range or an integer is divided by
            zero, at the end of the call: what the model does after it is done with the nearest row, or a divisor of 1,
            and lost. "off" to give such a result instead.
        embed_parameters: put the weights into the VMFBs that use them, not once into the bundle's parameter archive; a
            VMFB is then complete in itself, and a weight that several regions use is in each of them.
        tile: for CPUs, compute convolutions and products with tiles and an order of the weights that suit the vector
            unit, and images with their channels innermost. Off only for comparison.
        winograd: with `tile`, compute convolutions of 3x3 with fewer products (Winograd) where that is expected to be
            faster; their weights then take up to 4 times the space. Results change by rounding only; where an input is
            infinite or NaN, more outputs beside it are. Not for a program with such weights.
        tuning: tuning files (`dycl tune`, docs/tuning.md), one for each target that has one: tiles that were measured
            to be faster than those of the rules. One for another target, or another version, is refused.
        pack_weights: lay out the weights of matrix products for the CPU's vector units when a region is loaded. These
            weights are then copied, and not mapped from the file. Of regions without convolutions whose products are of
            static sizes.
        cache: take VMFBs that an earlier compilation made of the same regions, and keep those of this one: in the
            folder that `$DYCL_CACHE` names, else in `~/.cache/dycl`.
        place: makes one program of several targets, its regions on different devices. Each item is `PATTERN=TARGET`,
            where PATTERN is a region's name, or FILE:LINE of a line that it computes, with * and ? for other
            characters, and of several rules for a region the last one counts; or `auto`, which puts regions without a
            rule where the program is expected to take the least time. Without `auto` they are at home, on the first
            target, as are inputs, outputs and state. Empty: each target gets the whole program, and `load` picks one.
        device_models: what `auto` is to expect of a target, each as TARGET=GFLOPS:GBPS:CALL_US:LINK_GBPS:LINK_US: its
            arithmetic, its memory, a region's call, the copy to and from the host's memory and the start of one.
            Without it, rough figures of each backend.
        function: of an `.mlir` file, which function is the program; None for `main`, or the only public one.
        jobs: how many regions to compile at a time; None for one per core.
        compile_to: stop after this phase (one of `PHASES`); only `dycl compile` and `dycl.compiler.compile_to` use it.
        dump_phases: a folder to keep each phase's result in; None keeps nothing.
        progress: report progress on standard error while regions compile; None for "on a terminal only".
        max_depth: how deep conditions may nest; beyond it `compile` refuses, naming the line.
        max_specializations: into how many whole paths the program may be taken apart where the sides of a condition
            disagree on a value (None and a tensor, two dtypes) that is used afterwards.
        max_seconds: how long that may take, in seconds of the processor's; then it is refused, naming the value.
    """

    simplify_host: bool = True
    fold_batch_norm: bool = True
    demote_f64: bool = False
    allow_random: bool = False
    checks: str = "eager"
    embed_parameters: bool = False
    tile: bool = True
    winograd: bool = True
    tuning: tuple[str, ...] = ()
    pack_weights: bool = True
    cache: bool = True
    place: tuple[str, ...] = ()
    device_models: tuple[str, ...] = ()
    function: str | None = None
    jobs: int | None = None
    compile_to: str | None = None
    dump_phases: str | None = None
    progress: bool | None = None
    max_depth: int = 400
    max_specializations: int = 16
    max_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.compile_to is not None and self.compile_to not in PHASES:
            raise ValueError(f"compile_to is {self.compile_to!r}; expected one of {', '.join(PHASES)}")
        if self.checks not in ("eager", "off"):
            raise ValueError(f"checks is {self.checks!r}; expected 'eager' or 'off'")
        for name in ("place", "device_models", "tuning"):
            if isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is a string; expected a tuple of strings")
        if self.tuning and not self.tile:
            raise ValueError("tuning chooses tiles, and tile is off; leave out one of them")
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}; expected at least 1")
