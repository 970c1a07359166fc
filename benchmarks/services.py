"""Compares `cibeacon services` with git and a shell loop on a large monorepo. Run: .venv/bin/python benchmarks/services.py

Builds (once, in a temporary folder or in $REPOSITORY) a repository of 200,000 files in 2,000 services, with a pull
request of 55,001 changed paths: 40,000 modified, 5,000 moved, 2,500 deleted, 2,500 added, 1 at the top. Runs in turn, as
whole processes:
  git diff-tree            only the comparison, with git's defaults
  git diff-tree, lean      only the comparison, with the settings that cibeacon gives git
  ours                     the comparison, the mapping to services, the reasons, the output; with the settings as
                           variables, as in the action and the component, and as flags, which click reads
  the shell way            the documented `while read` loop, on only the first 1,000 paths
and the same for a pull request of four files, with `python -c pass` for comparison.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from processes import Contender, compared, table

ROUNDS = int(os.environ.get("ROUNDS", "9"))
SERVICES = 2_000
FILES = 100
PLACES = ("src", "src/api", "src/core/models", "tests", "deploy", "docs")
CONFIG = b"version: 1\ndiscover:\n  - root: services/*/{service}/\n"
IDENTITY = "Dana Dev <dana@shop.example> 1767225600 +0000"
SHELL = """
git diff --name-only main big -- | head -1000 | while read -r file; do
    service=$(echo "$file" | awk -F/ '{print $3}')
    services="$services $service"
done
"""


def paths() -> Iterator[str]:
    """The 200,000 files of the base."""
    for service in range(SERVICES):
        for number in range(FILES):
            place = PLACES[number % len(PLACES)]
            yield f"services/team-{service % 40:02}/svc-{service:04}/{place}/file{number:03}.py"


def history() -> Iterator[bytes]:
    """The repository as a stream for git fast-import: main, a large change and a small one."""
    yield from _commit("main", None)
    yield b"M 100644 inline .cibeacon.yml\n" + _data(CONFIG)
    files = list(paths())
    for name in files:
        yield f"M 100644 inline {name}\n".encode() + _data(f"# {name}\n".encode() * 5)
    yield from _commit("big", "main")
    yield b"M 100644 inline README.md\n" + _data(b"changed\n")
    stride = files[:: len(files) // 50_000]
    for number, name in enumerate(stride[:47_500]):
        if number % 19 < 16:
            yield f"M 100644 inline {name}\n".encode() + _data(b"changed\n")
        elif number % 19 == 16:
            yield f"D {name}\n".encode()
        else:
            moved = name.replace("/svc-", "/svc-" if number % 2 else "/new-", 1).replace(".py", ".moved.py")
            yield f"R {name} {moved}\n".encode()
    for number in range(2_500):
        yield f"M 100644 inline services/team-00/svc-0000/src/added{number}.py\n".encode() + _data(b"new\n")
    yield from _commit("small", "main")
    for service in (3, 700, 1500, 1999):
        name = f"services/team-{service % 40:02}/svc-{service:04}/src/file000.py"
        yield f"M 100644 inline {name}\n".encode() + _data(b"small\n")


def _commit(branch: str, parent: str | None) -> Iterator[bytes]:
    origin = f"from refs/heads/{parent}\n" if parent else ""
    yield f"commit refs/heads/{branch}\ncommitter {IDENTITY}\n".encode() + _data(b"change\n") + origin.encode()


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)


def build(root: Path) -> None:
    """The repository, checked out at main."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(root)], check=True)
    importer = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=root, stdin=subprocess.PIPE)
    assert importer.stdin
    for part in history():
        importer.stdin.write(part)
    importer.stdin.close()
    if importer.wait():
        raise SystemExit("git fast-import failed")
    subprocess.run(["git", "reset", "--quiet", "--hard", "main"], cwd=root, check=True)


def main() -> None:
    """Prints both tables."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(os.environ.get("REPOSITORY") or Path(name) / "monorepo").resolve()
        if not (root / ".git").exists():  # in a process of its own: a large parent would count as its children's memory
            subprocess.run([sys.executable, __file__, "--build", str(root)], check=True)
        environ = {"PATH": os.environ["PATH"], "HOME": name}
        lean = {
            **environ,
            "GIT_INDEX_FILE": "/nonexistent/index",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "core.packedGitWindowSize",
            "GIT_CONFIG_VALUE_0": "1m",
            "GIT_CONFIG_KEY_1": "core.packedGitLimit",
            "GIT_CONFIG_VALUE_1": "8m",
        }
        cibeacon = str(Path(sys.executable).with_name("cibeacon"))
        for branch in ("big", "small"):
            git = ["git", "diff-tree", "-r", "-z", "--name-only", "--no-renames", "main", branch]
            ours = [cibeacon, "services", "--strict", "--base=main", f"--head={branch}"]
            variables = {"CIBEACON_STRICT": "true", "CIBEACON_BASE": "main", "CIBEACON_HEAD": branch}
            contenders = [
                Contender("git diff-tree", git, environ),
                Contender("git diff-tree, lean", git, lean),
                Contender("ours, settings as variables", ours[:2], {**environ, **variables}),
                Contender("ours, settings as flags", ours, environ),
                Contender("python -c pass", [sys.executable, "-c", "pass"], environ),
            ]
            if branch == "big":
                contenders.append(Contender("the shell way, 1,000 paths", ["sh", "-c", SHELL], environ, rounds=1))
            print(f"{branch} change, {ROUNDS} rounds after a warm-up; ratios to git diff-tree pair by pair")
            print(table(compared(contenders, root, ROUNDS), "git diff-tree"))


if __name__ == "__main__":
    build(Path(sys.argv[2])) if "--build" in sys.argv else main()
