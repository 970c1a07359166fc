"""Shows a report: text or JSON on stdout, the host's own words, the files. The only place that writes files of ours.

Every word goes through the redactor on its way out. What cannot be written is said and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cibeacon import report_text
from cibeacon.ci.detect import detect
from cibeacon.cli.output import GRACE, say
from cibeacon.model.changes import Unknown
from cibeacon.model.ci_output import CIOutput, OutputFile
from cibeacon.model.payload import number
from cibeacon.model.report import Notice, Report
from cibeacon.runtime import paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import guarded, interruption
from cibeacon.runtime.redact import Redactor
from cibeacon.runtime.sanitize import clipped, json_text
from cibeacon.settings import Settings, load_settings, secret_values
from cibeacon.settings.options import Origin, misspelt

Lines = Callable[[Report], tuple[str, ...]]
Work = Callable[[], tuple[Report, Settings]]
VALUES_OF_FLAGS = ("true", "false")
"""Words that belong to the boolean flag before them. Others may be arguments: `dataops jobs --all 1` names a pipeline."""


def run_report(env: Environment, flags: Mapping[str, str]) -> int:
    """The exit code of `cibeacon report` with these flags."""
    from cibeacon.report import report  # half of all our code, which other verbs do without

    settings = load_settings(flags, env.environ, {})
    return present(env, settings, lambda: report(env, flags, settings)).exit_code


def run_services(env: Environment, flags: Mapping[str, str], paths: Sequence[str] | None = None) -> int:
    """The exit code of `cibeacon services` with these flags; `paths` are changed paths that another tool worked out."""
    from cibeacon.changed_services import blank_report, changed_services

    settings = load_settings(flags, env.environ, {})
    blank = blank_report(settings)
    return present(
        env, settings, lambda: changed_services(env, flags, settings, paths), report_text.services_lines, blank
    ).exit_code


def is_strict(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether a command line that could not be read is strict: by its last such flag, else by the variables."""
    flags: dict[str, str] = {}
    for before, word in zip(("", *argv), argv, strict=False):
        if word in ("--strict", "--no-strict"):
            flags["strict"] = str(word == "--strict")
        elif before == "--strict" and word.lower() in VALUES_OF_FLAGS:
            flags["strict"] = word
        elif word.startswith("--strict=") and word.partition("=")[2].strip():
            flags["strict"] = word.partition("=")[2]
    return load_settings(flags, environ, {}).output.strict


def present(
    env: Environment,
    settings: Settings,
    work: Work,
    lines: Lines = report_text.report_lines,
    blank: Report | None = None,
) -> Report:
    """Does the work of a verb, shows its report, and returns it. A failure of the work is a report, too.

    `blank` is what there is to report where the work comes to nothing.
    """
    strict = settings.output.strict
    blank = blank or Report(context=None, strict=strict)
    redactor = Redactor(secret_values(env.environ))
    as_json, filters = settings.as_json, settings.given("jq")
    allowed = settings.core.timeout if env.stage == "main" else settings.seconds
    deadline = Deadline(allowed, env.clock, env.sleep, env.started)
    env.alarm(deadline.remaining() + GRACE, blank.exit_code or int(strict))
    unwritten = _open(env, redactor)
    origins: Mapping[str, Origin] = {}
    try:
        report, used = guarded(work, lambda reason: (_empty(f"{reason}.", blank), settings))
        origins = used.origins if used.output.verbose else {}
    except KeyboardInterrupt as stop:
        reason = f"Nothing was sent: {interruption(stop)} before it was known what there is to send."
        report = _empty(reason, blank)
    env.closing(report.exit_code)
    slips = tuple(Notice("info", each) for each in misspelt(env.environ, settings.origins))
    report = report._replace(notices=(*report.notices, *slips)).cleaned(redactor)
    answer = ""
    if filters:
        report, answer = _answered(report, settings, env, redactor)
        env.closing(report.exit_code)
    output = _ci_output(report, env)
    # before the log: nobody may be listening there any more
    unwritten += [fault for writing in output.files if (fault := _write(env, redactor, writing))]
    if unwritten:
        report = report._replace(notices=(*report.notices, *(Notice("error", each) for each in unwritten)))
        env.closing(report.exit_code)
        output = _ci_output(report, env)
    _print(env, redactor, [*report_text.origin_lines(origins), *lines(report), *output.lines], to_stderr=as_json)
    if filters:
        _print(env, redactor, answer.splitlines(), to_stderr=False)
    elif as_json:
        _print(env, str, [json_text(redactor.within(report.document()), indent=2)], to_stderr=False)
    return report


def _empty(reason: str, blank: Report) -> Report:
    """A report without anything found; where services were asked for, they are unknown for that reason."""
    changes = blank.changes and blank.changes._replace(unknown=Unknown(reason))
    return blank._replace(changes=changes, notices=(Notice("error", reason),))


def opened(env: Environment) -> Redactor:
    """For verbs that speak while they work: what cleans everything that they say."""
    redactor = Redactor(secret_values(env.environ))
    _say(env, _open(env, redactor))
    return redactor


def kept(env: Environment, redactor: Redactor, writings: Iterable[OutputFile]) -> None:
    """Writes files for such a verb; its exit code has a meaning of its own."""
    _say(env, [fault for writing in writings if (fault := _write(env, redactor, writing))])


def unbroken(env: Environment, work: Callable[[], int], code: int) -> int:
    """The exit code that such a verb comes to, behind the firebreak; `code` is that of a failure of our own."""

    def said(why: str) -> int:
        fault(env, why)
        return code

    return guarded(work, said)


def fault(env: Environment, why: str) -> None:
    """Says that a verb failed."""
    _print(env, Redactor(secret_values(env.environ)), [clipped(f"{why}.", 400)], to_stderr=True)


def _open(env: Environment, redactor: Redactor) -> list[str]:
    """Writes down when the job began, before anything can go wrong. Returns a sentence for each file that it could not."""
    if env.stage != "main" or detect(env.environ).name != "github":
        return []
    from cibeacon.ci import github_output

    began = str(number(env.environ.get("STATE_started_at")) or env.began)
    state = github_output.state({"started_at": began, "stage": "main"}, env.environ, env.token)
    return [fault for writing in state if (fault := _write(env, redactor, writing))]


def _answered(report: Report, settings: Settings, env: Environment, redactor: Redactor) -> tuple[Report, str]:
    """What the program of the setting `jq` makes of the document, and the report with what it costs where that is nothing."""
    from cibeacon.cli.jq_output import filtered

    left = Deadline(settings.core.timeout, env.clock, env.sleep, env.started).remaining()
    failed = report.status == "failed" or report.exit_code > 0
    document = redactor.within(report.document())
    answer = filtered(document, settings, env.environ, failed=failed, most=left + GRACE)
    if answer.fault is None:
        return report, answer.text
    fault = redactor(answer.fault)
    notices = (*(each for each in report.notices if each.text not in fault), Notice("error", fault))
    return report._replace(notices=notices, least_code=answer.exit_code), ""


def _ci_output(report: Report, env: Environment) -> CIOutput:
    """What the CI system should show and keep; for a report without a context, the one that the environment shows."""
    system = detect(env.environ, report.context.host if report.context else None)
    return system.output(report, env, report_text.output_values, report_text.summary)


def _print(env: Environment, clean: Callable[[str], str], lines: Iterable[str], *, to_stderr: bool) -> None:
    say(env, clean("".join(f"{line}\n" for line in lines)), to_stderr=to_stderr)


def _say(env: Environment, unwritten: Iterable[str]) -> None:
    _print(env, str, [f"! {each}" for each in unwritten], to_stderr=True)


def _write(env: Environment, redactor: Redactor, writing: OutputFile) -> str | None:
    """What went wrong, in a sentence; None where nothing did."""
    path = paths.settled(env, writing.path)
    content = redactor(writing.text).encode("utf-8", "backslashreplace")
    try:
        if writing.append:
            host = paths.is_outside(env, writing.path)
            paths.append(env.cwd / writing.path if host else path, content, follow=host)
        else:
            paths.replace(path, content, f".{path.name}.{env.token()}.part")
    except OSError as error:
        said = redactor(
            f"{path.name} was not written: {error}. Nobody who reads it sees this run: check its path, permissions and disk."
        )
        return clipped(said, 300)
    return None
