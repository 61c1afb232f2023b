"""The reliability campaign: real commands, real kills, real full disks, and a table of what was reached."""
