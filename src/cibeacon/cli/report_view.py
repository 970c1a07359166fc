"""Shows a report: text or JSON on stdout, the CI system's annotations, the files. Only this file writes our output files.

All output is redacted. A file that cannot be written is reported and fails nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cibeacon import report_text
from cibeacon.ci.detect import detect, is_ci_job
from cibeacon.cli.output import GRACE, say
from cibeacon.model.changes import Unknown
from cibeacon.model.payload import number
from cibeacon.model.report import CIOutput, Notice, OutputFile, Report, ReportTexts
from cibeacon.runtime import Environment, paths
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import guarded, interruption
from cibeacon.runtime.safe_text import Redactor, clipped, json_text
from cibeacon.settings import Settings, load_settings, secret_values
from cibeacon.settings.options import Origin, misspelt

Lines = Callable[[Report], tuple[str, ...]]
Work = Callable[[], tuple[Report, Settings]]
VALUES_OF_FLAGS = ("true", "false")
"""Words that are values of the boolean flag before them. Others may be arguments: in `dataops jobs --all 1`, a pipeline."""


def run_report(env: Environment, flags: Mapping[str, str]) -> int:
    """The exit code of `cibeacon report` with these flags."""
    from cibeacon.report import report  # loads half of our code, which other verbs do not need

    settings = load_settings(flags, env.environ, {})
    return present(env, settings, lambda: report(env, flags, settings)).exit_code


def run_services(env: Environment, flags: Mapping[str, str], paths: Sequence[str] | None = None) -> int:
    """The exit code of `cibeacon services` with these flags; `paths` are changed paths from another tool."""
    from cibeacon.changed_services import blank_report, changed_services

    settings = load_settings(flags, env.environ, {})
    blank = blank_report(settings)
    return present(
        env, settings, lambda: changed_services(env, flags, settings, paths), report_text.services_lines, blank
    ).exit_code


def is_strict(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether a command line that could not be parsed is strict: by its last such flag, else by the variables."""
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
    """Does the work of a verb, shows its report and returns it. If the work fails, the report says so.

    `blank` is the report to show if the work fails.
    """
    blank = blank or Report(context=None, strict=settings.output.strict)
    clean = Redactor(secret_values(env.environ))
    allowed = settings.core.timeout if env.stage == "main" else settings.seconds
    deadline = Deadline(allowed, env.clock, env.sleep, env.started)
    env.alarm(deadline.remaining() + GRACE, blank.exit_code or int(blank.strict))
    faults = _write_state(env, clean)
    origins: Mapping[str, Origin] = {}
    try:
        report, used = guarded(work, lambda reason: (_empty(f"{reason}.", blank), settings))
        origins = used.origins if used.output.verbose else {}
    except KeyboardInterrupt as stop:
        reason = f"Nothing was sent: {interruption(stop)} before the signals were planned."
        report = _empty(reason, blank)
    env.closing(report.exit_code)
    misspelt_variables = (Notice("info", f"warning: {text}") for text in misspelt(env.environ, settings.origins))
    in_ci = is_ci_job(env.environ, settings.core.host)
    report = report._replace(notices=(*report.notices, *misspelt_variables), in_ci=in_ci).cleaned(clean)
    result = ""
    if settings.given("jq"):
        report, result = _filter(report, settings, env, clean)
        env.closing(report.exit_code)
    output = _ci_output(report, env)
    faults += _write(env, clean, output.files)  # before the log, whose reader may be gone
    if faults:
        report = report._replace(
            notices=(*report.notices, *(Notice("error", fault, "output-not-written") for fault in faults))
        )
        env.closing(report.exit_code)
        output = _ci_output(report, env)
    text = [*report_text.origin_lines(origins), *lines(report), *output.lines]
    _print(env, clean, text, to_stderr=settings.as_json)
    if settings.given("jq"):
        _print(env, clean, result.splitlines(), to_stderr=False)
    elif settings.as_json:
        _print(env, str, [json_text(clean.within(report.document()), indent=2)], to_stderr=False)
    return report


def _empty(reason: str, blank: Report) -> Report:
    """The report if the work fails. If it is about services, they are unknown for this reason."""
    changes = blank.changes and blank.changes._replace(unknown=Unknown(reason))
    return blank._replace(changes=changes, notices=(Notice("error", reason, "nothing-sent"),))


def begin_output(env: Environment) -> Redactor:
    """For verbs that print while they work: returns the redactor for everything they print."""
    clean = Redactor(secret_values(env.environ))
    _print_faults(env, _write_state(env, clean))
    return clean


def write_files(env: Environment, clean: Redactor, files: Iterable[OutputFile]) -> None:
    """Writes files for such a verb; failures do not change its exit code."""
    _print_faults(env, _write(env, clean, files))


def guarded_code(env: Environment, work: Callable[[], int], code: int) -> int:
    """The exit code of such a verb; `code` if it fails unexpectedly."""

    def fail(reason: str) -> int:
        print_failure(env, reason)
        return code

    return guarded(work, fail)


def print_failure(env: Environment, reason: str) -> None:
    """Prints that a verb failed."""
    _print(env, Redactor(secret_values(env.environ)), [clipped(f"{reason}.", 400)], to_stderr=True)


def _write_state(env: Environment, clean: Redactor) -> list[str]:
    """Stores when the job began, before anything can go wrong. Returns a sentence for each file that could not be written."""
    if env.stage != "main" or not detect(env.environ).in_stages:
        return []
    from cibeacon.ci import github_output

    began = str(number(env.environ.get("STATE_started_at")) or env.began)
    return _write(env, clean, github_output.state({"started_at": began, "stage": "main"}, env.environ, env.token))


def _filter(report: Report, settings: Settings, env: Environment, clean: Redactor) -> tuple[Report, str]:
    """The result of the `jq` program; if there is none, the report says why."""
    from cibeacon.cli.jq_output import filtered

    left = Deadline(settings.core.timeout, env.clock, env.sleep, env.started).remaining()
    failed = report.status == "failed" or report.exit_code > 0
    result = filtered(clean.within(report.document()), settings, env.environ, failed=failed, most=left + GRACE)
    if result.fault is None:
        return report, result.text
    fault = clean(result.fault)
    notices = (*(notice for notice in report.notices if notice.text not in fault), Notice("error", fault, "jq-failed"))
    return report._replace(notices=notices, least_code=result.exit_code), ""


def _ci_output(report: Report, env: Environment) -> CIOutput:
    """The CI system's annotations and files. Without a context, the CI system is detected from the environment."""
    system = detect(env.environ, report.context.host if report.context else None)
    return system.output(report, env, ReportTexts(report_text.output_values, report_text.summary))


def _print(env: Environment, clean: Callable[[str], str], lines: Iterable[str], *, to_stderr: bool) -> None:
    say(env, clean("".join(f"{line}\n" for line in lines)), to_stderr=to_stderr)


def _print_faults(env: Environment, faults: Iterable[str]) -> None:
    _print(env, str, [f"! {fault}" for fault in faults], to_stderr=True)


def _write(env: Environment, clean: Redactor, files: Iterable[OutputFile]) -> list[str]:
    """Writes files. Returns a sentence for each that could not be written."""
    faults = []
    for file in files:
        path = paths.resolve_trusted(env, file.path)
        content = clean(file.text).encode("utf-8", "backslashreplace")
        try:
            if file.append:
                outside = paths.is_outside(env, file.path)
                paths.append(env.cwd / file.path if outside else path, content, follow=outside)
            else:
                paths.replace(path, content, f".{path.name}.{env.token()}.part")
        except OSError as error:
            consequence = "Whatever reads it will miss this run: check its path, permissions and disk."
            faults.append(clipped(clean(f"{path.name} was not written: {error}. {consequence}"), 300))
    return faults
