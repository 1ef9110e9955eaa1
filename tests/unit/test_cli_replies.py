# -*- coding: utf-8 -*-
"""Replies as people see them."""

from __future__ import unicode_literals

import collections
import io
import json
import os

import pytest

from xsraid_cli import formats
from xsraid_cli.show import health, layout, replies, versions

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
with io.open(os.path.join(TESTS, "recorded_calls.json"), encoding="utf-8") as recorded:
    CALLS = json.load(recorded, object_pairs_hook=collections.OrderedDict)
ARRAY = CALLS["list_arrays"]["reply"]["arrays"][0]


def text(lines):
    return [layout.text(line) for line in lines]


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_reply_fits_80_columns(name):
    lines = text(replies.reply(CALLS[name]["reply"], detailed=True))
    assert [line for line in lines if len(line) > 80] == []
    assert lines
    assert [line for line in lines if line != line.rstrip()] == []


def test_disks():
    assert text(replies.reply(CALLS["list_disks"]["reply"]))[:2] == [
        "DISK  SIZE     MODEL         SERIAL            USE",
        "sda   128 MiB  ST4000NM0035  98c4c237274ca567  free",
    ]


def test_an_array_at_work_shows_how_far_it_is():
    sync = {"action": "resync", "done_ratio": 0.1882, "speed_bytes_s": 24903680, "remaining_s": 8}
    assert text(replies.arrays([dict(ARRAY, sync=sync)])) == [
        "ARRAY  LEVEL   SIZE     HEALTH     REDUNDANCY                 SR",
        "md0    raid10  252 MiB  resyncing  one more failure survived  -",
        "  md0 resync  [###-----------------] 18.8 %  25 MB/s  8 s left",
    ]


def test_what_an_arrays_health_means_is_told_where_it_is_not_the_best():
    optimal = dict(ARRAY, health="optimal", sync=None, summary="All its members serve.")
    assert len(replies.arrays([optimal])) == 2
    assert text(replies.arrays([optimal], detailed=True))[2] == "  md0: All its members serve."
    assert text(replies.arrays([dict(optimal, health="inactive", summary="It waits.")]))[2:] == [
        "  md0: It waits."
    ]


def test_smart_stands_beside_a_member():
    members = [
        dict(member, smart=smart)
        for member, smart in zip(
            ARRAY["members"],
            (
                {"verdict": "PASSED", "pending_sectors": 0},
                {"verdict": "OK", "pending_sectors": 8},
                None,
            ),
        )
    ]
    lines = text(replies.arrays([dict(ARRAY, members=members)], detailed=True))
    assert [line.split("  ")[-1].strip() for line in lines[7:10]] == [
        "PASSED",
        "OK, 8 pending sectors",
        "-",
    ]


def test_a_disk_whose_light_blinks_names_its_array():
    assert "array           /dev/md0" in text(replies.reply(CALLS["identify_disk"]["reply"]))


def test_what_is_wrong_stands_below_the_array():
    members = [
        dict(ARRAY["members"][0], state="faulty", slot=None),
        {"device": None, "serial": None, "slot": 0, "state": "missing", "errors": None},
    ]
    lines = text(
        replies.arrays(
            [
                dict(
                    ARRAY,
                    health="degraded",
                    sync=None,
                    summary=None,
                    members=members,
                    configured=False,
                )
            ]
        )
    )
    assert lines[2:] == [
        "  md0 faulty: sda, serial 98c4c237274ca567, no slot",
        "  md0 missing: no disk, slot 0",
        "  md0 has no line in /etc/mdadm.conf: xsraid adopt md0",
    ]


def test_what_a_newer_plugin_says_is_shown_too():
    reply = json.loads(
        '{"arrays": [{"device": "/dev/md0", "health": "singing", "members": [{"device": '
        '"/dev/sda", "state": "humming"}]}], '
        '"wear_ratio": 0.5, "age_s": 7200, "parts": [{"name": "a", "size_bytes": 1024}], "more": '
        '{"a": 1, "b": [{"c": "d"}]}}',
        object_pairs_hook=collections.OrderedDict,
    )
    lines = "\n".join(text(replies.reply(reply)))
    for piece in (
        "singing",
        "humming",
        "wear  50.0 %",
        "age   2 h 0 min",
        "NAME  SIZE",
        "a     1 KiB",
        "C\nd",
    ):
        assert piece in lines
    assert not health.is_well(reply["arrays"][0])


def test_a_command_is_never_broken():
    commands = CALLS["create_array"]["reply"]["commands"]
    assert ["    " + line for line in commands] == [
        line
        for line in text(replies.reply(CALLS["create_array"]["reply"], with_commands=True))
        if line.startswith("    ")
    ]


@pytest.mark.parametrize(
    "word,is_well",
    [
        ("optimal", True),
        ("checking", True),
        ("no_redundancy", True),
        ("resyncing", True),
        ("rebuilding", False),
        ("degraded", False),
        ("failed", False),
        ("inactive", False),
        ("missing", False),
        ("unheard of", False),
    ],
)
def test_which_healths_are_well(word, is_well):
    assert health.is_well({"health": word}) is is_well


@pytest.mark.parametrize(
    "size_bytes,shown",
    [
        (0, "0"),
        (524288, "512 KiB"),
        (134217728, "128 MiB"),
        (1 << 30, "1.0 GiB"),
        (999 * 10**9, "930.4 GiB"),
        (4000787030016, "4.00 TB"),
    ],
)
def test_sizes(size_bytes, shown):
    assert formats.size(size_bytes) == shown


@pytest.mark.parametrize(
    "seconds,shown",
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "1 h 0 min"),
        (11100, "3 h 5 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_durations(seconds, shown):
    assert formats.duration(seconds) == shown


def test_what_is_too_wide_is_wrapped_in_its_column():
    lines = text(layout.table(["name", "text"], [["x", "word " * 40], ["y", "caf\xe9"]]))
    assert max(len(line) for line in lines) <= 80
    assert lines[2].startswith("      word")
    assert lines[-1] == "y     caf\xe9"


def test_nothing_in_a_reply_moves_the_cursor():
    assert "\x1b" not in "".join(text(layout.facts([("a\x1b[2J", "\x9b31m\nb")])))


@pytest.mark.parametrize(
    "there,older,command",
    [
        ("0.1.9", "older", "RPM on that host"),
        ("99.0", "newer", "pip install"),
        ("0.10.0", "newer", "pip"),
    ],
)
def test_versions_are_compared_as_numbers(there, older, command, mocker):
    mocker.patch.object(versions, "__version__", "0.2.0")
    sentence, advice = versions.compared(there, "h")
    assert older in sentence
    assert there in sentence
    assert "0.2.0" in sentence
    assert command in advice
    assert versions.compared("0.2.0", "h") == ("", "")


@pytest.mark.parametrize(
    "release,dist",
    [
        ("7.6.0", ".xs7"),
        ("8.2.1", ".xs7"),
        ("8.3.0", ".xs8"),
        ("8.4.0", ".xs8"),
        ("9.0", ".xs8"),
        ("10.1", ".xs8"),
        ("", ".xs8 or .xs7"),
    ],
)
def test_which_rpm_a_host_needs(release, dist):
    assert versions.dist(release) == dist
