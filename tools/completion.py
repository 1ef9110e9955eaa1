"""The completion of bash, made from the commands. `make manual` puts it where the RPM takes it
from.
"""

from __future__ import absolute_import, unicode_literals

import io
import sys

from xsraid import arguments as kinds
from xsraid_cli.table import commands, parser

# Disks and arrays are those of the machine that it is typed on: nothing is asked of a host while
# somebody types.
SCRIPT = """\
# Completion of xsraid for bash, made by `make manual` from the table of functions.

_xsraid_devices()
{
    local path pattern
    for pattern in "$@"; do
        for path in /sys/block/$pattern; do
            [ ! -e "$path" ] || echo "${path##*/}"
        done
    done
}

# The words that may follow a command.
_xsraid_words()
{
    case "$1" in
%(words)s
    esac
}

# The values of an option; fails for one that takes none.
_xsraid_values()
{
    case "$1" in
%(values)s
        *) return 1 ;;
    esac
}

_xsraid()
{
    local at known="" previous="${COMP_WORDS[COMP_CWORD - 1]}" word
    for ((at = 1; at < COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if _xsraid_values "$word" >/dev/null; then
            at=$((at + 1))
        elif [[ $word != -* && " $(_xsraid_words "$known") " == *" $word "* &&
            -n $(_xsraid_words "${known:+$known }$word") ]]; then
            known=${known:+$known }$word
        fi
    done
    if _xsraid_values "$previous" >/dev/null; then
        COMPREPLY=($(compgen -W "$(_xsraid_values "$previous")" -- "${COMP_WORDS[COMP_CWORD]}"))
    else
        COMPREPLY=($(compgen -W "$(_xsraid_words "$known")" -- "${COMP_WORDS[COMP_CWORD]}"))
    fi
}

complete -o default -F _xsraid xsraid
"""
ARRAYS, DISKS = "$(_xsraid_devices 'md*')", "$(_xsraid_devices 'sd*' 'vd*' 'xvd*' 'nvme*n*')"
COMMON = parser.CONNECTION + parser.OUTPUT


def script():
    """Return the text of the completion."""
    words, values = {"": set()}, {}
    for command in commands.table():
        for at, word in enumerate(command.words):
            words.setdefault(" ".join(command.words[:at]), set()).add(word)
        words[command.name] = set(_after(command))
        _add_values(values, command)
    words[""].update([flags[0] for flags, _, _ in COMMON] + ["--help", "--version"])
    cases = [
        '        "%s") echo "%s" ;;' % (key, " ".join(sorted(words[key], key=_options_last)))
        for key in sorted(words)
    ]
    choices = ['        %s) echo "%s" ;;' % (key, values[key]) for key in sorted(values)]
    return SCRIPT % {"words": "\n".join(cases), "values": "\n".join(choices)}


def _options_last(word):
    return word.startswith("-"), word


def _after(command):
    """Return what may stand after the words of a command."""
    options = [commands.option(argument) for argument in command.options] + [
        flags[0] for flags, _, _ in COMMON + tuple(parser.own_options(command))
    ]
    return (
        options
        + ["--help"]
        + [word for argument in command.bare for word in _choices(argument).split("\n")]
    )


def _choices(argument):
    """Return what there is to choose from for an argument."""
    if argument.kind is kinds.array:
        return ARRAYS
    return DISKS if argument.kind in (kinds.disk, kinds.disks) else "\n".join(argument.kind.words)


def _add_values(values, command):
    """Add the options that take a value, with what there is to choose from. Those of a name take
    the same in every command.
    """
    for argument in command.options:
        if not commands.is_flag(argument):
            values[commands.option(argument)] = _choices(argument).replace("\n", " ")
    for flags, settings, _ in COMMON + tuple(parser.own_options(command)):
        if "metavar" in settings:
            values[flags[0]] = ""


if __name__ == "__main__":
    with io.open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False) as out:
        out.write(script())
