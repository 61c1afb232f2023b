"""Names as a reader knows them: of outputs, of the inputs in which patients differ, of the factors of a design.

Variable names stay in tables and datasets; sentences and pages take these, from the tables of the engine.
"""

from pulsatile.engine.parameters import ROW
from pulsatile.engine.people.margins import SEXES
from pulsatile.sweeps.summary.endpoints import ENDPOINTS

GROUPS = {"sex": SEXES}
"""Words for the people of each value (0, 1, ...) of an input."""
_SHORT = {variable: words for endpoint in ENDPOINTS for variable, words in endpoint.variables.items()}


def output_label(name: str, long_name: str = "") -> str:
    """Return the words of an output: those of the summary, else its long name without the symbols of the equations.

    >>> output_label("vat"), output_label("x", "plasma growth hormone (G of the axis)")
    ('Visceral fat', 'plasma growth hormone')
    """
    return _SHORT.get(name) or long_name.split(" (")[0] or name


def factor_label(name: str) -> str:
    """Return the words of a parameter, with its name; the name alone where it is a group of several."""
    return f"{ROW[name].meaning} ({name})" if name in ROW else name
