"""Builds the documentation site: every page as HTML and, beside it, as Markdown, and llms.txt, which lists the latter.

Reads mkdocs.yml and docs/; needs no network. A link that leads out of docs/ becomes one to the file in the repository.
https://zensical.org/docs/ and https://llmstxt.org/
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath

import yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
_LINK = re.compile(r"(?<=\]\()(?P<target>\.\./[^)#\s]+)")


def pages(nav: list | None = None, section: str = "") -> Iterator[tuple[str, str]]:
    """Section and path of every page, in the order of the navigation."""
    for entry in CONFIG["nav"] if nav is None else nav:
        if isinstance(entry, str):
            yield section, entry
        else:
            for name, below in entry.items():
                yield from pages(below, name)


def staged(text: str, path: str) -> str:
    """A page whose links out of docs/ lead to the repository."""

    def absolute(match: re.Match) -> str:
        target = normpath(PurePosixPath("docs", path).parent / match["target"])
        return match["target"] if target.startswith("docs/") else f"{CONFIG['repo_url']}/blob/main/{target}"

    return _LINK.sub(absolute, text)


def about(text: str) -> tuple[str, str]:
    """Title and first sentences of a page."""
    title = text.partition("\n")[0].removeprefix("# ")
    paragraphs = (part for part in text.split("\n\n")[1:] if re.match(r"[\w`*\[]", part))
    plain = re.sub(r"\[([^\]]+)\]\([^)]+\)|[`*]", r"\1", " ".join(next(paragraphs, "").split()))
    return title, plain.partition(". ")[0].rstrip(".:")


def llms(texts: dict[str, str]) -> str:
    """The list of all pages for agents."""
    lines = [f"# {CONFIG['site_name']}", "", f"> {CONFIG['site_description']}"]
    last = None
    for section, path in pages():
        if section != last:
            lines += ["", f"## {section}", ""]
            last = section
        elif section == "" and last is None:
            lines += [""]
            last = ""
        title, sentence = about(texts[path])
        lines.append(f"- [{title}]({CONFIG['site_url']}{path}): {sentence}")
    return "\n".join(lines) + "\n"


def main(target: Path) -> int:
    """Builds into a folder, which is replaced; a warning of the builder is an error."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        shutil.copytree(ROOT / "docs", stage / "docs")
        shutil.copy(ROOT / "mkdocs.yml", stage)
        texts = {}
        for page in sorted((stage / "docs").rglob("*.md")):
            path = page.relative_to(stage / "docs").as_posix()
            texts[path] = staged(page.read_text(encoding="utf-8"), path)
            page.write_text(texts[path], encoding="utf-8")
        command = [Path(sys.executable).parent / "zensical", "build", "--clean", "--strict"]
        built = subprocess.run(command, cwd=stage, capture_output=True, text=True)
        if built.returncode:
            print(re.sub(r"\x1b\[[\d;]*m", "", built.stdout + built.stderr), file=sys.stderr)
            return 1
        for path, text in texts.items():
            (stage / "site" / path).write_text(text, encoding="utf-8")
        (stage / "site/llms.txt").write_text(llms(texts), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(stage / "site", target)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
