"""One step of each method: embedded explicit Runge-Kutta pairs, with dense output.  Knows no physiology."""

from fractions import Fraction as F
from typing import NamedTuple


class Pair(NamedTuple):
    """An embedded pair whose last stage is the first of the next step (FSAL).

    ``a`` rows of the stages after the first, the last row being the weights of the step; ``e`` weights of the error
    estimate; ``free`` dense output without extra work, ``dense`` dense output of the pair's own order with one extra stage
    (``extra_c``, ``extra_a``); rows are stages, columns the powers 1.. of theta.
    """

    name: str
    order: int
    error_order: int
    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    e: tuple[float, ...]
    free: tuple[tuple[float, ...], ...]
    extra_c: float
    extra_a: tuple[float, ...]
    dense: tuple[tuple[float, ...], ...]


def _floats(row: str) -> tuple[float, ...]:
    return tuple(float(F(x)) for x in row.split())


def _rows(text: str) -> tuple[tuple[float, ...], ...]:
    return tuple(_floats(line) for line in text.strip().splitlines())


_BS5_A = _rows("""
1/6
2/27 4/27
183/1372 -162/343 1053/1372
68/297 -4/11 42/143 1960/3861
597/22528 81/352 63099/585728 58653/366080 4617/20480
174197/959244 -30942/79937 8152137/19744439 666106/1039181 -29421/29068 482048/414219
587/8064 0 4440339/15491840 24353/124800 387/44800 2152/5985 7267/94080
""")
_BS5_HAT = _floats("2479/34992 0 123/416 612941/3411720 43/1440 2272/6561 79937/1113912 3293/556956")

BS5 = Pair(
    # Bogacki and Shampine 1996, doi 10.1016/0898-1221(96)00141-1; coefficients as in RKSUITE.
    name="bs5",
    order=5,
    error_order=4,
    c=_floats("0 1/6 2/9 3/7 2/3 3/4 1 1"),
    a=_BS5_A,
    e=tuple(hat - b for hat, b in zip(_BS5_HAT, (*_BS5_A[-1], 0.0), strict=True)),
    free=_rows("""
1 -2773674729811/735370896960 316222661411/52526492640 -1282818361681/294148358784 6918746667/5836276960
0 0 0 0 0
0 1594012432639617/282545840187520 -303081611134977/20181845727680 1643668176796011/113018336075008 -14071997888919/2883120818240
0 -47637453654133/20485332129600 125365109861131/10242666064800 -135424370922463/8194132851840 2582696138393/379358002400
0 1915795112337/817078774400 -557453242737/58362769600 3958638678747/326831509760 -285784868817/58362769600
0 -1490252641456/654939705105 692325952352/93562815015 -808867306376/130987941021 4887837472/3465289445
0 824349534931/571955142080 -895925604353/122561816160 2443928282393/228782056832 -5528580993/1167255392
0 -38480331/36476731 226874786/36476731 -374785310/36476731 186390855/36476731
"""),
    extra_c=0.5,
    extra_a=_floats(
        "455/6144 0 10256301/35409920 2307361/17971200 -387/102400 73/5130 -7267/215040 1/32"
    ),
    dense=_rows("""
1 -155/36 16441/2016 -56689/8064 757/336
0 0 0 0 0
0 6561/988 -14727987/774592 60538347/3098368 -13321017/1936480
0 2401/702 -603337/56160 2740913/224640 -24353/5200
0 0 -387/2240 3483/8960 -1161/5600
0 1408/513 -45536/3591 67960/3591 -17216/1995
0 0 -7267/4704 21801/6272 -7267/3920
0 -1/2 4 -15/2 4
0 -8 32 -40 16
"""),
)

PAIRS = {pair.name: pair for pair in (BS5,)}
