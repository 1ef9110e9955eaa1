"""From the words that were typed to a command and its arguments: argparse, set up from the commands
alone.
"""

from __future__ import absolute_import, unicode_literals

import argparse

from xsraid import __version__, api, functions
from xsraid import arguments as kinds
from xsraid.errors import BadArgument
from xsraid.text import PYTHON_2
from xsraid_cli import formats
from xsraid_cli.table import commands

ABOUT = "Software RAID of XenServer and XCP-ng hosts."
UNKNOWN_HINT = (
    "\nHosts with a newer xsraid may know more: `xsraid version` compares. `xsraid "
    "--help` lists "
    "the commands."
)
STATUS, CREATE = "list_arrays", "create_array"
GROUPS = {
    "alerts": "mail and messages in XenCenter about failed disks",
    "sr": "storage repositories",
}
WITHOUT_ARGUMENTS = (
    "\nWithout arguments, on a terminal, it asks for disks, level, storage repository and mail."
)
# Before the name of a function's argument among the parsed ones: none of them is an option of the
# command line by accident.
GIVEN = "given "
HIDDEN = argparse.SUPPRESS


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that takes no shortened options: what they mean would change with each new
    one.
    """

    def __init__(self, **settings):
        if not PYTHON_2:
            settings["allow_abbrev"] = False
        settings["formatter_class"] = argparse.RawDescriptionHelpFormatter
        argparse.ArgumentParser.__init__(self, **settings)

    def _get_option_tuples(self, option_string):
        """Find no option that begins so: Python 2.7 has no allow_abbrev, and will not change any
        more.
        """
        return [] if PYTHON_2 else argparse.ArgumentParser._get_option_tuples(self, option_string)

    def error(self, message):
        argparse.ArgumentParser.error(
            self, message + (UNKNOWN_HINT if "invalid choice" in message else "")
        )


# Each: how it is typed, settings for argparse, help.
CONNECTION = (
    (
        ("--pool",),
        {"metavar": "ADDRESS"},
        "the pool, by its master or any member: https://master; without it, the host this runs on",
    ),
    (
        ("--host",),
        {"metavar": "NAME"},
        "which host, by name or uuid, or `all`; not needed where a pool has one, nor for the host "
        "this runs on",
    ),
    (("--user",), {"metavar": "NAME"}, "who logs in to the pool (root)"),
    (
        ("--password-fd",),
        {"metavar": "N", "type": int},
        "read the password from this file descriptor, else from keyring, else ask for it",
    ),
    (("--ca-file",), {"metavar": "FILE"}, "trust certificates that these authorities have signed"),
    (
        ("--fingerprint",),
        {"metavar": "SHA256", "action": "append"},
        "trust the certificate with this fingerprint and no other; may be repeated",
    ),
    (
        ("--insecure",),
        {"action": "store_true"},
        "trust any certificate, and http://: whoever is in between reads the password",
    ),
)
OUTPUT = ((("--json",), {"action": "store_true"}, "the plugin's reply as it is, on one line"),)
YES = (("--yes",), {"action": "store_true"}, "do not ask")
WATCH = (("--watch",), {"action": "store_true"}, "show it again every 2 seconds until Ctrl-C")
MANY = (
    (("--all",), {"action": "store_true"}, "ask all pools of the inventory at once"),
    (("--inventory",), {"metavar": "FILE"}, "where the pools stand (~/.config/xsraid/pools.ini)"),
)
TIMEOUT = (
    ("--timeout",),
    {"metavar": "SECONDS", "type": float},
    "how long each of many hosts may take (30; 120 for alerts test and apply)",
)
EXPORTING = (
    (
        ("--output",),
        {"metavar": "FILE"},
        "write them to this file, whole at any time, as node_exporter wants it: *.prom",
    ),
    (
        ("--listen",),
        {"metavar": "[HOST:]PORT"},
        "serve them over HTTP, asking at each request, until Ctrl-C",
    ),
)


def password_option(argument):
    """Return what lets a password in whose secret the command line makes itself: its flags,
    settings and help.
    """
    name = commands.password_name(argument)
    return (
        ("--%s-fd" % name.replace("_", "-"),),
        {"metavar": "N", "type": int},
        "the password comes as one line from this file descriptor",
    )


def own_options(command):
    """Return the options of a command that are no arguments of its function."""
    own = [YES] if command.function.changes else []
    own += [WATCH] if command.function.name == STATUS else []
    own += MANY if command.function.name in commands.ALL_POOLS else ()
    own += [TIMEOUT] if command.function.name in commands.ALL_HOSTS else []
    own += EXPORTING if command.function is commands.EXPORT else ()
    return own + [
        password_option(argument) for argument in command.options if commands.is_secret(argument)
    ]


def build(known, is_asking=False):
    """Return the parser of these Commands. is_asking: there is a terminal, so that one that asks
    for its arguments may come without any.
    """
    parser = Parser(
        prog=commands.PROGRAM,
        description=ABOUT,
        epilog="`xsraid COMMAND --help` has an example of each. xsraid(8) tells the rest.",
    )
    parser.add_argument("--version", action="version", version="xsraid %s" % __version__)
    _add_common(parser, None)
    below = {(): parser.add_subparsers(metavar="COMMAND", dest="group", parser_class=Parser)}
    for command in known:
        prefix = command.words[:-1]
        if prefix not in below:
            what = GROUPS.get(prefix[0], "")
            group = below[()].add_parser(prefix[0], help=what, description=_sentence(what))
            below[prefix] = group.add_subparsers(
                metavar="COMMAND", dest="verb", parser_class=Parser
            )
        _add_command(below[prefix], command, is_asking and command.function.name == CREATE)
    return parser


def parse(known, typed, is_asking=False):
    """Return (Command, its arguments {name: text}, all options). Ends the program with 2 for what
    cannot be understood, with 0 after --help.

    is_asking: of `build`; a command without any of its arguments is then one that asks for them.
    """
    parser = build(known, is_asking)
    options = parser.parse_args([formats.unicode_text(word) for word in typed])
    command = getattr(options, "command", None)
    if command is None:
        parser.error("a command is missing: `xsraid --help` lists them")
    given = arguments_of(command, options)
    if is_asking and command.function.name == CREATE and not given:
        return command, given, options
    try:
        api.parse(
            command.function,
            dict({argument.name: argument.example for argument in _asked_later(command)}, **given),
        )
    except BadArgument as error:
        parser.error(commands.as_typed(error.sentence))
    return command, given, options


def arguments_of(command, options):
    """Return the function's arguments {name: text} among the parsed options."""
    given = {}
    for argument in command.function.arguments:
        value = getattr(options, GIVEN + argument.name, None)
        if isinstance(value, list):
            value = ",".join(value)
        elif value is True:
            value = "false" if argument.default == "true" else "true"
        # A host with an older xsraid may not know the word.
        if value and not argument.is_default(value):
            given[argument.name] = value
    return given


def _asked_later(command):
    return [argument for argument in command.options if argument.name == commands.CONFIRM]


def _add_common(parser, command):
    """Add the options that every command has; they may stand before it, too."""
    _add(parser.add_argument_group("where"), CONNECTION)
    _add(parser.add_argument_group("output"), OUTPUT)
    if command is not None:
        _add(parser.add_argument_group("doing it"), own_options(command))


def _add(group, options):
    for flags, settings, help_text in options:
        group.add_argument(*flags, default=HIDDEN, help=_escaped(help_text), **settings)


def _add_command(parsers, command, is_asking):
    help_text = command.function.help
    example = "example: " + command.example()
    about_it = _sentence(help_text) + (WITHOUT_ARGUMENTS if command.function.name == CREATE else "")
    parser = parsers.add_parser(
        command.words[-1], help=_escaped(help_text), description=about_it, epilog=example
    )
    parser.set_defaults(command=command)
    for argument in command.bare:
        _add_bare(parser, argument, argument.default is functions.REQUIRED and not is_asking)
    for argument in command.options:
        settings = (
            {"action": "store_true"}
            if commands.is_flag(argument)
            else {"metavar": metavar(argument)}
        )
        settings["required"] = (
            argument.default is functions.REQUIRED
            and argument.name != commands.CONFIRM
            and not is_asking
        )
        settings.update(dest=GIVEN + argument.name, default=HIDDEN, help=_escaped(about(argument)))
        parser.add_argument(commands.option(argument), **settings)
    _add_common(parser, command)


def _add_bare(parser, argument, is_required):
    count = {(True, True): "+", (True, False): "*", (False, False): "?"}.get(
        (argument.kind is kinds.disks, is_required)
    )
    settings = {} if count is None else {"nargs": count}
    parser.add_argument(
        GIVEN + argument.name, metavar=metavar(argument), help=_escaped(about(argument)), **settings
    )


def metavar(argument):
    """Return what stands for the value of an argument in a synopsis."""
    if argument.kind.words:
        return "|".join(argument.kind.words)
    if argument.kind is kinds.disks:
        return "DISK"
    return argument.name.upper().replace("_", "-")


def about(argument):
    """Return the help on an argument: what it is for, what it takes, what it is when left out."""
    if commands.is_flag(argument):
        return argument.help if argument.default != "true" else "not: %s" % argument.help
    return "%s (%s)" % (argument.help, argument.kind.shape) + (
        "" if argument.default is functions.REQUIRED else "; default: %s" % argument.default
    )


def _sentence(text):
    return _escaped(text[:1].upper() + text[1:] + ".")


def _escaped(text):
    """Return text in which argparse sees nothing to fill in."""
    return text.replace("%", "%%")
