"""``python -m pulsatile``, and the command ``pulsatile``."""

from pulsatile.cli import stop


def main() -> None:
    """Run the command line; Ctrl-C ends it plainly from the first import on."""
    stop.before_commands()
    from pulsatile.cli.main import main as command_line

    command_line()


if __name__ == "__main__":
    main()
