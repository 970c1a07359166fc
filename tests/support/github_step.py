"""The variables of a step of GitHub Actions, which needs no checkout: a push to the main branch of acme/shop."""

from __future__ import annotations


def pushed(folder):
    """The variables; what they name is in this folder."""
    (folder / "event.json").write_text("{}")
    files = {"EVENT_PATH": "event.json", "OUTPUT": "outputs", "STATE": "state"}
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "77",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_JOB": "test",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": "a" * 40,
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_REF": "refs/heads/main",
        "RUNNER_TEMP": str(folder / "temp"),
        **{f"GITHUB_{name}": str(folder / file) for name, file in files.items()},
    }
