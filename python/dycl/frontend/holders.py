# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Who holds an object: the user's program, on the path that is open, or only what dycl keeps of other paths.

Deltas, snapshots and journals hold the values of paths that are not open. An object of the user's that nothing else
holds cannot be seen on the open path. A variable of a running function counts as a holder that is not known.
"""

from __future__ import annotations

import gc
import types
import weakref
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from torch._subclasses.functional_tensor import FunctionalTensor

from dycl.frontend.entries import Entries
from dycl.frontend.references import is_held
from dycl.frontend.rows import Ragged, Rows
from dycl.frontend.values import Choice, Number, Unusable

_KNOWN_HOLDERS = (types.CellType, list, tuple, dict)

_VALUES = (Number, Unusable, Choice, Rows, Entries, Ragged)

_MAX_CLUSTER = 64
"""How many objects that hold each other are looked at."""


@contextmanager
def older_objects_left_out() -> Generator[None]:
    """While it is entered, only objects made meanwhile are looked at as holders, and collected as garbage.

    A process with torch in it has a million others, which take a tenth of a second to look through, and most of one to
    collect. A reference of an older object counts, as any that is not found, for one of the user's. Where the user has
    frozen objects (`gc.freeze`), all are looked at: they could not be told apart afterwards.
    """
    freezes = not gc.get_freeze_count()
    if freezes:
        gc.freeze()
    try:
        yield
    finally:
        if freezes:
            gc.unfreeze()


def is_in_use(storage: Any, references: Iterable[weakref.ref[FunctionalTensor]]) -> bool:
    """Whether the path that is open may see one of the tensors with that memory."""
    for reference in list(references):
        tensors = [reference()]  # in no variable of its own, which would count
        if tensors[0] is not None and tensors[0].untyped_storage() is storage and not _only_dycl_holds(tensors):
            return True
    return False


def is_seen(one: list[Any]) -> bool:
    """Whether the path that is open may see the only item of a list, which no variable of dycl's holds."""
    try:
        return not _only_dycl_holds(one)
    finally:
        del one[1:]


def is_made_elsewhere(location: Any) -> bool:
    """Whether the object that a place belongs to (`location.owner`) was made on a path that is not open.

    To be called when the path's changes are undone, and none of its values is in a variable.
    """
    return _only_dycl_holds([location.owner])


def is_variable_of_the_past(location: Any) -> bool:
    """Whether a place is a variable (`location.cell`) of a function that has ended."""
    return _only_dycl_holds([location.cell])


def is_left_behind(location: Any) -> bool:
    """Whether nothing but variables of functions that have ended hold the object that a place belongs to.

    They may hold it in lists, tuples and dicts. Such a one that a function returned, or put into an object, is not
    known here: dycl's records of it count as dycl's.
    """
    return _only_dycl_holds([location.owner], through_variables=True)


def _only_dycl_holds(cluster: list[Any], *, through_variables: bool = False) -> bool:
    """Whether all references to the object in the list are dycl's, or of objects that only dycl holds in turn.

    Args:
        cluster: the object; those that hold it are added.
        through_variables: see `is_left_behind`.
    """
    seen = {id(cluster[0])}
    position = 0
    while position < len(cluster):
        accounted = _account(cluster, position, seen, through_variables)
        if accounted is None or is_held(cluster, position, known=accounted) or len(cluster) > _MAX_CLUSTER:
            return False
        position += 1
    return True


def _account(cluster: list[Any], position: int, seen: set[int], through_variables: bool) -> int | None:
    """How many references to an object the holders have that `gc` names, which are added to the cluster.

    None where one of them is no record of dycl's. When this has returned, no variable of it holds a holder.
    """
    accounted = 0
    for holder in gc.get_referrers(cluster[position]):
        if holder is cluster:
            continue
        accounted += [id(item) for item in gc.get_referents(holder)].count(id(cluster[position]))
        if isinstance(holder, (types.FunctionType, types.ModuleType)):
            return None
        if isinstance(holder, types.CellType) and not through_variables:
            return None
        if through_variables and not (type(holder) in _KNOWN_HOLDERS or _is_dycls(holder)):
            return None
        if not _is_dycls(holder) and id(holder) not in seen:
            seen.add(id(holder))
            cluster.append(holder)
    return accounted


def _is_dycls(holder: Any) -> bool:
    """Whether it is an object of dycl's, or an entry of a delta or a journal: a place and its value.

    A number, a value of another kind on each path, or what stands for items is what a variable of the user's holds.
    """
    one = holder[0] if type(holder) is tuple and holder else holder
    return type(one).__module__.startswith("dycl.frontend.") and not issubclass(type(one), _VALUES)
