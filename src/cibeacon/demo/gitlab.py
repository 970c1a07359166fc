"""Simulates GitLab's API for looking up a commit's merge request. Does not know git.

https://docs.gitlab.com/api/commits/#list-merge-requests-associated-with-a-commit and
https://docs.gitlab.com/api/merge_requests/#get-single-mr.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException

from cibeacon.demo.monorepo import Merged


def create_app(merged: Merged) -> FastAPI:
    """A GitLab with one project that has one merge request."""
    app = FastAPI(openapi_url=None)
    record = {
        "iid": merged.number,
        "state": "merged",
        "source_branch": merged.head_ref,
        "target_branch": "main",
        "merge_commit_sha": merged.merge_sha,
        "sha": merged.head_sha,
        "diff_refs": {"base_sha": merged.base_sha, "head_sha": merged.head_sha, "start_sha": merged.base_sha},
    }

    @app.get("/api/v4/projects/{project:path}/repository/commits/{sha}/merge_requests")
    async def list_merge_requests(sha: str) -> list[dict[str, Any]]:
        return [record] if sha in (merged.merge_sha, merged.head_sha) else []

    @app.get("/api/v4/projects/{project:path}/merge_requests/{iid}")
    async def show_merge_request(iid: int) -> dict[str, Any]:
        if iid != merged.number:
            raise HTTPException(404)
        return record

    return app
