"""`xsraid create` without arguments, on a terminal."""

import json
import pathlib

import pytest

from tests.cli.processes import ARRAY, PASSWORD, PROJECT

RECORDED = json.loads((pathlib.Path(PROJECT) / "tests/recorded_calls.json").read_text())
DISK = dict(RECORDED["list_disks"]["reply"]["disks"][0], size_bytes=4 << 40)
DISKS = [
    dict(DISK, device="/dev/sd%s" % letter, serial="Z%s" % letter, by_id=None, wwn=None)
    for letter in "abcd"
]
USED = dict(
    DISKS[0],
    device="/dev/sde",
    serial="Ze",
    refusals=[{"reason": "MOUNTED", "detail": "/dev/sde on /srv/iso"}],
)
STALE = dict(
    DISKS[0], device="/dev/sdf", serial="Zf", stale=[{"device": "/dev/sdf", "type": "ext4"}]
)
MADE = {
    "array": dict(ARRAY, level="raid10", health="resyncing"),
    "commands": ["mdadm --create /dev/md0"],
    "unused_bytes": 0,
    "warnings": ["nobody is alerted when a disk fails: call configure_alerts"],
}
AT_WORK = dict(
    ARRAY,
    health="resyncing",
    sync={"action": "resync", "done_ratio": 0.25, "speed_bytes_s": 1 << 20, "remaining_s": 60},
)
SETTINGS = {
    "settings": {"mail_to": None, "smtp_host": None},
    "monitor": "stopped",
    "waiting": 0,
    "warnings": [],
}
ANSWERS = {
    "list_disks": {"disks": [*DISKS, USED, STALE]},
    "create_array": MADE,
    "create_sr": {"sr_uuid": "u", "device": "/dev/md0", "created": True},
    "get_alerts": SETTINGS,
    "configure_alerts": SETTINGS,
    "list_arrays": {"arrays": [AT_WORK]},
}
MAIL = [
    ("Mail for alerts", "admin@example.com\n"),
    ("comes from", "nonsense\n"),
    ("comes from", "alerts@example.com\n"),
    ("mail server", "smtp.example.com\n"),
    ("its user", "\n"),
]


@pytest.fixture
def pool(one):
    one.answer(**ANSWERS)
    one.server.write("calls", "")
    return one


def called(pool):
    return [
        (function, arguments)
        for function, arguments in pool.calls()
        if function in ("create_array", "create_sr", "configure_alerts")
    ]


def test_enter_all_the_way(remote, pool):
    shown = remote.on_terminal(
        "create",
        password=PASSWORD,
        typed=[
            ("Disks (Enter: sda sdb sdc sdd): ", "\n"),
            ("Level (Enter: raid10): ", "\n"),
            ("Name of the array", "\n"),
            ("storage repository", "\n"),
            ("Its name", "\n"),
            ("Mail for alerts", "\n"),
            ("Go on? [y/N] ", "y\n"),
            ("25.0 %", "q"),
        ],
    )
    assert shown.status == 0, shown
    for piece in (
        "/dev/sde on /srv/iso",
        "free with --wipe, still has ext4",
        "raid6   8.80 TB   2 more failures survived",
        "raid10  8.80 TB   one more failure survived",
        "    mdadm --create /dev/md0",
        "xsraid create --level 10 /dev/sda /dev/sdb",
        "xsraid sr create md0",
        "[#####---------------] 25.0 %",
        "It goes on by itself",
        "xsraid alerts set",
    ):
        assert piece in shown.out
    devices = "/dev/sda,/dev/sdb,/dev/sdc,/dev/sdd"
    assert called(pool) == [
        ("create_array", {"level": "10", "devices": devices, "dry_run": "true"}),
        ("create_array", {"level": "10", "devices": devices}),
        ("create_sr", {"array": "/dev/md0"}),
    ]
    assert pool.session_count() == 0


def test_everything_chosen(remote, pool):
    shown = remote.on_terminal(
        "create",
        password=PASSWORD,
        typed=[
            ("Disks", "sde\n"),
            ("sde cannot be used", "sda\n"),
            ("two disks at least", "sda sdf\n"),
            ("Level (Enter: raid1): ", "6\n"),
            ("It takes one of raid0, raid1, raid10", "1\n"),
            ("Erase existing signatures on sdf", "y\n"),
            ("Name of the array", "bad name\n"),
            ("Name of the array", "fast\n"),
            ("storage repository", "y\n"),
            ("Its name", "Bob's own\n"),
            *MAIL,
            ("Go on? [y/N] ", "y\n"),
            ("25.0 %", "\x03"),
        ],
    )
    assert shown.status == 0, shown
    assert "xsraid sr create md0 --name-label 'Bob'\\''s own'" in shown.out, shown
    assert "nobody is alerted" not in shown.out, shown
    given = {"level": "1", "devices": "/dev/sda,/dev/sdf", "wipe": "true", "name": "fast"}
    assert called(pool) == [
        ("create_array", dict(given, dry_run="true")),
        ("create_array", given),
        ("create_sr", {"array": "/dev/md0", "name_label": "Bob's own"}),
        (
            "configure_alerts",
            {
                "mail_to": "admin@example.com",
                "mail_from": "alerts@example.com",
                "smtp_host": "smtp.example.com",
            },
        ),
    ]


def test_alerts_that_are_configured_are_not_asked_for_and_a_whole_array_ends_it(remote, pool):
    pool.answer(
        **dict(
            ANSWERS,
            get_alerts={
                "settings": {"mail_to": "a@b.c", "smtp_host": "m"},
                "monitor": "running",
                "warnings": [],
            },
            list_arrays={"arrays": [dict(ARRAY, sync=None, summary="All its members serve.")]},
        )
    )
    shown = remote.on_terminal(
        "create",
        password=PASSWORD,
        typed=[
            ("Disks", "\n"),
            ("Level", "\n"),
            ("Name", "\n"),
            ("storage repository", "n\n"),
            ("Go on? [y/N] ", "yes\n"),
        ],
    )
    assert shown.status == 0
    assert "Mail for alerts" not in shown.out
    assert shown.out.rstrip().endswith("All its members serve.")
    assert [function for function, _ in called(pool)] == ["create_array", "create_array"]


@pytest.mark.parametrize(
    "typed,status",
    [
        ([("Disks", "\x04")], 1),
        ([("Disks", "\x03")], 130),
        ([("Disks", "sda sdf\n"), ("Level", "\n"), ("Erase existing", "\n")], 1),
        (
            [
                ("Disks", "\n"),
                ("Level", "\n"),
                ("Name", "\n"),
                ("storage", "n\n"),
                ("Mail", "\n"),
                ("Go on?", "\n"),
            ],
            1,
        ),
    ],
)
def test_leaving_it_changes_nothing(remote, pool, typed, status):
    shown = remote.on_terminal("create", password=PASSWORD, typed=typed)
    assert shown.status == status
    assert "Traceback" not in shown.out
    assert [arguments for _, arguments in called(pool) if arguments.get("dry_run") != "true"] == []
    assert pool.session_count() == 0


def test_too_few_disks(remote, pool):
    pool.answer(**dict(ANSWERS, list_disks={"disks": [DISKS[0], USED]}))
    shown = remote.on_terminal("create", password=PASSWORD)
    assert shown.status == 1
    assert "two disks at least, and one can be used" in shown.out
    assert "/srv/iso" in shown.out


def test_elsewhere_than_on_a_terminal_it_is_wrong_usage(remote, pool):
    done = remote("create", password=PASSWORD)
    assert done.status == 2
    assert "the following arguments are required: DISK, --level" in done.err
    assert "devices" in remote.on_terminal("create", "--level", "1", password=PASSWORD).out
    assert pool.calls() == []
