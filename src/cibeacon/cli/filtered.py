"""What the flag `--jq` makes of a document, for verbs that show one and no report. Does not know the document."""

from __future__ import annotations

from typing import Any

from cibeacon.errors import SettingsError
from cibeacon.process.world import World
from cibeacon.sanitise import block, clipped, json_text

_WIDTH = 500


def filtered(document: Any, program: str | None, world: World) -> str:
    """The document, or what the program makes of it; one that fails costs a warning."""
    if program is None:
        return json_text(document, indent=2)
    from cibeacon import reshape  # 5 ms that only a program costs

    try:
        results = reshape.run(program, document, seconds=reshape.SECONDS, environ=world.environ)
    except SettingsError as error:
        world.err.write(f"{clipped(f'warning: jq was not applied: {error}', _WIDTH)}\n")
        return json_text(document, indent=2)
    return "\n".join(block(each) if isinstance(each, str) else json_text(each, compact=True) for each in results)
