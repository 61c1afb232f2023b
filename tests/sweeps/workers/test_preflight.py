"""Workers that cannot start are refused before anything is made."""

import resource
from pathlib import Path
from typing import Any

import pytest

from pulsatile.sweeps.errors import ClusterFailed
from pulsatile.sweeps.run.run import run
from pulsatile.sweeps.study.schema import study_from
from pulsatile.sweeps.workers.preflight import refuse_unusable
from pulsatile.sweeps.workers.resources import Resources


@pytest.mark.parametrize(
    "address", ["x", "tcp://", "tcp://host", "host:", ":8786", "tcp://host:port", "http://a:1", ""]
)
def test_an_address_that_is_none_is_refused_first(address: str, small: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ClusterFailed, match="this is no address; give one such as tcp://"):
        run(study_from(small, "study"), tmp_path / "run", Resources(scheduler=address))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tls://host.site:1", "host:8786", "tcp://[::1]:8786"])
def test_addresses_are_taken(address: str) -> None:
    refuse_unusable(Resources(scheduler=address))


def test_a_limit_of_open_files_is_raised_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    limits, wanted = [40, 4096], list[tuple[int, int]]()
    monkeypatch.setattr(resource, "getrlimit", lambda which: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda which, given: wanted.append(given))
    refuse_unusable(Resources(workers=1))
    assert wanted == []
    refuse_unusable(Resources(workers=16))
    assert wanted == [(88, 4096)]
    limits[1] = 40
    with pytest.raises(
        ClusterFailed, match=r"may open 40 files here \(`ulimit -n`\), and this run needs 88; raise the"
    ):
        refuse_unusable(Resources(workers=16))
    limits[:] = [resource.RLIM_INFINITY] * 2
    refuse_unusable(Resources(workers=16))
