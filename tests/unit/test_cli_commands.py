# -*- coding: utf-8 -*-
"""The commands that the table of functions makes, and the words that they are typed with."""

from __future__ import unicode_literals

import shlex

import pytest

from xsraid import functions
from xsraid_cli.table import commands, parser

COMMANDS = {command.name: command for command in commands.table()}
# Whoever adds a function says here whether people are asked before it is called.
ONLY_READ = {
    "disks",
    "status",
    "check",
    "identify",
    "alerts show",
    "alerts test",
    "alerts history",
    "version",
    "export",
}


def parse(words):
    return parser.parse(commands.table(), words)


def test_every_function_but_help_has_a_command_of_its_own():
    assert len(COMMANDS) == len(functions.TABLE) - 1 + len(commands.OWN)
    assert [function.name for function in functions.TABLE if function.command == ""] == ["help"]


def test_what_changes_anything_is_known():
    assert {name for name, command in COMMANDS.items() if not command.function.changes} == ONLY_READ


def test_a_function_that_says_nothing_has_its_own_name_and_asks():
    command = commands.Command(
        functions.Function(
            "do_more", "care.do_more", (functions.ARRAY, functions.WIPE), "does more"
        )
    )
    assert (command.name, command.example(), command.function.changes) == (
        "do-more",
        "xsraid do-more md0",
        True,
    )


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_example_can_be_typed(name):
    command, given, _ = parse(shlex.split(COMMANDS[name].example())[1:])
    assert command.name == name
    assert all(given.values())


@pytest.mark.parametrize(
    "typed,given",
    [
        ("status", {}),
        ("status md0", {"array": "md0"}),
        ("create --level 10 sda sdb,sdc sdd", {"level": "10", "devices": "sda,sdb,sdc,sdd"}),
        (
            "create sda sdb --level 1 --allow-mixed-sizes --spares sde,sdf",
            {"level": "1", "devices": "sda,sdb", "allow_mixed_sizes": "true", "spares": "sde,sdf"},
        ),
        (
            "replace md0 sdb sdc --wipe",
            {"array": "md0", "disk": "sdb", "new_disk": "sdc", "wipe": "true"},
        ),
        ("check stop md0", {"action": "stop", "array": "md0"}),
        ("grow md0", {"array": "md0"}),
        ("grow md0 sde sdf", {"array": "md0", "devices": "sde,sdf"}),
        ("fail md0 sdb --confirm Z1Z1", {"array": "md0", "disk": "sdb", "confirm": "Z1Z1"}),
        ("fail md0 sdb", {"array": "md0", "disk": "sdb"}),
        (
            "alerts set --mail-to a@b.c --no-xapi-messages",
            {"mail_to": "a@b.c", "xapi_messages": "false"},
        ),
        ("alerts history --count 5", {"count": "5"}),
        ("sr create md0 --name-label 'Fast one'", {"array": "md0", "name_label": "Fast one"}),
    ],
)
def test_words_become_arguments(typed, given):
    assert parse(shlex.split(typed))[1] == given


@pytest.mark.parametrize(
    "typed",
    [
        "--json --pool https://m --host h status",
        "status --json --pool https://m --host h",
        "--pool https://m status --json --host h",
    ],
)
def test_options_that_all_commands_have_may_stand_anywhere(typed):
    options = parse(typed.split())[2]
    assert (options.json, options.pool, options.host) == (True, "https://m", "h")


@pytest.mark.parametrize(
    "typed,words",
    [
        ("", "COMMAND"),
        ("disk", "invalid choice"),
        ("disk", "xsraid version"),
        ("status --arry md0", "unrecognized"),
        ("status --js", "unrecognized"),
        ("create sda sdb", "level"),
        ("create --level 3 sda sdb", "takes 0, 1, 5, 6, 10"),
        ("create --level 1 --chunk 3K sda sdb", "power of two"),
        ("check pause md0", "start or stop"),
        ("alerts", ""),
        ("replace md0 sdb", ""),
        ("alerts set --mail-to root", "mail address"),
        ("status --password-fd x", "int"),
    ],
)
def test_wrong_usage_says_what_would_be_right(typed, words, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(typed.split())
    assert ended.value.code == 2
    assert words in capsys.readouterr()[1]


@pytest.mark.parametrize(
    "sentence,typed",
    [
        (
            "then: remove_disk array=md0 disk=ee17 wipe_old=true",
            "then: `xsraid remove md0 ee17 --wipe-old`",
        ),
        ("`list_disks` shows those there are.", "`xsraid disks` shows those there are."),
        ("repeat the call with wipe=true.", "repeat the call with --wipe."),
        (
            "must be the serial number of /dev/sdb: confirm=Z1Z1.",
            "must be the serial number of /dev/sdb: --confirm Z1Z1.",
        ),
        (
            "reattach=true brings that back, wipe=true gives it up",
            "--reattach brings that back, --wipe gives it up",
        ),
        ("SR caf\xe9: call configure_alerts", "SR caf\xe9: call `xsraid alerts set`"),
        (
            "`xe vdi-create name=x type=lvm`, then `remove_disk array=md0 disk=sdb`",
            "`xe vdi-create name=x type=lvm`, then `xsraid remove md0 sdb`",
        ),
        (
            "`mdadm --create /dev/md0 --level=10 --name=md0` ended with 2",
            "`mdadm --create /dev/md0 --level=10 --name=md0` ended with 2",
        ),
        ("no version of help is meant here", "no version of help is meant here"),
    ],
)
def test_the_plugins_advice_is_told_in_words_to_type(sentence, typed):
    assert commands.as_typed(sentence) == typed


def test_passwords_are_no_options():
    for command in COMMANDS.values():
        names = [commands.option(argument) for argument in command.options] + [
            own[0][0] for own in parser.own_options(command)
        ]
        assert [name for name in names if name.endswith("password")] == []
    assert "--smtp-password-fd" in [own[0][0] for own in parser.own_options(COMMANDS["alerts set"])]


DEFAULTS = [
    (name, argument)
    for name, command in COMMANDS.items()
    for argument in command.function.arguments
    if argument.default is not functions.REQUIRED
    and not commands.is_flag(argument)
    and " " not in argument.default.split(":")[0]
]


@pytest.mark.parametrize(
    "name,argument", DEFAULTS, ids=["%s %s" % (name, argument.name) for name, argument in DEFAULTS]
)
def test_a_documented_default_is_left_out(name, argument):
    command, word = COMMANDS[name], argument.default.split(":")[0]
    needed = {
        one.name: one.example
        for one in command.function.arguments
        if one.default is functions.REQUIRED and one.name != "confirm"
    }
    assert parse(command.typed(dict(needed, **{argument.name: word}))[1:])[1] == needed
