"""Knows a run on Forgejo Actions, which sets the same variables as Gitea Actions. Does not call an API.

https://forgejo.org/docs/latest/user/actions/reference/
"""

from cibeacon.ci.gitea import Gitea


class Forgejo(Gitea):
    """Forgejo Actions."""

    name = "forgejo"
    title = "Forgejo Actions"


SYSTEM = Forgejo()
