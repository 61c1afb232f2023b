"""The front door: ``import pulsatile as pu``.

Names are looked up when first used, so that importing costs nothing and ``pulsatile --help`` starts at once; which
there are, and where each lives, is said once, in ``__init__.pyi``.

>>> import pulsatile as pu
>>> pu.preset("tesamorelin_label").doses[0].amount
2.0
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
