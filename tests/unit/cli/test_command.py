"""How the command reads its arguments, in the process of the test."""

from importlib.metadata import entry_points

import pytest

from aiotracker.cli import main


def test_the_console_script_is_this_function() -> None:
    """What pip installs as `aiotracker` exits with what `main` returns."""
    [script] = entry_points(group="console_scripts", name="aiotracker")

    function = script.load()

    assert main is function


def test_no_command_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`aiotracker` alone did nothing, so its exit code is no success, and it says what it can do."""
    code = main([])

    output, errors = capsys.readouterr()
    assert (2, "") == (code, output)
    assert "demo" in errors
    assert "micro" in errors


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--events", "0"], "must be a number from 1 to 1,000,000, not '0'"),
        (["--events", "1000001"], "must be a number from 1 to 1,000,000, not '1000001'"),
        (["--events", "many"], "must be a number from 1 to 1,000,000, not 'many'"),
        (["--timeout", "0"], "must be a number of seconds above 0, not '0'"),
        (["--timeout", "inf"], "must be a number of seconds above 0, not 'inf'"),
        (["--timeout", "nan"], "must be a number of seconds above 0, not 'nan'"),
        (["--timeout", "soon"], "must be a number of seconds above 0, not 'soon'"),
        (["--collector", "http://127.0.0.1:1", "--events", "5"], "not allowed with argument --collector"),
    ],
)
def test_a_senseless_argument_of_the_demo_is_explained(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments are checked before anything starts, and the error says what would be right."""
    with pytest.raises(SystemExit) as ended:
        main(["demo", *arguments])

    assert 2 == ended.value.code
    assert expected in capsys.readouterr().err


def test_a_collector_in_clear_text_is_warned_of_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The tracker's warning reaches whoever gave the address, without a line of our source."""
    code = main(["demo", "--collector", "http://192.0.2.1", "--timeout", "0.05"])

    _, errors = capsys.readouterr()
    assert 1 == code
    assert errors.startswith("events will travel to http://192.0.2.1 in clear text: use https")
    assert "Warning" not in errors
