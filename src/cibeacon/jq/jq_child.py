"""The process in which one jq program runs: gives up what it could do, evaluates, answers. Knows nothing of the run.

`jq_filter` runs this file by its path, isolated and with limits as arguments; no module imports it. stdin holds the program as
one line of JSON, then the document. stdout gets a status on the first line, then results as JSON, one a line, or a message.
"""

from __future__ import annotations

import json
import os
import resource
import sys

import jq

_PRELUDE = 'def halt_error: error; def halt_error(f): error; def input: error("there is one input only"); '
"""What would end silently, or with the inner word "break" of jq, says so."""
_LONGEST_MESSAGE = 2000


def answer(program: str, document: str, most: int) -> bytes:
    """The results as jq writes them, at most `most` bytes; so integers that the program leaves alone keep all digits."""
    try:
        jq.compile(program)  # alone, so that lines and columns are the program's own, and no parenthesis is closed
        compiled = jq.compile(f"{_PRELUDE}({program}\n\n) | tojson")  # two breaks: a comment may swallow one
    except ValueError as error:
        return _fault("syntax", str(error))
    results = [b"results"]
    size = 0
    try:
        for text in compiled.input_text(document):
            results.append(text.encode())
            size += len(results[-1]) + 1
            if size > most:
                return _fault("output", "")
    except ValueError as error:
        return _fault("runtime", str(error))
    return b"\n".join(results)


def _fault(status: str, message: str) -> bytes:
    return f"{status}\n{message[:_LONGEST_MESSAGE]}".encode(errors="replace")


def _confine(seconds: int, memory: int) -> None:
    """From here on: no environment, no file can be opened or grown, no more time and memory than this."""
    for name in tuple(os.environ):
        del os.environ[name]
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))  # the pipes that are open stay open
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if sys.platform != "darwin":  # macOS knows the limit and refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def main(seconds: int, memory: int, output: int) -> None:
    """Reads, evaluates, answers."""
    with open(0, "rb", closefd=False) as stdin, open(1, "wb", closefd=False) as stdout:
        _confine(seconds, memory)
        program, _, document = stdin.read().partition(b"\n")
        stdout.write(answer(json.loads(program), document.decode(), output))


if __name__ == "__main__":
    main(*(int(limit) for limit in sys.argv[1:]))
