# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One program on several devices: which region runs on which target.

Without placement several targets are alternatives: the bundle holds the whole program for each, and `load` picks one.
With it they are the devices of one program, the first of them its home: inputs, outputs, state and decisions are there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dycl.errors import CompileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dycl.compiler.targets import TargetSpec

AUTOMATIC = "auto"

# What dycl-opt's options take without quoting.
_PATTERN = re.compile(r"[\w.:*?/\[\]!^-]+")
_MODEL = re.compile(r"[0-9.eE+-]+(?::[0-9.eE+-]+){4}")


@dataclass(frozen=True)
class PlacementRules:
    """How regions are to be placed, for `--dycl-place-regions`.

    Attributes:
        targets: the devices of the program, the home first.
        rules: a pattern of regions and the target that they run on; of several the last one counts.
        automatic: whether regions without a rule go where the program is expected to take the least time; else home.
        models: what to expect of targets, as `Options.device_models` says it.
    """

    targets: tuple[TargetSpec, ...]
    rules: tuple[tuple[str, TargetSpec], ...] = ()
    automatic: bool = False
    models: tuple[tuple[TargetSpec, str], ...] = ()

    @property
    def pipeline_options(self) -> str:
        """The options of `--dycl-partition-pipeline`; in the IR a device has the name of its target's folder."""
        options = [f"targets={','.join(target.folder for target in self.targets)}"]
        if self.rules:
            options.append(f"place={','.join(f'{pattern}={target.folder}' for pattern, target in self.rules)}")
        if self.models:
            options.append(f"models={','.join(f'{target.folder}={model}' for target, model in self.models)}")
        return " ".join([*options, f"place-automatically={str(self.automatic).lower()}"])


def parse_placement(
    place: Sequence[str], models: Sequence[str], targets: Sequence[TargetSpec]
) -> PlacementRules | None:
    """The placement that `Options.place` and `Options.device_models` ask for; None for none.

    Raises:
        CompileError: for a rule of another form or an unknown target, and where there is only one target.
    """
    if not place:
        if models:
            raise CompileError("device models are given, and nothing is placed; add --place auto or PATTERN=TARGET")
        return None
    if len(targets) < 2:
        raise CompileError(f"placement needs several targets, and {targets[0].text} is the only one; add a --target")
    rules: list[tuple[str, TargetSpec]] = []
    for rule in place:
        pattern, equals, name = rule.rpartition("=")
        if rule == AUTOMATIC:
            continue
        if not equals or not _PATTERN.fullmatch(pattern):
            raise CompileError(
                f"placement {rule!r} is neither {AUTOMATIC} nor PATTERN=TARGET; a pattern is a region's name or "
                "FILE:LINE of it, in which * and ? stand for other characters: region_1=vulkan, net.py:*=vulkan"
            )
        rules.append((pattern, _find_target(name, targets, rule)))
    described: list[tuple[TargetSpec, str]] = []
    for text in models:
        name, equals, model = text.rpartition("=")
        if not equals or not _MODEL.fullmatch(model):
            raise CompileError(f"device model {text!r} is not TARGET=GFLOPS:GBPS:CALL_US:LINK_GBPS:LINK_US")
        described.append((_find_target(name, targets, text), model))
    return PlacementRules(tuple(targets), tuple(rules), AUTOMATIC in place, tuple(described))


def _find_target(name: str, targets: Sequence[TargetSpec], where: str) -> TargetSpec:
    """The target with this text, or the only one with this backend."""
    exact = [target for target in targets if target.text == name]
    found = exact or [target for target in targets if target.backend == name]
    if len(found) != 1:
        what = "names no" if not found else "could mean several"
        known = ", ".join(target.text for target in targets)
        raise CompileError(f"{where!r} {what} target of this program; there are: {known}")
    return found[0]


def is_placed(description: Mapping[str, Any]) -> bool:
    """Whether a partitioned program runs on several devices."""
    home = description.get("home")
    return home is not None and any(region.get("affinity", home) != home for region in description["regions"])


def used_targets(
    description: Mapping[str, Any], targets: Sequence[TargetSpec], rules: PlacementRules | None
) -> tuple[TargetSpec, ...]:
    """Of the targets that were given, those that a partitioned program needs, its home first; all if it has no home.

    Raises:
        CompileError: where the program was placed on a target that is not given, or a target was given in vain.
    """
    home = description.get("home")
    if home is None:
        return tuple(targets)
    by_folder = {target.folder: target for target in targets}
    used = dict.fromkeys([home, *(region.get("affinity", home) for region in description["regions"])])
    if missing := [folder for folder in used if folder not in by_folder]:
        raise CompileError(f"the program was placed on {', '.join(used)}, and no --target is {', '.join(missing)}")
    idle = [target.text for target in targets if target.folder not in used]
    if idle and not (rules and rules.automatic):
        raise CompileError(f"no region is placed on {', '.join(idle)}; leave it out, or place a region there")
    return tuple(by_folder[folder] for folder in used)
