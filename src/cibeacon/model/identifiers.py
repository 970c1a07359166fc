"""Knows the form of other systems' ids and of service names, and parses them from the text of a setting.

Does not know what they refer to. A parser raises `ValueError` with a clause that completes "… because it".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cibeacon.model import parsers

_PLACEHOLDER = "{service}"
_SERVICE = re.compile(r"[\w@][\w@ ./:()+#&,-]{0,127}(?<![/ ])")
SERVICE_NAMES = (
    "a name is 1 to 128 letters, digits, blanks and . _ / @ - : ( ) + # & , beginning with a letter, a digit, @ or _; "
    "no :: or :// in it, no slash or blank at its end"
)
"""The rule for service names, wherever they come from. Folder names come from outsiders' branches."""
ENV, ENV_JOB = "env", "DCI_JOB_ID"
"""The value that means a variable, and that variable, in which DCI's own agents pass a job on."""
_LONGEST_KEY = 255
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CONTEXT = r"[!-~]{1,255}"
_PATH = r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+"


def is_uuid(text: str) -> bool:
    """True for a UUID in lower case, with its dashes."""
    return re.fullmatch(_UUID, text) is not None


def uuid(given: str) -> str:
    """A UUID in lower case: DCI accepts no other."""
    if not is_uuid(given.lower()):
        raise ValueError("is not a UUID such as 6cee7286-5d99-4a96-9949-200977f4be07")
    return given.lower()


def job_id(given: str) -> str:
    """The id of a DCI job, or `env` if the variable `ENV_JOB` contains it."""
    return given.lower() if given.lower() == ENV else uuid(given)


def key_values(given: str) -> Mapping[str, float]:
    """Numbers by name, from `name=number`: DCI keeps one number for each name."""
    numbers: dict[str, float] = {}
    for pair in parsers.text_list(given):
        name, _, text = (part.strip() for part in pair.rpartition("="))
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not name or len(name) > _LONGEST_KEY or not math.isfinite(number):
            raise ValueError("is not a list of name=number, such as coverage=81.5,tests=1200")
        if name in numbers:
            raise ValueError(f"names {name} twice")
        numbers[name] = int(text) if text.lstrip("+-").isdecimal() else number
    return numbers


def client_id(given: str) -> str:
    """The owner of DCI credentials: `remoteci/UUID` or `feeder/UUID`; a bare UUID is a remote CI's."""
    kind, _, bare = given.rpartition("/")
    if kind not in ("", "remoteci", "feeder") or not is_uuid(bare.lower()):
        raise ValueError("is neither a UUID nor one after remoteci/ or feeder/")
    return f"{kind or 'remoteci'}/{bare.lower()}"


def root(given: str) -> str:
    """The base URL of a system whose paths are known: only scheme and host."""
    url = parsers.url(given)
    if path := urlsplit(url).path:
        raise ValueError(f"contains the path {path[:60]}; use scheme and host only, such as https://www.instabase.com")
    return url


def context(given: str) -> str:
    """The owner of the data, for a header: printable ASCII without spaces."""
    if not re.fullmatch(_CONTEXT, given):
        raise ValueError("is not an id of an organisation or user: it contains a space or a character that no id has")
    return given


def path(given: str) -> str:
    """A path on a server, which can lead neither to another server nor upwards."""
    if not re.fullmatch(_PATH, given):
        raise ValueError("is not a path such as /api/v1/flow/pipeline, without host, query or leading dots")
    return given


def is_service_name(name: str) -> bool:
    """Whether a service may have this name: letters and digits of any script, with their combining marks."""
    plain = name
    if not name.isascii():
        from unicodedata import category  # few names need it

        plain = name[:1] + "".join("a" if category(letter).startswith("M") else letter for letter in name[1:])
    return _SERVICE.fullmatch(plain) is not None and "::" not in name and "://" not in name


def service(given: str) -> str:
    """A service by name."""
    if not is_service_name(parsers.text(given)):
        raise ValueError(f"is not a valid service name; {SERVICE_NAMES}")
    return given


def names(given: str) -> tuple[str, ...]:
    """A list of services by name."""
    services = parsers.text_list(given)
    for name in services:
        if not is_service_name(name):
            near = "patterns belong in the setting services, such as services/{service}/; write changed here"
            raise ValueError(_no_name(name, services, near if _pattern(name) else None))
    return services


def services(given: str) -> tuple[str, ...]:
    """A list of services by name, or of folder templates, which contain `{service}` and which the service map checks."""
    entries = parsers.text_list(given)
    for name in entries:
        if _PLACEHOLDER not in name and not is_service_name(name):
            near = _pattern(name)
            raise ValueError(_no_name(name, entries, near and f"did you mean {near}?"))
    return entries


def _no_name(name: str, among: tuple[str, ...], near: str | None) -> str:
    which = "is" if len(among) == 1 else f"contains {json.dumps(name) if _may_be_shown(name) else 'an entry'}, which is"
    return f"{which} not a valid service name; {near or f'{SERVICE_NAMES}; separate names by commas or line breaks'}"


def _may_be_shown(name: str) -> bool:
    """False if it may be a URL, which can contain a password."""
    return name.isprintable() and not re.search(r":|//", name) and len(name) <= 80


def _pattern(name: str) -> str | None:
    """The folder template that a path or pattern probably means; None for anything else."""
    if not _may_be_shown(name) or not (name in (".", "..") or re.search(r"[*{}]|/$|^\.{0,2}/", name)):
        return None
    folders = [folder for folder in name.split("/") if folder not in ("", ".", "..")]
    varying = next((index for index, folder in enumerate(folders) if re.search(r"[*{}]", folder)), len(folders))
    after = [folder for folder in folders[varying + 1 :] if not re.search(r"[*?{}\[\]]", folder)]
    return "/".join((*folders[:varying], _PLACEHOLDER, *after, ""))


TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII)
"""https://www.w3.org/TR/trace-context/#traceparent-header: version, trace, parent, flags, and additions of newer versions."""


def traceparent(given: str) -> str | None:
    """A W3C trace context, unchanged; an invalid one is ignored as None, since another tool may have set it."""
    match = TRACEPARENT.fullmatch(given)
    valid = match and match[2].strip("0") and match[3].strip("0") and (match[1] != "00" or not match[4])
    return given if valid else None
