"""Errors: an exception for bad input, a status per patient for a failed integration."""

from enum import IntEnum


class InputError(ValueError):
    """Bad input, described in one plain sentence: what, where, got, allowed, what to do.

    ``at`` is the path of the offending field within the object under construction, for example ``("weeks", 0)``.
    """

    def __init__(self, sentence: str, at: tuple[str | int, ...] = ()) -> None:
        super().__init__(sentence)
        self.at = at


class Status(IntEnum):
    """How the integration of one patient in one arm ended."""

    OK = 0
    STEP_LIMIT = 1
    STEP_COLLAPSE = 2
    NOT_FINITE = 3
    IMPLAUSIBLE = 4
    NEVER_RUN = 5

    @property
    def sentence(self) -> str:
        """The status in one sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.OK: "The integration reached the end.",
    Status.STEP_LIMIT: "The patient needed more trial steps than allowed.",
    Status.STEP_COLLAPSE: "The step size shrank to nothing: the equations are too stiff for this patient.",
    Status.NOT_FINITE: "A state or derivative became infinite or not a number.",
    Status.IMPLAUSIBLE: "The patient's untreated state lies outside the plausible bounds.",
    Status.NEVER_RUN: "The patient has not been run.",
}
