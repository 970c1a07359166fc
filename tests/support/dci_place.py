"""The DCI verbs in a folder of their own, with the sandbox's DCI over HTTP."""

from __future__ import annotations

import time
import uuid

import github_step
from dci_talk import Talk
from processes import cibeacon

SUITE = "<testsuite><testcase name='a'/><testcase name='b'><failure/></testcase></testsuite>"


def fresh():
    """Chance, as a process of its own has it."""
    return uuid.uuid4().hex


class Place:
    """A sandbox, a folder, and the command in it."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.folder = sandbox, folder
        self.environ = {**sandbox.dci.account.exports(sandbox.url), "HOME": str(folder)}
        self.ci = github_step.pushed(folder)

    def run(self, *argv, ci=False, cwd="work", **environ):
        environ = {**self.environ, **(self.ci if ci else {}), **environ}
        return cibeacon("dci", *argv, environ=environ, cwd=self.folder / cwd, began=int(time.time()), token=fresh)

    def report(self, stage, **environ):
        environ = {**self.environ, **self.ci, "CIBEACON_STRICT": "true", **environ}
        return cibeacon(
            "report", environ=environ, cwd=self.folder / "work", stage=stage, began=int(time.time()), token=fresh
        )

    def replay(self, *argv, ci=False, **environ):
        environ = {**self.environ, **(self.ci if ci else {}), **environ}
        return cibeacon("replay", *argv, environ=environ, cwd=self.folder / "work", began=int(time.time()), token=fresh)

    def write(self, name, text="x"):
        path = self.folder / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def archive(self, job_id):
        with Talk(self.sandbox.url, time.time()) as talk:
            etag = talk.ask("GET", f"/jobs/{job_id}").json()["job"]["etag"]
            assert talk.ask("DELETE", f"/jobs/{job_id}", headers={"If-Match": etag}).status_code == 204

    def jobs(self):
        return list(self.sandbox.dci.document()["jobs"].values())

    def only(self):
        (job,) = self.jobs()
        return job

    def requests(self):
        return [entry["path"] for entry in self.sandbox.ledger.document()["requests"]]
