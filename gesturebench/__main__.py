"""The command `gesturebench`: errors in one line, exit codes that mean something."""

import signal
import sys
from dataclasses import dataclass
from typing import NoReturn


@dataclass
class Settings:
    """Global options, wherever they stand in the line; `debug` shows tracebacks."""

    debug: bool = False


class Interrupted(BaseException):
    """Ctrl-C or a request to terminate. Not `KeyboardInterrupt`, which the command line library would turn into exit
    code 1."""

    def __init__(self, number: int):
        self.exit_code = 128 + number


def main() -> None:
    from gesturebench.cli import app
    from gesturebench.common.errors import InputError
    from gesturebench.common.threads import announce_threads

    announce_threads()
    settings = Settings(debug="--debug" in sys.argv)
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        sys.exit(app(args=arguments, prog_name="gesturebench", standalone_mode=False))
    except InputError as error:
        _end(settings, error, f"error: {error}", error.exit_code)
    except Interrupted as error:
        _end(settings, error, "interrupted; finished steps are kept, the same command continues", error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if hasattr(error, "format_message"):  # the command line library's own; their base class has no public name
            _end_usage(settings, error)
        _end(settings, error, f"error: {type(error).__name__}: {_line(error)} (run with --debug for the traceback)", 1)


def _interrupt(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # a second one would cut the clean-up short
    raise Interrupted(number)


def _end(settings: Settings, error: BaseException, line: str, exit_code: int) -> NoReturn:
    if settings.debug and not isinstance(error, Interrupted):
        import traceback

        traceback.print_exception(error)
    print(line, file=sys.stderr)
    sys.exit(exit_code)


def _end_usage(settings: Settings, error: Exception) -> NoReturn:
    """A word of the command line that is not understood; no words at all are answered with the help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(context.get_help())
        sys.exit(2)
    path = context.command_path if context else "gesturebench"
    _end(settings, error, f"error: {_sentence(error)}; see {path} --help", 2)


def _sentence(error: Exception) -> str:
    return " ".join(error.format_message().split()).rstrip(".")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or "(no message)"


if __name__ == "__main__":
    main()
