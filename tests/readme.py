#!/usr/bin/env python3
"""The description of the functions, made from their table and from replies that a miniature dom0
gave.

readme.py             writes it into docs/functions.md
dom0/record.py        writes recorded_calls.json: {function: {"arguments": {...}, "reply": {...}}}
"""

import json
import pathlib

from xsraid.functions import REQUIRED, TABLE

PROJECT = pathlib.Path(__file__).resolve().parent.parent
README, FUNCTIONS = PROJECT / "README.md", PROJECT / "docs/functions.md"
RECORDED = PROJECT / "tests" / "recorded_calls.json"
BEGIN, END = "<!-- functions: begin, made by `make readme` -->\n", "<!-- functions: end -->\n"
WIDTH = 140
ARRAY_KEYS = ("device", "name", "health", "summary", "redundancy_left", "sync")


def folded(value, indent=""):
    """Return JSON text on as many lines as it needs and no more; replies come on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= WIDTH or not isinstance(value, (dict, list)):
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(key)}: {folded(part, inner)}" for key, part in value.items()]
        return "{\n" + ",\n".join(lines) + "\n" + indent + "}"
    return "[\n" + ",\n".join(inner + folded(part, inner) for part in value) + "\n" + indent + "]"


def render(table, recorded):
    """Return the Markdown of all functions."""
    return "\n".join(render_function(function, recorded[function.name]) for function in table)


def render_function(function, call):
    lines = [f"### {function.name}", "", function.help[0].upper() + function.help[1:] + ".", ""]
    if function.arguments:
        lines += ["| argument | takes | default | |", "|---|---|---|---|"]
        for argument in function.arguments:
            default = "must be given" if argument.default is REQUIRED else argument.default
            lines.append(
                f"| `{argument.name}` | {argument.kind.shape} | {default} | {argument.help} |"
            )
        lines.append("")
    given = "".join(f" args:{name}={value}" for name, value in call["arguments"].items())
    lines += [
        "```",
        f"$ xe host-call-plugin host-uuid=$H plugin=xsraid fn={function.name}{given}",
        folded(shortened(call["reply"])),
        "```",
        "",
    ]
    return "\n".join(lines)


def shortened(reply):
    """Return a reply with two of its disks, one that may be used and one that may not, and of an
    array what the call is about.
    """
    if "array" in reply and isinstance(reply["array"], dict):
        array = {key: reply["array"][key] for key in ARRAY_KEYS}
        return dict(reply, array={**array, "...": "and all else that list_arrays shows"})
    if list(reply) != ["disks"]:
        return reply
    return {
        "disks": [
            next(disk for disk in reply["disks"] if disk["usable"] is usable)
            for usable in (True, False)
        ]
    }


def with_functions(text, functions):
    """Return the text of docs/functions.md with this description of the functions in its place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + functions + "\n" + END + after


def current():
    """Return docs/functions.md as it should be."""
    return with_functions(FUNCTIONS.read_text(), render(TABLE, json.loads(RECORDED.read_text())))


if __name__ == "__main__":
    FUNCTIONS.write_text(current())
