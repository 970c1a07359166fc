"""A GitLab that knows one pipeline of one project."""

from cibeacon.sandbox.listener import Listener
from listening import answering, in_json

SHA = "5" * 40
RECORD = {
    "id": 77,
    "status": "canceled",
    "ref": "feature/wheel",
    "tag": False,
    "sha": SHA,
    "name": None,
    "created_at": "2026-01-04T10:00:00.123Z",
    "updated_at": "2026-01-04T11:00:00.000Z",
    "finished_at": "2026-01-04T10:07:00.000Z",
    "web_url": "https://gitlab.example.com/acme/shop/-/pipelines/77",
    "user": {"username": "robin"},
}


class GitLab(Listener):
    """Knows one pipeline of one project, and tells it to whoever has the token."""

    def __init__(self, record):
        super().__init__(answering(self._answer))
        self.record, self.seen = record, []

    def _answer(self, request):
        self.seen.append(request.path)
        if request.headers.get("PRIVATE-TOKEN") != "gitlab-token":
            return in_json(404, {"message": "404 Not Found"})
        if request.path != "/api/v4/projects/acme%2Fshop/pipelines/77":
            return in_json(404, {"message": "404 Not Found"})
        return in_json(200, self.record)
