"""Before anything is changed a person sees what will be done, on which host, array and disks, and
says yes.
"""

from __future__ import absolute_import, unicode_literals

import sys

from xsraid import arguments as kinds
from xsraid_cli import formats
from xsraid_cli.problems import USAGE, Problem
from xsraid_cli.show import layout, replies
from xsraid_cli.table import commands

YES = ("y", "yes")
DRY_RUN = "dry_run"
DISKS = (kinds.disk, kinds.disks)


def is_needed(command, given, is_yes):
    """Return whether a person must agree first. is_yes: --yes was given; where a name or number
    confirms, that is not enough.
    """
    if not command.function.changes or given.get(DRY_RUN) == "true" or commands.CONFIRM in given:
        return False
    return not is_yes or command.has(commands.CONFIRM)


def refuse_unasked(command, given, screen, is_yes):
    """Raise Problem where somebody must be asked and nobody is there. screen: for questions."""
    if is_needed(command, given, is_yes) and (
        is_yes or not (sys.stdin.isatty() and screen.is_terminal)
    ):
        what = (
            "--yes is not enough here."
            if is_yes
            else "`xsraid %s` changes something, and there is no terminal to ask on." % command.name
        )
        raise Problem(what, _without_terminal(command), USAGE)


def agreed(command, given, host, call, screen):
    """Return the arguments to call with, once a person has agreed. Raises Problem.

    call: of a function and its arguments, returns the parsed reply.
    """
    _show_what(command, given, host, call, screen)
    if command.has(commands.CONFIRM):
        return dict(given, confirm=_typed_confirmation(command, screen))
    _show_plan(command, given, call, screen)
    insist(screen, "Go on?")
    return given


def _without_terminal(command):
    confirm = _confirm(command)
    return "Say so with --yes." if confirm is None else "Give --confirm with %s." % confirm.help


def _show_what(command, given, host, call, screen):
    """Show in a sentence what the command does, and each thing that it is done to as far as the
    host knows it.
    """
    about = command.function.help
    pairs, disks = [("host", host.name)], []
    named = [argument for argument in command.function.arguments if argument.name in given]
    if any(argument.kind in DISKS for argument in named):
        disks = call("list_disks", {})["disks"]
    for argument in named:
        described = _described(argument, given[argument.name], call, disks)
        pairs += zip([formats.label(argument.name)] + [""] * (len(described) - 1), described)
    screen.show(layout.paragraph(about[:1].upper() + about[1:] + ":") + layout.facts(pairs, 4))


def _described(argument, text, call, disks):
    """Return what is to be known of the value of an argument: of an array its state, of disks their
    model and serial number.
    """
    if argument.kind is kinds.array:
        return [_array(record) for record in call("list_arrays", {"array": text})["arrays"]]
    if argument.kind in DISKS:
        return [_disk(name, disks) for name in text.split(",")]
    return [text]


def _array(record):
    name = (
        ""
        if record["name"] == formats.node(record["device"])
        else " named %s" % formats.plain(record["name"])
    )
    parts = [
        formats.node(record["device"]) + name,
        formats.value("level", record["level"]),
        formats.plain(record["health"]),
        formats.failures(record["redundancy_left"]),
    ]
    return ", ".join(
        parts + (["SR %s" % formats.plain(record["sr"]["name_label"])] if record["sr"] else [])
    )


def _disk(name, known):
    for disk in known:
        if name in formats.disk_names(disk):
            return ", ".join(
                [
                    formats.node(disk["device"]),
                    formats.value("model", disk["model"]),
                    "serial %s" % formats.value("serial", disk["serial"]),
                    formats.value("size_bytes", disk["size_bytes"]),
                ]
            )
    return formats.plain(name)


def _show_plan(command, given, call, screen):
    """Show the commands that will be run, where the function can tell them beforehand."""
    if command.has(DRY_RUN):
        screen.show(
            [[]]
            + replies.reply(
                call(command.function.name, dict(given, dry_run="true")), with_commands=True
            )
            + [[]]
        )


def _typed_confirmation(command, screen):
    typed = answer(screen, "To go on, type %s: " % _confirm(command).help)
    if not typed:
        raise Problem("Nothing was changed.")
    return typed


def _confirm(command):
    return next(
        (argument for argument in command.function.arguments if argument.name == commands.CONFIRM),
        None,
    )


def insist(screen, question):
    """Ask whether something is to be done. Raises Problem unless a person says yes."""
    if answer(screen, question + " [y/N] ").lower() not in YES:
        raise Problem("Nothing was changed.")


def answer(screen, question):
    """Return what a person answers, without the blanks around it. Raises Problem at the end of
    input, such as Ctrl-D.
    """
    screen.write(question)
    line = sys.stdin.readline()
    if not line:
        screen.say("")
        raise Problem("Nothing was changed.")
    return formats.unicode_text(line).strip()
