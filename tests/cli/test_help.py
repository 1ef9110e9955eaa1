"""Every command explains itself, and every example that it shows can be typed."""

import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess

import pytest

from tests.cli.processes import PROJECT, Xsraid
from xsraid_cli.table import commands, parser

NAMES = [command.name for command in commands.table()]


@pytest.fixture(scope="module")
def helps():
    """{command: what --help says of it}"""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = dict(zip(NAMES, pool.map(lambda name: Xsraid()(*name.split(), "--help"), NAMES)))
    assert {(done.status, done.err) for done in results.values()} == {(0, "")}
    return {name: done.out for name, done in results.items()}


def test_the_commands_are_listed():
    done = Xsraid()("--help")
    assert done.status == 0
    assert {name.split()[0] for name in NAMES} <= set(
        re.findall(r"^    (\w+)", done.out, re.MULTILINE)
    )


@pytest.mark.parametrize("name", NAMES)
def test_help_has_an_example_that_can_be_typed(helps, name):
    example = re.search(r"^example: xsraid (.*)$", helps[name], re.MULTILINE).group(1)
    done = Xsraid()(*example.split())  # elsewhere than on a host, so it gets as far as that
    assert done.status == 2
    assert "no XenServer or XCP-ng host" in done.err or "no terminal" in done.err


@pytest.mark.parametrize("name", NAMES)
def test_help_names_every_argument(helps, name):
    command = next(command for command in commands.table() if command.name == name)
    assert [
        argument.name
        for argument in command.options
        if commands.option(argument) not in helps[name]
    ] == []


def test_help_says_what_asks(helps):
    assert [
        name for name, text in helps.items() if "Without arguments, on a terminal, it asks" in text
    ] == ["create"]


def test_what_the_readme_shows_can_be_typed():
    section = (
        pathlib.Path(PROJECT, "README.md").read_text().split("## Every day")[1].split("\n## ")[0]
    )
    lines = re.findall("^    (xsraid .*)$", section, re.MULTILINE)
    assert len(lines) >= 10
    lines += re.findall(
        "^    (xsraid .*)$", pathlib.Path(PROJECT, "docs/pools.md").read_text(), re.MULTILINE
    )
    typed = [shlex.split(line, comments=True) for line in lines]
    for words in typed:
        parser.parse(commands.table(), words[1:], is_asking=True)


def test_without_a_command_it_is_wrong_usage():
    assert Xsraid()().status == 2


def test_bash_completes():
    script = pathlib.Path(PROJECT, "rpm/usr/share/bash-completion/completions/xsraid")
    tell = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _xsraid; echo "${COMPREPLY[@]}"'

    def completed(*words):
        done = subprocess.run(
            ["bash", "-euc", tell, str(script), "xsraid", *words],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    assert completed("al") == ["alerts"]
    assert completed("alerts", "s") == ["set", "show"]
    assert completed("create", "--level", "1") == ["1", "10"]
    assert completed(
        "--pool", "https", ":", "//m", "--host", "status", "alerts", "set", "--smtp-s"
    ) == ["--smtp-security"]
    assert completed("check", "st") == ["start", "stop"]


def test_the_manual_is_good_roff():
    page = pathlib.Path(PROJECT, "rpm/usr/share/man/man8/xsraid.8")
    environment = dict(os.environ, MANWIDTH="80", LC_ALL="C.UTF-8")
    done = subprocess.run(
        ["man", "--warnings", "--local-file", str(page)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert all("xsraid %s" % name in done.stdout for name in NAMES)
