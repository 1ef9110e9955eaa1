#!/usr/bin/python3
"""Mutation testing of the pure modules: each gets one small fault after the other, and the unit
tests have to find it.

What they do not find is listed, but for the mutants that tests/equivalent-mutants.txt names as
equivalent, each with the reason. The exit status is 1 where a module has less than 95 % of the
others killed. It takes minutes: a mutant is a run of pytest. Each module is mutated in a copy of
its own.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "mutants"
EQUIVALENT = ROOT / "tests" / "equivalent-mutants.txt"
TOOL = ROOT / "build/venv-mutants/bin"
COPIED = (
    "xsraid",
    "xsraid_cli",
    "tests/made.py",
    "tests/unit",
    "tests/system_faults.py",
    "pyproject.toml",
    "rpm",
    "xapi-plugin",
)
# The tests that know a module, in tests/unit; the quick ones first.
TESTS = {
    "md/levels": ("test_levels.py",),
    "alerts/rules": ("test_rules.py",),
    "disks/refusals": ("test_judge.py", "test_refusals.py"),
    "md/conf": ("test_conf.py", "test_configuration_files.py", "test_mdadm.py"),
    "md/mdadm": ("test_mdadm.py",),
    "arguments": ("test_arguments.py",),
    "md/summary": ("test_summary.py",),
}
KILLED_MIN = 0.95
TEST_LIMIT_S = 30
CONFIGURATION = """\
[cosmic-ray]
module-path = "xsraid/{module}.py"
timeout = {limit_s}
excluded-modules = []
test-command = "{python} -m pytest -q -x -p no:cacheprovider {tests}"

# Faults that nobody makes, or that are none: bits in the place of sums, `is` between words or numbers that Python keeps once, == for `is`.
[cosmic-ray.filters.operators-filter]
exclude-operators = [
    "core/ReplaceBinaryOperator_(Add|Sub|Mul|Div|FloorDiv|Mod)_(RShift|LShift|BitOr|BitAnd|BitXor|Pow)",
    "core/ReplaceComparisonOperator_[A-Za-z]*_(Is|IsNot)$",
    "core/ReplaceComparisonOperator_(Is_Eq|IsNot_NotEq)",
]

[cosmic-ray.distributor]
name = "local"
"""  # noqa: E501


def mutate(module):
    """Try all mutants of a module; return [(line before, line after, whether the tests found
    it)].
    """
    folder = BUILD / module
    shutil.rmtree(folder, ignore_errors=True)
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
        else:
            shutil.copy(source, target)
    tests = " ".join("tests/unit/" + name for name in TESTS[module])
    (folder / "mutants.toml").write_text(
        CONFIGURATION.format(
            module=module, limit_s=TEST_LIMIT_S, python=TOOL / "python", tests=tests
        )
    )
    environment = dict(
        os.environ, PYTHONPATH="%s:%s" % (folder, folder / "tests"), PYTHONDONTWRITEBYTECODE="1"
    )
    for words in (
        "cosmic-ray baseline mutants.toml",
        "cosmic-ray init mutants.toml mutants.sqlite",
        "cr-filter-operators mutants.sqlite mutants.toml",
        "cosmic-ray exec mutants.toml mutants.sqlite",
    ):
        name, *rest = words.split()
        subprocess.run(
            [TOOL / name, *rest], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
        )
    dumped = subprocess.run(
        [TOOL / "cosmic-ray", "dump", "mutants.sqlite"],
        cwd=folder,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    tried = [json.loads(line) for line in dumped.splitlines()]
    return [
        result_of(item, result)
        for item, result in tried
        if result is None or result["worker_outcome"] != "skipped"
    ]


def result_of(item, result):
    """Return (line before, line after, whether the tests found it) of a mutant as `cosmic-ray dump`
    tells of it.
    """
    if result is None or result["worker_outcome"] not in ("normal", "exception"):
        raise SystemExit("a mutant was not tried: %s" % item)
    before, after = [], []
    for line in (result["diff"] or "").splitlines():
        if line.startswith("-") and not line.startswith("---"):
            before.append(line[1:].strip())
        elif line.startswith("+") and not line.startswith("+++"):
            after.append(line[1:].strip())
    return " ".join(before), " ".join(after), result["test_outcome"] != "survived"


def equivalents():
    """Return {(module, line before, line after): reason}: blocks of four lines, with blank lines
    and comments between.
    """
    lines = (
        [line for line in EQUIVALENT.read_text().splitlines() if not line.startswith("#")]
        if EQUIVALENT.exists()
        else []
    )
    blocks = [
        block.strip().splitlines() for block in "\n".join(lines).split("\n\n") if block.strip()
    ]
    return {(module, before[2:], after[2:]): reason for module, before, after, reason in blocks}


def report(module, results, known):
    """Say what survived; return whether enough was killed."""
    survivors = [(before, after) for before, after, is_killed in results if not is_killed]
    named = [one for one in survivors if (module,) + one in known]
    unnamed = [one for one in survivors if one not in named]
    counted = len(results) - len(named)
    share = (counted - len(unnamed)) / counted if counted else 0
    for before, after in unnamed:
        print("%s\n- %s\n+ %s\n" % (module, before, after))
    for _, before, after in [one for one in known if one[0] == module and one[1:] not in survivors]:
        print(
            "%s: named as equivalent, but killed or no mutant any more:\n- %s\n+ %s\n"
            % (module, before, after)
        )
    print(
        "%s: %d mutants, %d named as equivalent, %d of %d others killed (%.1f %%)"
        % (module, len(results), len(named), counted - len(unnamed), counted, 100 * share),
        flush=True,
    )
    return share >= KILLED_MIN


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "modules", nargs="*", choices=[[], *TESTS], help="all of them where none is named"
    )
    modules = parser.parse_args().modules or list(TESTS)
    known = equivalents()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = [
            report(module, results, known)
            for module, results in zip(modules, pool.map(mutate, modules))
        ]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
