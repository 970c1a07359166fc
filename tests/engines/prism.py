"""Knows how to run Prism, which serves what an OpenAPI document describes, or stands before a server and checks it.

Does not know any API. https://github.com/stoplightio/prism
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from threading import Event, Thread
from typing import Any

PROGRAM = Path(__file__).parent / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
PATIENCE = 120
"""Seconds that a start may take on a busy machine."""


class Prism:
    """A Prism for `document`, written to `folder`; a context manager. What breaks the contract is an error.

    Args:
        upstream: URL of the server whose answers are checked; without it the answers are the document's examples.
    """

    def __init__(self, document: dict[str, Any], folder: Path, upstream: str | None = None) -> None:
        path = folder / "openapi.json"
        path.write_text(json.dumps(_readable(document)), encoding="utf-8")
        verb = ["proxy", str(path), upstream] if upstream else ["mock", str(path)]
        self._command = ["node", str(PROGRAM), *verb, "--host", "127.0.0.1", "--port", "0", "--errors"]
        self._log: list[str] = []
        self._settled = Event()
        self.url = ""

    def __enter__(self) -> Prism:
        surroundings = {"PATH": os.environ["PATH"], "NO_COLOR": "1"}
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=surroundings, text=True
        )
        self._reader = Thread(target=self._read)
        self._reader.start()
        settled = self._settled.wait(PATIENCE)
        if not settled or not self.url:
            self.__exit__()
            raise RuntimeError("Prism did not start:\n" + "\n".join(self._log))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # it has nothing to tidy up
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                self._log.append(line.rstrip())
                if found := re.search(r"listening on (http://[\d.]+:\d+)", line):
                    self.url = found[1]
                    self._settled.set()
        self._settled.set()


def _readable(document: dict[str, Any]) -> dict[str, Any]:
    """The same without parameters that have brackets in their name: Prism looks for the brackets encoded."""

    def read(value: Any) -> Any:
        if isinstance(value, list):
            return [read(each) for each in value if not (isinstance(each, dict) and "[" in str(each.get("name")))]
        return {key: read(each) for key, each in value.items()} if isinstance(value, dict) else value

    return read(document)
