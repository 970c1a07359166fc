"""Finds the services that a run changed, and those of each pull request that its push merged: from given paths, from git,
or from the host's API.

Does not know where the commits come from. If the host cut its list of files short, the services are unknown.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cibeacon.changes import FallbackHistory, diff, repository_config
from cibeacon.changes.commit_range import NO_COMMIT
from cibeacon.changes.repository_config import RepositoryConfig
from cibeacon.ci import detect
from cibeacon.git.repository import Repository
from cibeacon.model.changes import Changes, MergedPR, PushedPRs, Unknown
from cibeacon.model.context import Context
from cibeacon.model.report import Notice
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError
from cibeacon.services import templates
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import Change

if TYPE_CHECKING:
    from cibeacon.services.trees import Side

FROM_PULL_REQUEST = "the pull request's files, from the host's API"
FROM_COMPARISON = "files from the host's API"
_TOGETHER = Unknown(
    "the push merged several pull requests, and the given services are for all of them together",
    "report each with pr_number",
)


class Question(NamedTuple):
    """Everything that the changed services depend on."""

    context: Context
    change: Change
    config: RepositoryConfig
    clone: Repository
    history: FallbackHistory
    deadline: Deadline
    pushed: PushedPRs = PushedPRs()
    paths: Sequence[str] | None = None
    """Changed paths from another tool; git is then not asked."""
    deploy_services: tuple[str, ...] = ()
    each_pull_request: bool = True
    """False if the changes of single pull requests are not needed."""


class ServiceChanges(NamedTuple):
    """The changed services, or why they were not determined."""

    changes: Changes | None = None
    pr_changes: tuple[Changes, ...] = ()
    """The changes of each pull request in the push, if they differ from those of the run."""
    map_fault: str | None = None
    """Why the service map cannot be trusted."""
    no_map: Unknown | None = None
    """Why there is no service map."""
    notices: tuple[Notice, ...] = ()


def find_service_changes(question: Question) -> ServiceChanges:
    """The services that changed. Templates in the setting `services` apply if no file maps services."""
    config, services = question.config, question.change.services
    service_map, map_fault = repository_config.service_map(services, config)
    if map_fault:
        return ServiceChanges(map_fault=map_fault)
    if config.unknown and question.paths is None and (service_map is None or config.fault):
        return ServiceChanges(_explain_unknown(question, Changes("unknown", unknown=config.unknown)))
    if service_map is None:
        return ServiceChanges(no_map=config.unmapped)
    unused = repository_config.unused(templates(services), config)
    service_map = _with_questions(question, service_map)
    if question.paths is None:
        changes, pr_changes = _find_changes(question, service_map)
    else:
        changes, pr_changes = diff.given(service_map, question.paths, question.history.source), ()
    notices = (*([Notice("info", unused)] if unused else []), *_map_notices(question, changes, service_map))
    return ServiceChanges(changes, pr_changes, notices=notices)


def merged_prs(
    pushed: PushedPRs, changes: Changes | None, pr_changes: tuple[Changes, ...] = ()
) -> tuple[MergedPR, ...]:
    """Each pull request with its own changes. Changes that are known only for all of them together count as unknown."""
    pull_requests = pushed.pull_requests
    if pr_changes:
        return tuple(MergedPR(*pair) for pair in zip(pull_requests, pr_changes, strict=True))
    if len(pull_requests) > 1 and changes and changes.status != "unknown":
        changes = Changes("unknown", unknown=_TOGETHER)
    return tuple(MergedPR(pull_request, changes) for pull_request in pull_requests)


def _with_questions(question: Question, service_map: ServiceMap) -> ServiceMap:
    """The map with the tools that its rules need. If the configuration comes from a commit, so do the files that it names."""
    if not service_map.rules.discover:
        return service_map
    from cibeacon.services import discovery  # a map of plain folders or templates needs no discovery

    context, commit, source = question.context, question.config.commit, question.history.source
    on_gitlab = detect.is_on_gitlab(context)
    if not context.base_config and (commit is None or not question.clone.exists):
        read = discovery.checkout_reader(question.clone.root)
        return discovery.with_tools(service_map, question.deadline, read, gitlab=on_gitlab)
    sides: tuple[Side, ...] = ("base",) if context.base_config else ()
    return discovery.with_tools(
        service_map,
        question.deadline,
        lambda path: source.text(commit, path) if commit else None,
        *sides,
        gitlab=on_gitlab,
    )


def _map_notices(question: Question, changes: Changes, service_map: ServiceMap) -> Iterator[Notice]:
    """Notices about unowned files, and about deployed services that are not in the map: it may be outdated, or a name wrong."""
    if unowned := diff.unowned(changes, service_map):
        yield Notice("error" if service_map.rules.unmatched == "error" else "info", unowned, "unowned-files")
    names = (name for name in question.deploy_services if name != "changed")
    for sentence in diff.unknown_services(names, changes, service_map, question.history.source):
        yield Notice("info", f"warning: deploy_services: {sentence}")
    for sentence in _empty_templates(question, changes, service_map):
        yield Notice("info", sentence)


def _empty_templates(question: Question, changes: Changes, service_map: ServiceMap) -> Iterator[str]:
    """A sentence for each template in a folder that does not exist. git is asked only if a changed file is unowned."""
    clone, head, config = question.clone, changes.head, question.config
    if not changes.unmatched or not head or not service_map.templates or not clone.exists or not clone.commit(head):
        return
    source = config.name if config.read.service_map else "the setting services"
    for template in service_map.templates:
        if template.parent and not clone.has_any(head, template.parent):
            text = f"{source}: the template {template.text} finds no service, because {template.parent}/ does not exist"
            yield f"{text}; see cibeacon services check"


def _find_changes(question: Question, service_map: ServiceMap) -> tuple[Changes, tuple[Changes, ...]]:
    """The changes of the run and, if they differ, those of each pull request that its push merged."""
    context, pull_requests = question.context, question.pushed.pull_requests
    if question.pushed.alone or not pull_requests:
        about = context.with_pull_request(pull_requests[0]) if pull_requests else context
        return _compare(question, service_map, about), ()
    if not question.each_pull_request or question.change.base or question.change.head:
        return _compare(question, service_map, context), ()
    for pull_request in pull_requests:  # named up front, so that one fetch brings the history of all
        for sha in (pull_request.merge_commit_sha, pull_request.head_sha):
            question.history.commit(sha or "")
    # the push has other commits besides a pull request's own, so it must not be used for one
    by_itself = [context.with_pull_request(pull_request)._replace(push=None) for pull_request in pull_requests]
    pr_changes = tuple(_compare(question, service_map, each) for each in by_itself)
    return _compare(question, service_map, context), pr_changes


def _compare(question: Question, service_map: ServiceMap, context: Context) -> Changes:
    """Compares with git, and with a merge base from the host if git has none; else with the host's list of files, if complete."""
    history, change = question.history, question.change
    pull_request, given = context.pull_request, bool(change.base or change.head)
    try:
        if pull_request and not given and not (pull_request.merged or pull_request.head_sha):
            pull_request = history.pull_request(pull_request.number) or pull_request
            context = context.with_pull_request(pull_request)
        history.begin()
        changes = diff.between_commits(context, change, service_map, history.source, history)
        if history.relied and changes.how:
            changes = changes._replace(how=f"{changes.how}, merge base from the host's API")
        changes = _explain_unknown(question, changes)
        compared = changes.status != "unknown" or changes.changed_files is not None
        if compared or not history.forge or service_map.rules.discover or service_map.rules.everywhere:
            return _with_refusal(changes, history)
        if pull_request and not given:
            files = history.forge.changed_files(pull_request.number)
            return _from_host(question, service_map, files, FROM_PULL_REQUEST, None)
        return _compare_at_host(question, service_map, changes)
    except HostError as error:
        return Changes("unknown", unknown=Unknown(f"{error.what} ({error.why})", error.hint))


def _compare_at_host(question: Question, service_map: ServiceMap, changes: Changes) -> Changes:
    """Uses the host's comparison of two commits whose trees git cannot reach."""
    history = question.history
    if not changes.base or not changes.head or not changes.unknown:
        return _with_refusal(changes, history)
    try:
        listed = history.listed(changes.base, changes.head)
    except HostError as error:
        return _with_reason(changes, f"{error.what} ({error.why})")
    if listed.files is None:
        return _with_reason(changes, listed.fault)
    return _from_host(question, service_map, listed.files, f"{changes.how}, {FROM_COMPARISON}", changes)


def _from_host(
    question: Question, service_map: ServiceMap, files: Sequence[str], how: str, compared: Changes | None
) -> Changes:
    changes = diff.given(service_map, files, question.history.source)
    return changes._replace(how=how, base=compared and compared.base, head=compared and compared.head)


def _explain_unknown(question: Question, changes: Changes) -> Changes:
    """The changes; if they are unknown because there is no checkout, with that reason first."""
    reason = repository_config.NO_REPOSITORY
    if changes.unknown is None or changes.unknown.why.startswith(reason) or question.clone.exists:
        return changes
    if changes.unknown.why == NO_COMMIT or changes.unknown.why.lower().startswith(reason):
        return changes._replace(unknown=Unknown(reason, repository_config.check_out(question.context)))
    return changes._replace(unknown=changes.unknown._replace(why=f"{reason}, and {changes.unknown.why}"))


def _with_refusal(changes: Changes, history: FallbackHistory) -> Changes:
    """The changes; if they are unknown because the host refused to give a merge base, with its answer."""
    if not history.refusals:
        return changes
    error = history.refusals[-1]
    return _with_reason(changes, f"{error.what} ({error.why})")


def _with_reason(changes: Changes, reason: str) -> Changes:
    """The changes, with one more reason if they are unknown."""
    if not changes.unknown:
        return changes
    return changes._replace(unknown=changes.unknown._replace(why=f"{changes.unknown.why}; {reason}"))
