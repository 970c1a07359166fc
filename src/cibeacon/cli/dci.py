"""`cibeacon dci`: reports a DCI job step by step, and lists what is in DCI."""

from __future__ import annotations

from collections.abc import Mapping

import click

from cibeacon.cli.lazy_group import Verb, Verbs

VERBS: Mapping[str, Verb] = {
    "whoami": Verb("dci_query:whoami", "Show the remote CI that the credentials belong to, and its teams."),
    "topics": Verb("dci_query:topics", "List the topics that the remote CI may use."),
    "components": Verb("dci_query:components", "List the components of a topic."),
    "jobs": Verb("dci_query:jobs", "List the team's jobs, or show one."),
    "start": Verb("dci_job:start", "Create a job and mark it as running."),
    "state": Verb("dci_job:state", "Set the state of the job."),
    "upload": Verb("dci_job:upload", "Upload files to the job."),
    "finish": Verb("dci_job:finish", "Upload files, then report how the job ended."),
}


@click.group("dci", cls=Verbs, verbs=VERBS)
def command() -> None:
    """Report a DCI job step by step (start, state, upload, finish), and list what is in DCI (whoami, topics, components,
    jobs).

    Set the variables DCI_CLIENT_ID and DCI_API_SECRET to the credentials of the remote CI. Within one CI job you do not
    need to pass the job's id: the other commands find the job that start created.
    """
