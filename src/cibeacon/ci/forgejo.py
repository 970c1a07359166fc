"""Knows a run on Forgejo Actions, which says what Gitea Actions says. Does not call an API.

https://forgejo.org/docs/latest/user/actions/reference/
"""

from cibeacon.ci.gitea import Gitea


class Forgejo(Gitea):
    """Forgejo Actions."""

    name = "forgejo"
    title = "Forgejo Actions"


SYSTEM = Forgejo()
