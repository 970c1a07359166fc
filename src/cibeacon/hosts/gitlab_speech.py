"""Knows how one speaks to GitLab CI: a dotenv report and a JSON artifact. Writes nothing itself.

Limits: https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv (5 KB, keys of letters, digits and
underscores, one line a value). The keys begin with CIBEACON_OUT_: a plain CIBEACON_ key would be a setting of later jobs.
"""

from __future__ import annotations

from collections.abc import Mapping

from cibeacon import outputs
from cibeacon.report import Report
from cibeacon.sanitise import json_text, line
from cibeacon.speech import Speech, Writing
from cibeacon.world import Stage

PREFIX = "CIBEACON_OUT_"
DOTENV = "cibeacon.env"
REPORTS = {"main": "cibeacon-report-running.json", "post": "cibeacon-report.json", "whole": "cibeacon-report.json"}
"""By stage: the first job of a pipeline must not leave its report in the place of the last one's."""
_LARGEST_DOTENV = 5000


def speak(report: Report, environ: Mapping[str, str], stage: Stage) -> Speech:
    """The outputs as variables of later jobs, and the whole report as a file to keep."""
    folder = environ.get("CI_PROJECT_DIR") or "."
    values = outputs.values(report, REPORTS[stage])
    text = _dotenv(values)
    if len(text.encode()) > _LARGEST_DOTENV:  # the report holds them
        text = _dotenv({name: value for name, value in values.items() if name != "services"})
    document = json_text(report.document(), indent=2) + "\n"
    return Speech((), (Writing(f"{folder}/{DOTENV}", text), Writing(f"{folder}/{REPORTS[stage]}", document)))


def _dotenv(values: Mapping[str, str]) -> str:
    return "".join(f"{PREFIX}{name.upper()}={line(value)}\n" for name, value in values.items())
