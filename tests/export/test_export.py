"""`cibeacon backfill export`: the rows match the history, whether they come from the clone or from a forge."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

import histories
from cibeacon.ci.history import number_in, squashed_number
from cibeacon.git import tag_series
from cibeacon.sandbox.server import Sandbox
from forge import Forge
from forge_history import Past
from processes import cibeacon
from repositories import Worktree

NAME = "acme/shop"
MAP = ("--repository", NAME, "--services", "services/{service}/")
LATER = 1_800_000_000
"""When the files are sent."""
DAYS = ("--from", "2023-11-01", "--to", "2024-12-31")


def iso(moment):
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="session")
def long(tmp_path_factory):
    """Five hundred merge commits."""
    return histories.merged(tmp_path_factory.mktemp("long") / "shop", 500, every=4)


@pytest.fixture(scope="session")
def mixed(tmp_path_factory):
    """Pull requests that were merged, squashed and rebased, with direct commits in between."""
    return histories.merged(tmp_path_factory.mktemp("mixed") / "shop", 120, method="mixed")


def export(history, *argv, environ=None, cwd=None):
    return cibeacon("backfill", "export", *argv, *MAP, environ=environ, cwd=cwd or history.root)


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def services_by_number(ended):
    return {int(row["pull_number"]): tuple(json.loads(row["services"])) for row in rows(ended.out)}


def true_services(history):
    """Changed services by number, of the pull requests that changed any."""
    return {number: names for number, names in history.merges.items() if names}


# The clone alone ----------------------------------------------------------------------------------------------------


def test_five_hundred_merges_are_told_with_exactly_the_services_that_each_changed(long):
    ended = export(long, "pull-services", *DAYS, "--pr-from-messages")
    assert ended.code == 0
    assert services_by_number(ended) == true_services(long)
    assert list(services_by_number(ended)) == sorted(services_by_number(ended))
    assert {row["repository"] for row in rows(ended.out)} == {NAME}
    idle = sum(not names for names in long.merges.values())
    assert f"{500 - idle} rows from 500 pull requests" in ended.err
    assert f"{idle} changed no service" in ended.err
    assert f"{long.direct} other commits on the branch" in ended.err


def test_a_tag_is_a_deployment_of_what_changed_since_the_tag_before(long):
    ended = export(long, "deployments", *DAYS, "--environment", "production")
    found = {}
    for row in rows(ended.out):
        assert row["environment"] == "production"
        found.setdefault(json.loads(row["metadata"])["name"], []).append(row["service"])
    assert {name: tuple(names) for name, names in found.items()} == {k: v for k, v in long.tags.items() if v}
    assert len(set(long.tags.values())) > 5


def test_a_merge_can_count_as_a_deployment_of_its_own_commit(long):
    ended = export(long, "deployments", *DAYS, "--of", "merges")
    by_sha = {}
    for row in rows(ended.out):
        by_sha.setdefault(row["commit_sha"], []).append(row["service"])
    assert {sha: tuple(names) for sha, names in by_sha.items()} == {
        long.shas[number]: names for number, names in true_services(long).items()
    }
    moments = {long.shas[number]: iso(moment) for number, moment in long.moments.items()}
    assert all(row["deployed_at"] == moments[row["commit_sha"]] for row in rows(ended.out))


def test_only_what_lies_in_the_window_is_told(long):
    since, until = long.moments[100], long.moments[200]
    ended = export(long, "pull-services", "--from", str(since), "--to", str(until), "--pr-from-messages")
    assert set(services_by_number(ended)) == {n for n, names in long.merges.items() if names and 100 <= n < 200}


def test_a_last_day_counts_whole(long):
    day = datetime.fromtimestamp(long.moments[100], UTC).strftime("%Y-%m-%d")
    ended = export(long, "pull-services", "--from", day, "--to", day, "--pr-from-messages")
    expected = {n for n, names in long.merges.items() if names and iso(long.moments[n]).startswith(day)}
    assert expected
    assert set(services_by_number(ended)) == expected


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (("2025-01-02", "2024-12-31"), ["--from 2025-01-02T00:00:00Z is not before --to 2025-01-01T00:00:00Z"]),
        (("1700000000", "1700000000"), ["is not before --to 2023-11-14T22:13:20Z"]),
        (("2027", "2025"), ["2027 means 1970-01-01T00:33:47Z", "give a day such as 2026-01-31"]),
        (("2023-11-01", "2024"), ["2024 means 1970-01-01T00:33:44Z"]),
    ],
)
@pytest.mark.parametrize("kind", ["deployments", "pull-services"])
def test_a_window_that_nothing_can_lie_in_is_refused(long, kind, days, words):
    ended = export(long, kind, "--from", days[0], "--to", days[1], "--pr-from-messages", "--output=none.csv")
    assert (ended.code, ended.out) == (2, "")
    for word in words:
        assert word in ended.err
    assert "0 rows" not in ended.err
    assert not (long.root / "none.csv").exists()


def test_messages_are_not_believed_unless_somebody_says_so(long):
    ended = export(long, "pull-services", *DAYS)
    assert (ended.code, ended.out) == (2, "")
    assert "--pr-from-messages" in ended.err


def test_merges_that_name_no_pull_request_are_counted_and_left_out(tmp_path):
    told = histories.merged(
        tmp_path / "shop", 40, message=lambda n: f"Merge pull request #{n} from a/b" if n % 2 else f"Merge topic {n}"
    )
    ended = export(told, "pull-services", *DAYS, "--pr-from-messages")
    assert services_by_number(ended) == {n: names for n, names in true_services(told).items() if n % 2}
    assert "20 merges without a pull request number in the message: left out" in ended.err


SQUASHED = {
    "github": ("github.com", "Topic (#{})\n\n* work\n\n* more (#3)"),
    "github enterprise": ("github.acme.example", "Topic (#{})"),
    "gitlab": ("gitlab.com", "Topic\n\nwork\n\nSee merge request acme/shop!{}"),
    "bitbucket": ("bitbucket.org", "Merged in topic (pull request #{})\n\nTopic"),
    "bitbucket server": ("bitbucket.acme.example", "Pull request #{}: Topic\n\nSquashed commit of the following:"),
    "azure": ("dev.azure.com", "Merged PR {}: Topic\n\nRelated work items: #3"),
}
"""The clone's server, and what that forge writes into the commit of a squashed pull request."""


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize(("server", "message"), SQUASHED.values(), ids=SQUASHED)
def test_squashed_pull_requests_are_told_by_what_their_host_writes(tmp_path, server, message, known):
    told = histories.merged(tmp_path / "shop", 40, method="squash", message=message.format)
    Worktree(told.root).git("remote", "add", "origin", f"https://{server if known else 'git.acme.example'}/{NAME}")
    ended = export(told, "pull-services", *DAYS, "--pr-from-messages")
    assert services_by_number(ended) == true_services(told)
    assert "from 40 pull requests" in ended.err
    rest = told.direct - 40
    assert f"{rest} other commits on the branch: " in ended.err


@pytest.mark.parametrize(
    ("server", "message"),
    [("gitlab.com", "Topic (#{})"), ("bitbucket.org", "Topic (#{})"), ("github.com", "Topic (pull request #{})")],
)
def test_on_a_host_that_is_known_the_words_of_another_are_none(tmp_path, server, message):
    told = histories.merged(tmp_path / "shop", 10, method="squash", message=message.format)
    Worktree(told.root).git("remote", "add", "origin", f"https://{server}/{NAME}")
    ended = export(told, "pull-services", *DAYS, "--pr-from-messages")
    assert rows(ended.out) == []
    assert f"{told.direct} other commits on the branch: " in ended.err


def test_merges_and_squashed_pull_requests_of_one_history_are_told_together(mixed):
    ended = export(mixed, "pull-services", *DAYS, "--pr-from-messages")
    found = services_by_number(ended)
    assert 60 < len(found) < 120, "rebased ones name none"
    assert found == {number: names for number, names in true_services(mixed).items() if number in found}


def test_of_commits_that_name_one_pull_request_a_merge_is_believed_and_else_none(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/cart/a": "1"})
    for path, message in (("cart/a", "Imported from elsewhere (#7)"), ("mail/a", "Topic (#7)")):
        made.commit({f"services/{path}": "2"})
        made.git("commit", "--quiet", "--amend", f"--message={message}")
    made.git("checkout", "-q", "-b", "topic")
    made.commit({"services/cart/a": "3"})
    made.git("checkout", "-q", "main")
    made.git("merge", "-q", "--no-ff", "-m", "Merge pull request #8 from a/b", "topic")
    made.commit({"services/mail/a": "3"})
    made.git("commit", "--quiet", "--amend", "--message=Follow up (#8)")
    ended = cibeacon("backfill", "export", "pull-services", *DAYS, *MAP, "--pr-from-messages", cwd=made.root)
    assert services_by_number(ended) == {8: ("cart",)}
    assert "3 commits with the same pull request number as another commit: left out" in ended.err


def test_on_another_branch_than_the_default_one_only_merges_are_believed(tmp_path):
    told = histories.merged(tmp_path / "shop", 10, method="squash")
    made = Worktree(told.root)
    made.git("remote", "add", "origin", f"https://github.com/{NAME}")
    made.git("update-ref", "refs/remotes/origin/main", "main")
    made.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    made.git("branch", "release", "main")
    flags = ("pull-services", *DAYS, "--pr-from-messages", "--branch")
    assert services_by_number(export(told, *flags, "main")) == true_services(told)
    assert rows(export(told, *flags, "release").out) == []


def test_an_export_of_squashed_pull_requests_is_continued_to_the_same_file(tmp_path):
    told = histories.merged(tmp_path / "shop", 40, method="squash")
    whole = export(told, "pull-services", *DAYS, "--pr-from-messages").out
    file = tmp_path / "rows.csv"
    file.write_text(whole[: len(whole) // 2])
    export(told, "pull-services", *DAYS, "--pr-from-messages", "--output", str(file), "--append")
    assert file.read_text() == whole


def tagged(made, *argv):
    """The services that each tag deployed, and the output."""
    ended = cibeacon("backfill", "export", "deployments", *DAYS, "--repository", NAME, *argv, cwd=made.root)
    assert ended.code == 0, ended
    found = {}
    for row in rows(ended.out):
        found.setdefault(json.loads(row["metadata"])["name"], []).append(row["service"])
    return found, ended.err


TEMPLATE = ("--services", "services/{service}/")
MARKER = {".cibeacon.yml": "discover:\n  - marker: '**/service.yaml'\n"}
ROOTS = {".cibeacon.yml": "services:\n  cart: services/cart/\ndiscover:\n  - root: services/{service}/\n"}


@pytest.mark.parametrize(
    ("argv", "files"), [(TEMPLATE, {}), ((), MARKER), ((), ROOTS)], ids=["template", "marker", "root"]
)
def test_a_tag_deploys_a_service_of_its_own_tree_whatever_became_of_it(tmp_path, argv, files):
    made = Worktree.new(tmp_path / "shop")
    made.commit({f"services/{name}/service.yaml": "1" for name in ("cart", "mail", "old")} | files)
    made.git("tag", "old-1.0.0")
    made.git("tag", "cart-1.0.0")
    made.git("tag", "v1")
    made.commit({f"services/{name}/service.yaml": "2" for name in ("cart", "mail", "old")})
    made.git("tag", "old-1.1.0")
    made.git("tag", "ghost-1.0.0")
    made.git("tag", "v2")
    made.commit({"services/cart/service.yaml": "3", "services/old/service.yaml": None})
    made.git("tag", "old-1.2.0")
    made.git("tag", "ghost-1.1.0")
    made.git("tag", "v3")
    found, said = tagged(made, *argv)
    assert found == {
        "old-1.0.0": ["old"],
        "cart-1.0.0": ["cart"],
        "v1": ["cart", "mail", "old"],
        "old-1.1.0": ["old"],
        "v2": ["cart", "mail", "old"],
        "old-1.2.0": ["old"],
        "v3": ["cart"],
    }
    assert "2 tags not named after a service (ghost): left out" in said


def test_a_service_that_loses_files_and_stands_is_deployed_and_one_that_comes_back_too(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/cart/a": "1", "services/cart/b": "1", "services/mail/a": "1"})
    made.git("tag", "v1")
    made.commit({"services/cart/b": None, "services/mail/a": None})
    made.git("tag", "v2")
    made.commit({"services/mail/a": "2"})
    made.git("tag", "v3")
    assert tagged(made, *TEMPLATE)[0] == {"v1": ["cart", "mail"], "v2": ["cart"], "v3": ["mail"]}


def test_a_service_that_was_there_before_any_tag_is_one(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/cart/a": "1", "services/old/a": "1"})
    made.commit({"services/cart/a": "2", "services/old/a": None})
    made.git("tag", "old-1.0.0")
    made.git("tag", "cart-1.0.0")
    assert tagged(made, *TEMPLATE)[0] == {"old-1.0.0": ["old"], "cart-1.0.0": ["cart"]}


def test_where_no_series_is_called_after_a_service_each_is_of_the_whole_repository(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/cart/a": "1", "services/mail/a": "1"})
    made.git("tag", "release-2024.01")
    made.commit({"services/cart/a": "2"})
    made.git("tag", "release-2024.02")
    whole = {"release-2024.01": ["cart", "mail"], "release-2024.02": ["cart"]}
    assert tagged(made, *TEMPLATE)[0] == whole
    made.git("tag", "mail-1.0.0")
    assert tagged(made, *TEMPLATE)[0] == {"mail-1.0.0": ["mail"]}
    assert tagged(made, *TEMPLATE, "--tags=release-*")[0] == whole


def test_what_the_rules_name_and_an_old_tree_lacks_makes_nothing_unknown(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"api/a": "1"})
    made.git("tag", "v1")
    made.commit(
        {"api/a": "2", "CODEOWNERS": "/api/ @acme/pay\n", ".cibeacon.yml": "discover:\n  - codeowners: CODEOWNERS\n"}
    )
    made.git("tag", "v2")
    assert tagged(made)[0] == {"v1": ["pay"], "v2": ["pay"]}


def test_a_tag_that_begins_with_the_name_of_a_service_deploys_that_one(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/cart/a": "1", "services/mail/a": "1"})
    made.git("tag", "v1")
    made.commit({"services/cart/a": "2", "services/mail/a": "2"})
    for tag in ("cart/v1.2.0", "mail@2.0.0", "v2"):
        made.git("tag", tag)
    made.commit({"services/cart/a": "3"})
    made.git("tag", "-a", "-m", "release", "v3")
    ended = cibeacon("backfill", "export", "deployments", *DAYS, *MAP, cwd=made.root)
    found = {}
    for row in rows(ended.out):
        found.setdefault(json.loads(row["metadata"])["name"], []).append(row["service"])
    assert found == {
        "v1": ["cart", "mail"],
        "cart/v1.2.0": ["cart"],
        "mail@2.0.0": ["mail"],
        "v2": ["cart", "mail"],
        "v3": ["cart"],
    }


CODEOWNERS = {"CODEOWNERS": "wiki @acme/docs\n", ".cibeacon.yml": "discover:\n  - codeowners: CODEOWNERS\n"}


@pytest.mark.parametrize(
    ("remote", "environ", "services"),
    [
        ("https://gitlab.com/acme/shop.git", {}, []),
        ("https://git.acme.example/acme/shop.git", {"GITLAB_CI": "true"}, []),
        ("https://github.com/acme/shop", {}, ["docs"]),
    ],
    ids=["cloned from GitLab", "in a job of GitLab's", "cloned from GitHub"],
)
def test_codeowners_mean_in_an_export_what_they_mean_on_the_host_of_the_repository(tmp_path, remote, environ, services):
    made = Worktree.new(tmp_path / "shop")
    made.git("remote", "add", "origin", remote)
    made.commit({"wiki/a": "1", **CODEOWNERS})
    made.git("tag", "v1")
    made.commit({"wiki/a": "2"})
    made.git("tag", "v2")
    ended = cibeacon("backfill", "export", "deployments", *DAYS, "--repository", NAME, cwd=made.root, environ=environ)
    assert ended.code == 0, ended
    assert [row["service"] for row in rows(ended.out)] == services * 2


def test_a_sparse_checkout_leaves_no_configuration_out_of_an_export(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/cart/service.yaml": "1", **MARKER})
    made.git("tag", "v1")
    made.git("sparse-checkout", "set", "--no-cone", "services/cart")
    assert not (made.root / ".cibeacon.yml").exists()
    assert tagged(made)[0] == {"v1": ["cart"]}


@pytest.mark.parametrize(
    ("argv", "files", "words"),
    [
        (("--services", "srevices/{service}/"), {}, "root srevices/{service}/"),
        ((), {".cibeacon.yml": "discover:\n  - marker: '**/sevrice.yaml'\n"}, "marker **/sevrice.yaml"),
    ],
    ids=["template", "marker"],
)
def test_a_map_that_finds_no_service_is_refused_and_not_taken_for_a_history_without_changes(
    tmp_path, argv, files, words
):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/cart/service.yaml": "1", **files})
    made.git("tag", "v1")
    ended = cibeacon("backfill", "export", "deployments", *DAYS, "--repository", NAME, *argv, cwd=made.root)
    assert (ended.code, ended.out) == (2, "")
    assert f"finds no service: it looked for {words}" in ended.err


def test_named_services_need_no_map(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"a": "1"})
    made.git("tag", "v1")
    argv = ("--repository", NAME, "--services", "shop")
    ended = cibeacon("backfill", "export", "deployments", *DAYS, *argv, cwd=made.root)
    assert [row["service"] for row in rows(ended.out)] == ["shop"]
    without = cibeacon("backfill", "export", "deployments", *DAYS, "--repository", NAME, cwd=made.root)
    assert (without.code, without.out) == (2, "")
    assert ".cibeacon.yml" in without.err


def test_a_shallow_clone_tells_nothing(long, tmp_path):
    Worktree(tmp_path).git("clone", "--quiet", "--depth=5", f"file://{long.root}", "cut")
    ended = export(long, "pull-services", *DAYS, "--pr-from-messages", cwd=tmp_path / "cut")
    assert (ended.code, ended.out) == (2, "")
    assert "fetch-depth: 0" in ended.err


def test_hostile_paths_and_messages_are_no_commits_and_no_numbers(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    first = made.commit({"services/cart/a": "1"})
    made.git("checkout", "-q", "-b", "topic")
    made.commit({f"services/cart/{first}": "x", "services/mail/:000000 100644\n": "y", "services/mail/\t\x01": "z"})
    made.git("checkout", "-q", "main")
    made.git(
        "merge", "-q", "--no-ff", "-m", "Merge pull request #7 from a/b\n\nSee merge request acme/other!9", "topic"
    )
    ended = cibeacon("backfill", "export", "pull-services", *DAYS, *MAP, "--pr-from-messages", cwd=made.root)
    assert services_by_number(ended) == {7: ("cart", "mail")}


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ("Merge pull request #12 from acme/topic\n\nTitle", 12),
        ("Merge branch 'topic' into 'main'\n\nTitle\n\nSee merge request acme/shop!34\n", 34),
        ("Merge branch 'topic' into 'main'\n\nSee merge request !5", 5),
        ("Title (#12)", None),
        ('Revert "Merge pull request #12 from acme/topic"', None),
        ("Merge pull request #12", None),
        ("Merge pull request #012 from a/b", None),
        ("Merge pull request #99999999999999999999 from a/b", None),
        ("talk of See merge request acme/shop!34", None),
        ("", None),
    ],
)
def test_a_number_is_read_where_a_host_writes_it_and_nowhere_else(message, number):
    assert number_in(message) == number


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ("Title with a blank behind it  (#12)", 12),
        ("Title with a blank behind it  (pull request #12)", 12),
        ("Title (#12)", 12),
        ("Title (#12) \r\n\nbody", 12),
        ('Revert "Title (#11)" (#12)', 12),
        ("Title (#11) (#12)", 12),
        ('Revert "Title (#12)"', None),
        ("Title (#12).", None),
        ("Title(#12)", None),
        ("(#12)", None),
        ("Title\n\nCloses (#12)", None),
        ("Title (#012)", None),
        ("Title (#9999999999)", None),
        ("Title (!12)", None),
        ("Title\n\nSee merge request acme/shop!12\n", 12),
        ("Title\n\nSee merge request acme/other!11\n\nSee merge request !12", 12),
        ("Title\n\nSee merge request acme/shop!12\n\nmore", None),
        ("See merge request acme/shop!12", None),
        ("Merged in topic (pull request #12)\n\nTitle", 12),
        ("Pull request #12: Title", 12),
        ("Pull request 12: Title", None),
        ("Merged PR 12: Title", 12),
        ("Merged PR 12", None),
        ("Talk of Merged PR 12: Title", None),
        ("", None),
    ],
)
def test_the_number_of_a_squashed_pull_request_is_read_where_a_host_writes_it_and_nowhere_else(message, number):
    assert squashed_number(message) == number


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("v1.2.3", ""),
        ("1", ""),
        ("payments/v1.2.0", "payments"),
        ("payments-v1.2.0-rc.1", "payments"),
        ("payments@1.2.0", "payments"),
        ("@acme/payments@1.2.0", "@acme/payments"),
        ("api-v2-gateway@1.3.0", "api-v2-gateway"),
        ("log4j-2-api/v1.0.0-rc.1", "log4j-2-api"),
        ("web/2024/prod-1.0.0", "web/2024/prod"),
        ("v1.2.3-fix/7", ""),
        ("release-2024.01.31", "release"),
        ("release2024.1", "release"),
        ("v1.2.3-rc1", ""),
        ("oauth2-v1.0", "oauth2"),
        ("s3/1.0.0-2", "s3"),
        ("nightly", ""),
    ],
)
def test_what_stands_before_the_version_names_the_family_of_a_tag(tag, name):
    assert tag_series(tag) == name


# Files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["deployments", "pull-services"])
@pytest.mark.parametrize("cut", [0, 30, 700, 5000, -1, -40])
def test_a_file_that_was_cut_off_anywhere_is_continued_to_the_same_file(long, tmp_path, kind, cut):
    argv = (kind, *DAYS, "--pr-from-messages")
    whole = export(long, *argv).out.encode()
    path = tmp_path / "rows.csv"
    path.write_bytes(whole[:cut])
    ended = export(long, *argv, "--output", str(path), "--append")
    assert ended.code == 0
    assert path.read_bytes() == whole


def test_a_whole_file_is_continued_to_itself(long, tmp_path):
    path = tmp_path / "rows.csv"
    for _ in range(2):
        assert export(long, "deployments", *DAYS, "--output", str(path), "--append").code == 0
    assert path.read_text() == export(long, "deployments", *DAYS).out


def test_a_file_that_is_there_is_neither_overwritten_nor_mistaken_for_ours(long, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("precious\n")
    for more in ((), ("--append",)):
        ended = export(long, "deployments", *DAYS, "--output", str(path), *more)
        assert ended.code == 2
        assert path.read_text() == "precious\n"
    foreign = 'repository,pull_number,services\nacme/other,12345,"[""a""]"\n'
    path.write_text(foreign)
    ended = export(long, "pull-services", *DAYS, "--pr-from-messages", "--output", str(path), "--append")
    assert (ended.code, path.read_text()) == (2, foreign)
    assert "its last row is not in this history" in ended.err


@pytest.mark.parametrize("kind", ["deployments", "pull-services"])
def test_what_is_exported_passes_the_check_and_is_sent(long, tmp_path, kind):
    path = tmp_path / "rows.csv"
    made = export(long, kind, *DAYS, "--pr-from-messages", "--environment", "production", "--output", str(path))
    assert made.code == 0
    checked = cibeacon("backfill", kind, str(path), "--check", cwd=tmp_path, began=LATER)
    assert checked.code == 0, checked.err + checked.out
    with Sandbox(token="tok-ZXhwb3J0") as sandbox:
        environ = {"CIBEACON_DX_URL": sandbox.url, "DX_API_TOKEN": "tok-ZXhwb3J0"}
        sent = cibeacon("backfill", kind, str(path), "--rps", "100000", cwd=tmp_path, environ=environ, began=LATER)
        assert sent.code == 0, sent.err + sent.out
        told = sandbox.ledger.document()
    wanted = rows(path.read_text())
    if kind == "deployments":
        assert len(told["deployments"]) == len(wanted)
    else:
        assert len(told["pull_services"]) == len(wanted)


# The hosts ----------------------------------------------------------------------------------------------------------


def hub(history, **past):
    """GitHub's records of a history's pull requests."""
    pulls = [
        {
            "number": number,
            "merge_commit_sha": sha,
            "merged_at": iso(history.moments[number]),
            "commits": [history.heads[number]] * 2,
            "files": history.files[number],
            "head": {"sha": history.heads[number]},
        }
        for number, sha in history.shas.items()
    ]
    pulls.append({"number": 9000, "merged_at": None, "state": "closed"})
    return Forge(pulls={NAME: pulls}, past=Past(**past))


def lab(history, **past):
    """GitLab's records of the same."""
    told = []
    lines = Worktree(history.root).git("rev-list", "--all", "--parents").splitlines()
    parents_of = {sha: parents for sha, *parents in map(str.split, lines)}
    for number, sha in history.shas.items():
        parents = parents_of[sha]
        alone = len(parents) == 1
        squashed = alone and history.heads[number] != sha
        told.append(
            {
                "iid": number,
                "state": "merged",
                "merged_at": iso(history.moments[number]),
                "merge_commit_sha": None if alone else sha,
                "squash_commit_sha": sha if squashed else None,
                "sha": history.heads[number],
                "files": history.files[number],
                "diff_refs": {
                    "base_sha": parents_of[parents[0]][0] if alone and not squashed else parents[0],
                    "head_sha": history.heads[number],
                    "start_sha": parents[0],
                },
            }
        )
    return Forge(merge_requests={NAME: told}, past=Past(**past))


HOSTS = {"github": (hub, "GITHUB_API_URL", "GITHUB_TOKEN"), "gitlab": (lab, "CI_SERVER_URL", "GITLAB_TOKEN")}


@pytest.fixture(params=sorted(HOSTS))
def host(request):
    """A forge by name: what creates it, and the environment for requests to it."""
    made, address, token = HOSTS[request.param]

    def environ(forge):
        return {address: forge.url, token: "tok-aG9zdA"}

    return request.param, made, environ


def test_merged_squashed_and_rebased_pull_requests_have_the_services_that_each_changed(mixed, host):
    name, made, environ = host
    with made(mixed) as forge:
        ended = export(mixed, "pull-services", *DAYS, "--source", name, environ=environ(forge))
    assert ended.code == 0, ended.err
    assert services_by_number(ended) == true_services(mixed)
    assert forge.faults == []


def test_without_a_clone_the_host_tells_the_files(mixed, host, tmp_path):
    name, made, environ = host
    window = ("--from", str(mixed.moments[1]), "--to", str(mixed.moments[12]))
    with made(mixed) as forge:
        ended = export(mixed, "pull-services", *window, "--source", name, environ=environ(forge), cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert services_by_number(ended) == {n: names for n, names in true_services(mixed).items() if n < 12}


def test_a_hosts_list_is_asked_for_page_by_page_and_a_merge_commit_needs_no_question_of_its_own(long, host):
    name, made, environ = host
    with made(long) as forge:
        ended = export(long, "pull-services", *DAYS, "--source", name, environ=environ(forge))
        assert services_by_number(ended) == true_services(long)
        assert len(forge.seen) == 6


def test_a_rate_limit_is_waited_for(long, host):
    name, made, environ = host
    with made(long, refused=2) as forge:
        ended = export(long, "pull-services", *DAYS, "--source", name, environ=environ(forge))
    assert services_by_number(ended) == true_services(long)


def test_a_host_that_says_no_ends_the_export_with_a_reason(mixed, host, tmp_path):
    name, made, environ = host
    with made(mixed) as forge:
        lists = {
            "github": f"/repos/{NAME}/pulls",
            "gitlab": f"/api/v4/projects/{NAME.replace('/', '%2F')}/merge_requests",
        }
        forge.troubles[lists[name]] = 401
        ended = export(mixed, "pull-services", *DAYS, "--source", name, environ=environ(forge))
    assert (ended.code, rows(ended.out)) == (2, [])
    assert "answered with HTTP 401" in ended.err
    assert "tok-aG9zdA" not in ended.err


def test_a_pull_request_whose_files_nobody_tells_is_left_out_and_counted(mixed, tmp_path):
    window = ("--from", str(mixed.moments[1]), "--to", str(mixed.moments[12]))
    left_out = next(n for n, names in mixed.merges.items() if names)
    with hub(mixed) as forge:
        forge.troubles[f"/repos/{NAME}/pulls/{left_out}"] = 404
        environ = HOSTS["github"][1:]
        given = {environ[0]: forge.url, environ[1]: "tok-aG9zdA"}
        ended = export(mixed, "pull-services", *window, "--source", "github", environ=given, cwd=tmp_path)
    assert ended.code == 1
    assert left_out not in services_by_number(ended)
    assert "1 left out because their services are unknown" in ended.err
    assert f"#{left_out}: GitHub did not return" in ended.err


def deployments(history):
    """Deployments of every tenth pull request, alternating between two environments; every third failed, the last is running."""
    told, at = [], {}
    for place, number in enumerate(range(10, len(history.shas) + 1, 10)):
        at[place] = number
        told.append(
            {
                "id": 100 + place,
                "sha": history.shas[number],
                "environment": ("production", "staging")[place % 2],
                "created_at": iso(history.moments[number] + 60),
                "ended_at": iso(history.moments[number] + 90),
                "ok": place % 3 != 2,
            }
        )
    return told, at


def expected(history, told):
    """(service, environment, ok) by deployment: what changed since the last successful one in that environment."""
    found, last = {}, {}
    for each in told:
        number = next(n for n, sha in history.shas.items() if sha == each["sha"])
        before = last.get(each["environment"])
        if before is None:
            names = histories.SERVICES
        else:
            made = Worktree(history.root)
            paths = made.git("diff", "--name-only", history.shas[before], each["sha"]).split("\n")
            names = sorted({path.split("/")[1] for path in paths if path.startswith("services/")})
        found[each["id"]] = [(name, each["environment"], each["ok"]) for name in names]
        if each["ok"]:
            last[each["environment"]] = number
    return found


def github_past(told):
    listed = []
    for each in reversed(told):
        words = ["success" if each["ok"] else "failure", "in_progress", "queued"]
        words = ["inactive", *words] if each["ok"] else words
        statuses = [{"state": word, "created_at": each["ended_at"]} for word in words]
        listed.append({**each, "statuses": statuses})
    pending = {**told[-1], "id": 999, "created_at": "2024-06-01T00:00:00Z"}
    waiting = {**pending, "statuses": [{"state": "queued", "created_at": "2024-06-01T00:00:01Z"}]}
    return {"deployments": {NAME: [waiting, *listed]}}


def gitlab_past(told):
    listed = [
        {**each, "status": "success" if each["ok"] else "failed", "finished_at": each["ended_at"]}
        for each in reversed(told)
    ]
    waiting = {**listed[0], "id": 999, "status": "running", "finished_at": None, "created_at": "2024-06-01T00:00:00Z"}
    return {"deployments": {NAME: [waiting, *listed]}}


PASTS = {"github": github_past, "gitlab": gitlab_past}


def ids(ended):
    found = {}
    for row in rows(ended.out):
        number = int(row["reference_id"].rpartition("/")[2])
        found.setdefault(number, []).append((row["service"], row["environment"], row["success"] == "true"))
    return found


def test_a_deployment_has_the_services_that_changed_since_the_last_one_there_that_went_well(mixed, host):
    name, made, environ = host
    told, _ = deployments(mixed)
    with made(mixed, **PASTS[name](told)) as forge:
        ended = export(mixed, "deployments", *DAYS, "--source", name, environ=environ(forge))
    assert ended.code == 0, ended.err
    assert ids(ended) == expected(mixed, told)
    moments = {each["id"]: each["ended_at"] for each in told}
    assert all(row["deployed_at"] == moments[int(row["reference_id"].rpartition("/")[2])] for row in rows(ended.out))
    if name == "github":
        assert "1 neither succeeded nor failed" in ended.err


def test_a_window_is_compared_with_what_lies_before_it(mixed, host):
    name, made, environ = host
    told, _ = deployments(mixed)
    since = told[5]["created_at"]
    with made(mixed, **PASTS[name](told)) as forge:
        ended = export(
            mixed, "deployments", "--from", since, "--to", "2024-12-31", "--source", name, environ=environ(forge)
        )
    assert ids(ended) == {each["id"]: expected(mixed, told)[each["id"]] for each in told[5:]}


def test_only_the_deployments_to_one_environment_are_told_when_one_is_named(mixed, host):
    name, made, environ = host
    told, _ = deployments(mixed)
    argv = ("deployments", *DAYS, "--source", name, "--environment", "staging")
    with made(mixed, **PASTS[name](told)) as forge:
        ended = export(mixed, *argv, environ=environ(forge))
    assert {row["environment"] for row in rows(ended.out)} == {"staging"}


def test_an_export_from_a_host_is_continued_without_asking_again_for_what_is_there(mixed, tmp_path):
    told, _ = deployments(mixed)
    path = tmp_path / "rows.csv"
    argv = ("deployments", *DAYS, "--source", "github")
    with hub(mixed, **github_past(told)) as forge:
        environ = {"GITHUB_API_URL": forge.url, "GITHUB_TOKEN": "tok-aG9zdA"}
        whole = export(mixed, *argv, environ=environ).out
        asked = sum(seen.endswith("/statuses") for seen in forge.seen)
        path.write_text("".join(whole.splitlines(keepends=True)[:-6]))
        forge.seen.clear()
        assert export(mixed, *argv, "--output", str(path), "--append", environ=environ).code == 0
        again = sum(seen.endswith("/statuses") for seen in forge.seen)
    assert path.read_text() == whole
    assert again < asked / 2


@pytest.mark.parametrize("what", ["releases", "tags"])
def test_releases_and_tags_of_a_host_are_told_like_those_of_the_clone(long, host, what):
    name, made, environ = host
    clone = Worktree(long.root)
    tagged = [(tag, clone.tip(tag)) for tag in list(long.tags)[:30]]
    moments = {sha: iso(int(clone.git("log", "-1", "--format=%ct", sha))) for _, sha in tagged}
    past = {
        "tags": {NAME: [{"name": tag, "sha": sha} for tag, sha in reversed(tagged)]},
        "releases": {NAME: [{"tag": tag, "sha": sha, "at": moments[sha]} for tag, sha in reversed(tagged)]},
        "moments": moments,
    }
    with made(long, **past) as forge:
        ended = export(long, "deployments", *DAYS, "--source", name, "--of", what, environ=environ(forge))
    assert ended.code == 0, ended.err
    found = {}
    for row in rows(ended.out):
        found.setdefault(json.loads(row["metadata"])["name"], []).append(row["service"])
        assert row["commit_sha"] == dict(tagged)[json.loads(row["metadata"])["name"]]
    assert {tag: tuple(names) for tag, names in found.items()} == {
        tag: long.tags[tag] for tag, _ in tagged if long.tags[tag]
    }


def test_a_host_is_not_asked_without_a_token_nor_in_the_clear(mixed, host):
    name, _, _ = host
    address = HOSTS[name][1]
    without = export(mixed, "deployments", *DAYS, "--source", name)
    assert (without.code, without.out) == (2, "")
    assert f"{name.upper()}_TOKEN" in without.err
    plain = {address: "http://forge.example.com", HOSTS[name][2]: "tok-aG9zdA"}
    clear = export(mixed, "deployments", *DAYS, "--source", name, environ=plain)
    assert (clear.code, clear.out) == (2, "")
    assert "unencrypted" in clear.err


def test_what_a_source_does_not_know_is_said_at_once(long):
    ended = export(long, "deployments", *DAYS, "--of", "releases")
    assert (ended.code, ended.out) == (2, "")
    assert "git has no releases" in ended.err
