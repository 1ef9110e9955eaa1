#!/usr/bin/python3
"""Do a job once for each Python that dom0 and its admins have: run the unit and plugin tests, or
compile what runs in dom0.

An interpreter is looked for among pyenv's and then on PATH. One that the machine lacks is skipped
with a line that says so; in CI (CI=true) dom0's own two, 2.7 and 3.6, must be there.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
BUILD = ROOT / "build"
DOM0_VERSIONS = ("2.7", "3.6")
TESTED_VERSIONS = DOM0_VERSIONS + ("3.11", "3.13")
DOM0_CODE = ("xsraid", "xsraid_cli", "xapi-plugin", "rpm/usr/bin", "rpm/usr/libexec")
# One run takes a minute; a hanging one is ended and counts as failed.
RUN_LIMIT_S = 1800
MEMORY_BYTES = 2 << 30


def find_interpreter(version):
    """Return the path of python `version` ("2.7"), or None. pyenv's shims on PATH are passed over:
    they are there for versions not chosen, too.
    """
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    installed = [
        path
        for path in pyenv.glob("versions/%s.*/bin/python%s" % (version, version))
        if re.fullmatch(r"[\d.]+", path.parts[-3])
    ]
    if installed:
        return max(
            installed, key=lambda path: [int(number) for number in path.parts[-3].split(".")]
        )
    path = os.pathsep.join(
        part
        for part in os.environ["PATH"].split(os.pathsep)
        if pathlib.Path(part) != pyenv / "shims"
    )
    found = shutil.which("python" + version, path=path)
    return pathlib.Path(found) if found else None


def interpreters(versions):
    """Yield (version, path) for those of versions that are here; say which are not, and end the
    program if CI needs one of those.
    """
    for version in versions:
        path = find_interpreter(version)
        if path:
            yield version, path
        elif os.environ.get("CI") == "true" and version in DOM0_VERSIONS:
            sys.exit("Python %s is not installed, and CI must try it" % version)
        else:
            print("Python %s is not installed: skipped" % version, flush=True)


def make_venv(version, interpreter):
    """Return the python of build/venv-VERSION, made anew when its requirements have changed."""
    folder = BUILD / ("venv-%s" % version)
    requirements = TESTS / ("requirements-%s.txt" % (version if version in DOM0_VERSIONS else "3"))
    # The venv of 3.6 brings a pip that is too old for today's index, and 2.7 has none.
    how = (
        "%s/venv/bin/virtualenv --quiet --python %s" % (BUILD, interpreter)
        if version in DOM0_VERSIONS
        else "%s -m venv" % interpreter
    )
    xenapi = (BUILD / "xenapi").resolve()
    facts = [requirements, TESTS / "make-venv", "=%s" % interpreter, "=%s" % xenapi]
    subprocess.run(
        [TESTS / "cached", folder, *facts, "--", TESTS / "make-venv", how, requirements, xenapi],
        check=True,
    )
    return folder / "bin/python"


def memory():
    """Return a folder in memory, where the tests' thousands of small files cost less; None if there
    is none that has room and runs programs.
    """
    folder = "/dev/shm"
    if (
        not os.access(folder, os.W_OK)
        or os.statvfs(folder).f_flag & os.ST_NOEXEC
        or shutil.disk_usage(folder).free < MEMORY_BYTES
    ):
        return None
    return folder


def run_units(version, interpreter):
    """Run tests/unit and tests/plugin and print what they said; return whether they passed. No test
    at all is a failure, too.
    """
    command = [
        make_venv(version, interpreter),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/unit",
        "tests/plugin",
    ]
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=RUN_LIMIT_S,
                env=dict(os.environ, TMPDIR=folder),
            )
            said, passed = done.stdout, done.returncode == 0
        except subprocess.TimeoutExpired as late:
            said, passed = (late.stdout or b"") + b"\nnot done after %d s" % RUN_LIMIT_S, False
    print(
        "-- Python %s (%s)\n%s" % (version, interpreter, said.decode(errors="replace")), flush=True
    )
    return passed


def compile_all(version, interpreter):
    """Compile what runs in dom0, in a copy, so that no byte code is left in the tree; return
    whether all of it compiled.
    """
    copy = BUILD / "compiled" / version
    shutil.rmtree(copy, ignore_errors=True)
    for folder in DOM0_CODE:
        for source in (ROOT / folder).rglob("*"):
            if source.is_file() and (
                source.suffix == ".py"
                or source.read_bytes()[:64].split(b"\n")[0].startswith(b"#!/usr/bin/python")
            ):
                target = copy / source.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                # compileall looks at nothing but *.py.
                shutil.copy(
                    source,
                    target if source.suffix == ".py" else target.with_name(target.name + ".py"),
                )
    return subprocess.run([interpreter, "-m", "compileall", "-q", copy]).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("job", choices=("units", "compile"))
    if parser.parse_args().job == "units":
        # All at once, also on two processors: a quarter of the time they wait.
        with concurrent.futures.ThreadPoolExecutor(len(TESTED_VERSIONS)) as pool:
            results = list(pool.map(lambda found: run_units(*found), interpreters(TESTED_VERSIONS)))
    else:
        results = [compile_all(version, path) for version, path in interpreters(DOM0_VERSIONS)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
