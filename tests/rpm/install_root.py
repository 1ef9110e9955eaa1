"""A root of its own to install RPMs into with dnf: the miniature dom0's, with what dnf writes kept
in a layer above it.

It is put together anew for each command, in a mount namespace that ends with the command and in
which the host's own files are read-only: this machine has no more of it than the layer's folder.
"""

import os
import pathlib
import shutil
import subprocess

from tests.dom0 import interpreters
from tests.rpm import packages

LOWER = packages.ROOT / "build/root"
XENAPI = "/usr/share/xenapi"
# $1 the layer, $2 the lower root, $3 a Python's folder or nothing, $4 the folder that may be
# written; the rest is the command.
NAMESPACE = """
layer=$1 lower=$2 home=$3 writable=$4; shift 4
mount --bind "$writable" "$writable"
mount -o remount,bind,ro /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
mount --rbind /dev "$layer/root/dev"
mount -t proc proc "$layer/root/proc"
if [ -n "$home" ]; then mount --bind "$home" "$layer/root$home"; mount -o remount,bind,ro "$layer/root$home"; fi
exec "$@"
"""  # noqa: E501
DNF_CONF = """
[main]
reposdir={folder}/no-repositories
cachedir={folder}/cache
logdir={folder}/log
gpgcheck=0
plugins=0
excludepkgs={excluded}
"""
# rpm's and dnf's own books, and what mounts need.
NOT_OURS = (
    "dev",
    "proc",
    "run",
    "tmp",
    "root/.rpmdb",
    "var/lib/rpm",
    "var/lib/dnf",
    "var/cache/dnf",
    "var/log",
)


class InstallRoot:
    """choice: dom0's Python, "2.7", "3.6" or "system"; repositories: folders; folder: an empty one
    to work in.

    Raises interpreters.NoInterpreter.
    """

    def __init__(self, choice, repositories, folder):
        self.interpreter = interpreters.find(choice)
        self.folder = folder
        for name in ("layer/upper", "layer/work", "layer/root", "home", "tmp"):
            (folder / name).mkdir(parents=True)
        # Debian's rpm would keep its books in root's home.
        (folder / "home/.rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
        # The other generation's Python is not to be had.
        excluded = {"python2": "python3", "python3": "python"}[self.interpreter.command]
        sections = [
            "[%s]\nname=%s\nbaseurl=file://%s\n" % (path.name, path.name, path)
            for path in repositories
        ]
        (folder / "dnf.conf").write_text(
            DNF_CONF.format(folder=folder, excluded=excluded) + "".join(sections)
        )
        self._lend_interpreter()
        self.before = self.files()

    def _lend_interpreter(self):
        """Put dom0's Python into the root by the name dom0 has for it, and XenAPI's modules in
        XENAPI.
        """
        upper = self.folder / "layer/upper"
        if self.interpreter.home:
            (upper / self.interpreter.home.lstrip("/")).mkdir(parents=True)
        command = upper / "usr/bin" / self.interpreter.command
        command.parent.mkdir(parents=True)
        command.symlink_to(self.interpreter.path)
        shutil.copytree(
            packages.ROOT / "build/xenapi",
            upper / XENAPI.lstrip("/"),
            ignore=shutil.ignore_patterns(".*"),
        )

    def _run(self, argv, check=True):
        layer = self.folder / "layer"
        unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", NAMESPACE]
        namespace = [*unshare, "namespace", layer, LOWER, self.interpreter.home, self.folder]
        environment = dict(
            os.environ,
            HOME=str(self.folder / "home"),
            TMPDIR=str(self.folder / "tmp"),
            PYTHONPATH="",
        )
        done = subprocess.run(
            [*namespace, *argv],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def run(self, *argv, check=True):
        """Run a command in the root and return what became of it (text)."""
        return self._run(["chroot", self.folder / "layer/root", *argv], check)

    def rpm(self, *words, check=True):
        """Run rpm on the root's database."""
        return self._run(["rpm", "--root", self.folder / "layer/root", *words], check)

    def dnf(self, *words):
        """Run dnf on the root; return all it said. A scriptlet that fails is no failure to dnf, so
        it is looked for in what dnf says.
        """
        done = self._run(self._dnf(*words))
        said = done.stdout + done.stderr
        assert "scriptlet" not in said.replace("Running scriptlet:", ""), said
        return said

    def upgrade_with_calls(self, script, **environment):
        """Upgrade xsraid in the middle of a shell script that gets the root, its Python, and the
        command that upgrades.
        """
        root = self.folder / "layer/root"
        words = ["%s=%s" % item for item in environment.items()]
        self._run(
            [
                "env",
                *words,
                "sh",
                "-uc",
                script,
                "script",
                root,
                "/usr/bin/" + self.interpreter.command,
                *self._dnf("upgrade", "xsraid"),
            ]
        )

    def _dnf(self, *words):
        root = self.folder / "layer/root"
        return [
            "dnf",
            "--assumeyes",
            "--config",
            self.folder / "dnf.conf",
            "--installroot",
            root,
            "--releasever=1",
            *words,
        ]

    def path(self, name):
        """Return where a file that was written in the root lies on the host."""
        return self.folder / "layer/upper" / name.lstrip("/")

    def files(self):
        """Return the set of all paths written so far, except rpm's, dnf's and the kernel's own."""
        upper = self.folder / "layer/upper"
        found = {str(path.relative_to(upper)) for path in pathlib.Path(upper).rglob("*")}
        return {
            "/" + name
            for name in found
            if not any(name == own or name.startswith(own + "/") for own in NOT_OURS)
        }
