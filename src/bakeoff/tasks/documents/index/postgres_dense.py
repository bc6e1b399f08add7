"""The nearest chunks of a scope, chosen by pgvector: exactly, without an index, and with a margin for its rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bakeoff.tasks.documents.index.directory import Directory
from bakeoff.tasks.documents.index.postgres_rows import asked, unwire
from bakeoff.tasks.documents.index.vector_cache import margin
from bakeoff.tasks.documents.records import Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from psycopg import Connection

_NEAREST = """SELECT v.document, v.ordinal, v.embedding, (v.embedding <#> %(vector)s::vector) AS distance
    FROM vectors v {where} ORDER BY distance LIMIT %(most)s"""
_AMONG = "v.document = ANY(%(documents)b)"
_WITHOUT = """NOT EXISTS (SELECT FROM unnest(%(gone)b::int8[], %(ordinals)b::int4[]) AS g(document, ordinal)
    WHERE g.document = v.document AND g.ordinal = v.ordinal)"""


def nearest(db: Connection, directory: Directory, vector: NDArray, scope: Scope, limit: int) -> tuple[NDArray, NDArray]:
    """Chunks in scope that can be among the `limit` best by cosine, and their vectors, to be scored again by `vector_cache.exact_cosines`.

    pgvector adds up in float32, in an order that depends on the server's processor. `vector_cache.margin` bounds what that can do to a
    cosine, so all chunks within it of the last of the best are taken.

    Parameters
    ----------
    db : Connection
        Inside a question.
    directory : Directory
        As of the same moment.
    vector : array of shape (dimensions,), float32, length 1
        Of the corpus' dimensions.
    limit : int
        At least 1.

    Returns
    -------
    numbers : array of shape (m,), int64
        As the directory counts chunks; m is at least the smaller of `limit` and the chunks in scope.
    rows : array of shape (m, dimensions), float32
    """
    conditions, among = [], []
    if scope.principals is not None or scope.documents is not None:
        conditions.append(_AMONG)
        among = [entry.id for entry in directory.readable(scope)]
    gone: list[tuple[int, int]] = []
    if scope.without:
        inside = directory.inside(scope, asked(db))
        for name in {ref.document for ref in scope.without} & directory.by_name.keys():
            entry = directory.by_name[name]
            gone += [(entry.id, n) for n in np.flatnonzero(~inside[entry.first : entry.first + entry.count]).tolist()]
    if gone:
        conditions.append(_WITHOUT)
    statement = _NEAREST.format(where="WHERE " + " AND ".join(conditions) if conditions else "")
    # A number as Python writes it, the shortest that is the same float64, is the same float32 again.
    given = {
        "vector": "[" + ",".join(map(repr, vector.astype(np.float64).tolist())) + "]",
        "documents": among, "gone": [id for id, _ in gone], "ordinals": [ordinal for _, ordinal in gone],
    }  # fmt: skip
    db.execute("SET LOCAL enable_seqscan = on")
    slack, most = margin(len(vector)), limit + max(20, limit // 2)
    while True:
        rows = db.execute(statement, {**given, "most": most}, binary=True).fetchall()
        worst = rows[limit - 1][3] + slack if len(rows) >= limit else np.inf
        if len(rows) < most or rows[-1][3] > worst:
            break
        most *= 4
    rows = [row for row in rows if row[3] <= worst]
    numbers = [directory.entries[id].first + ordinal for id, ordinal, _, _ in rows]
    return np.array(numbers, np.int64), unwire([row[2] for row in rows], len(vector))
