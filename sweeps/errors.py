"""Why a run cannot go on, each with its exit code (contracts section 4)."""

from enum import IntEnum

NOT_CLINICAL = "Research model, not for clinical use."
"""Under every table, page and help text."""
SCREEN = 100
"""Columns of what is printed where the output is not a terminal."""


class Exit(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    FAILED_PATIENTS = 1
    BAD_INPUT = 2
    CANNOT_WRITE = 3
    FOLDER_REFUSES = 4
    CLUSTER = 5
    DAMAGE = 6
    INTERNAL = 70
    INTERRUPTED = 130


class Refusal(Exception):
    """A run cannot go on; the message is one plain sentence."""

    code = Exit.INTERNAL


class CannotWrite(Refusal):
    """The disk does not take the results."""

    code = Exit.CANNOT_WRITE


class FolderRefuses(Refusal):
    """The folder holds something else, is in use, or belongs to another version or platform."""

    code = Exit.FOLDER_REFUSES


class CanaryFailed(Refusal):
    """A patient with a known answer got another one: the results of this machine cannot be trusted."""

    code = Exit.DAMAGE


class Damage(Refusal):
    """Files of a run differ from what was committed."""

    code = Exit.DAMAGE


class ClusterFailed(Refusal):
    """The Dask cluster does not answer, is of another kind, or lost a worker for good."""

    code = Exit.CLUSTER
