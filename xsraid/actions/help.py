"""The verbs `help` and `version`."""

from __future__ import absolute_import

import collections
import sys

from xsraid import __version__
from xsraid.errors import BadArgument
from xsraid.functions import FUNCTIONS, REQUIRED
from xsraid.text import shown


def help_function(host, session, function):
    """Return {"functions": [...]}: name, help and arguments of each function, or of one."""
    if function is not None and function not in FUNCTIONS:
        raise BadArgument("function", "%s is none of %s" % (shown(function), ", ".join(FUNCTIONS)))
    wanted = FUNCTIONS.values() if function is None else [FUNCTIONS[function]]
    return {"functions": [_described(one) for one in wanted]}


def version(host, session):
    """Return {"version", "python"}."""
    return collections.OrderedDict(
        [("version", __version__), ("python", "%d.%d.%d" % sys.version_info[:3])]
    )


def _described(function):
    arguments = [
        collections.OrderedDict(
            [
                ("name", argument.name),
                ("takes", argument.kind.shape),
                ("required", argument.default is REQUIRED),
                ("default", argument.default),
                ("help", argument.help),
            ]
        )
        for argument in function.arguments
    ]
    example = " ".join(
        ["xe host-call-plugin host-uuid=<uuid> plugin=xsraid fn=%s" % function.name]
        + [
            "args:%s=%s" % (argument.name, argument.example)
            for argument in function.arguments
            if argument.default is REQUIRED
        ]
    )
    return collections.OrderedDict(
        [
            ("name", function.name),
            ("help", function.help),
            ("example", example),
            ("arguments", arguments),
        ]
    )
