"""CONTRIBUTING.md names files that exist, and the layers that the tests keep."""

import io
import os
import re

import pytest

from tests.unit import test_layers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def text():
    with io.open(os.path.join(ROOT, "CONTRIBUTING.md"), encoding="utf-8") as source:
        return source.read()


def named_files():
    """Return the paths in backquotes, those without a folder taken for files of tests/unit, where
    they stand beside one with it.
    """
    words = re.findall(r"`([\w/]+\.py)`", text())
    return [
        word if "/" in word else "tests/unit/" + word
        for word in words
        if word not in ("api.py", "units.py")
    ]


@pytest.mark.parametrize("path", sorted(set(named_files())))
def test_a_file_that_is_named_exists(path):
    assert os.path.isfile(os.path.join(ROOT, path))


def test_it_names_enough_changes():
    assert len(re.findall(r"^\| .* \| .*`.*` ?.*\|$", text(), re.MULTILINE)) >= 10


def test_the_layers_are_those_that_are_kept():
    shown = re.search(r"Imports point one way: (.*?)\. `api`", text(), re.DOTALL).group(1)
    names = re.findall(r"`(\w+)`", shown)
    assert names[::-1] == list(test_layers.LAYERS)
