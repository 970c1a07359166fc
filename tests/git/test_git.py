"""Answers about a real repository are exact, whatever its owner, configuration and file names; nothing is written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cibeacon.git.repository import Repository
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import CheckoutError
from cibeacon.runtime.paths import toplevel
from odd_paths import ODD_PATHS
from repositories import CHANGED, Worktree, ample, cloned, copied, fingerprint, repository


@pytest.fixture
def tree(tmp_path):
    made = Worktree.new(tmp_path / "tree")
    made.commit({"a": "1", "run.sh": "1", "link-me": "1"})
    return made


def changed(tree: Worktree) -> set[str]:
    """The last commit's changes, as cibeacon sees them."""
    return set(repository(tree.root).paths(tree.tip("HEAD^"), tree.tip()))


# Paths --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ODD_PATHS.values(), ids=ODD_PATHS.keys())
def test_a_path_is_read_as_it_is(path, tree):
    tree.commit({path: "1"})

    assert changed(tree) == {path}


def test_all_odd_paths_at_once_do_not_run_into_each_other(tree):
    tree.commit(dict.fromkeys(ODD_PATHS.values(), "1"))

    assert changed(tree) == set(ODD_PATHS.values())


def test_a_rename_changes_both_sides(tree):
    tree.commit({"services/old/a": "same content\n" * 50})
    tree.git("mv", "services/old", "services/new")
    tree.commit({})

    assert changed(tree) == {"services/old/a", "services/new/a"}


def test_a_rename_that_only_changes_the_case_changes_both_sides(tree):
    tree.commit({"services/Cart/a": "1"})
    tree.git("mv", "services/Cart", "services/cart")
    tree.commit({})

    assert changed(tree) == {"services/Cart/a", "services/cart/a"}


def test_a_deleted_file_is_changed(tree):
    tree.commit({"a": None})

    assert changed(tree) == {"a"}


def test_a_deleted_folder_is_every_file_of_it(tree):
    tree.commit({"services/old/a": "1", "services/old/b/c": "1"})
    tree.commit({"services/old/a": None, "services/old/b/c": None})

    assert changed(tree) == {"services/old/a", "services/old/b/c"}


def test_a_new_mode_is_a_change(tree):
    (tree.root / "run.sh").chmod(0o755)
    tree.commit({})

    assert changed(tree) == {"run.sh"}


def test_a_file_that_becomes_a_link_is_changed(tree):
    (tree.root / "link-me").unlink()
    (tree.root / "link-me").symlink_to("a")
    tree.commit({})

    assert changed(tree) == {"link-me"}


def test_a_link_to_a_folder_is_one_path_and_is_not_followed(tree):
    tree.commit({"services/cart/a": "1"})
    (tree.root / "services/link").symlink_to("cart")
    (tree.root / "etc").symlink_to("/etc")
    tree.commit({})

    assert changed(tree) == {"services/link", "etc"}


def test_a_file_that_becomes_a_folder_is_both(tree):
    tree.commit({"a": None})
    tree.commit({"a/b": "1"})

    assert set(repository(tree.root).paths(tree.tip("HEAD~2"), tree.tip())) == {"a", "a/b"}


def test_a_commit_without_a_change_changes_nothing(tree):
    tree.commit({})

    assert changed(tree) == set()


def test_a_moved_submodule_is_seen_even_if_the_repository_says_to_ignore_it(tree, tmp_path):
    """`ignore = all` in .gitmodules, which the pull request itself can set, hides the move from a plain diff."""
    inner = Worktree.new(tmp_path / "inner")
    first, second = inner.commit({"x": "1"}), inner.commit({"x": "2"})
    modules = '[submodule "vendored"]\n\tpath = services/vendored\n\turl = ../inner\n\tignore = all\n'
    tree.write({".gitmodules": modules})
    for sha in (first, second):
        tree.git("update-index", "--add", "--cacheinfo", f"160000,{sha},services/vendored")
        tree.git("add", ".gitmodules")
        tree.git("commit", "--quiet", "--message=move")
    assert tree.git("diff-tree", "-r", "--name-only", "HEAD^", "HEAD") == "", "a plain diff would show it: no test"

    assert changed(tree) == {"services/vendored"}


def test_a_large_file_pointer_is_a_change_like_any_other(tree):
    tree.commit({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "model.bin": "version 1\n"})
    tree.commit({"model.bin": "version 2\n"})

    assert changed(tree) == {"model.bin"}


def test_the_repositorys_own_configuration_changes_no_answer(tree):
    """A pull request cannot write .git/config, but an earlier job can."""
    tree.commit({"services/a/x": "1\n" * 50, "services/b/x": "1"})
    tree.git("mv", "services/a", "services/c")
    tree.commit({"services/b/x": "2"})
    order = tree.root / "order"
    order.write_text("nothing\n")
    for key, value in {
        "diff.renames": "copies",
        "diff.relative": "true",
        "diff.orderFile": str(order),
        "diff.noprefix": "true",
        "diff.external": "false",
        "diff.ignoreSubmodules": "all",
        "core.quotePath": "true",
        "core.pager": "false",
        "core.precomposeUnicode": "true",
        "color.ui": "always",
        "log.showSignature": "true",
        "alias.diff-tree": "!false",
        "core.fsmonitor": str(tree.root / "fsmonitor"),
    }.items():
        tree.git("config", key, value)

    assert changed(tree) == {"services/a/x", "services/c/x", "services/b/x"}


def test_an_inherited_git_environment_points_nowhere_else(tree, tmp_path):
    """A hook or an outer git process leaves GIT_DIR and other variables behind."""
    other = Worktree.new(tmp_path / "other")
    other.commit({"b": "1"})
    tree.commit({"c": "1"})
    stray = {
        "GIT_DIR": str(other.root / ".git"),
        "GIT_WORK_TREE": str(other.root),
        "GIT_INDEX_FILE": str(other.root / ".git/index"),
        "GIT_OBJECT_DIRECTORY": str(other.root / ".git/objects"),
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_DIFF_OPTS": "-u0",
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_CONFIG_PARAMETERS": "'core.bare'='true'",
    }

    assert set(repository(tree.root, **stray).paths(tree.tip("HEAD^"), tree.tip())) == {"c"}
    assert not (tmp_path / "trace").exists()


def test_paths_are_read_from_a_linked_worktree(tree, tmp_path):
    tree.commit({"c": "1"})
    tree.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))

    assert list(repository(tmp_path / "linked").paths(tree.tip("HEAD^"), tree.tip())) == ["c"]


def test_a_replaced_object_does_not_replace_the_answer(tree):
    """Replacement refs can be fetched from anyone's repository."""
    first, second = tree.tip(), tree.commit({"c": "1"})
    tree.git("replace", second, first)

    assert list(repository(tree.root).paths(first, second)) == ["c"]
    assert repository(tree.root).parents(second) == (first,)


# Commits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", ["main", "refs/heads/main", "HEAD", "v1", "refs/tags/v1", "main~0", "main^{}"])
def test_a_revision_names_its_commit(revision, tree):
    tree.git("tag", "--annotate", "--message=one", "v1")

    assert repository(tree.root).commit(revision) == tree.tip()


def test_a_short_id_names_its_commit(tree):
    assert repository(tree.root).commit(tree.tip()[:8]) == tree.tip()


@pytest.mark.parametrize(
    "revision", ["", "-", "--", "--all", "--output=x", "-rf", "^main", "main..main", "main:", "main:a", "nope", "\n"]
)
def test_a_revision_that_is_not_a_commit_is_none(revision, tree):
    assert repository(tree.root).commit(revision) is None


def test_several_revisions_are_named_at_once_and_in_order(tree):
    first, second = tree.tip(), tree.commit({"b": "1"})
    odd = ["", "nope", "-", "two\nlines", "main\0", "no bytes \ud800", "a b", "^main", tree.git("rev-parse", "HEAD:a")]

    found = repository(tree.root).commits("main", *odd, first, "HEAD~1", "main")

    assert found == (second, *(None for _ in odd), first, first, second)


def test_a_branch_named_like_another_commits_id_is_not_that_commit(tree):
    first = tree.tip()
    tree.commit({"b": "1"})
    tree.git("update-ref", f"refs/heads/{first}", tree.tip())

    assert repository(tree.root).commit(first) == first


def test_a_tree_or_blob_is_not_a_commit(tree):
    for kind in ("HEAD^{tree}", "HEAD:a"):
        assert repository(tree.root).commit(tree.git("rev-parse", kind)) is None


def test_the_parents_of_a_merge_are_in_order(stories):
    story = stories("merge", "moved")

    assert repository(story.root).parents(story.merge) == (story.base, story.head)


def test_the_first_commit_has_no_parent(tree):
    assert repository(tree.root).parents(tree.tip()) == ()


def test_the_parents_of_a_missing_commit_are_unknown(tree):
    for sha in ("ab" * 20, "main", "--all", "", tree.git("rev-parse", "HEAD^{tree}")):
        assert repository(tree.root).parents(sha) is None


@pytest.mark.parametrize("mark", ["\x0c", "\x0b", "\x1c", "\x85", "\u2028", "\r"])
def test_an_authors_name_cannot_pretend_to_be_a_parent(mark, tree):
    """Python splits lines at more characters than git, and untrusted names may contain them."""
    false = "ab" * 20
    first = tree.tip()
    sha = tree.commit({"b": "1"}, GIT_AUTHOR_NAME=f"Mallory{mark}parent {false}{mark}x")
    assert f"{mark}parent {false}" in tree.git("cat-file", "commit", sha)

    assert repository(tree.root).parents(sha) == (first,)


def test_a_message_cannot_pretend_to_be_a_parent(tree):
    first = tree.tip()
    tree.git("commit", "--quiet", "--allow-empty", "--message", f"x\n\nparent {'ab' * 20}\n")

    assert repository(tree.root).parents(tree.tip()) == (first,)


def test_a_short_id_names_a_commit_with_its_parents(tree):
    first = tree.tip()
    sha = tree.commit({"a": "2"})

    assert repository(tree.root).parents(sha[:8]) == (first,)


@pytest.mark.parametrize("name", ["Ada", "Ada > Lovelace", "A\x0cauthor Jenkins <nobody@nowhere> 1 +0000", "Ärger"])
def test_the_author_of_a_commit_is_the_one_that_git_shows(name, tree):
    sha = tree.commit({"a": "2"}, GIT_AUTHOR_NAME=name, GIT_AUTHOR_EMAIL="ada@example.com")
    shown = tree.git("show", "--no-patch", "--format=%an <%ae>", sha)

    assert repository(tree.root).author(sha) == shown


def test_the_author_of_a_missing_commit_is_unknown(tree):
    for sha in ("ab" * 20, "main", "", tree.git("rev-parse", "HEAD^{tree}")):
        assert repository(tree.root).author(sha) is None


def any_tag(name):
    return True


def test_the_previous_tag_is_the_nearest_by_any_parent_and_never_one_of_the_commits_own(tree):
    tree.git("tag", "v1")
    tree.git("checkout", "--quiet", "-b", "release")
    released = tree.commit({"b": "1"})
    tree.git("tag", "v2")
    tree.git("checkout", "--quiet", "main")
    tree.commit({"c": "1"})
    tree.git("merge", "--quiet", "--no-ff", "--no-edit", "release")
    for name in ("v3", "stable", "team/v3"):
        tree.git("tag", name)

    assert repository(tree.root).previous_tag(tree.tip(), any_tag).sha == released


def test_a_shallow_clone_knows_only_what_it_contains(stories, clone_of):
    story = stories("merge", "moved")
    shallow = repository(clone_of(story, "--depth=2"))

    assert shallow.shallow()
    assert shallow.is_ancestor(story.head, story.merge) is True
    assert shallow.is_ancestor(story.merge, story.head) is None
    assert shallow.is_ancestor(story.fork, story.merge) is None
    assert shallow.merge_base(story.base, story.head) is None
    assert shallow.previous_tag(story.merge, any_tag) is None


def test_a_shallow_clone_does_not_mistake_an_older_ancestor_for_the_merge_base(tmp_path):
    """The path to the real merge base is longer than the clone is deep, and another path bypasses it."""
    tree = Worktree.new(tmp_path / "deep")
    older, base = tree.commit({"a": "1"}), tree.commit({"a": "2"})
    for number in range(8):
        tip = tree.commit({"b": str(number)})
    tree.git("checkout", "--quiet", "-b", "feature", older)
    tree.commit({"c": "1"})
    tree.git("merge", "--quiet", "--message=long way", tip)
    head = tree.tip()
    tree.git("checkout", "--quiet", "-B", "main", base)
    main = tree.commit({"a": "3"})
    root = cloned(tree.root, tmp_path / "shallow", "--depth=5", ref="refs/heads/*")
    assert Worktree(root).git("merge-base", main, head) == older, "git would not err: no test"

    assert repository(tree.root).merge_base(main, head) == base
    assert repository(root).merge_base(main, head) is None


def test_a_broken_index_does_not_matter(tree):
    tree.commit({"b": "1"})
    ends = tree.tip("HEAD^"), tree.tip()
    (tree.root / ".git/index").write_bytes(b"garbage")

    assert list(repository(tree.root).paths(*ends)) == ["b"]


def test_a_whole_clone_can_say_no(stories):
    story = stories("squash", "moved")

    assert repository(story.root).is_ancestor(story.head, story.merge) is False
    assert repository(story.root).merge_base(story.merge, story.head) == story.fork


def test_unrelated_histories_have_no_merge_base(tree):
    first = tree.tip()
    tree.git("checkout", "--quiet", "--orphan", "other")
    other = tree.commit({"b": "1"})

    assert repository(tree.root).merge_base(first, other) is None
    assert repository(tree.root).is_ancestor(first, other) is False


def test_a_file_is_read_from_a_commits_tree(tree):
    first = tree.tip()
    tree.commit({"a": "2"})

    assert repository(tree.root).text(first, "a") == b"1"
    assert repository(tree.root).text(first, "absent") is None
    assert repository(tree.root).text(first, "../a") is None


def test_a_checkout_tells_its_remote_commit_and_branches(tree):
    tree.git("remote", "add", "origin", "git@example.com:acme/shop.git")
    tree.git("checkout", "--quiet", "-b", "feature/é")

    told = repository(tree.root).checkout()

    assert told == ("git@example.com:acme/shop.git", tree.tip(), "feature/é", "main")


def test_the_remotes_default_branch_is_taken_where_it_is_known(tree):
    tree.git("update-ref", "refs/remotes/origin/trunk/1", "HEAD")
    tree.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk/1")

    assert repository(tree.root).checkout().default_branch == "trunk/1"


def test_an_empty_repository_has_a_branch_and_no_commit(tmp_path):
    tree = Worktree.new(tmp_path / "empty")

    assert repository(tree.root).checkout() == (None, None, "main", None)
    assert repository(tree.root).commit("HEAD") is None


def test_a_repository_of_sha256_is_read_as_well(tmp_path):
    tree = Worktree(tmp_path / "long")
    tree.root.mkdir()
    tree.git("init", "--quiet", "--initial-branch=main", "--object-format=sha256")
    tree.commit({"a": "1"})
    tree.commit({"b": "1"})

    assert len(tree.tip()) == 64
    assert changed(tree) == {"b"}
    assert repository(tree.root).parents(tree.tip()) == (tree.tip("HEAD^"),)


# Errors -------------------------------------------------------------------------------------------------------------


def test_outside_a_repository_the_error_says_so_and_what_to_do(tmp_path):
    with pytest.raises(CheckoutError, match="no git repository") as caught:
        repository(tmp_path).commit("HEAD")

    assert "Check out the repository before this step" in caught.value.hint


def test_without_git_the_error_says_so(tree, tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()

    with pytest.raises(CheckoutError, match="git cannot be run"):
        repository(tree.root, PATH=str(empty)).commit("HEAD")


def test_a_git_that_may_not_be_executed_is_a_checkout_error(tree, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text("not a program")
    (tmp_path / "bin/git").chmod(0o755)

    with pytest.raises(CheckoutError, match="git cannot be run"):
        repository(tree.root, PATH=str(tmp_path / "bin")).commit("HEAD")


def test_a_deleted_folder_is_a_checkout_error(tmp_path):
    reader = repository(tmp_path / "gone")

    with pytest.raises(CheckoutError, match="folder no longer exists"):
        reader.commit("HEAD")


def test_without_time_git_is_not_started(tree):
    nothing_left = Deadline(1.0, lambda: 5.0, lambda _: None, 0.0)

    with pytest.raises(CheckoutError, match="took too long"):
        Repository(tree.root, {"PATH": "/nowhere"}, nothing_left).commit("HEAD")


def test_a_git_that_hangs_is_stopped(tree, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "bin/git").chmod(0o755)
    short = Deadline(0.2, lambda: 0.0, lambda _: None, 0.0)

    with pytest.raises(CheckoutError, match="took too long"):
        Repository(tree.root, {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}, short).commit("HEAD")


def test_commits_that_cannot_be_compared_are_an_error_and_never_an_empty_answer(tree):
    for base, head in ((tree.tip(), "ab" * 20), ("ab" * 20, tree.tip()), ("ab" * 20, "cd" * 20)):
        with pytest.raises(CheckoutError, match="could not compare"):
            repository(tree.root).paths(base, head)


@pytest.mark.parametrize("kind", ["HEAD^{tree}", "HEAD:services", "HEAD:services/cart", "HEAD"])
def test_a_corrupted_object_is_an_error_and_never_an_empty_answer(kind, tmp_path):
    tree = Worktree.new(tmp_path / "corrupted")
    tree.commit({"services/cart/a": "1"})
    tree.commit({"services/cart/a": "2"})
    ends = tree.tip("HEAD^"), tree.tip()
    sha = tree.git("rev-parse", kind)
    loose = tree.root / ".git/objects" / sha[:2] / sha[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"garbage")

    with pytest.raises(CheckoutError):
        repository(tree.root).paths(*ends)


def test_a_missing_tree_of_a_folder_is_an_error_and_never_an_empty_answer(tmp_path):
    tree = Worktree.new(tmp_path / "missing")
    tree.commit({"services/cart/a": "1"})
    tree.commit({"services/cart/a": "2"})
    ends = tree.tip("HEAD^"), tree.tip()
    sha = tree.git("rev-parse", "HEAD:services")
    (tree.root / ".git/objects" / sha[:2] / sha[2:]).unlink()

    with pytest.raises(CheckoutError):
        repository(tree.root).paths(*ends)


# Started ahead ------------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(tree, tmp_path):
    """A repository, and the git commands that it has run so far."""
    (tmp_path / "bin").mkdir()
    real, log = shutil.which("git"), tmp_path / "log"
    (tmp_path / "bin/git").write_text(f'#!/bin/sh\necho "$2 $#" >>{log}\nexec {real} "$@"\n')
    (tmp_path / "bin/git").chmod(0o755)
    log.touch()
    made = repository(tree.root, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return made, lambda: [line.split()[0] for line in log.read_text().splitlines()]


def test_a_comparison_that_was_begun_is_the_one_that_is_read(tree, counted):
    tree.commit({"b": "1", "c": "1"})
    reader, asked = counted

    reader.compare(tree.tip("HEAD^"), tree.tip())
    reader.compare(tree.tip("HEAD^"), tree.tip())

    assert list(reader.paths(tree.tip("HEAD^"), tree.tip())) == ["b", "c"]
    assert asked() == ["diff-tree"]
    assert list(reader.paths(tree.tip("HEAD^"), tree.tip())) == ["b", "c"]


def test_a_different_comparison_than_the_one_begun_is_right(tree, counted):
    tree.commit({"b": "1"})
    tree.commit({"c": "1"})
    reader, _ = counted

    reader.compare(tree.tip("HEAD^"), tree.tip())

    assert list(reader.paths(tree.tip("HEAD~2"), tree.tip("HEAD^"))) == ["b"]
    reader.close()


def test_a_comparison_that_was_begun_in_vain_fails_when_it_is_asked_for(tree, counted):
    reader, _ = counted
    reader.compare("ab" * 20, tree.tip())

    with pytest.raises(CheckoutError, match="could not compare"):
        reader.paths("ab" * 20, tree.tip())


def test_what_was_begun_and_never_read_ends_with_the_repository(tree, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f"#!/bin/sh\necho $$ >{tmp_path / 'pid'}\nexec sleep 60\n")
    (tmp_path / "bin/git").chmod(0o755)
    os.mkfifo(tmp_path / "pid")
    reader = repository(tree.root, PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    reader.compare("ab" * 20, tree.tip())
    pid = int((tmp_path / "pid").read_text())
    reader.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_question_is_asked_once(tree, counted):
    reader, asked = counted

    assert [reader.commit("main"), reader.commit("main"), *reader.commits("main", "HEAD")] == [tree.tip()] * 4
    assert [reader.parents(tree.tip()), reader.parents(tree.tip())] == [(), ()]
    assert asked() == ["cat-file", "cat-file", "cat-file"]


def test_the_default_branch_is_known_where_the_remotes_own_is_gone(tree):
    tree.git("remote", "add", "origin", "https://github.com/acme/shop.git")
    tree.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop")

    assert repository(tree.root).checkout().default_branch == "develop"


def test_a_laptop_costs_three_children(counted, tree):
    reader, asked = counted

    assert reader.checkout().head == tree.tip()
    assert sorted(asked()) == ["cat-file", "config", "for-each-ref"]


# Clones of all kinds ------------------------------------------------------------------------------------------------


@pytest.fixture
def partial(tmp_path):
    """Makes a partial clone of a story from a server that supports filters."""

    def clone(story, filter_):
        server = Worktree(copied(story.root, tmp_path / "server"))
        server.git("config", "uploadpack.allowFilter", "true")
        server.git("config", "uploadpack.allowAnySHA1InWant", "true")
        made = Worktree(tmp_path / "partial")
        made.root.mkdir()
        made.git("clone", "--quiet", "--no-checkout", f"--filter={filter_}", server.root.as_uri(), ".")
        return server, made

    return clone


def test_a_clone_without_contents_is_compared_without_the_network(partial, stories):
    story = stories("merge", "moved")
    server, clone = partial(story, "blob:none")
    assert "services/cart/new.py" in clone.git("ls-tree", "-r", "--name-only", story.head)
    shutil.rmtree(server.root)
    before = fingerprint(clone.root)

    assert set(repository(clone.root).paths(story.base, story.merge)) == CHANGED
    assert fingerprint(clone.root) == before


def test_a_clone_without_trees_is_an_error_and_fetches_nothing_on_its_own(partial, stories):
    story = stories("merge", "moved")
    _, clone = partial(story, "tree:0")
    before = fingerprint(clone.root)
    reader = repository(clone.root)

    with pytest.raises(CheckoutError):
        reader.paths(story.base, story.merge)
    assert reader.commit(story.merge) is None
    assert reader.parents(story.merge) == (story.base, story.head)
    assert fingerprint(clone.root) == before


def test_a_partial_clone_answers_for_what_it_has_beside_what_it_lacks(partial, stories):
    """git stops at the first object that it may not fetch."""
    story = stories("merge", "moved")
    _, clone = partial(story, "tree:0")
    clone.git("cat-file", "-p", f"{story.base}^{{tree}}")

    found = repository(clone.root).commits(
        "ab" * 20, story.merge, story.base, "cd" * 20, story.head, "nope", story.base
    )

    assert found == (None, None, story.base, None, None, None, story.base)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_is_read_and_no_configuration_is_written(stories, tmp_path):
    """A container's checkout belongs to the runner's user, and git would reject it by default."""
    story = stories("merge", "moved")
    root, home = copied(story.root, tmp_path / "foreign"), tmp_path / "home"
    home.mkdir()
    for path in (root, *root.rglob("*")):
        os.chown(path, 1001, 1001, follow_symlinks=False)
    plain = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=root,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        check=False,
    )
    assert b"dubious ownership" in plain.stderr, "git would not mind: no test"
    before = fingerprint(root)

    reader = Repository(root, {"PATH": os.environ["PATH"], "HOME": str(home)}, ample())

    assert set(reader.paths(story.base, story.merge)) == CHANGED
    assert reader.checkout().head == story.merge
    assert list(home.iterdir()) == []
    assert fingerprint(root) == before


@pytest.mark.parametrize("options", [(), ("--depth=1",), ("--depth=2",)], ids=["whole", "depth 1", "depth 2"])
def test_a_clone_is_the_same_to_the_byte_after_every_question(options, stories, clone_of):
    """A refreshed stat cache, a lock, a pack: any change would show up in a job that caches its clone."""
    story = stories("squash", "updated")
    root = clone_of(story, *options)
    (root / "README.md").touch()
    before = fingerprint(root)
    reader = repository(root)

    for sha in (story.fork, story.base, story.head, story.merge, "ab" * 20):
        reader.commit(sha)
        reader.parents(sha)
        reader.text(sha, "README.md")
        reader.previous_tag(sha, any_tag)
        reader.is_ancestor(sha, story.merge)
        reader.merge_base(sha, story.merge)
    reader.checkout()

    assert fingerprint(root) == before


# The top of a checkout ----------------------------------------------------------------------------------------------


def test_the_top_is_found_from_below_and_stays_put_outside(tree, tmp_path):
    below = tree.root / "services/cart"
    below.mkdir(parents=True)

    assert toplevel(below) == tree.root
    assert toplevel(Path("/")) == Path("/")
    assert toplevel(tmp_path) == tmp_path


def test_gits_message_about_a_repository_that_it_cannot_read_is_kept(tree):
    assert repository(tree.root).complaint() is None
    (tree.root / ".git/config").write_text("[broken\n")
    assert "bad config line 1" in (repository(tree.root).complaint() or "")


def test_the_depth_of_a_clone_is_counted(tree, tmp_path):
    for number in range(3):
        tree.commit({"a": f"{number}"})
    shallow = cloned(tree.root, tmp_path / "shallow", "--depth=2")
    assert (repository(tree.root).depth(), repository(shallow).depth()) == (4, 2)
