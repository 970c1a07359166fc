"""Knows which handler of DataOps.live stands at which path, and who may reach it. Does not know what handlers do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from cibeacon.sandbox import dataops_jobs as jobs
from cibeacon.sandbox import dataops_pipelines as pipelines
from cibeacon.sandbox import dataops_project as project
from cibeacon.sandbox import dataops_schedules as schedules
from cibeacon.sandbox.dataops_answers import Refusal
from cibeacon.sandbox.dataops_call import Asked
from cibeacon.sandbox.dataops_powers import Route
from cibeacon.sandbox.dataops_trace import trace
from cibeacon.sandbox.exchange import Answer

PREFIX = "/api/v4"


def _change(handler: Callable[[Asked], Answer]) -> Route:
    return Route(handler=handler, role="developer", write=True)


_PIPELINES = {
    "": {"GET": Route(handler=project.project, role="guest", nobody=404)},
    "/repository/branches/ID": {"GET": Route(handler=project.branch, nobody=404)},
    "/repository/tags/ID": {"GET": Route(handler=project.tag, nobody=404)},
    "/repository/commits/ID": {"GET": Route(handler=project.commit, nobody=404)},
    "/trigger/pipeline": {"POST": Route(handler=pipelines.trigger, open=True)},
    "/pipeline": {"POST": _change(pipelines.create)},
    "/pipelines": {"GET": Route(handler=pipelines.pipelines, nobody=404)},
    "/pipelines/latest": {"GET": Route(handler=pipelines.latest, nobody=404)},
    "/pipelines/ID": {"GET": Route(handler=pipelines.pipeline, nobody=404)},
    "/pipelines/ID/variables": {"GET": Route(handler=pipelines.variables, nobody=404)},
    "/pipelines/ID/cancel": {"POST": _change(pipelines.cancel)},
    "/pipelines/ID/retry": {"POST": _change(pipelines.retry)},
    "/pipelines/ID/jobs": {"GET": Route(handler=jobs.of_pipeline, job_token=True, nobody=404)},
    "/pipelines/ID/bridges": {"GET": Route(handler=jobs.bridges, nobody=404)},
}
_JOBS = {
    "/jobs": {"GET": Route(handler=jobs.of_project, job_token=True)},
    "/jobs/ID": {"GET": Route(handler=jobs.job)},
    "/jobs/ID/trace": {"GET": Route(handler=trace)},
    "/jobs/ID/play": {"POST": _change(jobs.play)},
    "/jobs/ID/retry": {"POST": _change(jobs.retry)},
    "/jobs/ID/cancel": {"POST": _change(jobs.cancel)},
    "/jobs/ID/erase": {"POST": _change(jobs.erase)},
}
_SCHEDULES = {
    "/pipeline_schedules": {"GET": Route(handler=schedules.schedules), "POST": _change(schedules.create)},
    "/pipeline_schedules/ID": {
        "GET": Route(handler=schedules.schedule),
        "PUT": _change(schedules.update),
        "DELETE": _change(schedules.delete),
    },
    "/pipeline_schedules/ID/play": {"POST": _change(schedules.play)},
    "/pipeline_schedules/ID/take_ownership": {"POST": _change(schedules.take_ownership)},
    "/pipeline_schedules/ID/pipelines": {"GET": Route(handler=schedules.pipelines)},
    "/pipeline_schedules/ID/variables": {"POST": _change(schedules.add_variable)},
    "/pipeline_schedules/ID/variables/ID": {
        "GET": Route(handler=schedules.variable),
        "PUT": _change(schedules.variable),
        "DELETE": _change(schedules.variable),
    },
}
_ROUTES: Mapping[str, Mapping[str, Route]] = {
    **{f"/projects/ID{path}": routes for path, routes in (_PIPELINES | _JOBS | _SCHEDULES).items()},
    "/user": {"GET": Route(handler=project.user, of_project=False)},
    "/version": {"GET": Route(handler=project.version, of_project=False)},
    "/personal_access_tokens/self": {"GET": Route(handler=project.token, of_project=False)},
}
_PATTERNS = [(re.compile(path.replace("ID", "([^/]+)")), routes) for path, routes in _ROUTES.items()]


def found(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """The route and what stands in the path, which is without `/api/v4`. Raises 404 and 405."""
    for pattern, routes in _PATTERNS:
        if match := pattern.fullmatch(path):
            route = routes.get("GET" if method == "HEAD" else method)
            if route is None:
                raise Refusal(405, {"error": "405 Not Allowed"})
            return route, match.groups()
    raise Refusal(404, {"error": "404 Not Found"})
