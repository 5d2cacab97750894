"""A layered layout on numpy: longest-path layers, then barycentre sweeps (Sugiyama, Tagawa and Toda, 1981)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
COLUMN, ROW = 224.0, 68.0
UPRIGHT_COLUMN, UPRIGHT_ROW = 208.0, 108.0


@dataclass(frozen=True)
class Placed:
    """Positions (n, 2) of node centres, and the edges (m, 2) as node numbers."""

    positions: Floats
    edges: Ints
    layers: Ints
    upright: bool = False


def layers_of(count: int, edges: Ints) -> Ints:
    """Longest-path layer (count,) of each node; edges that close a cycle are ignored."""
    layer = np.zeros(count, dtype=np.int64)
    indegree = np.bincount(edges[:, 1], minlength=count) if len(edges) else np.zeros(count, dtype=np.int64)
    order = np.argsort(edges[:, 0], kind="stable") if len(edges) else np.empty(0, dtype=np.int64)
    targets = edges[order, 1] if len(edges) else np.empty(0, dtype=np.int64)
    starts = (
        np.searchsorted(edges[order, 0], np.arange(count + 1)) if len(edges) else np.zeros(count + 1, dtype=np.int64)
    )
    ready = [int(n) for n in np.flatnonzero(indegree == 0)]
    while ready:
        node = ready.pop()
        for target in targets[starts[node] : starts[node + 1]]:
            layer[target] = max(layer[target], layer[node] + 1)
            indegree[target] -= 1
            if indegree[target] == 0:
                ready.append(int(target))
    return layer


def place(count: int, edges: Ints, sweeps: int = 8, *, aspect: float = 0.0) -> Placed:
    """Lay out ``count`` nodes along their edges (m, 2).

    Layers go from left to right, or from top to bottom where that lets the graph be drawn larger in a
    view whose width to height is ``aspect``.
    """
    edges = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
    layer = layers_of(count, edges)
    rank = _ranks(layer, np.arange(count, dtype=np.float64))
    for sweep in range(sweeps if len(edges) else 0):
        one, other = (0, 1) if sweep % 2 == 0 else (1, 0)
        total = np.bincount(edges[:, other], weights=rank[edges[:, one]], minlength=count)
        degree = np.bincount(edges[:, other], minlength=count)
        wish = np.where(degree > 0, total / np.maximum(degree, 1), rank)
        rank = _ranks(layer, wish)
    sizes = np.bincount(layer, minlength=1)
    offset = (sizes.max(initial=1) - sizes[layer]) / 2
    upright = _upright(len(sizes), int(sizes.max(initial=1)), aspect)
    if not count:
        positions = np.zeros((0, 2))
    elif upright:
        positions = np.column_stack([(rank + offset) * UPRIGHT_COLUMN, layer * UPRIGHT_ROW])
    else:
        positions = np.column_stack([layer * COLUMN, (rank + offset) * ROW])
    return Placed(positions.astype(np.float64), edges, layer, upright)


def _upright(layers: int, widest: int, aspect: float) -> bool:
    """Whether layers from top to bottom fill a view of this aspect better."""
    if not aspect:
        return False
    lying = min(aspect / (layers * COLUMN), 1 / (widest * ROW))
    standing = min(aspect / (widest * UPRIGHT_COLUMN), 1 / (layers * UPRIGHT_ROW))
    return standing > lying


def _ranks(layer: Ints, wish: Floats) -> Floats:
    """Place (n,) of each node in its layer when the layer is ordered by ``wish``."""
    order = np.lexsort((wish, layer))
    sizes = np.bincount(layer, minlength=1)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.empty(len(layer), dtype=np.float64)
    rank[order] = np.arange(len(layer)) - starts[layer[order]]
    return rank
