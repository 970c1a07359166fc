"""What every CI system offers, and how its variables are read: an empty one is absent. Knows no CI system.

A CI system is a subclass of `CISystem` in a file of its own, and a line in `detect.SYSTEMS`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cibeacon.git import Remote
from cibeacon.model import payload
from cibeacon.model.context import Checkout, Context
from cibeacon.model.report import CIOutput, Notice, Report, ReportTexts
from cibeacon.runtime.environment import Environment


class Variables(NamedTuple):
    """The environment of a job."""

    environ: Mapping[str, str]

    def get(self, *names: str) -> str | None:
        """The value of the first of these variables that is set."""
        return next((self.environ[name] for name in names if self.environ.get(name)), None)

    def is_true(self, name: str) -> bool:
        """Whether a variable says yes."""
        return (self.get(name) or "").lower() in ("true", "1", "yes")

    def number(self, *names: str) -> int | None:
        """A whole number."""
        return payload.number(self.get(*names))

    def sha(self, *names: str) -> str | None:
        """A full commit id; None for git's all-zero id."""
        return payload.commit(self.get(*names))

    def seconds(self, *names: str) -> int | None:
        """An ISO 8601 time, as Unix seconds."""
        return payload.seconds(self.get(*names))

    def server(self, *names: str) -> str | None:
        """Host name and port of a URL."""
        return payload.server(self.get(*names))


class CISystem(ABC):
    """A CI system. A new one needs `name`, `title`, `matches` and `read`."""

    name: str
    """Its word in the setting `host` and in `Context.host`."""
    title: str
    """Its name as people write it."""

    @abstractmethod
    def matches(self, env: Variables) -> bool:
        """Whether the environment is that of a job there."""

    @abstractmethod
    def read(self, env: Variables) -> Context:
        """The run as the variables describe it."""

    def read_with_notices(self, env: Variables, checkout: Callable[[], Checkout]) -> tuple[Context, tuple[Notice, ...]]:
        """The run and what the user should know about how it was read; `checkout` asks git, for those that must."""
        del checkout
        return self.read(env), ()

    def remotes(self, env: Variables, token: str | None, *, allow_http: bool = False) -> tuple[Remote, ...]:
        """Where the repository's commits can be fetched, the likeliest place first."""
        del env, token, allow_http
        return ()

    def spool_folder(self, env: Variables) -> str | None:
        """Where signals are spooled by default; None where nothing lasts."""
        del env
        return None

    def output(self, report: Report, environment: Environment, texts: ReportTexts) -> CIOutput:
        """What the CI system should show and keep of a report, besides the text that everyone gets."""
        del report, environment, texts
        return CIOutput()

    def event(self, env: Variables) -> Mapping[str, Any] | None:
        """The payload of the event, where the CI system has one."""
        del env
        return None
