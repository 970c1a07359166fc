"""Knows the body of a request to DCI while it streams in: digest, size, content, test cases. Does not know sockets.

No body is held in memory: what may be read again lies in a temporary file without a name, the rest is only counted.
"""

from __future__ import annotations

import hashlib
import tempfile

from cibeacon.sandbox.dci_junit import Junit

_IN_MEMORY = 1024 * 1024


class Upload:
    """One body. At most `kept` bytes of it can be read again; `junit` hears every piece.

    `form` is true where the server takes the body for a form: then the bytes that it looks at are none.
    """

    def __init__(self, kept: int, junit: Junit | None = None, *, form: bool = False) -> None:
        self.size = 0
        self.junit = junit
        self._kept, self._form = kept, form
        self._digest = hashlib.sha256()
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it outlives the request

    def write(self, piece: bytes) -> None:
        """Take the next piece."""
        self.size += len(piece)
        if self._form:
            return
        self._digest.update(piece)
        if self.size <= self._kept:
            self._file.write(piece)
        elif self.size - len(piece) <= self._kept:
            self._file.truncate(0)
        if self.junit:
            self.junit.write(piece)

    @property
    def sha256(self) -> str:
        """Digest of the body as the server sees it, in hexadecimal digits."""
        return self._digest.hexdigest()

    def content(self) -> bytes | None:
        """The body, or None when it was too large to keep or is closed."""
        if self._file.closed or self.size > self._kept:
            return None
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Forget the content."""
        self._file.close()
