"""The prose is plain: no page, help text or message uses a word that the glossary replaces, or one that only insiders know."""

from __future__ import annotations

import ast
import re
from functools import partial
from pathlib import Path

import click
import pytest

from cibeacon.cli.commands import cibeacon
from cibeacon.settings import all_options
from test_house import GLOSSARY

ROOT = Path(__file__).parent.parent
PLAIN = {
    r"told|tells?": "says, reports, shows",
    r"mend(s|ed|ing)?": "fix, correct",
    r"teller|courier|rehearsals?|rehearsed|strays?|verdict": "the glossary's word",
    r"(is|are|was|were) (drawn|said)": "configured, reported",
    r"by hand|by the clock": "manually, on a schedule",
    r"authorities of (your|one's) own": "private CAs",
    r"drip(s|ping)?": "a server that trickles bytes",
    r"wants? to know": "say who it is",
    r"costs? you": "fails your build",
    r"in no service": "unowned",
    r"has it once": "using both is safe",
    r"nobody|somebody|anybody|whoever": "name who acts",
    r"none of its": "an invalid value",
    r"stands? between": "is between",
    r"what became of": "what happened to",
    r"(a|one) fact": "a signal",
    r"in the place of": "instead of",
    r"asks? to slow down": "is rate limiting",
    r"goes? on": "continues",
    r"lets? go of": "releases",
    r"misspelt": "misspelled",
    r"takes? the (token|credentials?|signature)": "accepts",
    r"trouble": "an internal error, a problem",
    r"(whole|cut-off) (id|address)": "full id, full URL",
    r"no such call": "no such endpoint",
    r"by halves": "partly",
    r"stands? in": "contains",
    r"(did|does) not take": "did not accept, rejects",
    r"knows? nothing of": "does not know",
    r"leads? (nowhere|somewhere)": "matches nothing, is broken",
    r"says? more|knows? nothing": "say who knows what",
    r"takes? \w+ alone": "accepts only",
    r"handed (on|over)|hands? (it|on|over)": "pass",
    r"strangers?|anybody's": "an outsider, untrusted",
    r"asks? no|may not be asked": "does not ask",
    r"lies? (between|elsewhere)": "is between, is another",
    r"(gave|gives) what is no|names no|(?<!there )is no (service|regular|filter|graph|text|file|object)": "returned an invalid …, is not a",
    r"our fault": "a bug in cibeacon",
    r"would not (say|tell)": "did not return",
}
"""What a page may not say, and how to say it."""
ALLOWED = {"nobody@nowhere"}
"""The words of others."""


def prose(text):
    """A page without its examples, code and addresses."""
    text = re.sub(r"^ *```.*?^ *```$|<!--.*?-->", "", text, flags=re.S | re.M)
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|https?://\S+", " ", text)
    return re.sub("|".join(map(re.escape, ALLOWED)), "", text)


def pages():
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        yield pytest.param(partial(page, path), id=path.relative_to(ROOT).as_posix())


def page(path):
    text = path.read_text(encoding="utf-8")
    if path.name == "CHANGELOG.md":  # what was released is history
        text = text.partition("## [Unreleased]")[2].partition("\n## [")[0]
    if path.name == "architecture.md":  # which lists the words
        text = text.partition("## Glossary")[0]
    return text


def helps(command, context=None, name="cibeacon"):
    context = click.Context(command, info_name=name, parent=context)
    yield pytest.param(partial(command.get_help, context), id=context.command_path)
    for below in command.list_commands(context) if isinstance(command, click.Group) else ():
        yield from helps(command.get_command(context, below), context, below)


def messages():
    for path in sorted((ROOT / "src/cibeacon").rglob("*.py")):
        yield pytest.param(partial(literals, path), id=path.relative_to(ROOT / "src/cibeacon").as_posix())


def literals(path):
    """Texts of a source file: literals with a space in them that document nothing."""
    nodes = list(ast.walk(ast.parse(path.read_bytes())))
    documents = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents
    ]
    return "\n".join(text for text in texts if " " in text.strip())


SETTINGS = [pytest.param(partial(str, each.help), id=each.name) for group in all_options().values() for each in group]
REPLACED = {
    rf"{re.escape(word)}s?": f"{instead}, the glossary's word"
    for instead, (_, words) in GLOSSARY.items()
    for word in words
    if word not in ("build", "reply", "budget", "span", "drawn")
}
"""The glossary's column "not", but for words that mean something else as well."""


INSTEAD = {**REPLACED, **PLAIN}
ANY = re.compile("|".join(rf"\b(?:{words})\b" for words in INSTEAD), re.I)
"""Most texts use none of the words: they are searched once."""


@pytest.mark.parametrize("read", [*pages(), *helps(cibeacon), *SETTINGS, *messages()])
def test_a_text_is_plain(read):
    text = prose(read())
    for words, instead in INSTEAD.items() if ANY.search(text) else ():
        used = re.search(rf".{{0,60}}\b(?:{words})\b.{{0,40}}", text, re.I)
        assert used is None, f"{' '.join(used[0].split())!r}: write it with {instead!r}"
