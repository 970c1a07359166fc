"""What may leave of a file: all of it, or a copy without tokens where the settings ask for one. Sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from cibeacon.model.request import Request
from cibeacon.runtime.cleanup import OwnFolder
from cibeacon.runtime.errors import ScrubError
from cibeacon.settings import Settings


def cleaning(
    settings: Settings, environ: Mapping[str, str]
) -> Callable[[Request, float], AbstractContextManager[Request]] | None:
    """For a courier: what makes of a call with a file one with what may leave of it; None where everything may.

    `environ` is looked at for what Python itself needs to start.
    """
    if not settings.dci.dci_redact:
        return None
    from cibeacon.files import scrub

    patterns = settings.dci.dci_redact_patterns or scrub.DEFAULTS

    @contextmanager
    def clean(call: Request, seconds: float) -> Iterator[Request]:
        source, mime = call.file, (call.headers or {}).get("DCI-MIME", "")
        with _place(source, mime) as place:
            if source and place:
                copy = place / source.name
                scrub.scrub(source, copy, patterns, seconds=seconds, environ=environ)
                call = call._replace(file=copy)
            yield call

    def _place(source: Path | None, mime: str) -> AbstractContextManager[Path | None]:
        """A folder for the copy; none for what is no text."""
        try:
            return OwnFolder() if source and scrub.is_text(source, mime) else nullcontext()
        except OSError as error:
            hint = "Look at the file and at the space for temporary files."
            raise ScrubError("A file is not redacted", f"it cannot be copied ({error.strerror})", hint) from error

    return clean
