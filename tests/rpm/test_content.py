"""What is in the RPMs, read through rpm's own library."""

import gzip
import os
import re
import stat
import subprocess

import pytest
import rpm

import xsraid
from tests.rpm import packages

# What rpm 4.11 (CentOS 7) says of itself: rpm --showrc, "Features supported by rpmlib". An RPM that
# needs more cannot be installed there.
RPM_4_11_FEATURES = {
    "BuiltinLuaScripts",
    "CompressedFileNames",
    "ConcurrentAccess",
    "ExplicitPackageProvide",
    "FileCaps",
    "FileDigests",
    "HeaderLoadSortsTags",
    "PartialHardlinkSets",
    "PayloadFilesHavePrefix",
    "PayloadIsBzip2",
    "PayloadIsLzma",
    "PayloadIsXz",
    "ScriptletExpansion",
    "ScriptletInterpreterArgs",
    "TildeInVersions",
    "VersionedDependencies",
}
MANUAL = "/usr/share/man/man8/xsraid.8"
SHA256 = 8  # PGPHASHALGO_SHA256, which 4.11 knows
PRIVATE = {"/var/lib/xsraid", "/var/lib/xsraid/spool", "/var/lib/xsraid/history"}  # for root alone
FOLDERS = PRIVATE | {
    "/usr/lib/systemd/system/mdmonitor.service.d",
    "/usr/libexec/xsraid",
    "/usr/share/doc/xsraid",
    "/usr/share/doc/xsraid/docs",
    "/usr/share/licenses/xsraid",
    packages.TOP_DIR,
    packages.PACKAGES_DIR,
    *packages.MODULES,
}


@pytest.fixture(params=sorted(packages.PYTHONS))
def dist(request):
    return request.param


@pytest.fixture
def path(dist):
    return packages.package_path(dist)


@pytest.fixture
def header(path):
    return packages.read_header(path)


def files_of(folder):
    """Return {path below folder: bytes} of a folder of the tree."""
    base = packages.ROOT / folder
    files = [path for path in base.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {
        str(path.relative_to(base)): os.readlink(path).encode()
        if path.is_symlink()
        else path.read_bytes()
        for path in files
    }


def expected_content(dist):
    """Return {path in dom0: bytes} of what must be packed, from the tree alone."""
    content = {"/" + name: data for name, data in files_of("rpm").items()}
    for package in packages.PACKAGES:
        content.update(
            ("%s/%s/%s" % (packages.PACKAGES_DIR, package, name), data)
            for name, data in files_of(package).items()
        )
    content["/etc/xapi.d/plugins/xsraid"] = (packages.ROOT / "xapi-plugin/xsraid").read_bytes()
    content["/usr/share/licenses/xsraid/LICENSE"] = (packages.ROOT / "LICENSE").read_bytes()
    for page in packages.ROOT.glob("*.md"):
        content["/usr/share/doc/xsraid/" + page.name] = page.read_bytes()
    content.update(
        ("/usr/share/doc/xsraid/docs/" + name, data) for name, data in files_of("docs").items()
    )
    for name, data in content.items():
        if name.startswith(("/etc/xapi.d/", "/usr/bin/", "/usr/libexec/")):
            built = re.sub(
                b"^#!/usr/bin/python3(?=\\s)", b"#!" + packages.PYTHONS[dist].encode(), data
            )
            content[name] = built.replace(
                b'"/usr/share/xsraid"', b'"%s"' % packages.PACKAGES_DIR.encode()
            )
    return content


def expected_byte_code(dist):
    modules = [(folder, module) for folder, names in packages.MODULES.items() for module in names]
    if dist == "xs7":
        return {"%s/%s.pyc" % each for each in modules}
    return {
        "%s/__pycache__/%s.cpython-3%d.pyc" % (*each, minor)
        for each in modules
        for minor in range(6, 15)
    }


def test_packs_the_tree_with_the_right_shebang_and_nothing_else(path, dist):
    content = packages.read_payload(path)
    content[MANUAL] = gzip.decompress(content.pop(MANUAL + ".gz"))
    assert content == expected_content(dist)


def test_modes(header):
    executables = ("/etc/xapi.d/plugins/", "/usr/bin/", "/usr/libexec/xsraid/")
    wrong = {}
    for entry in rpm.files(header):
        if stat.S_ISLNK(entry.mode):
            continue
        if stat.S_ISDIR(entry.mode):
            wanted = 0o700 if entry.name in PRIVATE else 0o755
        else:
            wanted = 0o755 if entry.name.startswith(executables) else 0o644
        if stat.S_IMODE(entry.mode) != wanted:
            wrong[entry.name] = oct(entry.mode)
    assert wrong == {}


def test_everything_is_roots(header):
    assert {(entry.user, entry.group) for entry in rpm.files(header)} == {("root", "root")}


def test_owns_its_own_folders_and_no_others(header, dist):
    folders = {entry.name for entry in rpm.files(header) if stat.S_ISDIR(entry.mode)}
    assert folders == FOLDERS | (
        {folder + "/__pycache__" for folder in packages.MODULES} if dist == "xs8" else set()
    )


def test_the_host_keeps_its_configuration(header):
    flags = {
        entry.name: entry.fflags & (rpm.RPMFILE_CONFIG | rpm.RPMFILE_NOREPLACE)
        for entry in rpm.files(header)
        if entry.name.startswith("/etc/")
    }
    assert flags.pop("/etc/xapi.d/plugins/xsraid") == 0
    assert "/etc/xsraid.conf" in flags
    assert set(flags.values()) == {rpm.RPMFILE_CONFIG | rpm.RPMFILE_NOREPLACE}


def test_byte_code_is_owned_but_not_packed(header, path, dist):
    ghosts = {entry.name for entry in rpm.files(header) if entry.fflags & rpm.RPMFILE_GHOST}
    assert ghosts == expected_byte_code(dist)
    assert not [name for name in packages.read_payload(path) if name.endswith((".pyc", ".pyo"))]


def test_documentation_and_licence_are_marked(header):
    flags = {entry.name: entry.fflags for entry in rpm.files(header)}
    assert flags["/usr/share/doc/xsraid/README.md"] & rpm.RPMFILE_DOC
    assert flags["/usr/share/doc/xsraid/CHANGELOG.md"] & rpm.RPMFILE_DOC
    assert flags[MANUAL + ".gz"] & rpm.RPMFILE_DOC
    assert flags["/usr/share/licenses/xsraid/LICENSE"] & rpm.RPMFILE_LICENSE


def test_requirements(header, dist):
    required = {name for name in header["requirename"] if not name.startswith("rpmlib(")}
    assert required == {
        "/bin/sh",
        "mdadm",
        "ssmtp",
        "xapi-core",
        "lvm2",
        "util-linux",
        "systemd",
        packages.PYTHONS[dist],
    }


def test_centos_7_can_read_it(header):
    features = {
        name[len("rpmlib(") : -1] for name in header["requirename"] if name.startswith("rpmlib(")
    }
    assert features <= RPM_4_11_FEATURES
    assert header["payloadcompressor"] in ("gzip", "xz")
    assert header["payloadformat"] == "cpio"
    assert header["filedigestalgo"] == SHA256
    # Weak dependencies and file triggers came later; 4.11 would pass them over without a word.
    assert not header["recommendname"]
    assert not header["suggestname"]
    assert not header["filetriggername"]
    assert not header["transfiletriggername"]


def test_names_itself(header, dist):
    assert header["name"] == "xsraid"
    assert header["arch"] == "noarch"
    assert header["release"].endswith("." + dist)
    assert header["version"] == xsraid.__version__
    assert "## %s (" % xsraid.__version__ in (packages.ROOT / "CHANGELOG.md").read_text()


def test_scriptlets_are_plain_shell(header, dist):
    assert {
        tag
        for tag in ("prein", "postin", "preun", "postun", "pretrans", "posttrans")
        if header[tag]
    } == {"postin", "preun", "postun"}
    for tag in ("postin", "preun", "postun"):
        assert header[tag + "prog"] in ("/bin/sh", ["/bin/sh"])
        subprocess.run(["sh", "-n"], input=header[tag], text=True, check=True)
    assert packages.PYTHONS[dist] + " -m compileall" in header["postin"]


def test_the_same_sources_give_the_same_bytes(tmp_path):
    sources = packages.copy_sources(tmp_path / "elsewhere")
    packages.make(sources, "rpm")
    for dist in packages.PYTHONS:
        (again,) = (sources / "build/rpm").glob("*.%s.noarch.rpm" % dist)
        assert again.read_bytes() == packages.package_path(dist).read_bytes()


def test_what_starts_a_unit_is_a_link_to_one_that_is_there():
    """A file in its place, as a tool that knows no links leaves it, starts nothing, and rpm packs
    it without a word.
    """
    wants = list((packages.ROOT / "rpm").glob("usr/lib/systemd/system/*.wants/*"))
    assert wants
    for link in wants:
        assert link.is_symlink(), link
        assert (link.parent / os.readlink(link)).is_file(), link
        assert os.path.basename(os.readlink(link)) == link.name
