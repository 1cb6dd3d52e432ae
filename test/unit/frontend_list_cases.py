# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Functions of the corpus with containers and Python's library on numbers on data. See `frontend_cases.py`."""

# ruff: noqa: B905, C417, RUF007 (written as users write it)

from __future__ import annotations

import bisect
import heapq
import itertools
from collections import Counter, defaultdict
from itertools import accumulate, dropwhile, groupby, takewhile

import torch
from frontend_cases import case

IDS = tuple(
    (torch.tensor(v),)
    for v in ([1, 2, 2, 3, 1, 0], [0] * 6, [5, 4, 3, 2, 1, 0], [2, 2, 2, 7, 7, 1], [1, 0, 1, 0, 3, 3])
)


@case(*IDS)
def keeps_each_once(ids):
    seen = set()
    out = []
    for i in ids.tolist():
        if i not in seen:
            seen.add(i)
            out.append(i)
    return out, len(seen)


@case(*IDS)
def sets_of_numbers(ids):
    a, b = set(ids[:3].tolist()), set(ids[3:].tolist())
    first = min(a) if a & b else -1
    return len(a | b), sorted(a - b), sorted(a ^ b), a <= b, a.isdisjoint(b), first, max(b), sum(a)


@case(*IDS)
def set_that_a_loop_fills(ids):
    seen = set()
    repeated = 0
    for n in ids[ids > 0].tolist():
        if n in seen:
            repeated += 1
        seen.add(n)
    seen.discard(2)
    return repeated, len(seen), sorted(seen), 3 in seen


@case(*IDS)
def pairs_seen_before(ids):
    tokens = ids.tolist()
    grams = set()
    repeated = 0
    for gram in zip(tokens, tokens[1:]):
        if gram in grams:
            repeated += 1
        grams.add(gram)
    return repeated


@case(*IDS, unreached=1)
def counts_in_a_dict(ids):
    counts = {}
    for n in ids.tolist():
        counts[n] = counts.get(n, 0) + 1
    best = max(counts, key=counts.get)
    if counts[best] > 2:
        return best, len(counts), list(counts.items())
    return best, sorted(counts.values()), list(counts)


@case(*IDS, unreached=2)
def dict_of_known_keys_counts(ids):
    counts = dict.fromkeys(range(6), 0)
    for n in ids.tolist():
        counts[n] += 1
    if counts[0] > 1:
        return counts[0]
    return counts[1] + 10


@case(*IDS, unreached=1)
def numbered_in_order(ids):
    number = {}
    out = []
    for n in ids.tolist():
        if n not in number:
            number[n] = len(number)
        out.append(number[n])
    return torch.tensor(out)


@case(*IDS)
def counter_of_numbers(ids):
    counts = Counter(ids.tolist())
    (best, n), *_ = counts.most_common(1)
    if n > 2:
        return best, counts[2]
    return n, counts[100], len(counts), counts.most_common(2)


@case(*IDS)
def default_counts(ids):
    counts = defaultdict(int)
    for n in ids.tolist():
        counts[n] += 1
    return sorted(counts.items()) if counts[0] > 1 else counts[1]


@case(*IDS, unreached=2)
def places_of_numbers(ids):
    tokens = ids.tolist()
    i = tokens.index(2) if 2 in tokens else -1
    j = tokens.index(2, i + 1) if tokens.count(2) > 1 else -1
    try:
        k = tokens.index(1, 1, -1)
    except ValueError:
        k = -2
    return i, j, k


@case(*IDS, unreached=2)
def run_lengths(ids):
    values, lengths = [], []
    for value, run in groupby(ids.tolist()):
        values.append(value)
        lengths.append(len(list(run)))
    if lengths[0] > 2:
        return values
    return torch.tensor(values), torch.tensor(lengths)


@case(*IDS)
def starts_and_ends(ids):
    head = list(takewhile(lambda v: v != 3, ids.tolist()))
    tail = list(dropwhile(lambda v: v < 3, ids.tolist()))
    grown = list(accumulate(ids.tolist(), max))
    return head + tail if len(head) > len(tail) else grown


@case(*IDS)
def buckets(ids):
    bounds = [1, 3, 5]
    found = [bisect.bisect_right(bounds, v) for v in ids.tolist()]
    return found if found[0] > 1 else bisect.bisect_left(sorted(ids.tolist()), 2)


@case(*IDS)
def kept_in_order(ids):
    kept = []
    for v in ids.tolist():
        bisect.insort(kept, v)
    if kept[0] > 0:
        return kept
    return kept[::-1]


@case(*IDS)
def three_largest_by_a_heap(ids):
    heap = []
    for v in ids.tolist():
        if len(heap) < 3:
            heapq.heappush(heap, v)
        elif v > heap[0]:
            heapq.heapreplace(heap, v)
    return heap, heapq.nlargest(2, ids.tolist())


@case(*IDS)
def pairs_from_a_heap(ids):
    heap = []
    for i, v in enumerate(ids.tolist()):
        heapq.heappush(heap, (-v, i))
    first, second = heapq.heappop(heap), heapq.heappop(heap)
    return first if first[0] == second[0] else (second, heap)


@case(*IDS)
def orders_of_pairs(ids):
    pairs = [(v, i) for i, v in enumerate(ids.tolist())]
    if max(pairs) > (2, 4):
        return sorted(pairs), max(pairs, key=lambda p: p[0]), min(pairs)
    return sorted(pairs, key=lambda p: (-p[0], p[1]))


@case(*IDS)
def filtered_and_mapped(ids):
    large = list(filter(lambda v: v > 1, ids.tolist()))
    if len(large) > 2:
        return list(map(float, large)), list(filter(None, ids.tolist()))
    return list(map(lambda v: v * 2, ids.tolist()))


@case(*IDS)
def first_matches_and_sums(ids):
    tokens = torch.unique(ids).tolist()
    first = next((i for i, v in enumerate(tokens) if v > 2), -1)
    if any(v > 4 for v in tokens):
        return first, sum(1 for v in tokens if v > 1)
    return all(v < 3 for v in tokens), sum(v * v for v in tokens)


@case(*IDS, unreached=2)
def lists_of_unknown_length(ids):
    tokens = torch.unique(ids).tolist()
    doubled = [v * 2 for v in tokens]
    if 4 in doubled:
        doubled.remove(4)
    return doubled, doubled[::-1], [b - a for a, b in zip(tokens, tokens[1:])], doubled == tokens


@case(*IDS, unreached=3)
def sorted_lists_of_unknown_length(ids):
    tokens = ids[ids > 1].tolist()
    tokens.sort(reverse=True)
    if not tokens:
        return min(tokens, default=-1)
    return sorted(tokens), tokens.index(max(tokens)), tokens.count(2), sorted(tokens, key=lambda v: -v)


@case(*IDS, unreached=3)
def items_of_unknown_lists_change(ids):
    tokens = ids[ids > 0].tolist()
    if len(tokens) > 3:
        tokens[1] = 9
        tokens.insert(2, 8)
        del tokens[0]
        return tokens, tokens.pop(0), tokens[-1]
    return tokens


@case(*IDS, unreached=3)
def queue_that_is_emptied(ids):
    queue = torch.unique(ids).tolist()
    out = []
    while queue:
        v = queue.pop(0)
        if v != 3:
            out.append(v)
    return torch.tensor(out)


@case(*IDS)
def neighbours(ids):
    tokens = ids[ids > 0].tolist()
    steps = [b - a for a, b in itertools.pairwise(tokens)]
    return steps if any(steps) else list(itertools.chain(tokens, [7]))
