"""What must not be in the tree that people clone."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Other people's words, kept byte for byte; and this file, which spells out what it looks for.
NOT_OURS = ("tests/vectors/", "tests/hygiene/test_tree.py")


@cache
def files() -> list[Path]:
    """Every file of the tree, committed or about to be."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [Path(name.decode()) for name in done.stdout.split(b"\0") if name]
    return [path for path in paths if (ROOT / path).is_file()]


@cache
def ours() -> dict[Path, str]:
    """Our own text files with their content."""
    return {
        path: (ROOT / path).read_text(encoding="utf-8", errors="replace")
        for path in files()
        if not str(path).startswith(NOT_OURS)
    }


def found(pattern: str, *, in_files: str = "") -> list[str]:
    """`file:line: text` of every line that matches."""
    seen = re.compile(pattern)
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in ours().items()
        if str(path).endswith(in_files)
        for number, line in enumerate(text.splitlines(), 1)
        if seen.search(line)
    ]


def test_there_are_files_to_look_at() -> None:
    assert len(ours()) > 100


def test_every_todo_has_an_issue_number() -> None:
    assert found(r"\b(TODO|FIXME|XXX|HACK)\b(?!\s*\(?#\d+)", in_files=".py") == []


@pytest.mark.parametrize(
    "host",
    [
        r"registry\.npmjs\.org",
        r"registry\.yarnpkg\.com",
        r"files\.pythonhosted\.org",
        r"pypi\.org",
        r"npmmirror",
        r"artifactory",
        r"--index-url",
        r"--registry",
    ],
)
def test_no_host_of_a_package_registry_is_named(host: str) -> None:
    assert found(host) == []


@pytest.mark.parametrize("start", ["home", "Users", "root", "work", "opt", "mnt", "build"])
def test_no_path_of_one_machine_is_in_the_tree(start: str) -> None:
    # A URL's path, a pattern, a word with a slash: those have something before the slash.
    assert found(rf"(?<![\w.~*>}}\])-])/{start}/\w") == []


def test_lock_files_name_no_place_to_fetch_from() -> None:
    locks = [path for path in files() if path.name == "package-lock.json"]
    assert locks
    for path in locks:
        packages = json.loads((ROOT / path).read_text())["packages"]
        assert [name for name, entry in packages.items() if "resolved" in entry] == []


def test_lock_files_pin_by_content() -> None:
    for path in (path for path in files() if path.name == "package-lock.json"):
        packages = json.loads((ROOT / path).read_text())["packages"]
        assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


def test_python_tools_are_pinned_to_one_version() -> None:
    lines = (ROOT / "tests" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.]+", line)] == []


def test_no_private_key_or_token_is_in_the_tree() -> None:
    shapes = r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}"
    assert found(shapes) == []


def test_no_large_file_is_in_the_tree() -> None:
    large = [str(path) for path in files() if (ROOT / path).stat().st_size > 512 * 1024]
    assert large == []


def test_nothing_that_was_built_is_in_the_tree() -> None:
    built = re.compile(r"__pycache__|\.pyc$|node_modules|\.egg-info|(^|/)(dist|build)/|\.db$")
    assert [str(path) for path in files() if built.search(str(path))] == []


def package() -> list[Path]:
    return [path for path in ours() if path.parts[0] == "sessctl" and path.suffix == ".py"]


def calls(path: Path) -> set[str]:
    """The dotted names that a module calls."""
    tree = ast.parse(ours()[path])
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_nothing_below_the_command_line_prints_prompts_or_exits() -> None:
    forbidden = {"print", "input", "exit", "sys.exit", "os._exit", "sys.stdout.write", "os.getenv"}
    guilty = {
        str(path): calls(path) & forbidden
        for path in package()
        if path.parts[1] != "cli" and path.name != "__main__.py"
    }
    assert {path: names for path, names in guilty.items() if names} == {}


def test_nothing_below_the_command_line_reads_the_environment() -> None:
    lines = found(r"\bos\.environ\b|\bgetenv\b", in_files=".py")
    guilty = [line for line in lines if re.match("sessctl/(?!cli/)", line)]
    # libpq reads PGTZ by itself, and has to be kept from it. What reads the source of others knows
    # these words.
    allowed = ("PGTZ", "discovery/python_source.py")
    assert [line for line in guilty if not any(word in line for word in allowed)] == []


def test_nothing_that_executes_data_is_called() -> None:
    forbidden = {
        *("exec", "compile", "pickle.loads", "pickle.load", "pickle.Unpickler", "marshal.loads"),
        *("yaml.load", "yaml.unsafe_load", "os.system", "os.popen"),
    }
    guilty = {str(path): calls(path) & forbidden for path in package()}
    assert {path: names for path, names in guilty.items() if names} == {}


def test_eval_stays_with_the_annotations_of_commands() -> None:
    assert [str(path) for path in package() if "eval" in calls(path)] == ["sessctl/cli/options.py"]


def test_no_shell_is_started() -> None:
    assert [line for line in found(r"shell=True", in_files=".py") if "sessctl/" in line] == []


def test_scripts_can_be_run() -> None:
    scripts = [p for p, text in ours().items() if text.startswith("#!")]
    assert scripts
    assert [str(path) for path in scripts if not (ROOT / path).stat().st_mode & 0o100] == []
