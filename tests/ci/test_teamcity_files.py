"""TeamCity's files of properties: earlier steps of the build can put anything in their place."""

from __future__ import annotations

import os

import pytest

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.teamcity import SYSTEM

ID = "teamcity.build.id=61838662\n"


def run_id(path):
    """The run's id as that file says it; the build's number where it says none."""
    environ = {"TEAMCITY_VERSION": "2024.07", "BUILD_NUMBER": "42", "TEAMCITY_BUILD_PROPERTIES_FILE": str(path)}
    return SYSTEM.read(Variables(environ)).run_id


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "build.properties"
    path.write_text(ID)
    return path


def test_the_file_that_the_variable_names_is_read(file):
    assert run_id(file) == "61838662"


def test_the_agents_folder_may_be_behind_a_link(file, tmp_path):
    (tmp_path / "agent").symlink_to(tmp_path)
    assert run_id(tmp_path / "agent" / file.name) == "61838662"


def test_a_link_in_its_place_is_not_followed(file, tmp_path):
    link = tmp_path / "link.properties"
    link.symlink_to(file)
    assert run_id(link) == "42"


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert run_id(tmp_path / "pipe") == "42"


@pytest.mark.parametrize("name", ["", "missing", "\0", "."])
def test_what_is_no_file_says_nothing(name, tmp_path):
    assert run_id(f"{tmp_path}/{name}") == "42"


def test_no_more_than_4_mib_of_it_are_read(file):
    file.write_text("#" + "x" * (4 << 20) + "\n" + ID)
    assert run_id(file) == "42"


def test_a_second_file_that_is_a_link_is_not_followed(file, tmp_path):
    (tmp_path / "config").symlink_to(file)
    (tmp_path / "first").write_text(f"teamcity.configuration.properties.file={tmp_path}/config\n")
    assert run_id(tmp_path / "first") == "42"
