"""The Makefile explains itself, and its set-up steps are done once."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_help_lists_every_target() -> None:
    declared = re.findall(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    targets = {target for line in declared for target in line.split()}
    listed = set(re.findall(r"^  \x1b\[36m([a-z-]+) *\x1b\[0m ", make("help").stdout, flags=re.MULTILINE))
    assert targets == listed


def test_help_is_what_make_alone_says() -> None:
    assert make().stdout == make("help").stdout


def test_scripts_that_are_called_can_be_executed_and_say_what_they_do() -> None:
    for script in sorted((ROOT / "scripts").glob("*.sh")):
        first, second = script.read_text().splitlines()[:2]
        called = first.startswith("#!")
        assert called == bool(script.stat().st_mode & 0o111), script.name
        assert (second if called else first).startswith("# "), f"{script.name} does not say what it does"
