"""A plugin that is older or newer than the command line."""

import pytest

from tests.cli.processes import PASSWORD
from xsraid import __version__

OLD, NEW = "0.0.1", "99.0.0"
HELP = {"functions": [{"name": name} for name in ("list_disks", "list_arrays", "version", "sing")]}


def versioned(version, **more):
    return dict({"version": {"version": version, "python": "3.6.8"}, "help": HELP}, **more)


def test_the_same_version(remote, one):
    one.answer(**versioned(__version__))
    done = remote("version", password=PASSWORD)
    assert done.status == 0
    assert len(done.out.splitlines()) == 2
    assert "plugin on dom0" in done.out
    assert [function for function, _ in one.calls()][-1] == "version"


@pytest.mark.parametrize(
    "version,word,advice",
    [(OLD, "older", "Update the RPM on that host"), (NEW, "newer", "Update this one")],
)
def test_version_says_which_is_older_and_what_only_one_knows(remote, one, version, word, advice):
    one.answer(**versioned(version))
    done = remote("version", password=PASSWORD)
    text = " ".join(done.out.split())
    assert done.status == 0
    assert word in text
    assert advice in text
    assert "Only the plugin knows sing" in text
    assert "Only this command line knows create_array, " in text


def test_version_as_json_is_the_plugins(remote, one):
    one.answer(**versioned(NEW))
    assert (
        remote("version", "--json", password=PASSWORD).out
        == '{"version": "%s", "python": "3.6.8"}\n' % NEW
    )


def test_a_function_that_an_older_plugin_lacks(remote, one):
    one.answer(**versioned(OLD))
    done = remote("identify", "sdb", password=PASSWORD)
    assert done.status == 1
    assert done.err == (
        "xsraid: The plugin on dom0 is %s, older than this command line, %s. It does not know "
        "`xsraid identify`, or not with these "
        "arguments.\nUpdate the RPM on that host: yum update xsraid.\n" % (OLD, __version__)
    )


def test_an_argument_that_an_older_plugin_lacks(remote, one):
    refusal = [
        "XSRAID_BAD_ARGUMENT",
        "array",
        "is no argument of list_arrays, which takes no arguments",
        "array: is no argument of list_arrays.",
    ]
    one.answer(**versioned(OLD, list_arrays=refusal))
    assert "older than this command line" in remote("status", "md0", password=PASSWORD).err
    one.answer(**versioned(__version__, list_arrays=refusal))
    assert "is no argument of" in remote("status", "md0", password=PASSWORD).err


def test_a_command_that_only_a_newer_one_may_know(remote):
    done = remote("sing")
    assert done.status == 2
    assert "`xsraid version` compares" in done.err


def test_a_newer_plugins_reply_is_shown(remote, one):
    array = {
        "device": "/dev/md0",
        "health": "singing",
        "members": [{"device": "/dev/sda", "state": "humming"}],
        "tune": {"key": "C"},
    }
    one.answer(**versioned(NEW, list_arrays={"arrays": [array], "choir": [{"voice": "alto"}]}))
    done = remote("status", password=PASSWORD)
    assert done.status == 3
    assert all(word in done.out for word in ("singing", "humming", "VOICE", "alto"))
