"""Knows which files show that a repository uses a CI system, and the files to copy for it. Does not read the repository.

`kits.json` contains the files of `integrations/`; `scripts/render` writes it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cibeacon.model.glob import Glob

OTHER = "other"
"""The kit for a CI system that cibeacon does not know."""
PIPELINE_FILES: Mapping[str, tuple[str, ...]] = {
    "github": (".github/workflows/*.yml", ".github/workflows/*.yaml"),
    "gitlab": (".gitlab-ci.yml",),
    "forgejo": (".forgejo/workflows/*",),
    "gitea": (".gitea/workflows/*",),
    "jenkins": ("Jenkinsfile",),
    "azure": ("azure-pipelines.yml", "azure-pipelines.yaml", ".azure-pipelines/*"),
    "bitbucket": ("bitbucket-pipelines.yml",),
    "circleci": (".circleci/config.yml",),
    "buildkite": (".buildkite/pipeline*",),
    "drone": (".drone.yml", ".drone.star", ".drone.jsonnet"),
    "woodpecker": (".woodpecker.yml", ".woodpecker.yaml", ".woodpecker/*"),
    "travis": (".travis.yml",),
    "appveyor": ("appveyor.yml", ".appveyor.yml"),
    "cirrus": (".cirrus.yml", ".cirrus.star"),
    "codebuild": ("buildspec.yml", "buildspec.yaml"),
    "cloudbuild": ("cloudbuild.yaml", "cloudbuild.yml", "cloudbuild.json"),
    "semaphore": (".semaphore/*",),
    "codefresh": ("codefresh.yml", ".codefresh/*"),
    "teamcity": (".teamcity/*",),
    "harness": (".harness/*",),
    "tekton": (".tekton/*",),
    "bamboo": ("bamboo-specs/*",),
    "gocd": ("*.gocd.yaml", "*.gocd.yml"),
}
"""CI system → its pipeline files, as patterns from the top of the repository."""
_MAP_SETTING = r"(?m)^(?: *- name: CIBEACON_SERVICES\n)?.*services/\{service\}/.*\n"
"""The lines of a kit that a configuration file replaces."""
_USE = re.compile(rb"(?m)^(?!\s*(?:#|//)).*\bcibeacon\b")


def recognise(paths: Sequence[str]) -> dict[str, list[str]]:
    """CI system → its pipeline files among these paths, in the order of the table above."""
    near_the_top = [path for path in paths if path.count("/") <= 2]
    matches = {
        name: [path for glob in map(Glob, patterns) for path in near_the_top if glob.matches(path)]
        for name, patterns in PIPELINE_FILES.items()
    }
    return {name: files for name, files in matches.items() if files}


def uses_cibeacon(text: bytes | None) -> bool:
    """Whether a pipeline file mentions cibeacon outside a comment."""
    return bool(_USE.search(text or b""))


def names() -> list[str]:
    """The names of all kits: one for each CI system, and one for any other."""
    return sorted(_kits())


def kit(name: str) -> dict[str, str]:
    """File → text, for a repository whose services are in a configuration file. Raises `KeyError` for an unknown name."""
    texts = {file: "".join(f"{line}\n" for line in lines) for file, lines in _kits()[name].items()}
    return {file: re.sub(_MAP_SETTING, "", text) for file, text in texts.items()}


def _kits() -> Mapping[str, Mapping[str, Sequence[str]]]:
    kits: Mapping[str, Mapping[str, Sequence[str]]] = json.loads(Path(__file__).with_name("kits.json").read_bytes())
    return kits
