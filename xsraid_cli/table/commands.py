"""The commands, made from the plugin's table of functions, and the plugin's advice in their
words.
"""

from __future__ import absolute_import

import re

from xsraid import arguments as kinds
from xsraid import functions

PROGRAM = "xsraid"
CONFIRM = "confirm"
SECRET_SUFFIX = "_secret"
# What the command line does by itself, described as the plugin's functions are.
EXPORT = functions.Function(
    "export",
    None,
    (),
    "health, members, progress and waiting alerts as metrics for Prometheus",
    changes=False,
)
OWN = (EXPORT,)
NO_FUNCTIONS = ("help", "version", "export")  # in a sentence these are words of English
ALL = "all"  # where a host is named: each of the pool
# What can be asked of many hosts at once: functions that only read, and with ALL_HOSTS those that
# mean each host alike.
ALL_POOLS = ("list_arrays", "list_disks", "get_alerts", "alert_history", "version", EXPORT.name)
ALL_HOSTS = ALL_POOLS + ("test_alert", "apply_alerts")


class Command(object):
    """One command. words: its nouns and verbs; bare: the arguments that are given without their
    names; options: all others.
    """

    def __init__(self, function):
        self.function = function
        self.words = tuple(
            (
                function.name.replace("_", "-") if function.command is None else function.command
            ).split()
        )
        self.bare = _bare(function)
        self.options = [argument for argument in function.arguments if argument not in self.bare]

    @property
    def name(self):
        return " ".join(self.words)

    def has(self, argument_name):
        return any(argument.name == argument_name for argument in self.function.arguments)

    def typed(self, given, program=PROGRAM):
        """Return the words to type for the arguments {name: text}, as a list."""
        named = [
            word
            for argument in self.options
            if argument.name in given
            for word in _option_words(argument, given[argument.name])
        ]
        bare = [
            word
            for argument in self.bare
            if argument.name in given
            for word in _bare_words(argument, given[argument.name])
        ]
        # They stand last, as people add to them.
        takes_many = any(argument.kind is kinds.disks for argument in self.bare)
        return [program] + list(self.words) + (named + bare if takes_many else bare + named)

    def example(self):
        """Return a line that a person could type."""
        wanted = [
            argument
            for argument in self.function.arguments
            if argument.name in self.function.shown
            or argument.default is functions.REQUIRED
            and argument.name != CONFIRM
        ]
        return " ".join(
            self.typed(
                {argument.name: argument.example.replace("/dev/", "") for argument in wanted}
            )
        )


def table():
    """Return the Commands in the order of the plugin's table, those of its own last."""
    return [Command(function) for function in functions.TABLE + OWN if function.command != ""]


def option(argument):
    """Return the option of an argument; a boolean that is true unless said otherwise has one that
    says so.
    """
    return (
        "--no-" if is_flag(argument) and argument.default == "true" else "--"
    ) + argument.name.replace("_", "-")


def is_flag(argument):
    return argument.kind is kinds.boolean


def is_secret(argument):
    return argument.kind is kinds.secret_uuid


def password_name(argument):
    """Return what the password behind a secret is called: smtp_password of smtp_password_secret."""
    return argument.name[: -len(SECRET_SUFFIX)]


def as_typed(sentence):
    """Return a sentence of the plugin with its functions and arguments as they are typed here; what
    it quotes of other programs stays.
    """
    known = {
        command.function.name: command
        for command in table()
        if command.function.name not in NO_FUNCTIONS
    }
    call = r"(?:fn=)?\b(%s)\b((?: (?:args:)?[a-z_]+=[^\s`;,]+)*)" % "|".join(
        sorted(known, key=len, reverse=True)
    )
    names = "|".join(
        sorted(
            {argument.name for command in known.values() for argument in command.function.arguments}
        )
    )
    argument = r"(?<![\w-])(%s)=([^\s`;,]*[^\s`;,.])" % names

    def call_typed(found):
        return _call_as_typed(known[found.group(1)], found.group(2))

    def typed(part):
        if part.startswith("`"):
            found = re.match(call + r"\Z", part[1:-1])
            return call_typed(found) if found else part
        return re.sub(
            argument,
            lambda found: _name_as_typed(found.group(1), found.group(2)),
            re.sub(call, call_typed, part),
        )

    return "".join(typed(part) for part in re.split("(`[^`]*`)", sentence))


def _call_as_typed(command, arguments):
    """Return a call in a sentence as it is typed, quoted. arguments: text such as ` array=md0
    wipe=true`.
    """
    given = dict(pair.replace("args:", "", 1).split("=", 1) for pair in arguments.split())
    return "`%s`" % " ".join(
        command.typed({name: text for name, text in given.items() if command.has(name)})
    )


def _name_as_typed(name, text):
    switch = "--" + name.replace("_", "-")
    return switch if text == "true" else "%s %s" % (switch, text)


def _bare(function):
    """Return the arguments of a function that are given without their names, in their order."""
    if function.bare is not None:
        by_name = {argument.name: argument for argument in function.arguments}
        return [by_name[name] for name in function.bare]
    return [
        argument
        for argument in function.arguments
        if argument.default is functions.REQUIRED and argument.name != CONFIRM
    ]


def _option_words(argument, text):
    if is_flag(argument):
        unusual = "false" if argument.default == "true" else "true"
        return [option(argument)] if text == unusual else []
    return [option(argument), text]


def _bare_words(argument, text):
    return text.split(",") if argument.kind is kinds.disks else [text]
