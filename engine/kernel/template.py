"""The compiled loop over patients, as text: several lanes in lockstep, each with its own time, step, events and refill.

`codegen` fills the ``{NAMES}`` (row offsets, unrolled stage sums) and writes the module.  Rows of the work arrays count
vectors of ``{W}`` lanes: ``w`` (float64) holds states, clocks and integrals, ``s`` holds all stage values.  In float64
runs they are the same array; in mixed precision ``s`` is float32, and ``{NARROW}`` and ``{WIDE}`` convert.

A lane's results never depend on other lanes or on the watched quantities: only events shorten a step; outputs, window
ends and the end of the run are interpolated inside a step that overshoots them.

One pass: trial step of all lanes -> outputs and windows that fell inside it -> commit accepted lanes -> rare branch for
lanes that reached an event, finished or failed -> refresh of the first stage where an impulse fell.

A patient begins from a row of `checkpoint.columns`.  `keep_mark` writes such a row before the step that covers the time
``settings.mark``: from it a longer run repeats that very step, and continues as if it had never stopped.
"""

TEMPLATE = '''
@jit
def evaluate(s, t, y_row, k_row, watch_row, watching):
    """Derivatives into rows k_row.., when ``watching`` the watched values into rows watch_row..."""
    evaluate_lines(s, t, y_row, k_row, watch_row, watching)


@jit
def advance(w, s, atol, settings, watching):
    """One trial step of all lanes: bit masks (accepted, at an event, output due, window due, finished, lost)."""
    t = load(w, {T})
    h = load(w, {H})
    store(w, {TRIED}, h)
    stop = load(w, {STOP})
    rest = stop - t
    clip = h * 1.0000001 >= rest
    # halve the last stretch before an event instead of leaving a sliver
    hs = where(clip, rest, where(h * 2.0 > rest, rest * 0.5, h))
    store(w, {HS}, hs)
    g = {NARROW}(hs)
    {STAGES}
    tn = where(clip, stop, t + hs)
    if watching:
        for q in range({NW}):
            {SAMPLED}
    e2 = splat(s, 0.0)
    for i in range({NA}):
        size = larger(magnitude(load(s, {YS} + i)), magnitude(load(s, {YE} + i)))
        scaled = g * ({ERROR}) * about_inverse(splat(s, atol[i]) + settings.rtol * size)
        e2 = e2 + scaled * scaled
    # the operand order lets a NaN through, and a NaN compares false: the step is refused
    e2 = smaller(1e10, larger(1e-10, {WIDE}(e2) * {PER_STATE}))
    accepted = e2 <= 1.0
    # log2 of the squared error to about 1e-3
    m = mantissa_of(e2) - 1.0
    log = exponent_of(e2) + m * (1.4387 + m * (-0.6778 + m * (0.3218 - m * 0.0821)))
    # next step: 0.9 x error**(-1/q), at most five times longer or shorter
    x = smaller(larger({GAIN} * log - 0.152, -2.3219), 2.3219)
    whole = floor(x)
    part = x - whole
    hn = hs * (power_of_two(whole) * (1.0 + part * (0.6951 + part * (0.2276 + part * 0.0773))))
    # a step cut by an event says little about the next one
    hn = where(accepted & clip & (hn >= hs), larger(hn, h), hn)
    store(w, {H}, hn)
    store(w, {TN}, tn)
    taken = load(w, {COUNT}) + 1.0
    store(w, {COUNT}, taken)
    days = larger((tn - settings.start) * {PER_DAY}, 1.0)  # up to this step: no matter how long the run is
    return (
        bits(accepted),
        bits(accepted & clip),
        bits(accepted & (load(w, {TOUT}) <= tn)),
        bits(accepted & (load(w, {TWIN}) <= tn)),
        bits(accepted & (tn >= settings.end)),
        bits(((hn < 1e-10) & ~clip) | (taken > settings.steps_per_day * days)),
    )


@jit
def commit(w, s, accepted_bits, closed_bits, watching):
    """Take over the accepted steps; the extremes of a step in which a window closed are told apart before."""
    accepted = from_bits(accepted_bits)
    whole = from_bits(accepted_bits & ~closed_bits)
    if watching:
        g = {NARROW}(load(w, {HS}))
        for q in range({NW}):
            total = load(w, {Q} + q)
            store(w, {Q} + q, where(accepted, total + {WIDE}(g * ({QUADRATURE})), total))
            low = load(s, {LOW} + q)
            high = load(s, {HIGH} + q)
            store(s, {LOW} + q, where(whole, smaller({LEAST}, low), low))
            store(s, {HIGH} + q, where(whole, larger({MOST}, high), high))
            store(s, {W1} + q, where(accepted, load(s, {WL} + q), load(s, {W1} + q)))
    for i in range({NA}):
        store(w, {Y} + i, where(accepted, load(w, {YN} + i), load(w, {Y} + i)))
        {COMMIT_START}
        store(s, {K1} + i, where(accepted, load(s, {KL} + i), load(s, {K1} + i)))
    store(w, {T}, where(accepted, load(w, {TN}), load(w, {T})))


@jit
def prepare_output(w, s):
    """The stage that only dense output needs, once per step."""
    t = load(w, {T})
    hs = load(w, {HS})
    g = {NARROW}(hs)
    {EXTRA}


@jit
def interpolate(w, s):
    """Dense output at each lane's next output time, into rows {OUT}.."""
    hs = load(w, {HS})
    th = {NARROW}((load(w, {TOUT}) - load(w, {T})) / hs)
    g = {NARROW}(hs)
    {DENSE}
    for i in range({NA}):
        store(w, {OUT} + i, load(w, {Y} + i) + {WIDE}({DENSE_SUM}))


@jit
def close_window(w, s):
    """Integral of the watched values from the step's start to each lane's window end, into rows {PART}.."""
    hs = load(w, {HS})
    th = {NARROW}((load(w, {TWIN}) - load(w, {T})) / hs)
    g = {NARROW}(hs)
    {FREE}
    for q in range({NW}):
        store(w, {PART} + q, {WIDE}({FREE_SUM}))


@jit
def value_at(s, lane, q, th):
    """Watched value at the share ``th`` of a lane's step, linear between the points that extremes look at."""
    {VALUE_AT}


@jit
def extremes_between(s, lane, q, first, last, low, high):
    """Least and greatest of ``low``, ``high`` and the points from share ``first`` to ``last`` of a lane's step."""
    {EXTREMES_BETWEEN}
    return low, high


@jit
def settle(w, s):
    """Constants of the patients' parameters."""
    settle_lines(w, s)


@jit
def refresh(w, s, mask_bits, watching):
    """First stage again where an impulse fell."""
    t = load(w, {T})
    evaluate(s, {CLOCK_OF_START}, int64({YS}), int64({YT}), int64({WX}), watching)
    mask = from_bits(mask_bits)
    for i in range({NA}):
        store(s, {K1} + i, where(mask, load(s, {YT} + i), load(s, {K1} + i)))
    if watching:
        for q in range({NW}):
            store(s, {W1} + q, where(mask, load(s, {WX} + q), load(s, {W1} + q)))


@jit
def align(w, lane):
    """Let a window that ends at an event up to rounding end at it: the impulse belongs to the next one."""
    if abs(w[{TWIN} * {W} + lane] - w[{STOP} * {W} + lane]) < 1e-9:
        w[{TWIN} * {W} + lane] = w[{STOP} * {W} + lane]


@jit
def apply_events(w, s, lane, job, cursor, base, block, doses, t):
    """Apply everything due at or before t, then set the lane's next stop."""
    at_block, at_dose = cursor[lane, 0], cursor[lane, 1]
    changed = False
    while True:
        when_block = base[lane] + block.time[at_block] if at_block < block.ptr[job + 1] else {NEVER}
        when_dose = doses.time[at_dose] if at_dose < doses.ptr[job + 1] else {NEVER}
        if when_block > t and when_dose > t:
            break
        if when_block <= t:
            target, amount = block.target[at_block], block.amount[at_block]
            at_block += 1
            if at_block == block.ptr[job + 1]:
                at_block = block.ptr[job]
                base[lane] += {BLOCK_HOURS}
        else:
            target, amount = doses.target[at_dose], doses.amount[at_dose]
            at_dose += 1
        if target >= 0:
            row = ROW_OF_STATE[target]
            if row >= 0:
                w[({Y} + row) * {W} + lane] += amount
                s[({YS} + row) * {W} + lane] = w[({Y} + row) * {W} + lane]
        else:
            w[({P} + {FIRST_INPUT} - 1 - target) * {W} + lane] = amount
            changed = True
    if changed:
        settle(w, s)
    cursor[lane, 0], cursor[lane, 1] = at_block, at_dose
    w[{STOP} * {W} + lane] = min(when_block, when_dose)
    align(w, lane)


@jit
def fill(w, s, lane, job, cursor, base, parameters, begin, block, doses, times, settings, out):
    """Put patient ``job`` into a lane."""
    t, due, window = begin[job, {AT_T}], begin[job, {AT_DUE}], begin[job, {AT_WINDOW}]
    windows = out.mean.shape[1]
    for i in range({NP}):
        w[({P} + i) * {W} + lane] = parameters[job, i]
    for i in range({NA}):
        w[({Y} + i) * {W} + lane] = begin[job, {AT_STATES} + ACTIVE[i]]
        s[({YS} + i) * {W} + lane] = begin[job, {AT_STATES} + ACTIVE[i]]
    if windows > 0:
        for q in range({NW}):
            w[({Q} + q) * {W} + lane] = begin[job, {AT_WATCH} + q]
            s[({LOW} + q) * {W} + lane] = begin[job, {AT_WATCH} + {NW} + q]
            s[({HIGH} + q) * {W} + lane] = begin[job, {AT_WATCH} + 2 * {NW} + q]
    cycles = math.floor(t / {BLOCK_HOURS})
    base[lane] = cycles * {BLOCK_HOURS}
    first, last = block.ptr[job], block.ptr[job + 1]
    at = first
    while at < last and base[lane] + block.time[at] < due:
        at += 1
    if at == last and last > first:
        at = first
        base[lane] += {BLOCK_HOURS}
    cursor[lane, 0] = at
    at = doses.ptr[job]
    while at < doses.ptr[job + 1] and doses.time[at] < due:
        if doses.target[at] < 0:  # an infusion that began before is still running
            w[({P} + {FIRST_INPUT} - 1 - doses.target[at]) * {W} + lane] = doses.amount[at]
        at += 1
    cursor[lane, 1] = at
    output = 0
    while output < times.shape[0] and times[output] <= t:
        for i in range({NA}):
            out.y[job, output, ACTIVE[i]] = begin[job, {AT_STATES} + ACTIVE[i]]
        output += 1
    cursor[lane, 2] = output
    cursor[lane, 3] = int64(window)
    w[{T} * {W} + lane] = t
    w[{H} * {W} + lane] = begin[job, {AT_H}]
    w[{COUNT} * {W} + lane] = begin[job, {AT_STEPS}]
    w[{TOUT} * {W} + lane] = times[output] if output < times.shape[0] else {NEVER}
    w[{TWIN} * {W} + lane] = settings.start + (window + 1.0) * settings.window if window < windows else {NEVER}
    apply_events(w, s, lane, job, cursor, base, block, doses, t)
    settle(w, s)


@jit
def keep_mark(w, s, lane, job, cursor, out, mark):
    """Keep how the lane stood before this step, for a run that is to take it again."""
    out.mark[job, {AT_T}] = w[{T} * {W} + lane]
    out.mark[job, {AT_H}] = w[{TRIED} * {W} + lane]
    out.mark[job, {AT_STEPS}] = w[{COUNT} * {W} + lane] - 1.0
    # a longer run may know of events that this one does not, all of them after the mark
    out.mark[job, {AT_DUE}] = min(w[{STOP} * {W} + lane], mark)
    out.mark[job, {AT_WINDOW}] = cursor[lane, 3]
    for i in range({NA}):
        out.mark[job, {AT_STATES} + ACTIVE[i]] = w[({Y} + i) * {W} + lane]
    if out.mean.shape[1] > 0:
        for q in range({NW}):
            out.mark[job, {AT_WATCH} + q] = w[({Q} + q) * {W} + lane]
            out.mark[job, {AT_WATCH} + {NW} + q] = s[({LOW} + q) * {W} + lane]
            out.mark[job, {AT_WATCH} + 2 * {NW} + q] = s[({HIGH} + q) * {W} + lane]


@jit
def idle(w, lane):
    """Leave a lane without patient on harmless values, never to stop again."""
    w[{STOP} * {W} + lane] = {NEVER}
    w[{TOUT} * {W} + lane] = {NEVER}
    w[{TWIN} * {W} + lane] = {NEVER}
    w[{COUNT} * {W} + lane] = -{NEVER}


@jit
def how_it_ended(w, s, lane, finished, settings):
    # as `advance` judged: by the end of the step tried, accepted or not
    days = max(1.0, (w[{TN} * {W} + lane] - settings.start) * {PER_DAY})
    if not finished and w[{COUNT} * {W} + lane] > settings.steps_per_day * days:
        return {STEP_LIMIT}
    for i in range({NA}):
        bad = w[({YN} + i) * {W} + lane] + s[({K1} + i) * {W} + lane] + s[({KL} + i) * {W} + lane]
        if not math.isfinite(bad):
            return {NOT_FINITE}
    return {OK} if finished else {STEP_COLLAPSE}


@njit(cache=True, nogil=True, no_cfunc_wrapper=True, **FLAGS)
def run(parameters, begin, block, doses, times, atol, settings, out):
    raw = np.empty({SIZE} * {W} + 512)
    offset = (-(raw.ctypes.data >> 3)) & 511  # a page: the same cache sets in every run
    w = raw[offset : offset + {SIZE} * {W}]
    w[:] = 1.0
    {STAGE_MEMORY}
    cursor = np.zeros(({W}, 4), np.int64)
    base = np.zeros({W})
    pid = np.zeros({W}, np.int64)
    old = set_float_control({FLUSH})
    n = parameters.shape[0]
    watching = out.mean.shape[1] > 0
    windows = out.mean.shape[1]
    share = np.zeros({W})  # of the step, at which its last window closed
    following = 0
    active = 0
    fresh = 0
    for lane in range({W}):
        fill(w, s, lane, min(following, n - 1), cursor, base, parameters, begin, block, doses, times, settings, out)
        if following < n:
            pid[lane] = following
            following += 1
            active += 1
        else:
            pid[lane] = -1
            idle(w, lane)
        fresh |= 1 << lane
    refresh(w, s, fresh, watching)
    while active > 0:
        accepted, stopped, due, closing, done, lost = advance(w, s, atol, settings, watching)
        if due != 0:
            prepare_output(w, s)
        while due != 0:
            interpolate(w, s)
            todo, due = due, 0
            while todo != 0:
                lane = first_bit(todo)
                todo &= todo - 1
                job, output = pid[lane], cursor[lane, 2]
                {KEEP_OUTPUT}
                if times[output] == settings.mark:
                    keep_mark(w, s, lane, job, cursor, out, settings.mark)
                output += 1
                cursor[lane, 2] = output
                after = times[output] if output < times.shape[0] else {NEVER}
                w[{TOUT} * {W} + lane] = after
                if after <= w[{TN} * {W} + lane]:
                    due |= 1 << lane
        closed = closing
        while closing != 0:
            close_window(w, s)
            todo, closing = closing, 0
            while todo != 0:
                lane = first_bit(todo)
                todo &= todo - 1
                job, window = pid[lane], cursor[lane, 3]
                first = share[lane]
                last = (w[{TWIN} * {W} + lane] - w[{T} * {W} + lane]) / w[{HS} * {W} + lane]
                after = settings.start + (window + 2) * settings.window if window + 1 < windows else {NEVER}
                w[{TWIN} * {W} + lane] = after
                align(w, lane)
                again = w[{TWIN} * {W} + lane] <= w[{TN} * {W} + lane]
                for q in range({NW}):
                    part = w[({PART} + q) * {W} + lane]
                    mean = (w[({Q} + q) * {W} + lane] + part) / settings.window
                    w[({Q} + q) * {W} + lane] = -part
                    edge = value_at(s, lane, q, last)
                    # a mean lies between the extremes, also in a window without any stage
                    low = min(s[({LOW} + q) * {W} + lane], edge, mean)
                    high = max(s[({HIGH} + q) * {W} + lane], edge, mean)
                    low, high = extremes_between(s, lane, q, first, last, low, high)
                    out.mean[job, window, q], out.low[job, window, q], out.high[job, window, q] = mean, low, high
                    low = high = edge
                    if not again:
                        low, high = extremes_between(s, lane, q, last, 1.0, low, high)
                    s[({LOW} + q) * {W} + lane], s[({HIGH} + q) * {W} + lane] = low, high
                cursor[lane, 3] = window + 1
                share[lane] = last if again else 0.0
                if again:
                    closing |= 1 << lane
        commit(w, s, accepted, closed, watching)
        todo = stopped | done | lost
        if todo == 0:
            continue
        fresh = 0
        while todo != 0:
            lane = first_bit(todo)
            todo &= todo - 1
            bit = 1 << lane
            job = pid[lane]
            if job < 0:
                continue
            if (done | lost) & bit:
                out.status[job] = how_it_ended(w, s, lane, done & bit != 0, settings)
                out.steps[job] = np.int64(w[{COUNT} * {W} + lane])
                fresh |= bit
                if following < n:
                    pid[lane] = following
                    fill(w, s, lane, following, cursor, base, parameters, begin, block, doses, times, settings, out)
                    following += 1
                else:
                    fill(w, s, lane, 0, cursor, base, parameters, begin, block, doses, times, settings, out)
                    pid[lane] = -1
                    active -= 1
                    idle(w, lane)
                continue
            apply_events(w, s, lane, job, cursor, base, block, doses, w[{T} * {W} + lane])
            w[{H} * {W} + lane] = min(w[{H} * {W} + lane], settings.event_step)
            fresh |= bit
        if fresh != 0:  # not for a lane without patient
            refresh(w, s, fresh, watching)
    set_float_control(old)
'''
