"""What changes anything is shown and asked first; without a terminal it has to be said
beforehand.
"""

import json
import pathlib

import pytest

from tests.cli.processes import PASSWORD, PROJECT

RECORDED = json.loads((pathlib.Path(PROJECT) / "tests/recorded_calls.json").read_text())
CALLS = dict(
    {name: call["reply"] for name, call in RECORDED.items()},
    grow_array=RECORDED["add_disk"]["reply"],
)
PLAN = {
    "array": {"device": "/dev/md0", "level": "raid10", "size_bytes": 264241152, "members": []},
    "commands": ["mdadm --create /dev/md0 " + "x" * 90],
    "unused_bytes": 0,
    "warnings": [],
    "planned": True,
}
CHANGING = [
    "adopt md0",
    "remove md0 sdb",
    "add md0 sdb",
    "replace md0 sdb sdc",
    "grow md0 sde",
    "sr create md0",
    "alerts apply",
    "create --level 1 sda sdb",
]


@pytest.fixture
def pool(one):
    one.answer(**CALLS)
    (pathlib.Path(one.folder) / "calls").write_text("")
    return one


def called(pool):
    return [call for call in pool.calls() if call[0] not in ("list_arrays", "list_disks")]


@pytest.mark.parametrize("typed", [*CHANGING, "fail md0 sdb", "delete md1"])
def test_without_a_terminal_it_refuses_before_it_asks_for_a_password(remote, pool, typed):
    done = remote(*typed.split())
    assert done.status == 2
    assert "no terminal" in done.err
    assert ("--confirm" if typed.split()[0] in ("fail", "delete") else "--yes") in done.err
    assert pool.calls() == []


@pytest.mark.parametrize("typed", CHANGING)
def test_yes_asks_nothing(remote, pool, typed):
    done = remote(*typed.split(), "--yes", password=PASSWORD)
    assert done.status == 0, done
    assert len(pool.calls()) == 1


def test_yes_is_not_enough_where_a_name_confirms(remote, pool):
    done = remote("delete", "md1", "--yes", password=PASSWORD)
    assert done.status == 2
    assert "--confirm with the array's name" in done.err
    assert pool.calls() == []
    assert remote("delete", "md1", "--confirm", "md1", password=PASSWORD).status == 0
    assert called(pool) == [["delete_array", {"array": "md1", "confirm": "md1"}]]


def test_on_a_terminal_it_shows_what_it_will_be_done_to(remote, pool):
    shown = remote.on_terminal(
        "replace", "md0", "sdb", "sdf", typed=[("Go on? [y/N] ", "y\n")], password=PASSWORD
    )
    assert shown.status == 0
    for piece in (
        "Replaces a member by a new disk",
        "host      dom0",
        "array     md0, raid10, resyncing, one more failure survived",
        "disk      sdb, ST4000NM0035, serial ee17560c8b77385b, 128 MiB",
        "new disk  sdf,",
    ):
        assert piece in shown.out
    assert called(pool) == [["replace_disk", {"array": "md0", "disk": "sdb", "new_disk": "sdf"}]]


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04", "what\n"])
def test_anything_but_yes_changes_nothing(remote, pool, answer):
    shown = remote.on_terminal(
        "add", "md0", "sdb", typed=[("Go on? [y/N] ", answer)], password=PASSWORD
    )
    assert shown.status == 1
    assert "Nothing was changed." in shown.out
    assert called(pool) == []


def test_create_shows_its_plan_first(remote, pool):
    pool.answer(**dict(CALLS, create_array=PLAN))
    shown = remote.on_terminal(
        "create",
        "--level",
        "10",
        "sda",
        "sdb",
        "sdc",
        "sdd",
        typed=[("Go on? [y/N] ", "y\n")],
        password=PASSWORD,
    )
    assert shown.status == 0
    # A command is not broken: it can be copied. The terminal has 80 columns, its own folding leaves
    # no mark in what it got.
    assert "    " + PLAN["commands"][0] in shown.out
    assert [arguments.get("dry_run") for _, arguments in called(pool)] == ["true", None]


def test_a_dry_run_asks_nobody(remote, pool):
    pool.answer(**dict(CALLS, create_array=PLAN))
    done = remote("create", "--level", "10", "sda", "sdb", "--dry-run", password=PASSWORD)
    assert done.status == 0
    assert PLAN["commands"][0] in done.out
    assert "planned" in done.out


@pytest.mark.parametrize(
    "typed,question,answer,function",
    [
        ("fail md0 sdb", "type that disk's serial number: ", "ee17560c8b77385b", "fail_disk"),
        ("delete md1", "type the array's name: ", "md1", "delete_array"),
    ],
)
def test_what_cannot_be_taken_back_is_confirmed_by_typing(
    remote, pool, typed, question, answer, function
):
    shown = remote.on_terminal(*typed.split(), typed=[(question, answer + "\n")], password=PASSWORD)
    assert shown.status == 0
    assert [(name, arguments["confirm"]) for name, arguments in called(pool)] == [
        (function, answer)
    ]
    assert (
        remote.on_terminal(*typed.split(), typed=[(question, "\n")], password=PASSWORD).status == 1
    )
    assert len(called(pool)) == 1


def test_warnings_are_on_standard_error(remote, pool):
    done = remote("create", "--level", "10", "sda", "sdb", "sdc", "sdd", "--yes", password=PASSWORD)
    assert done.err == "Warning: nobody is alerted when a disk fails: call `xsraid alerts set`\n"
    assert "nobody is alerted" not in done.out
