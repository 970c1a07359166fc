"""Checks the shape of a secret without showing any of it. Does not know whether a vendor accepts it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cibeacon.checks import Answer, Target, View, fail, not_checked, ok
from cibeacon.settings.options import Option, Sources

_BEGINNINGS: Mapping[str, str] = {
    **dict.fromkeys(("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), "GitHub"),
    **dict.fromkeys(("glpat-", "gldt-", "glptt-", "glcbt-", "glrt-", "glsoat-"), "GitLab"),
    **dict.fromkeys(("xoxb-", "xoxp-", "xapp-"), "Slack"),
    **dict.fromkeys(("AKIA", "ASIA"), "AWS"),
    **{"npm_": "npm", "pypi-": "PyPI", "hvs.": "Vault", "dop_v1_": "DigitalOcean", "sk_live_": "Stripe"},
}
"""Prefix of a token → its vendor."""
_FAULTS: tuple[tuple[str, str, str], ...] = (
    (r"""(["'`]).*\1""", "is in quotation marks", "Paste it without them."),
    (
        r"(?i)(bearer|token|basic)\s.*",
        "begins with an authentication scheme",
        "Set only the token, without the word in front.",
    ),
    (
        r"\$\{?\{?[^}]*\}{0,2}|\$\([^)]*\)|%\w+%|\{\{.*\}\}",
        "is the name of a variable that was not expanded",
        "Check that the secret is defined and that this job may use it: "
        "some CI systems withhold secrets from unprotected branches.",
    ),
    (r"(?i)[*•]{3,}|\[?(masked|redacted|secure|hidden)\]?", "is a mask", "Paste the token itself."),
    (
        r"(?i)<.*>|(your|my|the)[-_ ].*|change[-_ ]?(me|it)|replace[-_ ]?me|todo|x{3,}|placeholder|none|null|undefined",
        "is a placeholder",
        "Paste the token itself.",
    ),
)
"""A pattern for the whole value, what is wrong with it, and what to do."""


def shape(view: View, target: Target) -> Answer:
    """Whether the target's secrets look like secrets of that vendor."""
    if not target.secrets:
        usable = target.wanted and not target.lacks
        used = "no credential is set, so none is sent" if target.open else "the job's own token is used"
        return ok(used) if usable else not_checked("there is no secret to check")
    sources = Sources({}, view.env.environ, {})
    for option in target.secrets:
        source, text = next((source, text) for source, text in sources.candidates(option) if text.strip())
        if fault := _fault(text.strip(), option, target):
            return fail(f"{option.name} {fault[0]}", fault[1], source)
    given = ", ".join(option.name for option in target.secrets)
    origin = view.settings.origins[target.secrets[0].name].source
    return ok(
        f"{given} {'is set and looks' if len(target.secrets) == 1 else 'are set and look'} plausible",
        source=origin,
    )


def _fault(text: str, option: Option, target: Target) -> tuple[str, str] | None:
    for pattern, what, hint in _FAULTS:
        if re.fullmatch(pattern, text, re.S):
            return what, hint
    try:
        option.parse(text)
    except ValueError as error:
        return f"cannot be used because it {error}", "Paste only the token, on one line."
    issuer = next((issuer for beginning, issuer in _BEGINNINGS.items() if text.startswith(beginning)), None)
    if issuer is None or issuer in target.issuers:
        return None
    return f"looks like a {issuer} token, so it is not sent to {target.title}", f"Set the token for {target.title}."
