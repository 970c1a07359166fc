"""The courier's dry-run twin: shows the calls of a dialogue and sends nothing. Opens no socket, needs no token."""

from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.model.outcome import Outcome
from cibeacon.model.request import Dialogue
from cibeacon.runtime.deadline import Budget


class Rehearsal(NamedTuple):
    """Carries nothing anywhere. A base URL that nobody set is shown as a hole, such as `{dx_url}`."""

    base_urls: Mapping[str, str]

    def carry(self, dialogue: Dialogue, row: Outcome, budget: Budget | None = None) -> Outcome:
        """The signal's row with the request that would be made; it takes no time."""
        call = next(dialogue)
        dialogue.close()
        request = call.shown(self.base_urls.get(row.sink, f"{{{row.sink}_url}}"))
        return row._replace(word="rehearsed", request=request)
