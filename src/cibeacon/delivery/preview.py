"""The courier's dry-run twin: shows the calls of a dialogue and sends nothing. Opens no socket, needs no token."""

from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.model.outcome import Outcome
from cibeacon.model.request import Exchange, Request
from cibeacon.runtime.deadline import Deadline


class Preview(NamedTuple):
    """Carries nothing anywhere. A base URL that nobody set is shown as a hole, such as `{dx_url}`."""

    base_urls: Mapping[str, str]

    def send(self, exchange: Exchange, row: Outcome, deadline: Deadline | None = None) -> Outcome:
        """The signal's row with the request that would be made; it takes no time."""
        request = next(exchange)
        exchange.close()
        return self.show(request, row)

    def show(self, request: Request, row: Outcome) -> Outcome:
        """The signal's outcome with a request that would be made."""
        shown = request.shown(self.base_urls.get(row.sink, f"{{{row.sink}_url}}"))
        return row._replace(status="dry-run", request=shown)
