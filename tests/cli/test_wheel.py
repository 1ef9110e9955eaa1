"""The same source as a wheel, for workstations."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.cli.processes import PROJECT
from xsraid import __version__

SOURCES = ("LICENSE", "README.md", "pyproject.toml", "xsraid", "xsraid_cli")
# Without PYTHONPATH, which has this project's folder: where `pip install .` was run there, it
# counts as installed.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, built where setuptools may leave what it likes."""
    sources = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        source = pathlib.Path(PROJECT, name)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, sources / name)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "wheel",
            "--no-build-isolation",
            "--no-deps",
            "--no-index",
            "--wheel-dir",
            sources / "made",
            sources,
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        cwd=sources,
        env=ENVIRONMENT,
    )
    (path,) = (sources / "made").iterdir()
    return path


def test_it_holds_both_packages_and_says_what_it_needs(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == "xsraid-%s-py3-none-any.whl" % __version__
    for package in ("xsraid", "xsraid_cli"):
        assert {
            str(path.relative_to(PROJECT)) for path in pathlib.Path(PROJECT, package).rglob("*.py")
        } == {name for name in names if name.startswith(package + "/")}
    metadata = zipfile.ZipFile(wheel).read("xsraid-%s.dist-info/METADATA" % __version__).decode()
    assert "Requires-Python: >=3.8" in metadata
    assert "Requires-Dist: XenAPI" in metadata
    assert "Provides-Extra: keyring" in metadata


def test_the_command_runs_from_a_fresh_environment(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "--python",
            python,
            "install",
            "--no-deps",
            "--no-index",
            wheel,
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    (site_packages,) = (tmp_path / "venv/lib").glob("python3*/site-packages")
    (site_packages / "xenapi.pth").write_text(str(pathlib.Path(PROJECT, "build/xenapi")) + "\n")
    done = subprocess.run(
        [tmp_path / "venv/bin/xsraid", "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "status" in done.stdout
    done = subprocess.run(
        [tmp_path / "venv/bin/xsraid", "--version"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={},
    )
    assert done.stdout == "xsraid %s\n" % __version__
