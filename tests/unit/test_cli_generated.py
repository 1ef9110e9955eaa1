"""What is made from the table of functions and packed is as the table is now; `make manual` writes
it.
"""

import io
import os

import pytest

from tools import completion, manual

SHARE = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "rpm/usr/share"
)


@pytest.mark.parametrize(
    "path,made",
    [("man/man8/xsraid.8", manual.page), ("bash-completion/completions/xsraid", completion.script)],
)
def test_it_is_what_the_table_says(path, made):
    with io.open(os.path.join(SHARE, path), encoding="utf-8") as packed:
        assert packed.read() == made(), "make manual"
