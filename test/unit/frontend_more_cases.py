# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""More functions of the corpus: loops over numbers on data, containers, objects, built-ins. See `frontend_cases.py`."""

# ruff: noqa: B905, C416 (written as users write it)
from __future__ import annotations

import contextlib
import math

import torch
from frontend_cases import B, N, X, Z, case

INTS = ((torch.tensor(5),), (torch.tensor(0),), (torch.tensor(-3),), (torch.tensor(12),))


@case(*INTS)
def collatz(n):
    c = 0
    while n > 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        c += 1
        if c > 20:
            break
    return n, c


@case(*INTS)
def fib(n):
    a, b = torch.tensor(0), torch.tensor(1)
    for _ in range(n):
        a, b = b, a + b
    return a


@case(*INTS)
def loopvar_after(n):
    i = -1
    for i in range(n):
        if i > 3:
            break
    return i


@case(*INTS)
def nested_for(n):
    s = 0
    for i in range(n):
        for j in range(i):
            if j > 2:
                continue
            s = s + i * j
    return s


@case(*INTS, unreached=1)
def while_and_for(n):
    t = torch.zeros(())
    while n > 0:
        for k in range(3):
            t = t + k * n
            if t > 20:
                return t, n
        n = n - 1
    return t, n


@case((X,), (N,), (Z,), (B,))
def iter_rows_break(x):
    s = torch.zeros(())
    for v in x:
        if v < 0:
            break
        s = s + v
    else:
        s = s + 100
    return s


@case((X,), (N,), (Z,), (B,))
def enum_zip(x):
    s = torch.zeros(())
    for i, (a, b) in enumerate(zip(x, x * 2)):
        if a > b:
            s = s - i
        else:
            s = s + a * i
    return s


@case((X,), (N,), (Z,), (B,))
def dict_items(x):
    d = {"a": x, "b": x + 1}
    out = {}
    for k, v in d.items():
        out[k] = v * 2 if v.sum() > 1 else v
    return out


@case((X,), (N,), (Z,), (B,))
def comprehension(x):
    f = lambda v: v * 2 if v > 0 else -v
    return torch.stack([f(v) for v in x]), sum([v for v in x])


@case((X,), (N,), (Z,), (B,), unreached=2)
def recursion_static(x, depth=3):
    if depth == 0:
        return x
    if x.sum() > 0:
        return recursion_static(x - 1, depth - 1)
    return recursion_static(x + 2, depth - 1)


@case((X,), (N,), (Z,), (B,))
def fstring(x):
    msg = f"shape {tuple(x.shape)} {x.dim()}"
    if x.sum() > 0:
        return x * len(msg)
    return x


@case((X,), (N,), (Z,), (B,))
def swap(x):
    a, b = x, x * 2
    if x.sum() > 0:
        a, b = b, a
    return a - b


@case((X,), (N,), (Z,), (B,))
def setitem_tensor(x):
    y = x.clone()
    if y[0] > 0:
        y[0] = y[1]
    else:
        y[1:] = 7
    y[y.argmax()] = 100.0
    return y


@case((X,), (N,), (Z,), (B,))
def inplace_chain(x):
    y = torch.zeros(3)
    for i in range(3):
        if x[i] > 0:
            y[i] += x[i]
        else:
            y[i] -= 1
    return y


@case((X,), (N,), (Z,), (B,))
def global_const(x):
    return x * math.pi if x.sum() > math.e else x / math.sqrt(2)


class Obj:
    def __init__(s):
        s.v = 1
        s.t = None

    def inc(s, k):
        if k.sum() > 0:
            s.v = s.v + 1
            return s.v
        s.v = s.v - 1
        return s.v


@case((X,), (N,), (Z,), (B,))
def objects(x):
    o = Obj()
    o.inc(x)
    o.inc(x)
    o.inc(-x)
    return x * o.v


@case((X,), (N,), (Z,), (B,))
def early_return_none(x):
    if x.sum() > 0:
        return x, None
    return x * 2, None


@case((X,), (N,), (Z,), (B,))
def cond_expr_nested(x):
    return x if x.sum() > 5 else (x * 2 if x.sum() > 0 else (x * 3 if x.sum() == 0 else x * 4))


@case((X,), (N,), (Z,), (B,))
def bool_value(x):
    flag = x.sum() > 0
    if flag:
        y = x + 1
    else:
        y = x - 1
    ok = bool(flag) and True
    return y, ok


@case((X,), (N,), (Z,), (B,))
def is_pos_flags(x):
    found = False
    idx = -1
    for i in range(3):
        if not found and x[i] > 1:
            found = True
            idx = i
    return found, idx


@case((X,), (N,), (Z,), (B,))
def while_flag(x):
    done = False
    n = 0
    while not done:
        x = x + 1
        n += 1
        if x.sum() > 10:
            done = True
    return x, n


@case((X,), (N,), (Z,), (B,))
def complex_break(x):
    n = 0
    while True:
        n += 1
        if n > 5:
            break
        if x.sum() > n:
            continue
        x = x + 1
        if x.max() > 8:
            return x, n
    return x * 2, n


@case((X,), (N,), (Z,), (B,))
def tuple_state(x):
    st = (x, 0)
    while st[0].sum() < 10:
        st = (st[0] + 1, st[1] + 1)
    return st


@case((X,), (N,), (Z,), (B,))
def dict_state(x):
    st = {"x": x, "n": 0}
    while st["x"].sum() < 10:
        st["x"] = st["x"] + 1
        st["n"] += 1
    return st


@case((X,), (N,), (Z,), (B,), unreached=1)
def list_state(x):
    st = [x, 0]
    for i in range(4):
        if st[0].sum() > 5:
            break
        st[0] = st[0] + i
        st[1] = i
    return st


@case((X,), (N,), (Z,), (B,))
def typed(x: torch.Tensor) -> torch.Tensor:
    y: torch.Tensor = x
    z: int
    z = 3
    if y.sum() > z:
        y = y * z
    return y


@case((X,), (N,), (Z,), (B,))
def assert_static(x):
    assert x.shape[0] == 3, "bad"
    assert isinstance(x, torch.Tensor)
    if x.sum() > 0:
        return x
    return x + 1


@case((X,), (N,), (Z,), (B,))
def starargs(x):
    def f(*a, k=1, **kw):
        if a[0].sum() > 0:
            return a[0] * k
        return sum(a) + kw["z"]

    return f(x, x + 1, k=3, z=2)


@case((X,), (N,), (Z,), (B,))
def delvar(x):
    t = x * 2
    if x.sum() > 0:
        y = t
    else:
        y = -t
    del t
    return y


@case((X,), (N,), (Z,), (B,))
def numeric(x):
    n = int(x.abs().sum())
    k = n * 2 + 1
    k -= 3
    if k > 7 and n != 0:
        return x * k
    return x / (n + 1)


@case((X,), (N,), (Z,), (B,))
def tolist(x):
    a, b, c = x.tolist()
    if a > b:
        return x * c
    return x * a


@case((X,), (N,), (Z,), (B,))
def aug_ops(x):
    y = x.clone()
    y += 1
    y *= 2
    y -= x
    y /= 2
    y **= 2
    n = 3
    n <<= 1
    n |= 1
    if y.sum() > n:
        y //= 2
    return y


@case((X,), (N,), (Z,), (B,))
def while_else_break(x):
    i = 0
    while i < 4:
        if x.sum() > i + 3:
            break
        x = x + 1
        i += 1
    else:
        return x * 10
    return x


@case((X,), (N,), (Z,), (B,))
def multi_target(x):
    a = b = x
    if x.sum() > 0:
        a = a + 1
    return a - b, a + b


@case((X,), (N,), (Z,), (B,), unreached=1)
def nonbool_cond(x):
    if x[0]:
        return x + 1
    if int(x[1]) & 1:
        return x
    return x - 1


@case((X,), (N,), (Z,), (B,))
def try_ok(x):
    try:
        y = x.nope
    except AttributeError:
        y = x * 2
    if y.sum() > 0:
        return y
    return x


@case((X,), (N,), (Z,), (B,), unreached=1)
def ctx_mgr(x):
    with contextlib.nullcontext() as c, torch.no_grad():
        for i in range(3):
            if x.sum() > i:
                return x * i
    return x


@case((X,), (N,), (Z,), (B,))
def slices(x):
    y = x[:-1]
    if y.sum() < 0:
        y = y.flip(0)
    return torch.cat([y, x[-1:]])


@case((X,), (N,), (Z,), (B,))
def chained_methods(x):
    return x.clamp(min=0).sum().sqrt() if (x > 0).any() else x.abs().mean()


@case((X,), (N,), (Z,), (B,))
def endless_loop_left_by_return(x):
    n = 0
    while True:
        x = x + 1
        n += 1
        if x.sum() > 5:
            return x, n
        if n > 3:
            return x * 2, n


@case((X,), (N,), (Z,), (B,))
def tensors_of_numbers(x):
    s = x.sum().item()
    t = torch.tensor([s, 1, x[0].item()])
    if t.max() > 2:
        return torch.tensor(int(s)), t
    return torch.tensor(2), t


@case((X,), (N,), (Z,), (B,))
def argument_is_sorted_and_read_again(x):
    """IREE would sort and write in the buffer of the argument, which the sides read afterwards."""
    y = x.sort()[0]
    z = x.clone()
    z[0] = 9.0
    if y.sum() > 0:
        return y + x, z
    return x.cumsum(0), z - x


@case((torch.tensor(0.1),), (torch.tensor(0.9),), (torch.tensor(0.5),))
def numbers_are_rounded_as_the_tensor_is(x):
    """0.1 in f32 is more than 0.1 in f64; torch compares in the tensor's precision, Python's numbers in f64."""
    if x > 0.1:
        return x >= 0.9, x == 0.9
    return x == 0.1, torch.tensor(x.item() > 0.1)


@case((X,), (N,), (Z,), (B,))
def written_on_one_side_assigned_on_the_other(x):
    total = x * 2
    if x.sum() > 0:
        total -= 5
    else:
        total = total * total
    return total


@case((X,), (N,), (Z,), (B,))
def written_through_a_list_or_a_view(x):
    total = x * 2
    held, head = [total, x], total[:2]
    if x.sum() > 0:
        total.mul_(3)
    else:
        held[0], head = x - 1, x[1:]
    return held, head, total


@case((X,), (N,), (Z,), (B,))
def written_before_a_return(x):
    total = x * 2
    if x.sum() > 0:
        total += 1
        return total
    total = x - total
    return total


@case((X,), (N,), (Z,), (B,))
def items_that_a_loop_leaves_alone(x):
    """The list's second item stays the tensor that `total` is, and its third a constant."""
    total = torch.zeros(3)
    record = [0, total, 3]
    while total.sum() < 4:
        record[0] += 1
        record[1] += torch.ones(record[2])
        if record[0] > 1:
            break
        if x.sum() > 5:
            total += 2
    return record, total


@case((X,), (N,), (Z,), (B,))
def fresh_tensor_written_before_it_is_bound_again(x):
    """Nothing but the variable knows the tensor that the first iteration writes."""
    h = x * 2
    if x.sum() > 1:
        while h.sum() < 30:
            h.add_(1)
            h = h * 1.5
    else:
        h = h + 1
    return h, x


@case((torch.tensor(2.0), torch.tensor(3)), (torch.tensor(-1.0), torch.tensor(2)), (torch.tensor(4.0), torch.tensor(1)))
def inner_loop_left_by_both_sides(x, n):
    while x > 0:
        x = x - 1
        n = n - 1
        while n > 0:
            n = n - 1
            if (x + n) > 3:
                break
            else:
                continue
            x = x + n
    return x


@case((torch.tensor(1),), (torch.tensor(-3),), (torch.tensor(4),), (torch.tensor(0),), unreached=1)
def range_with_a_step_on_data(n):
    up, down = 0, 0
    for i in range(-3, 6, n):
        up = up * 10 + i
    for i in range(9, n, n):
        down = down * 10 + i
    return up, down


@case((X,), (N,), (Z,), (B,))
def tensor_of_tensors(x):
    total, first = x.sum(), x[:1]
    both = torch.tensor([total, first, 2])
    if both.max() > 2:
        return torch.tensor([[total, 1], [first, 3.5]], dtype=torch.float64), both
    return torch.tensor([[first, x[1]], [1, 2]], dtype=torch.float64), both


@case((X,), (N,), (Z,), (B,))
def layers_made_on_the_way(x):
    slope = torch.nn.PReLU(init=0.5)
    if x.sum() > 0:
        return slope(x) + torch.nn.BatchNorm1d(3).eval()(x[None])[0]
    return slope(x)


@case((X,), (N,), (Z,), (B,))
def function_named_super(x):
    def super():  # noqa: A001
        return {"add": lambda v: v + 5}

    if x.sum() > 0:
        return super()["add"](x)
    return x


@case((X,), (N,), (Z,), (B,))
def truth_of_many_elements(x):
    if x.sum() > 0:
        return x
    try:
        return x * bool(x)
    except RuntimeError as error:
        return x * len(str(error))


ONES = tuple((torch.tensor(v),) for v in (1.0, 3.0, 4.0, 9.0, -5.0))


@case(*ONES, unreached=3)
def argument_is_written_in_the_first_iteration_only(x):
    while x < 5:
        if x <= 3:
            break
        x -= 2
        x = x + 1
    return x


@case(*ONES)
def value_is_written_in_place_and_assigned(x):
    y = x.abs()
    while y < 50:
        y += 1
        y = y * 2
    return y


@case(*ONES, unreached=1)
def two_variables_are_one_tensor_before_a_loop(x):
    a = b = x.abs() + 1
    while a < 9:
        b = b + a
        a += 1
        a = a * 1
    return a, b


@case(*ONES, unreached=1)
def last_value_is_the_tensor_that_is_written(x):
    now, last, total = x * 1, x * 1, x * 0
    while now < 8:
        now += 1
        total = total + last
        last = now
    return total, now


@case(*ONES)
def written_variables_are_swapped(x):
    a, b = x.abs(), x * 2
    while a < 9:
        a, b = b, a
        a += 3
    return a, b


@case(*ONES)
def list_items_are_written_in_place_and_assigned(x):
    held = [x.abs(), x]
    while held[0] < 20:
        held[0] += 1
        held[0] = held[0] * 2
        held[1] = held[0] + 1
    return held


@case(*ONES, unreached=2)
def argument_is_written_until_it_is_copied(x):
    n = 0
    y = x
    while True:
        y += 1
        n += 1
        if y > 3:
            break
        y = y.clone()
    return y, n


@case(*ONES)
def written_in_a_loop_on_one_side(x):
    y = x.abs()
    if x > 0:
        while y < 50:
            y += 1
            y = y * 2
        y += 1
    return y


@case(*ONES, unreached=1)
def items_of_a_tuple_are_written_in_turn(x):
    pair, n = (x * 1, x * 2), 0
    while n < x.abs():
        first, second = pair
        first += 1
        pair = (second, first * 1)
        n += 1
    return pair
