"""How `aiotracker dead-letters` reads its arguments, and what it says when they make no sense."""

from pathlib import Path

import pytest

from aiotracker.cli import main

FILE = "sqlite:///events.db"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what this machine has set out of it, and what a command writes in a folder of the test."""
    monkeypatch.delenv("AIOTRACKER_STORE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["bury"], "invalid choice"),
        (["list"], "give --store URL, or set AIOTRACKER_STORE"),
        (["list", "--store", "events.db"], "store='events.db': must be sqlite:///relative/path"),
        (["list", "--store", "sqlite:///"], "names no file"),
        (["list", "--store", FILE, "--limit", "0"], "must be a whole number above 0, not '0'"),
        (["list", "--store", FILE, "--limit", "many"], "must be a whole number above 0, not 'many'"),
        (["list", "--store", FILE, "--reason", "boredom"], "invalid choice"),
        (["show", "--store", FILE], "the following arguments are required: ID"),
        (["replay", "--store", FILE], "say which: IDs, --all, --reason or --file"),
        (["replay", "--store", FILE, "7", "--all"], "IDs say which"),
        (["replay", "--store", FILE, "--all", "--file", "letters.jsonl"], "--file has all events"),
        (["purge", "--store", FILE], "say which: IDs, --all, --reason or --older-than"),
        (["purge", "--store", FILE, "7", "--older-than", "1d"], "IDs say which"),
        (["purge", "--store", FILE, "--older-than", "1 day"], "must be a number and s, m, h or d, as in 30d"),
        (["purge", "--store", FILE, "--older-than", "1y"], "must be a number and s, m, h or d, as in 30d"),
    ],
)
def test_a_senseless_argument_is_explained(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments are checked before anything is opened."""
    with pytest.raises(SystemExit) as ended:
        main(["dead-letters", *arguments])

    assert 2 == ended.value.code
    assert expected in capsys.readouterr().err
    assert [] == list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "7"], ["export"], ["replay", "--all"], ["purge", "--all"]]
)
def test_a_file_that_is_not_there_is_not_made(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt path is no empty store."""
    code = main(["dead-letters", *arguments, "--store", FILE])

    assert (1, "aiotracker dead-letters: there is no file events.db\n") == (code, capsys.readouterr().err)
    assert [] == list(Path.cwd().iterdir())


@pytest.mark.parametrize("arguments", [["list"], ["replay", "--file", "letters.jsonl"]])
def test_a_file_of_another_kind_is_left_alone(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As when the file of letters is named in the place of the store."""
    Path("letters.jsonl").write_text('{"event": {}}\n')

    code = main(["dead-letters", *arguments, "--store", "sqlite:///letters.jsonl"])

    said = capsys.readouterr().err
    assert (1, "aiotracker dead-letters: letters.jsonl is no SQLite file\n") == (code, said)
    assert ["letters.jsonl"] == [path.name for path in Path.cwd().iterdir()]


def test_a_file_of_letters_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """And no store is made for it."""
    code = main(["dead-letters", "replay", "--store", FILE, "--file", "letters.jsonl"])

    assert 1 == code
    assert "No such file or directory: 'letters.jsonl'" in capsys.readouterr().err
    assert [] == list(Path.cwd().iterdir())


def test_a_store_that_cannot_be_used_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, without a traceback."""
    Path("events.db").mkdir()

    code = main(["dead-letters", "list", "--store", FILE])

    said = capsys.readouterr().err
    assert (1, 1) == (code, len(said.splitlines()))
    assert "is a folder; name a file in it" in said


def test_the_store_may_stand_in_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no list of processes shows its password."""
    monkeypatch.setenv("AIOTRACKER_STORE", "sqlite:///from_environment.db")

    code = main(["dead-letters", "list"])

    assert (1, True) == (code, "from_environment.db" in capsys.readouterr().err)
