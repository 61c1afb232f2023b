"""``python -m pulsatile``."""

from pulsatile.cli.main import main

if __name__ == "__main__":
    main()
