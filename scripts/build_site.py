"""Builds the documentation site: every page as HTML and as Markdown, and llms.txt, which lists the Markdown pages.

Reads mkdocs.yml and docs/; needs no network. Links to files outside docs/ become links to the repository.
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
_LINK = re.compile(r"(?<=\]\()(?P<target>\.\./[^)#\s]+)")


def pages(nav: list, section: str = "Start") -> Iterator[tuple[str, str]]:
    """Section and path of every page, in the order of the navigation."""
    for entry in nav:
        if isinstance(entry, str):
            yield section, entry
        else:
            for name, below in entry.items():
                yield from pages(below, name)


def staged(text: str, path: str, repository: str) -> str:
    """A page whose links to files outside docs/ point to the repository."""

    def absolute(match: re.Match) -> str:
        target = normpath(PurePosixPath("docs", path).parent / match["target"])
        return match["target"] if target.startswith("docs/") else f"{repository}/blob/main/{target}"

    return _LINK.sub(absolute, text)


def about(text: str) -> tuple[str, str]:
    """Title and first sentences of a page."""
    title = text.partition("\n")[0].removeprefix("# ")
    paragraphs = (part for part in text.split("\n\n")[1:] if re.match(r"(?!```|Nothing is released)[\w`*\[]", part))
    plain = re.sub(r"\[([^\]]+)\]\([^)]+\)|[`*]", r"\1", " ".join(next(paragraphs, "").split()))
    return title, plain.partition(". ")[0].rstrip(".:")


def llms(texts: dict[str, str], config: dict) -> str:
    """The list of all pages for agents."""
    lines = [f"# {config['site_name']}", "", f"> {config['site_description']}"]
    last = ""
    for section, path in pages(config["nav"]):
        if section != last:
            lines += ["", f"## {section}", ""]
            last = section
        title, sentence = about(texts[path])
        lines.append(f"- [{title}]({config['site_url']}{path}): {sentence}")
    return "\n".join(lines) + "\n"


def main(target: Path, root: Path = ROOT) -> int:
    """Builds the site of `root` into a folder, which is replaced; a warning of the builder is an error."""
    config = yaml.safe_load((root / "mkdocs.yml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        shutil.copytree(root / "docs", stage / "docs")
        shutil.copy(root / "mkdocs.yml", stage)
        texts = {}
        for page in sorted((stage / "docs").rglob("*.md")):
            path = page.relative_to(stage / "docs").as_posix()
            texts[path] = staged(page.read_text(encoding="utf-8"), path, config["extra"]["repository"])
            page.write_text(texts[path], encoding="utf-8")
        command = [Path(sys.executable).parent / "zensical", "build", "--clean", "--strict"]
        built = subprocess.run(command, cwd=stage, capture_output=True, text=True)
        if built.returncode:
            print(re.sub(r"\x1b\[[\d;]*m", "", built.stdout + built.stderr), file=sys.stderr)
            return 1
        for path, text in texts.items():
            (stage / "site" / path).write_text(text, encoding="utf-8")
        (stage / "site/llms.txt").write_text(llms(texts, config), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(stage / "site", target)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
