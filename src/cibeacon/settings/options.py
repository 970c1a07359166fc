"""Knows how an option is declared, how each surface spells it, and how its value is found. Does not know any option.

One declaration (a field made by `option`) gives the command line flag, the action input, the GitLab input,
the environment variable and the row of the reference. Precedence: flag > action input or plugin setting > variable >
well-known variable > repository configuration > default. Empty text means unset.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

Group = TypeVar("Group")
_OURS = "CIBEACON_"
_NOT_READ = (
    "CIBEACON_OUT_",
    "CIBEACON_IMAGE",
    "CIBEACON_TRIGGER_ID",
    "CIBEACON_COMMAND",
    "CIBEACON_INPUT_COMMAND",
    "CIBEACON_EXEC_ID",
)
"""`CIBEACON_` variables that are not settings: outputs for later jobs and pipelines, and those of docs and templates."""
_MOST_MISSPELT = 5
_LONGEST_SLIP = 60
_NEAR = 0.75
"""Similarity from 0 to 1. High, because a variable of another tool may also start with `CIBEACON_`."""
_NO_WORD = 8
"""Characters from which a password is masked by itself: masking a short one such as `proxy` would spoil other text."""


class Option(NamedTuple):
    """One setting, as declared."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    shown_default: str = ""
    """The default in words, if the value itself does not explain it."""
    secret: bool = False
    """A secret has no flag and no GitLab input: process lists and merged YAML are public."""
    secrets: Callable[[str], tuple[str, ...]] | None = None
    """For a secret with several parts: returns the parts that must be masked too, from text that may be invalid."""
    shared: bool = False
    """True for a secret whose well-known variables other tools use, too: `exec --hide-token` does not remove them."""
    flag: bool = False
    """True for a boolean that the command line spells `--name/--no-name`."""
    also: tuple[str, ...] = ()
    """Well-known variables that are read if the `CIBEACON_` variable is not set."""
    in_repository: bool = False
    """True for a reporting choice that `report:` in the repository's configuration may make."""
    expression: str = ""
    """Default of the action input: an expression that only the runner can evaluate."""

    @property
    def dashed(self) -> str:
        """The command line flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def input_variable(self) -> str:
        """The variable in which GitHub's runner passes the action input."""
        return "INPUT_" + self.name.upper()

    @property
    def plugin_variable(self) -> str:
        """The variable in which Drone, Woodpecker and Harness pass a setting of the step."""
        return "PLUGIN_" + self.name.upper()

    @property
    def component_variable(self) -> str:
        """The variable in which the GitLab component passes its input. Separate, so that an empty input hides no variable."""
        return "CIBEACON_INPUT_" + self.name.upper()

    @property
    def component_type(self) -> str:
        """The type of the GitLab input. GitLab rejects an unquoted `true` or `30` for an input of type string."""
        if self.flag and self.shown_default.startswith("false"):  # unset and false mean the same
            return "boolean"
        counted = isinstance(self.default, int | float) and not isinstance(self.default, bool)
        return "number" if counted else "string"

    @property
    def component_default(self) -> str:
        """The value of the GitLab input that counts as unset, since only a string can be empty."""
        return {"boolean": "false", "number": "0", "string": ""}[self.component_type]

    @property
    def variable(self) -> str:
        """The `CIBEACON_` variable."""
        return "CIBEACON_" + self.name.upper()

    @property
    def variables(self) -> tuple[str, ...]:
        """Every environment variable that may contain the value."""
        return (self.input_variable, self.plugin_variable, self.component_variable, self.variable, *self.also)


class Origin(NamedTuple):
    """Where a value came from: the source as shown in the log, and whether the value was set at all."""

    source: str
    given: bool


class Requirements(NamedTuple):
    """The settings that a sink needs before anything can be sent to it."""

    wanted_by: tuple[str, ...]
    """Settings that, if set, show that the user wants signals sent to the sink."""
    not_configured: str
    required: Mapping[str, str]
    """Each setting that must be set, and the message if it is missing."""
    address: str = ""
    """The setting that contains the URL, if its name does not end in `_url`."""


class Problem(NamedTuple):
    """A value that cannot be used, and why. The signals of its settings `group` are invalid."""

    group: str
    option: str
    message: str


def option(parse: Callable[[str], Any], default: Any, help: str, **more: Any) -> Any:
    """Declares an option as a field of a group, a NamedTuple. The field's name is the option's."""
    return Option("", parse, default, help, **more)


def credentials(url: str) -> tuple[str, ...]:
    """The secrets in a URL: user name and password together, and the password by itself if it is long enough."""
    before, slashes, after = url.strip().partition("//")
    rest = after if slashes else before
    authority = rest.partition("/")[0]
    pair = (authority if "@" in authority else rest).rpartition("@")[0]
    if not pair or not (slashes or ":" in pair):
        return ()
    password = pair.partition(":")[2]
    alone = [text for text in (password, unquote(password)) if len(text) >= _NO_WORD]
    return tuple(dict.fromkeys((pair, *alone)))


def _shown(given: str) -> str:
    """The beginning of an invalid value, without user names and passwords in URLs."""
    return "".join(_anonymous(word) for word in re.split(r"(\s+)", given))[:80]


def _anonymous(word: str) -> str:
    before, at, rest = word.rpartition("@")
    if not at or (":" not in before and "//" not in before):
        return word
    scheme, slashes, _ = before.partition("//")
    return f"{scheme}{slashes}***@{rest}" if slashes else f"***@{rest}"


@cache
def declared(group: type) -> tuple[Option, ...]:
    """The options of a group, in order of declaration."""
    fields: Mapping[str, Option] = getattr(group, "_field_defaults", {})
    return tuple(field._replace(name=name) for name, field in fields.items())


class Sources(NamedTuple):
    """Every source of values, in order of precedence."""

    flags: Mapping[str, str]
    environ: Mapping[str, str]
    repository: Mapping[str, Any]
    plugin: bool = False
    """Whether the CI system passes settings as `PLUGIN_` variables; elsewhere these belong to other tools."""

    def candidates(self, option: Option) -> Iterator[tuple[str, str]]:
        """(source, text) of every source of the option, in order of precedence; empty text included."""
        if not option.secret:
            yield option.dashed, self.flags.get(option.name, "")
        if self.environ.get("GITHUB_ACTIONS") == "true":
            yield f"input {option.name}", self.environ.get(option.input_variable, "")
        if self.plugin:
            yield f"plugin setting {option.name}", self.environ.get(option.plugin_variable, "")
        if not option.secret:
            text = self.environ.get(option.component_variable, "")
            yield f"input {option.name}", "" if text == option.component_default else text
        for variable in (option.variable, *option.also):
            yield variable, self.environ.get(variable, "")
        if option.in_repository and option.name in self.repository:
            given = self.repository[option.name]
            text = "" if given is None else given if isinstance(given, str) else json.dumps(given)
            yield "repository configuration", text


def misspelt(environ: Iterable[str], names: Collection[str]) -> Iterator[str]:
    """A sentence for each variable that looks like a misspelled option. At most a few."""
    spelled = {name.upper() for name in names}
    ours = [name for name in environ if name.startswith(_OURS) and not name.startswith(_NOT_READ)]
    unknown = [name for name in ours if name.removeprefix(_OURS).removeprefix("INPUT_") not in spelled]
    for name in unknown[:_MOST_MISSPELT]:
        from difflib import get_close_matches  # only needed for a misspelled name

        bare = name.removeprefix(_OURS)[:_LONGEST_SLIP]
        if near := get_close_matches(bare.upper(), spelled, 1, _NEAR):
            yield f"The variable {name[:80]} is not a setting and is ignored. Did you mean {_OURS}{near[0]}?"


def resolve(group: type[Group], name: str, sources: Sources) -> tuple[Group, dict[str, Origin], tuple[Problem, ...]]:
    """The group's values with their origins. For an invalid value, the default is used and a Problem is returned."""
    options = declared(group)  # type: ignore[arg-type]  # a class is hashable
    values: dict[str, Any] = {option.name: option.default for option in options}
    origins: dict[str, Origin] = {}
    problems: list[Problem] = []
    for option in options:
        source, given = next(
            ((source, text) for source, text in sources.candidates(option) if text.strip()), ("default", "")
        )
        origins[option.name] = Origin(source, bool(given))
        if not given:
            continue
        try:
            values[option.name] = option.parse(given.strip())
        except ValueError as error:
            shown = "" if option.secret else f" {json.dumps(_shown(given))}"
            problems.append(
                Problem(name, option.name, f"{option.name}{shown} cannot be used because it {error} ({source})")
            )
    return group(**values), origins, tuple(problems)
