"""An upgrade from the release of 0.2.0, whose modules lay flat in one folder, with calls of the
plugin all the while.
"""

import re
import subprocess

import pytest

from tests.rpm import packages

RELEASED = "6d51f8c"  # 0.2.0
XENAPI = "/usr/share/xenapi"
CALL = """<methodCall><methodName>%s</methodName><params><param><value><string>OpaqueRef:none</string></value></param>
<param><value><struct></struct></value></param></params></methodCall>"""  # noqa: E501
# $1 the root, $2 its Python; the rest upgrades. Two callers each, until it is over. Before, the new
# files are laid down one by one, as CentOS 7's rpm does, and slowly, so that calls meet each state.
# (rpm of today puts all of them in their places at once.)
CALLS = (
    """
root=$1 python=$2; shift 2
call() {
    while [ ! -e "$root/tmp/over" ]; do
        chroot "$root" env PYTHONPATH=%s "$python" /etc/xapi.d/plugins/xsraid "$3" >>"$root/tmp/$1.$2" 2>&1 || echo "FAILED" >>"$root/tmp/$1.$2"
    done
}
for caller in 1 2; do
    call version $caller "$VERSION" & call help $caller "$HELP" &
done
sleep 1
while read -r path; do
    mkdir -p "$(dirname "$root$path")"
    cp "$NEW$path" "$root$path.new" && mv "$root$path.new" "$root$path"
    sleep 0.05
done <"$NEW/paths"
"$@"
sleep 2
touch "$root/tmp/over"
wait
"""  # noqa: E501
    % XENAPI
)


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """The repository of 0.2.0, made from its commit."""
    if subprocess.run(
        ["git", "cat-file", "-e", RELEASED], cwd=packages.ROOT, capture_output=True
    ).returncode:
        pytest.skip("this is no clone, or not a whole one: it lacks the commit of 0.2.0")
    sources = tmp_path_factory.mktemp("released") / "sources"
    sources.mkdir()
    archive = subprocess.run(
        ["git", "archive", RELEASED], cwd=packages.ROOT, check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x"], cwd=sources, input=archive, check=True)
    packages.make(sources, "repo")
    return (sources / "build/repo").rename(sources / "build/released")


def lay_aside(folder, dist):
    """Write those files of the new release that calls need into a folder, and their paths, in the
    order in which rpm lays them down, into `paths`.
    """
    files = packages.read_payload(packages.package_path(dist))
    wanted = [
        path for path in sorted(files) if path.startswith(("/etc/xapi.d/", packages.TOP_DIR + "/"))
    ]
    for path in wanted:
        (folder / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (folder / path[1:]).write_bytes(files[path])
    (folder / "paths").write_text("".join(path + "\n" for path in wanted))


def replies(root, function):
    """Return what the calls of a function printed: a reply each."""
    said = "".join(
        (root.path("/tmp") / ("%s.%d" % (function, caller))).read_text() for caller in (1, 2)
    )
    return re.findall("<params>.*?</params>|FAILED|Traceback.*?(?=<|FAILED|$)", said, re.DOTALL)


def test_each_call_runs_with_one_release_or_the_other(new_root, released):
    root = new_root(released, packages.REPOSITORY)
    root.dnf("--disablerepo=repo", "install", "xsraid")
    lay_aside(root.folder / "new", packages.DISTS[root.interpreter.command])
    root.upgrade_with_calls(
        CALLS, NEW=root.folder / "new", VERSION=CALL % "version", HELP=CALL % "help"
    )
    versions = [re.findall(r"0\.\d\.\d", reply) for reply in replies(root, "version")]
    assert {tuple(version) for version in versions} == {("0.2.0",), (packages.__version__,)}
    helps = replies(root, "help")
    assert len(helps) > 10
    assert [
        reply for reply in helps if "<name>Status</name>" not in reply or "Success" not in reply
    ] == []
    assert not root.path(packages.TOP_DIR + "/xsraid").exists()
    assert root.rpm("--verify", "xsraid", check=False).stdout == ""
