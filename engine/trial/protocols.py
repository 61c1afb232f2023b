"""The virtual tests by name: how each is built, and the settings in which it may differ."""

from collections.abc import Callable
from typing import NamedTuple

from pulsatile.engine.checks import choices
from pulsatile.engine.errors import InputError
from pulsatile.engine.trial.clamp import clamp
from pulsatile.engine.trial.glucose_tests import ivgtt, ogtt
from pulsatile.engine.trial.profiles import fasting, meal_day, profile, sampling, secretion
from pulsatile.engine.trial.stimulation import named, stimulation
from pulsatile.engine.trial.virtual_test import TestSettings, VirtualTest

_TIMES = ("at", "fast", "give")
_NAMED = (*_TIMES, "dose", "dose_unit", "hours")


class Protocol(NamedTuple):
    """How a test is built from its name and settings, and the settings that it takes; ``needs`` some of them."""

    build: Callable[[str, TestSettings], VirtualTest]
    takes: tuple[str, ...]
    needs: bool = False


PROTOCOLS: dict[str, Protocol] = {
    "fasting": Protocol(fasting, _TIMES),
    "clamp": Protocol(lambda name, s: clamp(name, 40.0, s), (*_TIMES, "hours", "insulin", "glucose")),
    "clamp_low": Protocol(lambda name, s: clamp(name, 20.0, s), (*_TIMES, "hours", "insulin", "glucose")),
    "ogtt": Protocol(ogtt, (*_TIMES, "hours", "grams")),
    "ivgtt": Protocol(ivgtt, (*_TIMES, "grams")),
    "meal_day": Protocol(meal_day, ("at", "give", "hours", "every")),
    "profile": Protocol(profile, ("at", "give", "hours", "every")),
    "secretion": Protocol(secretion, ("at", "give", "hours", "every")),
    "ghrh": Protocol(lambda name, s: named(name, s, "GHRH"), _NAMED),
    "ghrp": Protocol(lambda name, s: named(name, s, "GHRP-6"), _NAMED),
    "ghrh_ghrp": Protocol(lambda name, s: named(name, s, "GHRH", "GHRP-6"), _NAMED),
    "arginine_ghrh": Protocol(lambda name, s: named(name, s, "GHRH", arginine=True), _NAMED),
    "stimulation": Protocol(stimulation, (*_TIMES, "hours", "every"), needs=True),
    "sampling": Protocol(sampling, (*_TIMES, "hours", "every", "outputs"), needs=True),
}


def virtual_test(test: str, name: str, settings: TestSettings) -> VirtualTest:
    """Return the test ``test`` under ``name`` with its settings; `InputError` for a setting that it does not take."""
    if not isinstance(test, str) or test not in PROTOCOLS:
        raise InputError(f"test = {test!r} is unknown; {choices(test, PROTOCOLS)}.", ("test",))
    takes = PROTOCOLS[test].takes
    for setting in settings.chosen:
        if setting not in takes:
            raise InputError(
                f"{setting} of test {name} is not a setting of {test}, which takes {', '.join(takes)}.", (setting,)
            )
    return PROTOCOLS[test].build(name, settings)


TESTS: dict[str, VirtualTest] = {
    test: virtual_test(test, test, TestSettings()) for test, protocol in PROTOCOLS.items() if not protocol.needs
}
"""The tests that need no settings, as their protocols have them."""
