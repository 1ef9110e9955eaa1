"""The repository under test, the stand-ins for dom0's own packages, and roots to install into."""

import os
import re
import subprocess

import pytest

import xsraid
from tests.dom0 import interpreters
from tests.rpm import install_root, packages


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory):
    """A repository of the packages that xsraid requires, empty ones with the names and versions
    that dom0 has.
    """
    folder = tmp_path_factory.mktemp("stand-ins")
    (folder / "repository").mkdir()
    subprocess.run(
        [
            "rpmbuild",
            "--quiet",
            "-bb",
            "--define",
            "_topdir %s" % folder,
            "--define",
            "_rpmdir %s" % (folder / "repository"),
            packages.ROOT / "tests/dom0/stand-ins.spec",
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        env=dict(os.environ, HOME=str(folder)),
    )
    subprocess.run(["createrepo_c", "--quiet", folder / "repository"], check=True)
    return (folder / "repository").rename(folder / "stand-ins")


@pytest.fixture(scope="session")
def older(tmp_path_factory):
    """A repository of an older release: another version, as many bytes long and of the same date,
    and a module that has gone since.
    """
    sources = packages.copy_sources(tmp_path_factory.mktemp("older") / "sources")
    init = sources / "xsraid/__init__.py"
    init.write_text(
        init.read_text().replace(xsraid.__version__, re.sub("[0-9]", "0", xsraid.__version__))
    )
    (sources / "xsraid/gone.py").write_text('"""A module of the past."""\n')
    packages.make(sources, "repo")
    return (sources / "build/repo").rename(sources / "build/older")


@pytest.fixture(params=["2.7", "3.6", "system"])
def new_root(request, stand_ins, tmp_path):
    """A function that makes an InstallRoot with the given repositories and dom0's stand-ins, once
    for each Python that a dom0 can have.
    """

    def make(*repositories):
        try:
            return install_root.InstallRoot(request.param, [*repositories, stand_ins], tmp_path)
        except interpreters.NoInterpreter as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))

    return make
