"""Pages in the sandbox of Lightrail V2: how a list is cut, and the links from one page to the others."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from mappers.lightrail_sandbox import Json

MAXIMUM_LIMIT = 1000


def place(row: Json) -> tuple[str, str]:
    """Return what lists are ordered by: the second, and within one the id, which says nothing."""
    return row["createdDate"], row["id"]


def page(path: str, query: Mapping[str, str], rows: Iterable[Json]) -> tuple[list[Json], dict[str, str]]:
    """Return the page of `rows` that `query` asks for, newest first, and headers with links relative to the host.

    As at the real server, only a short page that was linked to is known to be the end: others link on to an empty one.
    """
    limit = min(max(int(query.get("limit", 100)), 1), MAXIMUM_LIMIT)
    after, before, last = (query.get(name, "") for name in ("after", "before", "last"))
    found = sorted(rows, key=place, reverse=True)
    if after:
        found = [row for row in found if place(row) < _decoded(after)][:limit]
    elif before:
        found = [row for row in found if place(row) > _decoded(before)][-limit:]
    else:
        found = found[-limit:] if last else found[:limit]
    short = len(found) < limit
    at_first = short if before else not (after or last)
    at_last = short if after else bool(last)
    links: dict[str, dict[str, str]] = {}
    if found and not at_first:
        links |= {"first": {}, "prev": {"before": _encoded(found[0])}}
    if found and not at_last:
        links |= {"next": {"after": _encoded(found[-1])}, "last": {"last": "true"}}
    kept = {name: value for name, value in query.items() if name not in ("after", "before", "last")}
    link = ",".join(f'<{path}?{urlencode(kept | more)}>; rel="{relation}"' for relation, more in links.items())
    return found, {"Limit": str(limit), "Max-Limit": str(MAXIMUM_LIMIT), "Link": link}


def _encoded(row: Json) -> str:
    return base64.b64encode(json.dumps(place(row)).encode()).decode().replace("=", "_")


def _decoded(cursor: str) -> tuple[str, str]:
    date, name = json.loads(base64.b64decode(cursor.replace("_", "=")))
    return date, name
