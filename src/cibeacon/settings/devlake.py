"""The options for the Apache DevLake webhook that receives deployments."""

import re
from typing import NamedTuple

from cibeacon.model import parsers
from cibeacon.model.request import Endpoint
from cibeacon.settings.options import Requirements, option

_WEBHOOK = re.compile(r"/rest/plugins/webhook/(?:connections/(?:by-name/)?|projects/)?[^/]+$")


def webhook(given: str) -> str:
    """The URL of a webhook without its last part, which selects deployments or issues."""
    address = parsers.url(given).removesuffix("/deployments")
    if not _WEBHOOK.search(address):
        raise ValueError(
            "is not the URL of a DevLake webhook with /rest/ in its path, such as "
            "https://devlake.example.com/api/rest/plugins/webhook/connections/1/deployments"
        )
    return address


class Devlake(NamedTuple):
    """Apache DevLake"""

    devlake_url: str | None = option(
        webhook,
        None,
        "URL of the DevLake webhook for deployments, as DevLake shows it. With devlake_token, deployments go there, too.",
    )
    devlake_token: str | None = option(
        parsers.token, None, "DevLake API key that is allowed to use the webhook.", secret=True
    )

    @property
    def requirements(self) -> Requirements:
        """The settings that are needed before anything can be sent."""
        return Requirements(
            wanted_by=("devlake_url", "devlake_token"),
            not_configured="DevLake is not configured: set devlake_url and the secret devlake_token",
            required={
                "devlake_token": "DevLake's API key is missing or empty: set the secret devlake_token "
                "(variable CIBEACON_DEVLAKE_TOKEN)",
                "devlake_url": "DevLake's URL is missing: set devlake_url to the webhook's URL for deployments",
            },
        )

    @property
    def endpoint(self) -> Endpoint:
        """The webhook's URL and API key."""
        return Endpoint(self.devlake_url or "", self.devlake_token or "")
