"""`cibeacon init`: writes a first configuration file and shows what to add to the pipeline. Exits 1 on failure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click

from cibeacon.ci import kits
from cibeacon.ci.detect import named
from cibeacon.cli.help_page import verb
from cibeacon.cli.output import say
from cibeacon.cli.service_map import inspect, service_lines
from cibeacon.cli.tables import counted
from cibeacon.init import NAME, Setup, propose_setup, write_configuration, write_new
from cibeacon.model.error_ids import SITE
from cibeacon.runtime import Environment
from cibeacon.runtime.errors import CibeaconError
from cibeacon.runtime.safe_text import Redactor, clipped
from cibeacon.settings import secret_values

_MOST_SERVICES = 20
_WIDTH = 400
_UNRELEASED = (
    "",
    "Nothing is released yet: there is no cibeacon on PyPI, no image and no v1. Do not run pipx run cibeacon or pip install",
    "cibeacon: if someone else registers that name, they receive your token. Replace them, the action, the component or the image",
    "with your own copy, such as pipx run --spec git+https://github.com/OWNER/cibeacon@COMMIT cibeacon:",
    f"{SITE}/getting-started/#before-the-first-release",
)


@verb("init", examples=("cibeacon init", "cibeacon init --dry-run --ci jenkins"))
@click.option("--dry-run", is_flag=True, help="Show the file instead of writing it.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--ci",
    type=click.Choice(kits.names(), case_sensitive=False),
    metavar="NAME",
    help="CI system whose files to show, such as jenkins. Default: the one whose pipeline file is committed.",
)
@click.option(
    "--ci-files",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write those files to DIR instead of showing them.",
)
@click.pass_obj
def command(env: Environment, /, dry_run: bool, force: bool, ci: str | None, ci_files: Path | None) -> int:
    """Write a first .cibeacon.yml, list the services that it finds, and show what to add to the pipeline.

    It looks at committed folders and their names, pnpm and npm workspaces, Nx, Turborepo and CODEOWNERS. Uncertain entries
    are comments in the file. Existing files are not changed unless --force is given.
    """
    clean = Redactor(secret_values(env.environ))
    try:
        setup = propose_setup(env)
        if not dry_run:
            write_configuration(env, setup, force=force)
        lines = _service_map_lines(env, setup, dry_run=dry_run)
        kit_lines = _kit_lines(env, setup, ci, None if dry_run else ci_files, force=force)
        for line in chain(lines, kit_lines):
            say(env, f"{clean(line)}\n")
    except (CibeaconError, OSError) as error:
        text = (
            str(error) if isinstance(error, CibeaconError) else f"The file was not written: {error}. Check the folder."
        )
        say(env, f"{clipped(clean(f'✗ {text}'), _WIDTH)}\n", to_stderr=True)
        return 1
    return 0


def _service_map_lines(env: Environment, setup: Setup, *, dry_run: bool) -> Iterator[str]:
    """The file, the output of `cibeacon services list` with it, and the findings of `cibeacon services check`."""
    if dry_run:
        yield from (f"would write {NAME}:", "", *setup.text.splitlines(), "")
    else:
        yield f"✓ written   {NAME}"
    inspection = inspect(env, {}, against_files=True, file=(NAME, setup.text.encode()))
    services = inspection.services
    yield f"services    {counted(len(services), 'service')} (cibeacon services list)"
    yield from (f"            {clipped(line, _WIDTH)}" for line in service_lines(services[:_MOST_SERVICES]))
    if len(services) > _MOST_SERVICES:
        yield f"            and {len(services) - _MOST_SERVICES:,} more"
    yield from (clipped(f"! {finding}", _WIDTH) for finding in inspection.findings)


def _kit_lines(env: Environment, setup: Setup, ci: str | None, folder: Path | None, *, force: bool) -> Iterator[str]:
    """The files to copy for the CI system, or where they were written, and the repository's other CI systems."""
    name = ci or next(iter(setup.pipelines), None)
    if name is None:
        yield from ("", "No pipeline file is committed in this repository. To see what to add to your pipeline, run")
        yield from (f"cibeacon init --dry-run --ci NAME, where NAME is one of: {', '.join(kits.names())}.",)
        return
    title = "Any CI system" if name == kits.OTHER else named(name).title
    yield ""
    if name in setup.in_use and not ci and not folder:
        used = f"{title}: {setup.in_use[name]} already uses cibeacon, so there is nothing to add."
        yield clipped(f"{used} To see the file to copy, run cibeacon init --dry-run --ci {name}.", _WIDTH)
    else:
        pipeline = setup.pipelines.get(name)
        where = clipped(f"{title} ({pipeline})" if pipeline else title, _WIDTH)
        yield f"{where}: add this to your pipeline. Replace acme with the name of your DX instance,"
        yield "and store a Data Cloud API key of DX as the secret DX_API_TOKEN."
        yield f"{SITE}/{name}/" if name in ("github", "gitlab") else f"{SITE}/ci/{name}/"
        yield from _UNRELEASED
        for file, text in kits.kit(name).items():
            if folder is not None:
                write_new(env, env.cwd / folder / file, text, force=force)
                yield f"✓ written   {folder / file}"
            else:
                yield from ("", f"── {file} ──", *text.splitlines())
    others = [(other, path) for other, path in setup.pipelines.items() if other != name]
    yield from ("",) if others else ()
    for other, path in others:
        yield clipped(f"Also found: {named(other).title} ({path}): cibeacon init --dry-run --ci {other}", _WIDTH)
