"""Finds the Python that plays dom0's: 2.7 and 3.6 are lent by the host, since no Debian of today
has them.
"""

import glob
import os
import shutil
import subprocess
from typing import NamedTuple

# Of the XCP-ng whose Python it is; "system" stands for what comes next.
RELEASES = {"2.7": "8.2.1", "3.6": "8.3.0", "system": "8.99.0"}
PACKAGES = {
    "2.7": ("python-2*.rpm", "xs7"),
    "3.6": ("python3-*.rpm", "xs8"),
    "system": ("python3-*.rpm", "xs8"),
}


class NoInterpreter(Exception):
    """The host has no such Python; says how to get one."""


class Interpreter(NamedTuple):
    """choice: 2.7, 3.6 or system; command: as dom0 calls it, python2 or python3; path: the
    interpreter; home: its folder ("": the guest's own).
    """

    choice: str
    command: str
    path: str
    home: str


def find(choice):
    """Return the Interpreter for a choice; raises NoInterpreter.

    Looked for in pyenv's folder ($PYENV_ROOT, ~/.pyenv, also that of the user who called sudo),
    then on PATH. It must have a folder of its own:
    that is mounted in the guest at the same path, and would hide the guest's own files were it
    /usr.
    """
    if choice == "system":
        return Interpreter(choice, "python3", "/usr/bin/python3.11", "")
    for candidate in list(_pyenv_candidates(choice)) + [shutil.which("python" + choice)]:
        home = candidate and _home_of(candidate)
        if home and home != "/usr":
            return Interpreter(choice, "python" + choice[0], f"{home}/bin/python{choice}", home)
    raise NoInterpreter(
        f"no Python {choice} in a folder of its own was found: install it with pyenv (pyenv "
        f"install {choice}) or put it on PATH"
    )


def _pyenv_candidates(choice):
    homes = [os.environ.get("PYENV_ROOT"), os.path.expanduser("~/.pyenv")]
    if os.environ.get("SUDO_USER"):
        homes.append(os.path.expanduser("~" + os.environ["SUDO_USER"]) + "/.pyenv")
    for home in filter(None, homes):
        yield from sorted(glob.glob(f"{home}/versions/{choice}.*/bin/python{choice}"), reverse=True)


def _home_of(path):
    """Return the interpreter's prefix, or None if it does not run (such as pyenv's shim for a
    version that is not active).
    """
    result = subprocess.run(
        [path, "-c", "import sys; print(sys.prefix)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return os.path.realpath(result.stdout.strip()) if result.returncode == 0 else None
