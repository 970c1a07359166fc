"""A checkout as GitHub's runner makes one, with one merged pull request, and the events about it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import containers

from cibeacon.demo.monorepo import Monorepo

TOKEN = "sandbox-token-e7c1"
"""The key for DX that the steps have."""
EVENTS = Path(__file__).parent.parent / "ci" / "github"


class Shop:
    """A checkout that belongs to another user, as checkouts do, with one merged pull request; and its events."""

    def __init__(self, root, image):
        monorepo = Monorepo(root, {"PATH": "/usr/local/bin:/usr/bin:/bin"})
        self.pull = monorepo.pull_request(
            2, "squash", [{"services/orders/a.py": "2\n"}, {"apps/storefront/b.ts": "2\n"}], ("orders", "storefront")
        )
        self.root, self.before = root, monorepo.git("rev-parse", f"{self.pull.merge_sha}^")
        containers.owned(root, 1001, 121, image)

    def case(self, name):
        """The variables and payload of a case of `tests/ci/github`, about commits that exist here."""
        text = (EVENTS / f"{name}.json").read_text(encoding="utf-8")
        pull = {"ec26c3e57ca3a959ca5aad62de7213c562f8c821": self.pull.head_sha}
        pull |= {"f95f852bd8fca8fcc58a9a2d6c842781e32a215e": self.pull.base_sha}
        earlier = {"0d" * 20: self.before, "380387fbc80638b734a49e1be1c4dfec1c01b33c": self.before}
        known = pull | earlier | {"0" * 40: "0" * 40}
        case = json.loads(re.sub("[0-9a-f]{40}", lambda sha: known.get(sha[0], self.pull.merge_sha), text))
        return case["env"], case["event"]

    def merged(self):
        """The pull request as GitHub's API tells it."""
        return {
            "number": 2,
            "id": 279147437,
            "state": "closed",
            "merged_at": "2026-01-05T10:00:00Z",
            "merge_commit_sha": self.pull.merge_sha,
            "head": {"ref": self.pull.head_ref, "sha": self.pull.head_sha},
            "base": {"ref": "main", "sha": self.pull.base_sha},
        }
