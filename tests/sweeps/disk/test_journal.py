"""The state of a run by its journal: the same however often chunks come or are taken back, kept whole or counted."""

from typing import Any

import pytest

from pulsatile.sweeps.disk.journal import Entry, JournalState

BEGIN = {"kind": "begin", "facts": {"patients": 30, "gate": 0.2}}


def chunk(first: int, status: dict[str, int], **changes: Any) -> Entry:
    return {"kind": "chunk", "first": first, "stop": first + 10, "status": status, "bytes": 7, "poison": {}} | changes


def facts(state: JournalState) -> dict[str, Any]:
    """Return all that follows from the entries but their number."""
    names = ("state", "digest", "gate", "chunks_done", "done", "bytes", "failures", "failed", "poison", "suspects")
    return {name: getattr(state, name) for name in names}


GOOD, BAD = chunk(0, {"ok": 20}), chunk(10, {"ok": 17, "step_limit": 3})
LEFT_OUT = chunk(20, {"ok": 18, "never_run": 2}, poison={"25": "ends its worker"})


@pytest.mark.parametrize("whole", [True, False])
def test_counts(whole: bool) -> None:
    state = JournalState([BEGIN, GOOD, BAD, LEFT_OUT], whole)
    assert (state.done, state.bytes, state.chunks_done, state.gate, state.state) == (30, 21, 3, 0.2, "planned")
    assert (state.failed, state.failures) == (3, {"step_limit": 3})  # who was left out is no failed patient
    assert (state.poison, state.suspects) == ({25: "ends its worker"}, {20})
    assert list(state.chunks) == ([0, 10, 20] if whole else [])


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_done_again_or_taken_back_leaves_nothing(whole: bool) -> None:
    again = chunk(20, {"ok": 20})
    path = JournalState([BEGIN, BAD, LEFT_OUT, GOOD, {"kind": "dropped", "firsts": [10, 99]}, again, GOOD], whole)
    assert facts(path) == facts(JournalState([BEGIN, GOOD, again], whole))
    path.clear()
    assert facts(path) == facts(JournalState())


def test_the_last_state_gate_and_end_count() -> None:
    state = JournalState([BEGIN, {"kind": "state", "state": "running"}, {"kind": "end", "state": "failed"}])
    assert (state.state, state.digest, state.gate) == ("failed", "", 0.2)
    state.fold({"kind": "state", "state": "planned", "gate": 0.5})
    assert (state.state, state.gate) == ("planned", 0.5)
    state.fold({"kind": "closing", "files": {"summary.csv": "1a"}})
    state.fold({"kind": "end", "state": "complete", "digest": "d1"})
    assert (state.state, state.digest, state.closing) == ("complete", "d1", {"summary.csv": "1a"})
