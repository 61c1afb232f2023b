"""``python -m pulsatile``."""

from pulsatile.cli import main

if __name__ == "__main__":
    main()
