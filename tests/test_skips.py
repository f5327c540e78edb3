"""Skipped tests are counted by reason, and one that is not expected fails the run."""

import pytest

pytest_plugins = "pytester"

CASES = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_device(number):
    pytest.skip("no device here:  number one")

@pytest.mark.skipif(True, reason="no program [here]")
def test_program():
    pass

@pytest.fixture
def engine():
    pytest.skip("no engine")

def test_engine(engine):
    pass

def test_runs():
    pass
"""


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest("from tests.skips import *")
    pytester.makepyfile(CASES)

    def run(workers, *expected):
        options = ["-q", "-p", "xdist", "-n", workers, "-p", "no:cacheprovider"]
        if expected:
            path = pytester.makefile(".txt", skips="\n".join(["# why", "", *expected]))
            options.append(f"--expected-skips={path}")
        return pytester.runpytest_subprocess(*options)

    return run


@pytest.mark.parametrize("workers", ["0", "2"])
def test_each_reason_is_shown_with_its_count(run, workers):
    result = run(workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*= 5 skipped =*", "*3  no device here: number one", "1 passed, 5 sk*"])
    assert {"    1  no program [here]", "    1  no engine"} <= set(result.outlines)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_unexpected_reason_fails_the_run(run, workers):
    result = run(workers, "no device here: *", "no engine")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*1  no program [[]here[]]  UNEXPECTED", "FAILED: 1 reason(s)*"])


def test_expected_reasons_pass(run):
    assert run("0", "no device here: *", "no engine", "no program [[]here]", "never seen").ret == 0
