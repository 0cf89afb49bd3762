"""The command line hands on what is for somebody else, and refuses what is for nobody."""

import subprocess
import sys

import pytest

from pitrkit.cli import commands, lab


def run_lab(monkeypatch, tmp_path, *words):
    """Return what JupyterLab would be started with."""
    started = []

    class Started:
        def __init__(self, command, **_):
            started.extend(command)

        def wait(self):
            return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lab.subprocess, "Popen", Started)
    assert commands.main(["lab", *words]) == 0
    return started


@pytest.mark.parametrize(
    "words",
    [
        ("--no-browser", "--port", "8890"),
        ("--", "--no-browser", "--port", "8890"),
        ("--fresh", "--no-browser", "--", "--port", "8890"),
    ],
)
def test_lab_passes_on_what_it_does_not_know(monkeypatch, tmp_path, words):
    command = " ".join(run_lab(monkeypatch, tmp_path, *words))
    assert "--no-browser --port 8890" in command
    assert "--fresh" not in command
    assert " -- " not in command


def test_labs_own_words_after_two_dashes_are_jupyters(monkeypatch, tmp_path):
    assert "--fresh" in run_lab(monkeypatch, tmp_path, "--", "--fresh")


@pytest.mark.parametrize("command", ["demo", "sandbox", "audit"])
def test_the_other_commands_refuse_what_they_do_not_know(command):
    words = [sys.executable, "-m", "pitrkit", command, *(["x"] if command == "audit" else []), "--no-browser"]
    ended = subprocess.run(words, check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "unrecognized arguments: --no-browser" in ended.stderr
