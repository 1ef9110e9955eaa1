"""The RPMs under test: where they are, what is in their headers and payloads, and how to build
others beside them.
"""

import pathlib
import subprocess

import rpm

from xsraid import __version__

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPOSITORY = ROOT / "build/repo"
# What `make rpm` reads; of tests/dom0 it takes the checksums only, for other words.
SOURCES = (
    "LICENSE",
    "Makefile",
    "SPECS",
    "docs",
    "rpm",
    "tests/dom0",
    "xapi-plugin",
    "xsraid",
    "xsraid_cli",
    *(path.name for path in ROOT.glob("*.md")),
)
PYTHONS = {"xs7": "/usr/bin/python2", "xs8": "/usr/bin/python3"}
DISTS = {"python2": "xs7", "python3": "xs8"}  # by the command of dom0's Python
TOP_DIR = "/usr/share/xsraid"
PACKAGES_DIR = "%s/%s" % (TOP_DIR, __version__)
PACKAGE_DIR = PACKAGES_DIR + "/xsraid"
# {folder in dom0: names of the modules in it}
PACKAGES = ("xsraid", "xsraid_cli")
MODULES = {
    "%s/%s" % (PACKAGES_DIR, init.parent.relative_to(ROOT)): sorted(
        path.stem for path in init.parent.glob("*.py")
    )
    for package in PACKAGES
    for init in (ROOT / package).rglob("__init__.py")
}
MODULE_COUNT = sum(len(names) for names in MODULES.values())


def package_path(dist, repository=REPOSITORY):
    """Return the path of the one RPM for dist ("xs7" or "xs8") in a repository."""
    (path,) = (repository / dist).glob("*.noarch.rpm")
    return path


def _open(path):
    transaction = rpm.TransactionSet()
    # Publishing is what signs.
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)
    package = rpm.fd(str(path), "r")
    return package, transaction.hdrFromFdno(package)


def read_header(path):
    """Return the header of an RPM, its digests checked."""
    return _open(path)[1]


def read_payload(path):
    """Return a dict of path to content (bytes) of the regular files that are packed, and of
    symbolic links to their targets.
    """
    package, header = _open(path)
    archive = rpm.files(header).archive(rpm.fd(package, "r", header["payloadcompressor"]))
    content = {entry.name: archive.read() for entry in archive if archive.hascontent()}
    return dict(
        content,
        **{entry.name: entry.linkto.encode() for entry in rpm.files(header) if entry.linkto},
    )


def copy_sources(target):
    """Copy what the RPMs are made from, as an archive of the sources without git would hold it;
    return target.
    """
    target.mkdir(parents=True)
    archive = subprocess.run(
        ["tar", "-c", "--exclude=__pycache__", *SOURCES], cwd=ROOT, check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x"], cwd=target, input=archive, check=True)
    return target


def make(sources, *words):
    """Run make in a copy of the sources; what it says is shown if it fails."""
    done = subprocess.run(
        ["make", *words],
        cwd=sources,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
