"""The server and the repository in the URL of a git remote. Does not know git.

Azure's forms: https://learn.microsoft.com/azure/devops/repos/git/.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_SCP = r"(?:[^/\s]+@)?(?P<host>[^@:/\s\\]{2,}):(?P<path>[^\s@\\]+)"
_AZURE_SSH = ("ssh.dev.azure.com", "vs-ssh.visualstudio.com")
_CODECOMMIT = r"git-codecommit\.[\w.-]+"
_WEB = ("http", "https")


class RemoteUrl(NamedTuple):
    """A repository's URL, without user names and passwords."""

    server: str
    """Host name, with the port if the URL is a web address with a port."""
    repository: str
    """Its full name, as people write it: `owner/name`, `group/sub/name`, on Azure Repos `project/repository`."""
    https: str
    """The https URL to fetch from, or the http URL if the URL was http."""


def parse_remote_url(url: str | None) -> RemoteUrl | None:
    """Parses the URL of a git remote, in any of git's forms; None for a path on disk."""
    parts = _split_url(url or "")
    if parts is None:
        return None
    scheme, host, port, path = parts
    path = path.strip("/")
    if host in _AZURE_SSH:  # v3/ORGANISATION/PROJECT/REPOSITORY
        folders = path.split("/")
        if len(folders) != 4:
            return None
        host, path = "dev.azure.com", f"{folders[1]}/{folders[2]}/_git/{folders[3]}"
    repository = _name_of(host, path.removesuffix(".git"))
    if not host or not repository:
        return None
    # a server's ssh port is not its https port
    authority = f"{host}:{port}" if port and scheme in _WEB else host
    ending = "" if "/_git/" in f"/{path}" or path.endswith(".git") or re.fullmatch(_CODECOMMIT, host) else ".git"
    return RemoteUrl(authority, repository, f"{scheme if scheme in _WEB else 'https'}://{authority}/{path}{ending}")


def split_remote_url(url: str | None) -> tuple[str | None, str | None]:
    """(server, repository) of a git remote."""
    parsed = parse_remote_url(url)
    return (parsed.server, parsed.repository) if parsed else (None, None)


def _split_url(url: str) -> tuple[str, str, int | None, str] | None:
    """Scheme, host, port and path."""
    if "://" in url:
        try:
            parts = urlsplit(url)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            return (parts.scheme, host, parts.port, parts.path) if host else None
        except ValueError:
            return None
    match = re.fullmatch(_SCP, url)
    return ("ssh", match["host"].lower(), None, match["path"]) if match else None


def _name_of(host: str, path: str) -> str:
    """The repository's full name, from the path of its URL."""
    before, git, repository = f"/{path}".partition("/_git/")
    if git:  # an organisation and a project; the project may be left out if it has the repository's name
        folders = [folder for folder in before.split("/") if folder.lower() not in ("", "defaultcollection")]
        folders = folders[1:] if host == "dev.azure.com" else folders
        return unquote(f"{folders[-1] if folders else repository}/{repository}")
    if re.fullmatch(_CODECOMMIT, host):
        return path.rpartition("v1/repos/")[2]
    return path.removeprefix("scm/")  # Bitbucket Data Center
