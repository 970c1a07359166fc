"""`cibeacon dci`: a job of DCI by hand, and what DCI has."""

from __future__ import annotations

from collections.abc import Mapping

import click

from cibeacon.cli.lazy_group import Verb, Verbs

VERBS: Mapping[str, Verb] = {
    "whoami": Verb("dci_query:whoami", "Show which remote CI signs, and for which teams."),
    "topics": Verb("dci_query:topics", "List the topics that it may use."),
    "components": Verb("dci_query:components", "List the components of a topic."),
    "jobs": Verb("dci_query:jobs", "List the team's jobs, or show one."),
    "start": Verb("dci_job:start", "Create a job and set it running."),
    "state": Verb("dci_job:state", "Tell how the job stands."),
    "upload": Verb("dci_job:upload", "Send files to the job."),
    "finish": Verb("dci_job:finish", "Send files, then report how the job ended."),
}


@click.group("dci", cls=Verbs, verbs=VERBS)
def command() -> None:
    """A job of DCI by hand: start, state, upload, finish; and what DCI has: whoami, topics, components, jobs.

    The remote CI is named by DCI_CLIENT_ID and DCI_API_SECRET. Inside one CI job no id has to be handed on: every verb
    finds the job that start made.
    """
