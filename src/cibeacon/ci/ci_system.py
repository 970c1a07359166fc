"""What every CI system offers, and how its variables are read: an empty one counts as unset. Knows no CI system.

A CI system is a subclass of `CISystem` in its own file, bound to `SYSTEM` there. `model/ci_systems.py` lists the files,
with the variables by which each system is recognised.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.git import Remote, may_fetch
from cibeacon.git.remote_url import RemoteUrl, parse_remote_url
from cibeacon.git.repository import Repository
from cibeacon.model import payload
from cibeacon.model.context import Context, Push
from cibeacon.model.report import CIOutput, Notice, Report, ReportTexts
from cibeacon.runtime import Environment
from cibeacon.settings.general import ForgeTokens

_PART_OF_AN_ID = 7
"""The fewest digits of a commit id that can identify a commit."""
_LONGEST_TEXT = 1000
"""The most characters that are read of a value."""
ABSENT = frozenset({"false", "null", "<nil>", "none", "undefined"})
"""What some systems write instead of an empty value, in any case."""

_VENDORS = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "bitbucket.org": "",
    "dev.azure.com": "",
    "codeberg.org": "",
}
"""Public servers → the vendor whose API they have, if cibeacon supports it. No other vendor's token is sent there."""


class Variables(NamedTuple):
    """The environment of a job."""

    environ: Mapping[str, str]

    def get(self, *names: str) -> str | None:
        """The value of the first of these variables that is set."""
        return next((self.environ[name] for name in names if self.environ.get(name)), None)

    def text(self, *names: str) -> str | None:
        """The first that is set to more than a word for no value (`false`, `<nil>`, …), without surrounding blanks."""
        texts = (self.environ.get(name, "").strip()[:_LONGEST_TEXT] for name in names)
        return next((text for text in texts if text and text.lower() not in ABSENT), None)

    def word(self, *names: str) -> str | None:
        """A word for a result, which may be `false`."""
        return (self.get(*names) or "").strip()[:_LONGEST_TEXT] or None

    def is_true(self, name: str) -> bool:
        """Whether a variable is true."""
        return (self.get(name) or "").lower() in ("true", "1", "yes")

    def is_false(self, name: str) -> bool:
        """Whether a variable is set to false."""
        return (self.get(name) or "").lower() in ("false", "0", "no")

    def number(self, *names: str) -> int | None:
        """A whole number."""
        return payload.number(self.get(*names))

    def sha(self, *names: str) -> str | None:
        """A full commit id; None for git's all-zero id."""
        return payload.commit(self.get(*names))

    def commit(self, *names: str) -> str | None:
        """A commit id, or at least 7 digits of one. git completes it if there is a checkout."""
        return _commit(self.get(*names))

    def range_start(self, *names: str) -> str | None:
        """The first commit of a range, `FIRST...LAST`, which may be abbreviated likewise."""
        first, dots, _ = (self.get(*names) or "").partition("..")
        return _commit(first) if dots else None

    def seconds(self, *names: str) -> int | None:
        """An ISO 8601 time, as Unix seconds."""
        return payload.seconds(self.get(*names))

    def server(self, *names: str) -> str | None:
        """Host name and port of a URL."""
        return payload.server(self.get(*names))

    def url(self, *names: str) -> str | None:
        """A page for people: a URL, without a user name and password in it."""
        scheme, slashes, rest = (self.text(*names) or "").partition("://")
        authority, slash, path = rest.partition("/")
        server = payload.server(f"https://{authority}")
        return f"{scheme}://{server}{slash}{path}" if scheme in ("http", "https") and slashes and server else None

    def address(self, *names: str) -> str | None:
        """A server's URL without its scheme: one host may have several servers, each below a path."""
        return (self.url(*names) or "").partition("://")[2].rstrip("/") or None

    def join(self, *names: str, by: str = "/") -> str | None:
        """The values of all these variables as one text; None if one of them is unset."""
        texts = [self.text(name) for name in names]
        return by.join(text for text in texts if text) if all(texts) else None

    def ref(self, *names: str) -> str | None:
        """A branch by its short name."""
        return (self.text(*names) or "").removeprefix("refs/heads/") or None

    def repository(self, *names: str) -> RemoteUrl | None:
        """The repository that the first of these URLs points to."""
        return parse_remote_url(self.text(*names))


def _commit(value: str | None) -> str | None:
    text = (value or "").strip().lower()
    is_id = len(text) >= _PART_OF_AN_ID and set(text) <= set("0123456789abcdef") and len(text) <= 64
    return text if is_id and text.strip("0") else None


def push(before: str | None, after: str | None, *, created: bool = False) -> Push:
    """A push to a branch. If the same commit was built before, this is a rebuild, which shows no commit to compare with."""
    return Push(before=None if before == after else before, after=after, created=created)


def forge_at(server: str | None, tokens: ForgeTokens) -> str:
    """The vendor whose API a server has and whose token may be sent to it: `github` or `gitlab`; else empty.

    A token goes to its vendor's own server, and to the server of `git_url` if it is the only token that is set or if
    the server's name contains the vendor's.
    """
    given = {"github": tokens.github_token, "gitlab": tokens.gitlab_token}
    if server in _VENDORS:
        vendor = _VENDORS[server]
        return vendor if given.get(vendor) else ""
    if not server or not tokens.git_url or server != payload.server(tokens.git_url):
        return ""
    alone = sum(map(bool, (tokens.git_token, *given.values()))) == 1
    return next((vendor for vendor, token in given.items() if token and (alone or vendor in server)), "")


def asked_with(context: Context) -> str:
    """The settings that give access to the API of a run's forge; empty if cibeacon does not support that API."""
    if context.host in ("github", "gitlab"):
        return f"{context.host}_token"
    if context.server not in _VENDORS:
        return "git_url, and github_token or gitlab_token"
    vendor = _VENDORS[context.server]
    return f"{vendor}_token (variable {vendor.upper()}_TOKEN)" if vendor else ""


def git_credential(authority: str, tokens: ForgeTokens) -> tuple[str | None, str | None]:
    """User name and password for git at a server: `git_token` at the server of `git_url`, else one that may be sent there."""
    user = "x-token-auth" if authority == "bitbucket.org" else "x-access-token"
    is_named = bool(tokens.git_url) and authority == payload.server(tokens.git_url)
    forge = forge_at(authority, tokens)
    by_forge = {"github": tokens.github_token, "gitlab": tokens.gitlab_token}.get(forge)
    secret = (tokens.git_token if is_named else None) or by_forge
    return (user, secret) if secret else (None, None)


class CISystem(ABC):
    """A CI system. A new one needs `name`, `title` and `read`."""

    name: str
    """Its name in the setting `host`, in `Context.host` and of its file."""
    title: str
    """Its name as people write it."""
    deepen: str = "fetch the whole history (git fetch --unshallow)"
    """How to get the missing history, for hints."""
    check_out: str = "run inside the repository"
    """How to get a checkout, for hints."""
    in_stages: bool = False
    """True if the runner supports GitHub's actions, with their main and post stages."""

    @abstractmethod
    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. Commit ids may be abbreviated, and what only git knows is None."""

    def read_with_notices(self, env: Variables, repository: Repository) -> tuple[Context, tuple[Notice, ...]]:
        """The run, completed by the checkout, and what the user should know about how it was read."""
        from cibeacon.ci.checked_out import complete  # GitHub and GitLab do without it

        return complete(self.read(env), repository)

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The repository's URL according to the CI system. The clone's configuration does not count."""
        del env
        return None

    def remotes(self, env: Variables, tokens: ForgeTokens, *, allow_http: bool = False) -> tuple[Remote, ...]:
        """Where the repository's commits can be fetched, most likely first."""
        url = self.repository_url(env)
        if url is None or not may_fetch(url.https, allow_http=allow_http):
            return ()
        authority = payload.server(url.https) or ""
        access = f"Set git_token to a token that can read {url.repository}, and git_url to https://{authority}"
        return (Remote(url.https, *git_credential(authority, tokens), access),)

    def spool_folder(self, env: Variables) -> str | None:
        """Where signals are spooled by default; None if there is no lasting folder."""
        home = env.get("HOME")
        state = env.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else None)
        return f"{state}/cibeacon/spool" if state else None

    def output(self, report: Report, environment: Environment, texts: ReportTexts) -> CIOutput:
        """What the CI system should show and store of a report, besides the text that every system gets."""
        del report, environment, texts
        return CIOutput()

    def event(self, env: Variables) -> Mapping[str, Any] | None:
        """The payload of the event, if the CI system has one."""
        del env
        return None
