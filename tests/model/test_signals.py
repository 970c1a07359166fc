"""Ids and keys: stable for the same fact, distinct for distinct facts, whatever text they are made of."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cibeacon.model.signals import (
    Attachment,
    DciJob,
    Deployment,
    FlowAssignment,
    JobState,
    PipelineRun,
    PullServices,
    reference,
)

PARTS = st.lists(
    st.text(st.characters(), max_size=12) | st.sampled_from(["", "/", "%", "%25", "~", "+", "a/b", "a"]), max_size=6
)
LONG = st.lists(st.text(st.characters(), min_size=130, max_size=300), min_size=2, max_size=4)
PLAIN = set(string.ascii_letters + string.digits + "_.-~%/+")


@given(one=PARTS | LONG, other=PARTS | LONG)
@example(one=["a/b"], other=["a", "b"])
@example(one=["a", ""], other=["a"])
@example(one=[""], other=[])
@example(one=["%"], other=[""])
@example(one=["\udcc3\udcbf"], other=["ÿ"])
@example(one=["\ud83d\ude00"], other=["😀"])
@example(one=["x" * 300], other=["x" * 301])
@example(one=["x" * 255], other=["x" * 256])
def test_distinct_parts_have_distinct_ids(one, other):
    assert (reference(*one) == reference(*other)) is (one == other)


@given(parts=PARTS | LONG)
@example(parts=["x" * 256])
def test_an_id_is_short_ascii_that_every_system_takes(parts):
    made = reference(*parts)
    assert len(made) <= 255
    assert set(made) <= PLAIN


@given(parts=LONG)
def test_an_id_that_was_cut_cannot_be_written_out_as_parts(parts):
    """Whoever knows the hash of a long id could otherwise name a short one like it."""
    made = reference(*parts)
    assert len(made) == 255
    assert "+" in made
    assert reference(*made.split("/")) != made


@pytest.mark.parametrize(
    ("parts", "made"),
    [
        (("github.com", "acme/shop", "runs", 7, "attempts", 2), "github.com/acme%2Fshop/runs/7/attempts/2"),
        (("a", "", "b"), "a/%/b"),
        (("café", "a b"), "caf%C3%A9/a%20b"),
        (("x" * 255,), "x" * 255),
        ((), ""),
    ],
)
def test_ids_that_are_in_use_stay_as_they_are(parts, made):
    """An id that changes with a release makes a second record of a run that spans it."""
    assert reference(*parts) == made


KEYED = [
    PullServices(services=("a",), github_pull_id=7),
    PullServices(services=("a",), github_pull_id=8),
    PullServices(services=("a",), repository="acme/shop", pr_number=7),
    PullServices(services=("a",), repository="acme/shop", pr_number=8),
    PullServices(services=("a",), repository="acme/other", pr_number=7),
    Deployment(service="a", deployed_at=1, reference_id="r"),
    Deployment(service="a", deployed_at=1, reference_id="s"),
    PipelineRun(pipeline_name="ci", pipeline_source="x", reference_id="r", started_at=1, status="running"),
    PipelineRun(pipeline_name="ci", pipeline_source="x", reference_id="r", started_at=1, status="success"),
    PipelineRun(pipeline_name="ci", pipeline_source="x", reference_id="r", started_at=1),
    PipelineRun(pipeline_name="ci", pipeline_source="x", reference_id="s", started_at=1, status="success"),
    DciJob("ci:x", "RHEL-8.2"),
    DciJob("ci:y", "RHEL-8.2"),
    Attachment("ci:x", None, Path("/a/job"), "job", "text/plain", 1),
    Attachment("ci:x", None, Path("/a/b"), "a/b", "text/plain", 1),
    Attachment("ci:y", None, Path("/a/b"), "a/b", "text/plain", 1),
    JobState("ci:x", None, "success"),
    JobState("ci:x", None, "failure"),
    JobState("ci:y", None, "failure"),
    FlowAssignment("a", ("x",)),
    FlowAssignment("b", ("x",)),
]


def test_keys_tell_facts_apart():
    assert len({signal.key for signal in KEYED}) == len(KEYED)


@pytest.mark.parametrize(
    ("signal", "key"),
    [
        (PullServices(services=("a",), github_pull_id=7, repository="acme/shop", pr_number=3), "pull-services/id/7/a"),
        (PullServices(services=("a",), repository="acme/shop", pr_number=3), "pull-services/acme%2Fshop/3/a"),
        (Deployment(service="a", deployed_at=1, reference_id="r/1"), "deployment/r/1"),
        (KEYED[7], "pipeline-run/r/running"),
        (KEYED[9], "pipeline-run/r/unknown"),
        (DciJob("ci:h:o/r:1:1:build", "T", name="n"), "dci/ci:h:o/r:1:1:build/job"),
        (Attachment("ci:x", "an id", Path("/a"), "a b", "text/plain", 1), "dci/ci:x/file/a%20b"),
        (JobState("ci:x", "an id", "killed", "why", True), "dci/ci:x/killed"),
        (FlowAssignment("a/b", ("x",)), "flow/a%2Fb"),
    ],
)
def test_a_key_says_what_the_fact_is(signal, key):
    assert signal.key == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            PullServices(services=("a",), github_pull_id=7, replace=True),
            PullServices(services=("a", "b"), github_pull_id=7, replace=True),
        ),
        (
            Deployment(service="a", deployed_at=1, reference_id="r"),
            Deployment(service="a", deployed_at=2, reference_id="r", environment="production"),
        ),
        (KEYED[7], KEYED[7]._replace(started_at=2, finished_at=3)),
        (FlowAssignment("a", ("x",)), FlowAssignment("a", (), clear=True)),
    ],
)
def test_a_key_names_the_fact_and_not_the_telling(one, other):
    assert one != other
    assert one.key == other.key


@pytest.mark.parametrize(
    ("signal", "subject"),
    [
        (PullServices(services=("a", "b"), github_pull_id=7, pr_number=3), "#3: a, b"),
        (PullServices(services=("a",), github_pull_id=7, pr_number=0), "id 7: a"),
        (Deployment(service="a", deployed_at=1, reference_id="r", environment="production"), "a → production"),
        (Deployment(service="a", deployed_at=1, reference_id="r"), "a"),
        (KEYED[8], "ci: success"),
        (KEYED[9], "ci: unknown"),
        (DciJob("ci:x", "RHEL-8.2", name="CI / build"), "RHEL-8.2: CI / build"),
        (DciJob("ci:x", None, job_id="6f0c"), "job: 6f0c"),
        (Attachment("ci:x", None, Path("/a/b.xml"), "b", "text/plain", 1), "b"),
        (JobState("ci:x", None, "success"), "success"),
        (FlowAssignment("a", ("x", "y")), "a: x, y"),
        (FlowAssignment("a", (), clear=True), "a: no pipeline"),
    ],
)
def test_a_signal_says_in_words_what_it_is_about(signal, subject):
    assert signal.subject == subject


def test_every_kind_of_signal_has_its_own_name():
    told = [KEYED[index].kind for index in (0, 5, 7, -3, -1)]
    assert told == ["pull-services", "deployment", "pipeline-run", "dci", "flow"]
