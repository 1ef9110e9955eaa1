"""The RPMs installed, upgraded and erased by dnf from the repository, in a root of its own, with
each Python that a dom0 can have.
"""

from tests.rpm import install_root, packages

IMPORT = """
import importlib, sys
sys.path[:0] = ["%s", "%s"]
for name in sys.argv[1:]:
    importlib.import_module(name)
""" % (packages.PACKAGES_DIR, install_root.XENAPI)


def byte_code(root):
    """Return {path in the root: time of change} of the byte code that is there."""
    return {
        name: root.path(name).stat().st_mtime_ns
        for name in root.files()
        if name.startswith(packages.PACKAGES_DIR) and name.endswith(".pyc")
    }


def test_installs_what_fits_the_host_and_erases_without_a_trace(new_root):
    root = new_root(packages.REPOSITORY)
    root.dnf("install", "xsraid")
    assert root.rpm("--query", "--queryformat", "%{release}", "xsraid").stdout.endswith(
        packages.DISTS[root.interpreter.command]
    )
    assert root.rpm("--verify", "xsraid", check=False).stdout == ""
    root.dnf("remove", "xsraid")
    assert {name for name in root.files() - root.before if "xsraid" in name} == set()


def test_byte_code_is_there_owned_and_used(new_root):
    root = new_root(packages.REPOSITORY)
    root.dnf("install", "xsraid")
    made = byte_code(root)
    assert len(made) == packages.MODULE_COUNT
    assert set(
        root.rpm("--query", "--file", "--queryformat", "%{name}\n", *made).stdout.split()
    ) == {"xsraid"}
    folders = {
        folder[len(packages.PACKAGES_DIR) + 1 :].replace("/", "."): modules
        for folder, modules in packages.MODULES.items()
    }
    names = [
        "%s.%s" % (folder, name)
        for folder, modules in folders.items()
        for name in modules
        if name != "__init__"
    ]
    root.run(root.interpreter.command, "-c", IMPORT, *names)
    assert byte_code(root) == made


def test_the_command_is_there_with_its_manual_and_completion(new_root):
    root = new_root(packages.REPOSITORY)
    root.dnf("install", "xsraid")
    # Python 2.7 says its version on standard error.
    done = root.run("env", "PYTHONPATH=" + install_root.XENAPI, "/usr/bin/xsraid", "--version")
    assert (done.stdout + done.stderr).split() == [
        "xsraid",
        packages.read_header(packages.package_path("xs8"))["version"],
    ]
    for path in (
        "/usr/share/man/man8/xsraid.8.gz",
        "/usr/share/bash-completion/completions/xsraid",
    ):
        assert root.path(path).exists()


def test_upgrade_leaves_nothing_of_the_older_release(new_root, older):
    root = new_root(older, packages.REPOSITORY)
    root.dnf("--disablerepo=repo", "install", "xsraid")
    (old,) = root.path(packages.TOP_DIR).glob("*/xsraid/gone.py")
    root.dnf("upgrade", "xsraid")
    said = root.run(
        root.interpreter.command,
        "-c",
        IMPORT + "print(sys.modules['xsraid'].__version__)",
        "xsraid",
    ).stdout
    assert said.strip() == packages.read_header(packages.package_path("xs8"))["version"]
    assert not [name for name in root.files() if "gone" in name]
    assert not old.parent.parent.exists()
    assert len(byte_code(root)) == packages.MODULE_COUNT
    assert root.rpm("--verify", "xsraid", check=False).stdout == ""


def test_a_changed_configuration_survives_upgrade_and_is_kept_aside_on_erase(new_root, older):
    root = new_root(older, packages.REPOSITORY)
    root.dnf("--disablerepo=repo", "install", "xsraid")
    changed = root.path("/etc/xsraid.conf").read_text() + "# a line of the administrator's\n"
    root.path("/etc/xsraid.conf").write_text(changed)
    root.dnf("upgrade", "xsraid")
    assert root.path("/etc/xsraid.conf").read_text() == changed
    root.dnf("remove", "xsraid")
    assert not root.path("/etc/xsraid.conf").exists()
    assert root.path("/etc/xsraid.conf.rpmsave").read_text() == changed


def test_erase_takes_along_byte_code_of_another_python_but_not_notes_on_arrays(new_root):
    root = new_root(packages.REPOSITORY)
    root.dnf("install", "xsraid")
    cache = root.path(packages.PACKAGE_DIR + "/__pycache__")
    cache.mkdir(exist_ok=True)
    (cache / "errors.cpython-399.pyc").write_bytes(b"")
    note = root.path("/var/lib/xsraid/creating.json")
    note.write_text("{}")
    root.dnf("remove", "xsraid")
    assert not root.path("/usr/share/xsraid").exists()
    assert note.exists()


def test_where_python_does_not_work_it_installs_upgrades_and_erases_all_the_same(new_root, older):
    root = new_root(older, packages.REPOSITORY)
    root.dnf("--disablerepo=repo", "install", "xsraid")
    command = root.path("/usr/bin/" + root.interpreter.command)
    command.unlink()
    command.symlink_to("false")
    root.dnf("upgrade", "xsraid")
    # Better none than that of the older release, which would be taken for the new one's.
    assert byte_code(root) == {}
    root.dnf("remove", "xsraid")
    root.dnf("install", "xsraid")
    root.dnf("remove", "xsraid")
    assert not root.path("/usr/share/xsraid").exists()
