"""The process in which one jq program runs: drops its rights, evaluates, prints the results. Knows nothing about the run.

`jq_filter` runs this file by its path, isolated and with limits as arguments; no module imports it. stdin has the program as
one line of JSON, then the document. stdout gets a status on the first line, then one result per line as JSON, or a message.
"""

from __future__ import annotations

import json
import os
import resource
import sys

import jq

_PRELUDE = 'def halt_error: error; def halt_error(f): error; def input: error("there is one input only"); '
"""Turns programs that would end silently, or with jq's internal error "break", into errors."""
_LONGEST_MESSAGE = 2000


def answer(program: str, document: str, most: int) -> bytes:
    """The results as jq writes them, at most `most` bytes. Integers that the program does not change keep all digits."""
    try:
        jq.compile(program)  # by itself, so that line numbers are right and the program cannot close our parenthesis
        compiled = jq.compile(f"{_PRELUDE}({program}\n\n) | tojson")  # two line breaks: a comment may swallow one
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
    """Drops the process's rights: no environment, no opening or growing of files, limited time and memory."""
    for name in tuple(os.environ):
        del os.environ[name]
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))  # open pipes stay open
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if sys.platform != "darwin":  # macOS defines this limit, but cannot set it
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def main(seconds: int, memory: int, output: int) -> None:
    """Reads the program and the document, and writes the results."""
    with open(0, "rb", closefd=False) as stdin, open(1, "wb", closefd=False) as stdout:
        _confine(seconds, memory)
        program, _, document = stdin.read().partition(b"\n")
        stdout.write(answer(json.loads(program), document.decode(), output))


if __name__ == "__main__":
    main(*(int(limit) for limit in sys.argv[1:]))
