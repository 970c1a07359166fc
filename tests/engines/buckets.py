"""Knows how to run an S3 server on this machine: moto's, as a process of its own. https://docs.getmoto.org/en/latest/docs/server_mode.html"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from threading import Event, Thread

HERE = Path(__file__).parent
SERVER = HERE / ".venv" / "bin" / "moto_server"
PRODUCT = HERE / ".venv-remote" / "bin" / "python"
PATIENCE = 120
"""Seconds that a start may take on a busy machine."""
SECRET = "sEcReT-of-the-bucket-0123456789abcdef"


class S3:
    """The server, between enter and exit."""

    def __init__(self) -> None:
        self.url = ""
        self._log: list[str] = []
        self._settled = Event()

    @property
    def environ(self) -> dict[str, str]:
        """What s3fs reads: where the server is, and as whom it is asked."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __enter__(self) -> S3:
        self._process = subprocess.Popen(
            [str(SERVER), "--host", "127.0.0.1", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
            text=True,
        )
        self._reader = Thread(target=self._read)
        self._reader.start()
        if not self._settled.wait(PATIENCE) or not self.url:
            self.__exit__()
            raise RuntimeError("the S3 server did not start:\n" + "\n".join(self._log))
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
                if found := re.search(r"Running on (http://[\d.]+:\d+)", line):
                    self.url = found[1]
                    self._settled.set()
        self._settled.set()
