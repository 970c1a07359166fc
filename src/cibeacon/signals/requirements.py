"""Knows what each sink still lacks before anything can be sent to it. Does not know events, signals or CI systems.

A sink that is not configured is a choice, one that is configured wrong is a fault: the reason says which of them it is.
"""

from cibeacon.model.parsers import plain_http_refused
from cibeacon.settings import Settings


def is_wanted(sink: str, settings: Settings) -> bool:
    """True when a setting asks for the sink: whatever it lacks is then a fault."""
    return settings.given(*settings.requirements(sink).wanted_by)


def has_credential(sink: str, settings: Settings) -> bool:
    """True when the sink's secret is here."""
    return bool(settings.endpoints[sink].token)


def why_unsendable(sink: str, settings: Settings, *groups: str, dry_run: bool) -> str | None:
    """Why nothing can be sent to a sink, as a sentence; None when it can be sent.

    `groups` are the settings groups in which a value that cannot be used would have to be guessed.
    """
    problem = next((problem.message for problem in settings.problems if problem.group in groups), None)
    reason = problem or unreachable(sink, settings, dry_run=dry_run)
    return f"{reason}." if reason else None


def unreachable(sink: str, settings: Settings, *, dry_run: bool = False) -> str | None:
    """What a sink's settings lack before anything can be sent to it, as a clause; None when they lack nothing.

    A dry run needs no credential, but a URL that would not carry one in the clear.
    """
    if unencrypted(sink, settings):
        url = settings.endpoints[sink].base_url
        return f"{url} would carry the token unencrypted: use https, or set allow_http if the network is yours"
    requirements, group = settings.requirements(sink), getattr(settings, sink)
    missing = [hint for name, hint in requirements.required.items() if not getattr(group, name)]
    if not missing or dry_run:
        return None
    configured = settings.given(*requirements.wanted_by, *requirements.required)
    return missing[0] if configured else requirements.not_configured


def unencrypted(sink: str, settings: Settings) -> bool:
    """True when the sink's URL would carry a credential in the clear."""
    url = settings.endpoints[sink].base_url
    return bool(url and not settings.core.allow_http and plain_http_refused(url))
