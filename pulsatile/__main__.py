"""``python -m pulsatile``, and the command ``pulsatile``."""

import sys

from pulsatile.cli import stop, streams


def main() -> None:
    """Run the command line: from the first import on, every end is an exit code and every error a sentence."""
    stop.before_commands()
    streams.prepare()
    try:
        from pulsatile.cli.main import main as command_line

        command_line()
        code: object = 0
    except SystemExit as end:
        code = end.code
    except streams.NotWritten as error:
        code = streams.refused(error)
    except KeyboardInterrupt:  # in the last moment, when no command handles it any more
        code = stop.said()
    sys.exit(streams.flushed(code))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
