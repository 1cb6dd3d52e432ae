# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tuning files: what was measured to be faster than the rules of passes/Utils/TileRules.h, by operation."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from dycl.bench.machine import processor
from dycl.compiler.target_facts import VectorUnit, find_facts
from dycl.compiler.targets import TargetSpec
from dycl.errors import CompileError, DyclWarning
from dycl.version import version

SCHEMA = 1

_KEY = re.compile(r"[\w?.-]+")
_NAME = re.compile(r"[a-z]\w*")


@dataclass(frozen=True)
class Entry:
    """What is chosen for an operation.

    Attributes:
        choice: numbers by name, as passes/Utils/Tuning.h names them; empty where the rules are best.
        times_us: how long each alternative took, in microseconds, by its text, as "block=32 tile=7"; "rule" is what
            the rules choose.
    """

    choice: Mapping[str, int]
    times_us: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def gain(self) -> float:
        """How many times as fast as by the rules; 1 where these are best."""
        text = choice_text(self.choice)
        known = "rule" in self.times_us and text in self.times_us
        return self.times_us["rule"] / self.times_us[text] if self.choice and known else 1.0


def choice_text(choice: Mapping[str, int]) -> str:
    """A choice as "block=32 tile=7"."""
    return " ".join(f"{name}={number}" for name, number in choice.items())


@dataclass(frozen=True)
class Tuning:
    """What was measured for a target.

    Attributes:
        target: what was compiled for.
        vector_unit: that of the target's CPU, which the tiles are made for.
        machine: the device that measured, as `dycl.bench.machine.describe` has it.
        versions: of dycl and of IREE's compiler, whose code was measured.
        entries: what is chosen, by the operation's key.
    """

    target: TargetSpec
    vector_unit: VectorUnit
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    entries: Mapping[str, Entry]

    def pass_options(self) -> tuple[str, ...]:
        """The choices as the passes take them: `KEY:NAME=NUMBER:...`."""
        return tuple(
            ":".join((key, *choice_text(entry.choice).split())) for key, entry in self.entries.items() if entry.choice
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "versions": {**self.versions},
            "target": self.target.to_json(),
            "vector_unit": asdict(self.vector_unit),
            "machine": {**self.machine},
            "entries": {
                key: {"choice": {**entry.choice}, "times_us": {**entry.times_us}} for key, entry in self.entries.items()
            },
        }

    def save(self, path: str | Path) -> None:
        """Write it as a tuning file, which appears whole or not at all."""
        path = Path(path)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            new.write_text(json.dumps(self.to_json(), indent=1) + "\n")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    @staticmethod
    def read(path: str | Path) -> Tuning:
        """The tuning of a file that `save` wrote.

        Raises:
            CompileError: where it cannot be read, is none, or is one of another version of dycl or IREE.
        """
        path = Path(path)
        try:
            data = json.loads(path.read_text())
        except OSError as error:
            raise CompileError(f"cannot read the tuning file {path}: {error.strerror}") from error
        except ValueError as error:
            raise CompileError(f"{path} is no tuning file: {error}") from error
        if not isinstance(data, dict) or "schema" not in data:
            raise CompileError(f"{path} is no tuning file; expected one that `dycl tune` wrote")
        if data["schema"] != SCHEMA:
            raise CompileError(f"{path} has the schema {data['schema']!r}, and this dycl reads {SCHEMA}; {_AGAIN}")
        try:
            tuning = _from_json(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CompileError(f"{path} is damaged: {error!r}; {_AGAIN}") from error
        here = compiler_versions()
        for name, wanted in here.items():
            if tuning.versions.get(name) != wanted:
                made = tuning.versions.get(name, "unknown")
                raise CompileError(f"{path} was measured with {name} {made}, and this is {name} {wanted}; {_AGAIN}")
        return tuning


_AGAIN = "run `dycl tune` again"


def compiler_versions() -> dict[str, str]:
    """The versions that the speed of code depends on."""
    return {"dycl": version(), "iree-base-compiler": metadata.version("iree-base-compiler")}


def read_tunings(paths: Sequence[str], targets: Sequence[TargetSpec]) -> dict[TargetSpec, Tuning]:
    """The tuning of each target that has one.

    A warning says so where a file was measured on another CPU than this one, for "this machine".

    Raises:
        CompileError: for a file that cannot be taken: of another version, or for another target than these.
    """
    found: dict[TargetSpec, Tuning] = {}
    for path in paths:
        tuning = Tuning.read(path)
        target = next((target for target in targets if target.text == tuning.target.text), None)
        if target is None:
            texts = ", ".join(target.text for target in targets)
            raise CompileError(
                f"{path} was measured for the target {tuning.target.text}, and this compiles for {texts}"
            )
        if target in found:
            raise CompileError(f"{path} is another tuning file for the target {target.text}; give one for each target")
        unit = find_facts(target).vector_unit
        if unit != tuning.vector_unit:
            raise CompileError(
                f"{path} was measured for vectors of {_unit_text(tuning.vector_unit)}, and {target.text} has "
                f"{_unit_text(unit)} here; {_AGAIN}"
            )
        measured_on, here = tuning.machine.get("processor"), processor()
        if not target.triple and not target.cpu and measured_on != here:
            warnings.warn(
                f"{path} was measured on {measured_on}, and this is {here}: its tiles are right here too, and may be "
                "slower than others",
                DyclWarning,
                stacklevel=2,
            )
        found[target] = tuning
    return found


def _unit_text(unit: VectorUnit | None) -> str:
    return f"{unit.bits} bits in {unit.registers} registers" if unit else "no rules for tiles"


def _from_json(data: Mapping[str, Any]) -> Tuning:
    return Tuning(
        TargetSpec.parse(data["target"]["target"]),
        VectorUnit(**data["vector_unit"]),
        dict(data["machine"]),
        dict(data["versions"]),
        {_checked(_KEY, key): _entry(entry) for key, entry in data["entries"].items()},
    )


def _entry(data: Mapping[str, Any]) -> Entry:
    choice = {_checked(_NAME, name): number for name, number in data["choice"].items()}
    for name, number in choice.items():
        if type(number) is not int:
            raise ValueError(f"{name} is {number!r}, not a number")
    return Entry(choice, {str(text): float(time) for text, time in data["times_us"].items()})


def _checked(pattern: re.Pattern[str], text: str) -> str:
    """The text, which becomes part of an option of a pass."""
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is no key or name")
    return text
