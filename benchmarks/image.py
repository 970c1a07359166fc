"""Measures the image: the size of its parts, and the start of a container. Run: .venv/bin/python benchmarks/image.py TAG

Sizes are those of `docker save`: unpacked and, as in a registry, each layer compressed with gzip at its default level, and
with zstd if that is installed. A part's files are packed separately, so the parts add up to slightly more.

Each contender is a whole `docker run --rm`, in turn: an empty container, bare Python, the action's pre stage,
`cibeacon --version`, a report without settings, which is a dry run, and one that sends three signals to a sandbox on
loopback. Wall times are medians; the time added to the empty container is the median of the differences, pair by pair.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from processes import Contender, Figure, compared
from report import sandbox

ROUNDS = int(os.environ.get("ROUNDS", "21"))
EMPTY = "an empty container"
HOME = "/opt/cibeacon/bin"
PARTS: Sequence[tuple[str, str]] = (
    ("cibeacon", r"path opt/cibeacon/(bin/cibeacon|lib/[^/]+/site-packages/cibeacon)"),
    ("Python packages", r"path opt/"),
    ("Python's library", r"path usr/lib/python3|package libpython3"),
    ("Python", r"package python3|package lib(expat1|ffi8|bz2-1.0|lzma5|uuid1|sqlite3-0)$"),
    ("git", r"package git$"),
    (
        "shells and their commands",
        r"package (bash|dash|coreutils|grep|sed|libacl1|libattr1|libcap2|libselinux1|libtinfo6)$",
    ),
    ("libc and OpenSSL", r"package (libc6|libgcc-s1|libssl3t64|zlib1g|openssl)$"),
    ("what git needs for https", r"package lib"),
    ("time zones", r"package tzdata"),
    ("certificates, licences, records", r""),
)
"""The files of each part, by path or by Debian package (according to dpkg's lists in the image); the first match counts."""


def contenders(tag: str, folder: Path, checkout: Path, sending: Mapping[str, str]) -> list[Contender]:
    """The commands to measure."""

    def run(title: str, *words: str, entrypoint: str = f"{HOME}/cibeacon", options: Sequence[str] = ()) -> Contender:
        command = ["docker", "run", "--rm", "--network=host", *options, f"--entrypoint={entrypoint}", tag, *words]
        return Contender(title, command, os.environ)

    there = [f"--volume={folder}:{folder}", f"--workdir={checkout}"]
    there += [f"--env={name}={value}" for name, value in sending.items()]
    return [
        run(EMPTY, entrypoint="/bin/true"),
        run("bare Python", "-I", "-c", "pass", entrypoint=f"{HOME}/python"),
        run("the pre stage", entrypoint=f"{HOME}/cibeacon-pre"),
        run("cibeacon --version", "--version"),
        run("cibeacon report, a dry run", "report"),
        run("cibeacon report, three signals", "report", options=there),
    ]


def line(title: str, found: list[Figure], empty: list[Figure]) -> str:
    """A contender's figures."""
    wall = statistics.median(figure.wall for figure in found)
    more = statistics.median(one.wall - other.wall for one, other in zip(found, empty, strict=True))
    least = min(figure.wall for figure in found) - min(figure.wall for figure in empty)
    return f"{title:<34}{wall * 1000:7.1f} ms{more * 1000:+9.1f} ms{least * 1000:+9.1f} ms"


def layers(tag: str) -> Iterator[bytes]:
    """The image's layers as archives, lowest first."""
    with tempfile.TemporaryFile() as saved:
        subprocess.run(["docker", "save", tag], stdout=saved, check=True)
        saved.seek(0)
        with tarfile.open(fileobj=saved) as archive:
            manifest = archive.extractfile("manifest.json")
            for name in json.load(manifest)[0]["Layers"] if manifest else ():
                layer = archive.extractfile(name)
                yield layer.read() if layer else b""


def gzipped(content: bytes) -> int:
    """Its compressed size in a registry, in bytes."""
    return len(zlib.compress(content, 6, wbits=31))


def zstandard(content: bytes) -> int:
    """Its size compressed with zstd, in bytes."""
    return len(subprocess.run(["zstd", "-3", "--stdout"], input=content, capture_output=True, check=True).stdout)


def packages(archives: Sequence[bytes]) -> dict[str, str]:
    """File → its package, according to dpkg's lists in the image."""
    owners: dict[str, str] = {}
    for content in archives:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                found = re.fullmatch(r"var/lib/dpkg/info/([^:]+)(:.*)?\.list", member.name)
                text = archive.extractfile(member) if found else None
                if found and text:
                    owners |= dict.fromkeys(text.read().decode().replace("\n/", "\n")[1:].splitlines(), found[1])
    return owners


def parts(archives: Sequence[bytes]) -> dict[str, bytes]:
    """An archive of each part's files."""
    owners = packages(archives)
    sorted_out = {title: io.BytesIO() for title, _ in PARTS}
    with ExitStack() as opened:
        made = {
            title: opened.enter_context(tarfile.open(fileobj=packed, mode="w")) for title, packed in sorted_out.items()
        }
        for content in archives:
            archive = opened.enter_context(tarfile.open(fileobj=io.BytesIO(content)))
            for member in (each for each in archive if not each.isdir()):
                about = [f"path {member.name}", f"package {owners.get(member.name, '')}"]
                fits = (title for title, form in PARTS if any(re.match(form, text) for text in about))
                made[next(fits)].addfile(member, archive.extractfile(member) if member.isfile() else None)
    return {title: packed.getvalue() for title, packed in sorted_out.items()}


def sizes(tag: str) -> str:
    """The table of the parts and of the layers."""
    archives = list(layers(tag))
    more = [zstandard] if shutil.which("zstd") else []
    rows = list(parts(archives).items()) if len(archives) == 3 else []
    rows += [(f"layer {number}", content) for number, content in enumerate(archives, 1)]
    figures = [(title, [len(content), gzipped(content), *(each(content) for each in more)]) for title, content in rows]
    added = [figures_of for title, figures_of in figures if title.startswith("layer")]
    figures.append(("all layers", [sum(column) for column in zip(*added, strict=True)]))
    heads = f"{'':<34}{'unpacked':>12}{'gzip':>12}{'zstd' if more else '':>12}"
    return "\n".join([heads, *(f"{title:<34}" + "".join(f"{size:12,}" for size in found) for title, found in figures)])


def main(tag: str) -> None:
    """Prints sizes and times."""
    print(sizes(tag))
    with tempfile.TemporaryDirectory() as name, sandbox() as url:
        folder = Path(name).resolve()
        monorepo = Monorepo(folder / "shop", os.environ)
        merged = monorepo.pull_request(1, "merge", [{"services/payments/main.py": "retry\n"}], ("payments",))
        sending = runs.github("pull_request", runs.closed(merged), merged.merge_sha, 7001, folder / "run")
        given = {"CIBEACON_DX_URL": url, "DX_API_TOKEN": "token", "CIBEACON_STRICT": "true"}
        given |= {"CIBEACON_DEPLOY_SERVICES": "payments", "CIBEACON_STATUS": "success"}
        figures = compared(contenders(tag, folder, monorepo.root, {**sending, **given}), folder, ROUNDS)
    print(
        f"{ROUNDS} rounds after a warm-up, whole containers: median, over {EMPTY} by median and by the quickest of each"
    )
    for title, found in figures.items():
        print(line(title, found, figures[EMPTY]))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} TAG")
    main(sys.argv[1])
