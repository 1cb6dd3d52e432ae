# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`dycl.Program`: a bundle as a callable."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
import warnings
import weakref
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from iree.runtime import system_setup

from dycl.bundle import Bundle, pack, read_bundle
from dycl.errors import BundleError, DyclError, SizeMismatchError
from dycl.runtime import arrays, host_runtime
from dycl.runtime.binding import flatten, takes_tensors
from dycl.runtime.bundle_reader import BundleProblem
from dycl.runtime.graph import Node, PathEdge, Region, predicate_nodes, to_networkx, walk
from dycl.runtime.profile import Profile
from dycl.runtime.trial import try_to_load
from dycl.runtime.vm_host import link_main

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    import networkx

    from dycl.signature import Signature, Structure, TensorSpec


HOSTS = ("python", "vm")

# IREE 3.13 takes the number of a wake-up and signals it in two steps; where two of its threads do so at a time, the
# numbers can go down, and Mesa then gives the device up: seen on lavapipe, under load once in some hundred calls.
_DEVICE_LOST = re.compile(r"VK_ERROR_DEVICE_LOST|DATA_LOSS; (?:while invoking native function )?hal\.fence\.await")
"""What IREE says of a lost device; where a fence waits for it, only the kind of the error is left."""

_LOSSES = (DyclError, *host_runtime.IREE_ERRORS)  # among others: see `_note_loss`


def load(
    path: str | Path,
    device: str | None = None,
    *,
    host: str = "python",
    threads: int | None = None,
    loading: str = "lazy",
    memory_budget: int | None = None,
    require_signed: str | Path | bytes | None = None,
    trial: bool = False,
) -> Program:
    """The program of a bundle, in its initial state.

    Every file is checked against the manifest's hashes before anything is loaded or executed. Hashes detect
    damage, not malice: host.py is Python, and a VMFB for a CPU native code, so load only bundles whose origin
    you trust, or require a signature of somebody whom you do.

    Args:
        path: the bundle, a folder or a zip.
        device: a HAL device of IREE's: "local-sync", the CPU, "local-task", the CPU with every region on a pool of
            threads, also those that are slower there, "vulkan" or "cuda"; None for what the bundle was
            compiled for and this machine has, in the order of the targets. A program whose regions are placed on
            several targets runs on all of them, each on its default device or on the one that `device` lists for it:
            "local-task,vulkan".
        host: what runs the control flow: "python" is the bundle's host.py, "vm" its VM module, with no Python of
            the bundle executed; all regions are loaded at once then.
        threads: how many threads a region on a CPU may have. None: as many as this process may use cores, but 1 where
            `device` is given. Those that take 0.1 ms or more on one get them where they are faster with them, which
            the Python host measures, again and again, and the VM host takes from the cost model (from 0.3 ms on); all
            others run in the calling thread. A process that is forked from this one has one thread.
        loading: when regions are loaded: "lazy" when one is first called, "eager" all of them now, "background" all
            of them in a thread while this goes on.
        memory_budget: how many bytes of VMFBs and weights may be loaded at a time; the regions that were not called
            for longest are dropped, and loaded again when they are called. Not with loading in the background.
        require_signed: the public ed25519 key with which the bundle has to be signed: PEM, or the path of a PEM file.
        trial: load all of it in a process of its own first, with limits of time and memory, so that code which crashes,
            hangs or takes all memory when it is loaded does not do so here. It costs another start of Python and
            another loading. It is no sandbox, and no protection from malice: the code runs there, and later here, with
            your rights; nor does it try what happens when the program is called.

    Raises:
        BundleError: where the bundle is missing, damaged, too new, not signed, or not for this machine or device:
            it says for each of its targets why not; where its trial fails: it says at which file.
        ValueError: for an unknown host or way of loading, or no thread.
    """
    bundle = read_bundle(path, require_signed=require_signed)
    if trial:
        try_to_load(bundle.path, device, host)
    program = Program(bundle, device=device, host=host, threads=threads, loading=loading, memory_budget=memory_budget)
    program.prepare()
    return program


class Program:
    """A compiled program: called like the model that it was compiled from.

    Takes torch tensors or numpy arrays and gives the same kind back, nested as eager's result is (torch where
    the call has no tensor and torch is imported). Outputs are detached and never share memory with inputs,
    weights or state. Arguments that the model writes are written. State carries over from call to call; calls
    of a program with state are serialized, others may run at the same time in several threads.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        device: str | None = None,
        host: str = "python",
        threads: int | None = None,
        loading: str = "lazy",
        memory_budget: int | None = None,
    ) -> None:
        """Not for users, who have `dycl.load` and `dycl.compile`.

        Args:
            bundle: what to run.
            device, host, threads, loading, memory_budget: see `dycl.load`.
        """
        if host not in HOSTS:
            raise ValueError(f"host is {host!r}; expected one of {', '.join(HOSTS)}")
        if host == "vm" and (loading != "lazy" or memory_budget is not None):
            raise ValueError("the VM host loads all regions at once; loading and memory_budget are for host='python'")
        self._host = host
        self._bundle = bundle
        self._options: dict[str, Any] = {"device": device, "loading": loading, "memory_budget": memory_budget}
        if threads is not None:
            self._options["threads"] = threads
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._state: list[Any] = []
        self._decisions: Sequence[tuple[int, Any]] | None = None
        self._override: Callable[[int, Any], Any] | None = None
        self._profile: Profile | None = None
        self._seed = host_runtime.fresh_seed()
        self._takes_tensors = takes_tensors(bundle.signature)

    @property
    def signature(self) -> Signature:
        """What the program takes and gives."""
        return self._bundle.signature

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions, in the order in which the program was outlined."""
        manifest = self._bundle.manifest
        target = self._loaded.target if self._loaded else manifest["targets"][0]["target"]
        placed = {entry["folder"]: entry["target"] for entry in manifest["targets"]}
        return tuple(
            Region.from_json(region, target=placed[region["affinity"]] if "affinity" in region else target)
            for region in manifest["program"]["regions"]
        )

    @property
    def hcfg(self) -> networkx.MultiDiGraph[Node]:
        """The heterogeneous control flow graph: a new graph each time, the caller's to change."""
        return to_networkx(self._bundle.hcfg, self.regions)

    @property
    def loaded_regions(self) -> tuple[str, ...]:
        """The names of the regions that are on the device now; see `dycl.load` for when they are loaded."""
        return self._loaded.session.loaded if self._loaded else ()

    @property
    def threaded_regions(self) -> tuple[str, ...]:
        """The names of the regions that run on several threads now; see `dycl.load` for which do."""
        session = self._loaded.session if self._loaded else None
        return getattr(session, "threaded", ())  # A bundle of an earlier dycl has a session without.

    @property
    def last_path(self) -> list[PathEdge]:
        """The edges of `hcfg` that the last call took, in order, each with its count; empty before any call."""
        return [] if self._decisions is None else walk(self._bundle.hcfg, self._decisions)

    @property
    def host(self) -> str:
        """What runs the control flow: "python" or "vm"."""
        return self._host

    @property
    def host_source(self) -> str:
        """The text of host.py: the program's control flow."""
        return self._bundle.host_source

    @property
    def last_decisions(self) -> list[tuple[Node, Any]]:
        """What each predicate (a node of `hcfg`) decided in the last call, in order.

        A decision is a bool; of a counted loop it is the number of iterations, of a switch the case.
        """
        node_of = predicate_nodes(self._bundle.hcfg)
        return [(node_of[predicate], decision) for predicate, decision in self._decisions or ()]

    @property
    def state(self) -> dict[str, arrays.Array]:
        """What carries over to the next call, by the name that the signature gives it: copies."""
        self.prepare()
        with self._lock:
            loaded, specs = self._program_loaded(), self.signature.state
            return {s.name: a for s, a in zip(specs, loaded.download(self._state, specs), strict=True)}

    @contextlib.contextmanager
    def decided_by(self, override: Callable[[Node, Any], Any]) -> Generator[None]:
        """While it is entered, predicates decide as `override` says: it gets the node and what it would decide.

        It is for tests, which take a path that no input takes. What a region computed for a condition stays as it is,
        where it is also data.

        Raises:
            ValueError: with the VM host, which decides by itself.
        """
        if self._host != "python":
            raise ValueError("the VM host decides by itself; load the program with host='python'")
        node_of = predicate_nodes(self._bundle.hcfg)
        self._override = lambda predicate, value: override(node_of[predicate], value)
        try:
            yield
        finally:
            self._override = None

    def profile(self) -> Profile:
        """Count and time what calls do from here on, until the profile's `stop` or the end of a `with`.

            with program.profile() as profile:
                program(x)
            print(profile)

        Calls cost nothing more while there is no profile. There is one at a time: a new one ends the one before.

        Raises:
            DyclError: for the VM host, which calls regions without Python.
        """
        if self._host == "vm":
            raise DyclError("profile() needs host='python'; the VM host calls the regions inside of IREE")
        self.prepare()

        program = weakref.ref(self)  # The profile may outlive it.

        def stop(profile: Profile) -> None:
            profiled = program()
            if profiled is not None and profiled._profile is profile:
                profiled._profile = None

        targets = {entry["folder"]: entry["target"] for entry in self._bundle.manifest["targets"]}
        self._profile = profile = Profile(self.regions, targets, stop)
        return profile

    def prepare(self) -> None:
        """Open the device, and load the regions that are not loaded lazily, now and not at the first call.

        Raises:
            BundleError: where they cannot run here.
        """
        with self._lock:
            if self._loaded is None:
                self._open()

    def reset_state(self) -> None:
        """Go back to the state that the model had when it was compiled, and to the random numbers of the seed."""
        self.prepare()
        with self._lock:
            self._state = self._program_loaded().initial_state(self._seed)

    def manual_seed(self, seed: int) -> None:
        """Seed the program's random numbers: it then draws those that eager draws after `torch.manual_seed(seed)`.

            torch.manual_seed(0)
            expected = model(x), model(x)
            program.manual_seed(0)
            got = program(x), program(x)  # draws the same numbers, in both calls

        They are those of PyTorch's CPU generator (2.13, x86-64), whatever the program runs on: integers, uniform
        numbers and choices are the same, normal and exponential ones up to their last bits. Until it is called, the
        program draws by a fresh seed, as PyTorch does in a new process. A program without random numbers has nothing
        to seed.

        Args:
            seed: any number of 64 bits, as for `torch.manual_seed`; the generator takes the lower 32.

        Raises:
            ValueError: for another number.
        """
        generator = host_runtime.seeded(seed)
        self.prepare()
        with self._lock:
            self._seed = seed
            loaded, specs = self._program_loaded(), self.signature.state
            self._state = [
                loaded.upload(generator[spec.name], spec.dtype) if spec.name in generator else value
                for spec, value in zip(specs, self._state, strict=True)
            ]

    def initial_seed(self) -> int:
        """What the random numbers were seeded with last: by `manual_seed`, or by chance when it was loaded."""
        return self._seed

    def save(self, path: str | Path, *, zip: bool = False) -> None:  # noqa: A002 - what the command line calls it
        """Write the bundle, with its initial state, to a folder, or to a zip; all of it or, on failure, nothing.

        Raises:
            BundleError: where `path` cannot be written, or is something else than a bundle.
        """
        pack(self._bundle.reader, path, as_zip=zip)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program.

        Raises:
            InputError: where the arguments are not as the program was compiled for.
            DyclError: where a region fails.
            Exception: of a built-in type, what the model itself raises on this path.
        """
        values = self._flatten(args, kwargs)
        outputs = self._call(values)
        as_torch = any(map(arrays.is_torch, values)) if values else "torch" in sys.modules
        return self.signature.output_structure.build(lambda leaf: _leaf(leaf, outputs, as_torch))

    def call_flat(self, *args: Any, **kwargs: Any) -> dict[str, arrays.Array]:
        """Run the program as a call does; gives the tensors and numbers that its result is made of, by output name.

        Raises:
            Exception: as a call does.
        """
        outputs = self._call(self._flatten(args, kwargs))
        structure, names = self.signature.output_structure, [spec.name for spec in self.signature.outputs]
        tags = {node.index for node in structure.nodes("choice")}
        return {names[index]: array for index, array in outputs.items() if index not in tags}

    def _flatten(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sequence[Any]:
        """The tensors of a call, in the order of `signature.inputs`."""
        if self._takes_tensors and not kwargs and len(args) == len(self.signature.inputs):
            return args
        return flatten(self.signature, args, kwargs)

    def _call(self, values: Sequence[Any]) -> Mapping[int, arrays.Array]:
        """The flat outputs, by index, that the result of a call with these inputs is made of."""
        signature = self.signature
        inputs = [arrays.to_numpy(value, spec) for value, spec in zip(values, signature.inputs, strict=True)]
        arrays.check_sizes(inputs, signature)
        for i in signature.mutated_inputs:
            arrays.check_writable(values[i], signature.inputs[i])
        if self._loaded is None:
            self.prepare()
        with self._lock if signature.state else contextlib.nullcontext():
            outcome = self._run(inputs)
            for i, result in zip(signature.mutated_inputs, outcome.mutated, strict=True):
                arrays.write_back(values[i], result)
        if outcome.raised is not None:
            raise outcome.raised
        return outcome.outputs

    def __repr__(self) -> str:
        takes = ", ".join(f"{spec.name}: {spec}" for spec in self.signature.inputs)
        return f"<dycl.Program {self.signature.name}({takes}), {len(self.regions)} regions>"

    def _run(self, inputs: Sequence[arrays.Array]) -> _Outcome:
        """What the host program gives. Where the device is lost, the call is made again on a new one, once.

        Raises:
            DyclError: where a device is lost, and with it the program's state.
        """
        loaded = self._program_loaded()
        try:
            return self._run_on(loaded, inputs)
        except _LOSSES as problem:
            if _DEVICE_LOST.search(str(problem)) and self.signature.state:
                message = f"{problem}; the device was lost, and the program's state with it: load the program again"
                raise DyclError(message) from problem
            _note_loss(problem)
        with self._lock:
            if self._loaded is loaded:  # No other thread has done it.
                self._open()
        return self._run_on(self._program_loaded(), inputs)

    def _run_on(self, loaded: _Loaded, inputs: Sequence[arrays.Array]) -> _Outcome:
        """What the host program gives on a device; the new state is kept, also where it raises."""
        signature = self.signature
        uploaded = [loaded.upload(a, spec.dtype) for a, spec in zip(inputs, signature.inputs, strict=True)]
        decisions, decide = loaded.recorder()
        if self._override is not None:
            decide = _overridden(decide, self._override)
        profile = self._profile
        regions = loaded.regions if profile is None else profile.watch(loaded.session)
        start = time.perf_counter() if profile is not None else 0.0
        try:
            flat = loaded.main(regions, decide, *uploaded, *self._state)
        except loaded.size_problem as problem:
            raise SizeMismatchError(str(problem)) from problem
        except loaded.region_problem as problem:
            raise DyclError(str(problem)) from problem
        except (loaded.bundle_problem, BundleProblem) as problem:  # of a region that is loaded in this call
            raise BundleError(str(problem)) from problem
        if profile is not None:
            profile.add_call(1e3 * (time.perf_counter() - start), decisions)
        n_outputs, n_mutated = len(signature.outputs), len(signature.mutated_inputs)
        written = [signature.inputs[i] for i in signature.mutated_inputs]
        outcome = _Outcome(
            mutated=loaded.download(flat[n_outputs : n_outputs + n_mutated], written),
            raised=loaded.exception(flat[:n_outputs]) if signature.exceptions else None,
        )
        if outcome.raised is None:
            outcome.outputs = loaded.download_taken(flat)
        self._state = list(flat[n_outputs + n_mutated :])
        self._decisions = decisions
        return outcome

    def _open(self) -> None:
        """Load the program onto a device, and onto a new one if that is lost meanwhile; the caller holds the lock."""
        try:
            self._load()
        except _LOSSES as problem:
            _note_loss(problem)
            self._load()

    def _load(self) -> None:
        loaded = _Loaded(self._bundle, self._host, **self._options)
        self._state = loaded.initial_state(self._seed)
        self._loaded = loaded

    def _program_loaded(self) -> _Loaded:
        assert self._loaded is not None
        return self._loaded


@dataclass
class _Outcome:
    """What a call gives: the new values of mutated inputs, and outputs by index or what the program raises instead."""

    mutated: list[arrays.Array]
    raised: Exception | None
    outputs: Mapping[int, arrays.Array] = field(default_factory=dict[int, arrays.Array])


class _Loaded:
    """A bundle's host program, and its regions on a device."""

    main: Callable[..., tuple[Any, ...]]

    def __init__(self, bundle: Bundle, host: str, **options: Any) -> None:
        # For the VM host, dycl's own: nothing of the bundle is Python then.
        runtime: Any = host_runtime
        if host == "python":
            runtime = _execute(bundle.runtime_source, "host_runtime", bundle.path)
            if not hasattr(runtime, "usable_cores") and options.pop("threads", 1) != 1:
                raise BundleError(f"{bundle.path} is of an earlier dycl, which has one thread; compile it again")
        signature = bundle.signature
        try:
            self.session = runtime.Session(bundle.reader, **options)
            state = runtime.read_state(bundle.reader, bundle.manifest["signature"]["state"])
            runtime.check_exceptions(signature.exceptions)
            if host == "vm":
                self.main = link_main(self.session, signature)
        except (runtime.BundleProblem, BundleProblem) as problem:
            raise BundleError(str(problem)) from problem
        if host == "python":
            self.main = _execute(bundle.host_source, "host", bundle.path).main
        self.bundle_problem = runtime.BundleProblem
        self.regions = self.session.regions
        self._outputs = signature.outputs
        self._signature = bundle.manifest["signature"]
        self._structure = bundle.manifest["signature"]["output_structure"]
        self._taken_outputs = runtime.taken_outputs
        has_choices = any(signature.output_structure.nodes("choice"))
        self._always_taken = None if has_choices else self._taken_outputs(self._structure, lambda tag: tag)
        self.upload = self.session.upload
        self.recorder = runtime.recorder
        self.region_problem = runtime.RegionProblem
        self.size_problem = runtime.SizeProblem
        self.target: str = self.session.target["target"]
        self._state = state
        self._state_specs = signature.state

    def initial_state(self, seed: int) -> list[Any]:
        generator = host_runtime.seeded(seed)
        return [
            self.upload(generator.get(spec.name, array), spec.dtype)
            for array, spec in zip(self._state, self._state_specs, strict=True)
        ]

    def download(self, views: Sequence[Any], specs: Sequence[TensorSpec]) -> list[arrays.Array]:
        return [self.session.download(view, spec.dtype) for view, spec in zip(views, specs, strict=True)]

    def download_taken(self, flat: Sequence[Any]) -> dict[int, arrays.Array]:
        """The flat outputs that the result is made of, and the tags of its choices."""
        found: dict[int, arrays.Array] = {}

        def download(index: int) -> arrays.Array:
            found[index] = self.session.download(flat[index], self._outputs[index].dtype)
            return found[index]

        taken = self._always_taken
        if taken is None:
            taken = self._taken_outputs(self._structure, lambda index: download(index).item())
        for index in taken:
            download(index)
        return found

    def exception(self, outputs: Sequence[Any]) -> Exception | None:
        """What the program's outputs say that it raises, if anything."""
        return self.session.raised(self._signature, outputs)


def _note_loss(problem: Exception) -> None:
    """Warn of a lost device, and have IREE open devices anew; any other problem is raised as it is.

    IREE shares a device by its URI, a lost one too, and has no public way to drop it. Programs that use one keep it.
    """
    if not _DEVICE_LOST.search(str(problem)):
        raise problem
    system_setup._GLOBAL_DEVICES_BY_URI.clear()  # pyright: ignore[reportPrivateUsage]
    warnings.warn(f"the device was lost ({problem}); it is opened again, for the same call", RuntimeWarning, 2)


def _overridden(decide: Callable[[int, Any], Any], override: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
    return lambda predicate, value: decide(predicate, override(predicate, value))


def _execute(source: str, name: str, folder: Path) -> ModuleType:
    """The module of a bundle's Python file, whose hash has been checked; not in `sys.modules`."""
    module = ModuleType(name)
    module.__file__ = str(folder / f"{name}.py")
    try:
        exec(compile(source, module.__file__, "exec"), module.__dict__)
    except Exception as error:
        raise BundleError(f"{module.__file__} does not run: {error!r}") from error
    return module


def _leaf(leaf: Structure, outputs: Mapping[int, arrays.Array], as_torch: bool) -> Any:
    array = outputs[leaf.index]
    if leaf.kind == "choice":
        return int(array.item())
    if leaf.kind == "number":
        return {"bool": bool, "int": int, "float": float}[leaf.type](array.item())
    return arrays.to_torch(array) if as_torch else array
