"""Knows DX's error codes and what to do about each. Does not know requests or replies.

The codes: https://help.getdx.com/en/articles/7669458-deployments-api and 8691575-pipelines-api.
"""

from __future__ import annotations

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "not_authed": "The request carried no API key: set the secret dx_token (DX_API_TOKEN).",
    "invalid_auth": "The API key is wrong or expired: make a new Data Cloud API key in DX and update the secret "
    "dx_token (a Web API token does not work here).",
    "account_inactive": "The account behind the API key is deactivated or suspended: make a key from an active account.",
    "required_params_missing": "DX misses a required field: compare the request in the JSON report with docs/reference.md.",
    "invalid_json": "DX could not parse the request: something between here and DX changed it; check the proxy.",
    "invalid_arguments": "DX refuses a field: try the other form of the API with dx_api.",
    "repository_not_found": "DX does not know the repository: check its full name (setting repository) and that DX imports it.",
    "repo_not_found": "DX does not know the repository: check its full name (setting repository) and that DX imports it.",
    "commit_sha_invalid": "DX refuses the commit id: give 7 to 40 hexadecimal digits (setting commit_sha).",
    "reference_id_exists": "This reference_id was used before with other values: choose a unique one, or leave it unset.",
    "metadata_invalid": "DX refuses the metadata: it must be a JSON object; keys are letters, digits, dashes, underscores.",
    "integration_branch_not_valid": "integration_branch must be a branch that pull requests target, and not the default branch.",
    "ambiguous_commit_sha_arguments": "Give either commit_sha or merge_commit_shas, not both.",
    "merge_commit_shas_blank": "merge_commit_shas is empty: name at least one commit, or leave it unset.",
    "merge_commit_shas_invalid": "A commit in merge_commit_shas is shorter than 7 digits.",
    "merge_commit_shas_not_found": "DX does not know a commit in merge_commit_shas yet: it may not have imported it; send again later.",
    "deployment_not_found": "DX has no deployment with this reference_id.",
}
"""DX's error codes, each with the next step."""

OWN_ATTEMPT = (
    "DX has this reference_id already: most likely from an attempt of ours just before, whose answer was lost. "
    "If another run may have used it, look in DX."
)
EXISTED_BEFORE = (
    "DX has this reference_id already: from an earlier attempt of ours whose answer was lost, or from another run. "
    "Look in DX; if it is another one's, choose a unique reference_id, or leave it unset."
)
_ELSEWHERE = "There is no such method at this address: check dx_url, and whether dx_api should be the other form."

HTTP_ADVICE: Mapping[int, str] = {
    401: ADVICE["invalid_auth"],
    403: "The API key may not use this method: check its scopes in DX, and that dx_url is the Data Cloud host "
    "(https://INSTANCE.getdx.net).",
    404: _ELSEWHERE,
    405: _ELSEWHERE,
    429: "DX asks to slow down: it goes through when sent again later.",
}
KEPT_STATUS = frozenset({401, 403, 407, 408, 425, 429})
NO_SUCH_METHOD = frozenset({404, 405})
"""Another server's words where no code of DX's stands beside them: the address is wrong, and not what was sent."""
KEPT_CODES = frozenset(
    {
        "not_authed",
        "invalid_auth",
        "account_inactive",
        "repository_not_found",
        "repo_not_found",
        "merge_commit_shas_not_found",
    }
)
"""Refusals of who asked, or before an import was done: the same call is accepted once that is mended."""
