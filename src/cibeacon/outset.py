"""Finds out what a run is about, in the order in which nobody waits: the context, then git to compare, then all else.

Sends nothing to any sink. What cannot be found out becomes a notice, a problem or an `Unknown`: the report goes on with
what is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

from cibeacon.changes import head_start
from cibeacon.ci import detect
from cibeacon.git.repository import Repository
from cibeacon.model.context import Context
from cibeacon.model.report import Notice
from cibeacon.run import Run, templates
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.environment import Environment
from cibeacon.runtime.errors import HalfTime, guarded, interruption
from cibeacon.runtime.interrupt_guard import interruptible
from cibeacon.runtime.paths import toplevel
from cibeacon.services import config_file
from cibeacon.settings import Settings

_GRACE = 0.2
"""Seconds in which git and the host's API, which have the same end, say by themselves what took so long."""


class Outset(NamedTuple):
    """A run of which the context is known, and where to look on from there."""

    found: Run
    env: Environment
    repository: Repository
    looking: Deadline
    """The part of the time that may go by before anything is sent."""
    paths: Sequence[str] | None
    acts: bool

    def explored(self, found: Run, flags: Mapping[str, str]) -> Run:
        """Everything about the run, or as much as was found before an interruption.

        `found` is what is known; `flags` are settled again with what the repository has to say.
        """
        self.env.halftime(self.looking.remaining() + _GRACE)
        try:
            with interruptible():
                if found.interrupted:
                    return found.cut_short(found.interrupted)
                guarded(self._get_ahead, lambda _: None)
                from cibeacon.search import Site, searched  # most of our code, which git need not wait for

                about = (self.repository, self.env.environ, flags, self.env.stage, self.looking, self.paths)
                with closing(searched(found, Site(*about, not self.acts))) as parts:
                    for found in parts:  # noqa: B007 - it grows
                        pass
                return found
        except HalfTime as stop:
            return found.cut_short(interruption(stop))._replace(interrupted=None)
        except KeyboardInterrupt as stop:
            return found.cut_short(interruption(stop))
        finally:
            self.env.halftime(None)

    def _get_ahead(self) -> None:
        """Lets git compare, where there seems to be a service map, here or elsewhere: else nothing need be compared."""
        settings, context = self.found.settings, self.found.context
        drawn = (
            bool(templates(settings))
            if settings.change.services
            else context.base_config or config_file.is_on_disk(self.repository.root, settings.core.config)
        )
        if drawn and self.env.stage != "post" and self.paths is None and self.repository.exists:
            head_start.begin(context, settings.change, self.repository)


@contextmanager
def begun(
    env: Environment, settings: Settings, *, acts: bool = False, paths: Sequence[str] | None = None
) -> Iterator[Outset]:
    """The run's context. `settings` are those of flags and environment, before the repository has its say.

    `acts`: the verb works outside CI too, unless told to preview. `paths` are changed paths that somebody else worked
    out; git is not asked then.
    """
    deadline = Deadline(settings.core.timeout, env.clock, env.sleep, env.started)
    looking = deadline.share(0.5)
    with closing(Repository(toplevel(env.cwd), env.environ, looking)) as repository:
        if detect.detect(env.environ, settings.core.host).name == "local":
            repository.expect("HEAD", *filter(None, (settings.change.base, settings.change.head)))
            repository.begin_checkout()
            import cibeacon.search  # noqa: F401 - it takes as long as git does
        context, notices = detect.read_context(settings, env.environ, repository)
        dry_run = _is_dry_run(settings, context, acts=acts)
        notices = (*notices, *_unknown_ci(settings, context, acts=acts))
        found = Run(settings, detect.reported_run(context, settings), dry_run, deadline, notices=notices)
        yield Outset(found.unlooked(), env, repository, looking, paths, acts)


def _is_dry_run(settings: Settings, context: Context, *, acts: bool) -> bool:
    """As told; else only what runs outside a CI system that we know, and only for verbs that do so by themselves."""
    if settings.core.dry_run is not None:
        return settings.core.dry_run
    return context.host == "local" and not acts


def _unknown_ci(settings: Settings, context: Context, *, acts: bool) -> tuple[Notice, ...]:
    if context.host != "local" or not context.ci or acts or settings.core.dry_run is not None:
        return ()
    return (Notice("info", "warning: this CI system is not known, so this is a dry run: set dry_run to false to send"),)
