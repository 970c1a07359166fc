"""Knows which handler of DCI stands at which path. Does not know what handlers do.

Paths end with or without a slash; an id is a uuid, or there is no such path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from cibeacon.sandbox import dci_changes as changes
from cibeacon.sandbox import dci_files as files
from cibeacon.sandbox import dci_jobs as jobs
from cibeacon.sandbox import dci_topics as topics
from cibeacon.sandbox.dci_answers import Page
from cibeacon.sandbox.dci_call import Asked
from cibeacon.sandbox.exchange import Answer

PREFIX = "/api/v1"
Handler: TypeAlias = Callable[[Asked], Answer]

_ROUTES: Mapping[str, Mapping[str, Handler]] = {
    "/identity": {"GET": topics.identity},
    "/topics": {"GET": topics.topics},
    "/topics/ID": {"GET": topics.topic},
    "/topics/ID/components": {"GET": topics.components},
    "/components/ID": {"GET": topics.component},
    "/remotecis": {"GET": topics.remotecis},
    "/jobs": {"GET": jobs.jobs, "POST": jobs.create},
    "/jobs/schedule": {"POST": jobs.schedule},
    "/jobs/ID": {"GET": jobs.job, "PUT": changes.update, "DELETE": changes.delete},
    "/jobs/ID/jobstates": {"GET": changes.states},
    "/jobs/ID/files": {"GET": files.files},
    "/jobs/ID/results": {"GET": files.results},
    "/jobs/ID/kv": {"POST": changes.add_value},
    "/jobstates": {"POST": changes.add_state},
    "/files": {"POST": files.add},
    "/files/ID/content": {"GET": files.content},
    "/files/ID": {"GET": files.file, "DELETE": files.delete},
}
_ID = "([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"
_PATTERNS = [(re.compile(path.replace("ID", _ID) + "/?"), handlers) for path, handlers in _ROUTES.items()]


def found(method: str, path: str) -> tuple[Handler, tuple[str, ...]]:
    """The handler and the ids in the path, which stands without `/api/v1`. Raises the framework's pages 404 and 405."""
    for pattern, handlers in _PATTERNS:
        if match := pattern.fullmatch(path):
            handler = handlers.get("GET" if method == "HEAD" else method)
            if handler is None:
                raise Page(405)
            return handler, tuple(each.lower() for each in match.groups())
    raise Page(404)
