"""The manual page xsraid(8), made from the commands. `make manual` puts it where the RPM takes it
from."""

from __future__ import absolute_import, unicode_literals

import io
import sys

from xsraid import arguments as kinds
from xsraid import functions
from xsraid_cli.remote import inventory, passwords
from xsraid_cli.show import health
from xsraid_cli.table import commands, parser

PAGE = """\
.\\" Made by `make manual` from the table of functions.
.TH XSRAID 8 "" xsraid "System Administration"
.SH NAME
xsraid \\- software RAID of XenServer and XCP\\-ng hosts
.SH SYNOPSIS
.B xsraid
.RI [ options ]
.I command
.RI [ arguments ]
.SH DESCRIPTION
Makes, watches and mends arrays of the kernel's md on a host, registers them as storage
repositories, and sees to it that an alert reaches you.
In dom0, as root, it is about the host it runs on; with
.B \\-\\-pool
about a host of any pool, from anywhere. XAPI carries each call to the host, where the plugin does
the work; the plugin has to be installed there.
.PP
A disk is named by its node (sdb or /dev/sdb), any by\\-id link or its serial number, an array by
its node, name or uuid.
.PP
What changes anything says on a terminal what it will do, and asks. Without a terminal it needs
.BR \\-\\-yes ,
or
.B \\-\\-confirm
where the command has that.
.SH COMMANDS
%(commands)s
.SH OPTIONS
They may stand before the command or after it.
%(options)s
.SH MANY HOSTS AND POOLS
With
.B \\-\\-host all
the commands that only read, alerts test and alerts apply ask all hosts of a pool at the same time;
so does
.B xsraid status
of a pool of several hosts where none is named. A host that is down or slow has a row that says so
and delays no other. With
.B \\-\\-all
all pools of the inventory are asked at once. \\-\\-json then gives one object: each host, below its
pool, with its reply or {"failure": [...]}.
.PP
The inventory has a section [NAME] for each pool, with the keys %(keys)s; all but the address may be
left out.
Lists have commas between their parts. It never holds a password: each is asked for once, or comes
from keyring, or \\-\\-password\\-fd is for all.
.PP
.B xsraid create
without arguments, on a terminal, asks for all that it needs and shows its plan before it does
anything.
.PP
.B xsraid export
needs the Python library prometheus_client, which hosts do not have: it is for workstations.
.SH PASSWORDS
The password of the pool's user comes from
.B \\-\\-password\\-fd
if that is given, else from the keyring library of Python if it is there and has one (keyring set
%(service)s root), else it is asked for.
The password of a mail server is made a secret of XAPI, and only its uuid travels. No password is
taken from the command line.
.SH EXIT STATUS
.TP
.B 0
Done. For
.BR "xsraid status" :
each array is %(well)s.
.TP
.B 1
Refused or failed; standard error says why, and what to do. Of many hosts: one of them did not
answer.
.TP
.B 2
Wrong usage: nothing was done.
.TP
.B 3
.B xsraid status
shows an array in any other health, such as rebuilding, degraded, frozen, failed, inactive or
missing.
.TP
.B 130
Interrupted. What a host has begun goes on there.
.SH ENVIRONMENT
.TP
.B NO_COLOR
If it is set and not empty, nothing is in colour; nor is anything that does not go to a terminal.
.SH FILES
.TP
.I %(inventory)s
The inventory of pools.
.SH EXAMPLES
%(examples)s
.SH SEE ALSO
.BR mdadm (8),
.BR md (4),
/usr/share/doc/xsraid/README.md
"""
OPTIONS_AFTER = ".TP\n.B %s\n%s"


def page():
    """Return the text of the manual page."""
    known = commands.table()
    examples = [".PP\n.B %s" % _roff(command.example()) for command in known]
    return PAGE % {
        "commands": "\n".join(map(_command, known)),
        "options": "\n".join(_options(parser.CONNECTION + parser.OUTPUT)),
        "service": _roff(passwords.KEYRING_SERVICE % "https://master"),
        "keys": ", ".join(inventory.KEYS),
        "inventory": _roff(inventory.PATH.replace("~", "$HOME")),
        "well": " or ".join(health.WELL),
        "examples": "\n".join(examples),
    }


def _command(command):
    """Return the part on one command: how it is typed, what it does, its arguments."""
    needed = [
        argument
        for argument in command.options
        if argument.default is functions.REQUIRED and argument.name != commands.CONFIRM
    ]
    synopsis = " ".join(list(map(_typed, needed)) + list(map(_bare, command.bare)))
    lines = [
        ".SS %s" % _roff(command.name),
        ".B xsraid %s" % _roff(command.name),
        synopsis or None,
        ".PP",
        _sentence(command.function.help),
    ]
    lines += [
        OPTIONS_AFTER % (_roff(parser.metavar(argument)), _sentence(parser.about(argument)))
        for argument in command.bare
    ]
    lines += [
        OPTIONS_AFTER % (_typed(argument), _sentence(parser.about(argument)))
        for argument in command.options
    ]
    return "\n".join(
        [line for line in lines if line is not None] + _options(parser.own_options(command))
    )


def _typed(argument):
    """Return an option with what follows it."""
    return _roff(
        commands.option(argument)
        + ("" if commands.is_flag(argument) else " " + parser.metavar(argument))
    )


def _bare(argument):
    name = _roff(parser.metavar(argument)) + (" ..." if argument.kind is kinds.disks else "")
    return name if argument.default is functions.REQUIRED else "[%s]" % name


def _options(options):
    return [
        OPTIONS_AFTER
        % (
            _roff(" ".join(flags + tuple(settings.get("metavar", "").split()))),
            _sentence(help_text),
        )
        for flags, settings, help_text in options
    ]


def _sentence(text):
    text = _roff(text)
    return text[:1].upper() + text[1:] + "."


def _roff(text):
    """Return text in which roff sees nothing of its own."""
    text = ("%s" % text).replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ".'" else text


if __name__ == "__main__":
    with io.open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False) as out:
        out.write(page())
