"""Knows the run that a verb of DCI or Flow is about: its settings, its context, and its report. Plans nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cibeacon.ci import detect
from cibeacon.delivery.deliver import deliver
from cibeacon.git.repository import Repository
from cibeacon.model.report import Notice, Report
from cibeacon.run import Run
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.paths import toplevel
from cibeacon.runtime.watched_file import Watch
from cibeacon.settings import Settings
from cibeacon.signals.plan import PlanStep


class ManualRun(NamedTuple):
    """The run, and notices about it; what is missing in the checkout is no notice, since none is needed."""

    run: Run
    notices: tuple[Notice, ...]

    @classmethod
    def of(cls, env: Environment, settings: Settings) -> ManualRun:
        """The run that the environment and the settings describe."""
        deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
        repository = Repository(toplevel(env.cwd), env.environ, deadline.share(0.5))
        try:
            context, notices = detect.read_context(settings, env.environ, repository)
        finally:
            repository.close()
        context = detect.apply_overrides(context, settings)
        errors = tuple(notice for notice in notices if notice.weight == "error")
        return cls(Run(settings, context, bool(settings.core.dry_run), deadline), errors)

    def noting(self, *errors: str) -> ManualRun:
        """The run with further errors that belong to no signal."""
        return self._replace(notices=(*self.notices, *(Notice("error", error) for error in errors)))

    def deliver(self, env: Environment, steps: Sequence[PlanStep], verb: str, watch: Watch | None = None) -> Report:
        """Delivers the steps, and reports."""
        outcomes, notices = deliver(env, self.run, steps, watch)
        return Report(
            context=self.run.about,
            outcomes=outcomes,
            notices=(*self.notices, *notices),
            strict=self.run.settings.output.strict,
            dry_run=self.run.dry_run,
            host_title=self.run.host.title,
            verb=verb,
        )
