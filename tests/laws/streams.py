#!/usr/bin/env python3
"""streams.py SEED: sk-window, record by record, against a model of it.

Draws a window, functions, a delay and a stream: values and keys of all kinds, equal ones written
differently, times in several forms, at edges, before 1970 and on days on which clocks change; more
disorder than the delay covers. The model holds all records of each open window and does what the
page says: which are late, which windows are written when (--emit, --every, --lateness, in order)
and what the functions give, with exact decimals. Then other ways to the same bytes.
"""
import functools
import json
import os
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal, getcontext
from zoneinfo import ZoneInfo

SEED = int(sys.argv[1])
rng = random.Random(SEED)
getcontext().prec = 500
S = 10**6
DAY = 86400 * S
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# ---- values: their texts, in the order that jq has ------------------------------------------


class Number:
    def __init__(self, text):
        self.exact = Decimal(text)


def order(v):
    """A key that sorts as jq does, and is equal where values are."""
    if v is None or isinstance(v, bool):
        return (0 if v is None else 1 + v,)
    if isinstance(v, Number):
        return (3, v.exact)
    if isinstance(v, str):
        return (4, v.encode())
    if isinstance(v, list):
        return (5, tuple(order(x) for x in v))
    names = tuple(sorted(k.encode() for k in v))
    return (6, names, tuple(order(v[k.decode()]) for k in names))


@functools.lru_cache(None)
def of(text):
    return order(json.loads(text, parse_int=Number, parse_float=Number))


def shortest(texts):
    """Of equal values the one that stays."""
    return min(texts, key=lambda x: (len(x.encode()), x.encode()))


NUMBERS = ["0", "-0", "-0.0", "1", "1.0", "1e0", "1E+2", "100", "0.1", "0.10", "1e-7", "-2.5", "3",
           "7", "9007199254740993", "-9223372036854775808", "18446744073709551616",
           "999999999999999999", "123456789012345678901234567890.123", "1e30", "0.000000000000001"]
OTHERS = ['"a"', '"b"', '""', '"1"', '"é"', '"%s"' % ("k" * 40), "[]", "{}", "[1]", "[1.0]",
          '{"a":1,"b":[2]}', '{"b":[2],"a":1}', "true", "false", "null"]

# ---- what is drawn ------------------------------------------------------------------------------

ZONES = {"Europe/Berlin": "2026-03-27 2026-10-23 2050-03-25", "America/New_York": "2026-10-30",
         "America/Sao_Paulo": "2018-11-02 2018-02-16", "America/Havana": "2026-10-30",
         "Africa/Casablanca": "2026-02-13", "Australia/Lord_Howe": "2026-04-03"}


def day(text):
    return (datetime.fromisoformat(text + "T00:00+00:00") - EPOCH) // timedelta(days=1) * DAY


unit = rng.choice([1000, S, 60 * S])
zone, offset, size, step = None, 0, 0, 0
base = rng.choice([0, day("2026-01-02"), -5000 * S, day("1955-06-01"), day("2100-02-28")])
kind = rng.choice(["tumbling", "hopping", "cumulate", "session", "sliding", "days"])
if kind == "days":
    kind, size, step = rng.choice([("tumbling", 24, 24), ("tumbling", 168, 168),
                                   ("hopping", 72, 48), ("hopping", 48, 24),
                                   ("hopping", 24, 48), ("cumulate", 24, 6),
                                   ("cumulate", 144, 48)])
    zone = rng.choice(list(ZONES))
    base, unit = day(rng.choice(ZONES[zone].split())), 3600 * S
    offset = rng.choice([0, 0, 2, 6, 25, 96]) * unit
elif kind == "hopping":
    size, step = rng.choice([(10, 1), (10, 4), (3, 10), (25, 10), (10, 10)])
elif kind == "cumulate":
    size, step = rng.choice([(10, 1), (10, 5), (10, 10)])
else:
    size = step = rng.choice([1, 7, 10, 60])
if kind in ("tumbling", "hopping", "cumulate") and not zone and rng.random() < 0.3:
    offset = rng.choice([1, 3, 17]) * unit
size, step = size * unit, step * unit
delay, lateness = (rng.choice([0, 0, 1, 10, 50]) * unit for _ in range(2))
emit, every = "final", 0
if kind != "sliding" and rng.random() < 0.5:
    emit, every = "update", rng.choice([0, 1, 7, 50]) * unit
FUNCTIONS = ["count", "count(.v)", "min(.v)", "max(.v)", "first(.v)", "last(.v)", "list(.v)",
             "distinct(.v)", "argmin(.v; .id)", "argmax(.v; .id)", "sum(.n)", "last(.n)"]
functions = [(f"f{i}", rng.choice(FUNCTIONS), rng.random() < 0.2)
             for i in range(rng.choice([1, 4, 9]))]


def duration(us):
    if us % (3600 * S) == 0:
        return f"{us // 3600 // S}h" if us else "0"
    return f"{us // 1000}ms"


def time_text(us):
    ahead = rng.choice([0, 0, 330, -480, 765])
    t = EPOCH + timedelta(microseconds=us, minutes=ahead)
    zulu = "-+"[ahead > 0] + "%02d:%02d" % divmod(abs(ahead), 60) if ahead else "Z"
    return '"%s%s%s"' % (t.strftime("%Y-%m-%dT%H:%M:%S"), t.strftime(".%f") * (us % S > 0), zulu)


def draw_events():
    t, events = base, []
    for i in range(rng.choice([1, 20, 200])):
        t += int(rng.choice([0, 0, 1, 2, 5, 1 / 3]) * unit)
        if rng.random() < 0.05:
            t += rng.randrange(100 * unit)
        if rng.random() < 0.1:
            t += rng.choice([0, -1, 1]) - t % size  # an edge
        e = {"t": t, "id": str(i), "k": rng.choice(keys), "n": rng.choice(NUMBERS)}
        if rng.random() < 0.9:
            e["v"] = rng.choice(rng.choice([NUMBERS, OTHERS]))
        events += [e] * rng.choice([1, 1, 1, 1, 2])
    far = rng.choice([1, delay + 1, delay + 10 * unit])
    keyed = [(e["t"] + rng.randrange(far), i) for i, e in enumerate(events)]
    return [dict(events[i]) for _, i in sorted(keyed)]


keys = rng.choice([['"a"'], ['"a"', '"b"', '"c"'], [x for x in NUMBERS + OTHERS if x != "null"]])
events = draw_events()
for e in events:
    members = [("t", time_text(e["t"]))] + [(k, e[k]) for k in ("k", "v", "n", "id") if k in e]
    rng.shuffle(members)
    e["line"] = "{%s}" % ",".join(f'"{k}":{v}' for k, v in members)

# ---- the model ---------------------------------------------------------------------------------


@functools.lru_cache(None)
def edge(place):
    """The instant of a place of the grid: an instant, or a day of the zone as its first."""
    if not zone:
        return place + offset
    local, there = place * DAY + offset, ZoneInfo(zone)

    def clock(us):
        at = EPOCH + timedelta(microseconds=us)
        return us + at.astimezone(there).utcoffset() // timedelta(microseconds=1)

    early = next(u for u in range(local - 27 * 3600 * S, local + DAY, 900 * S) if clock(u) >= local)
    low = early - 900 * S
    while early - low > 1:
        middle = (low + early) // 2
        low, early = (middle, early) if clock(middle) < local else (low, middle)
    return early


def windows_of(t):
    """(end, start) of all of the grid that hold t, in order."""
    one = DAY if zone else 1
    long, short = size // one, step // one
    grid = long if kind == "cumulate" else max(short, 1)
    near = (t - offset) // one
    found = set()
    about = 2 if zone else 0
    for place in range((near - long - about) // grid * grid, near + about + 1, grid):
        start, end = edge(place), edge(place + long)
        if not start <= t < end:
            continue
        if kind != "cumulate":
            found.add((end, start))
        elif short:
            found |= {(edge(x), start) for x in range(place + short, place + long + 1, short)
                      if edge(x) > t}
        else:
            found |= {(min(x, end), start) for x in range(start + step, end + step, step) if x > t}
    return sorted(found)


class Model:
    def __init__(self):
        self.out, self.late, self.open, self.all = [], [], {}, []
        self.missed = False

    def write(self, end, start, key, held):
        self.out.append((start, end, key, list(held)))

    def each(self, changed, closed):
        """Open windows in order: (end, start), the key's identity, [held, changed]."""
        for at in sorted(self.open):
            if at[0] <= closed and (self.open[at][1] or not changed):
                yield at

    def close(self, closed):
        if kind == "sliding":
            due = sorted((e["t"], of(e["k"]), i) for i, e in enumerate(self.all)
                         if e["t"] < closed and not e.get("done"))
            for t, key, i in due:
                self.all[i]["done"] = True
                self.write(t, t - size, key, [x for x in self.all if of(x["k"]) == key and
                                              t - size <= x["t"] <= t])
            return
        for at in list(self.each(False, closed)):
            held, changed = self.open.pop(at)
            if emit == "final" or (every and changed):
                self.write(*at, held)

    def tick(self, passed):
        for at in list(self.each(True, 10**20)) if passed else []:
            self.write(*at, self.open[at][0])
            self.open[at][1] = False

    def add(self, e, closed):
        t, key = e["t"], of(e["k"])
        if kind == "sliding":
            late = t < closed
            self.all += [] if late else [e]
        elif kind == "session":
            near = [x for x in self.open if x[2] == key and t < x[0] and x[1] < t + size]
            late = not near and t + size <= closed
            held = sum((self.open.pop(x)[0] for x in near), []) + [e]
            at = (max(x["t"] for x in held) + size, min(x["t"] for x in held), key)
            targets = [] if late else [(at, held)]
        else:
            all_of = windows_of(t)
            opened = [x for x in all_of if x[0] > closed]
            late = all_of and not opened
            self.missed |= opened != all_of
            targets = [((*x, key), self.open.get((*x, key), ([],))[0] + [e]) for x in opened]
        if late:
            self.late.append(e["line"])
        elif kind != "sliding":
            for at, held in targets:
                self.open[at] = [held, True]
                if emit == "update" and not every:
                    self.write(*at, held)

    def run(self):
        mark, closed, tick = None, -DAY * 10**6, None
        for e in events:
            self.missed |= mark is not None and e["t"] < mark
            if mark is None or e["t"] - delay > mark:
                mark = e["t"] - delay
                if every:
                    self.tick(tick is not None and mark // every > tick)
                    tick = mark // every
                closed = mark - lateness
                self.close(closed)
            self.add(e, closed)
        self.close(10**20)


def result(spec, held):
    """A text; or what is equal to it."""
    name = spec.partition("(")[0]
    if spec in ("count", "count(.v)"):
        return len(held)
    if name == "sum":
        return sum(Decimal(e["n"]) for e in held) if held else None
    field = "n" if ".n" in spec else "v"
    got = [(e["t"], of(e[field]), e[field], e["id"]) for e in held
           if e.get(field, "null") != "null"]
    if name == "distinct":
        return len({v for _, v, _, _ in got})
    if name == "list":
        got.sort(key=lambda x: (x[0], x[1], len(x[2].encode()), x[2].encode()))
        return "[%s]" % ",".join(x for _, _, x, _ in got)
    if not got:
        return None
    pick = min if name in ("min", "first", "argmin") else max
    if name in ("first", "last"):
        at = pick(t for t, _, _, _ in got)
        got = [x for x in got if x[0] == at]
    best = pick(v for _, v, _, _ in got)
    got = [x for x in got if x[1] == best]
    if name in ("argmin", "argmax"):
        at = min(x[0] for x in got)
        return min((x[3] for x in got if x[0] == at), key=int)
    return shortest([x for _, _, x, _ in got])


def time_of(text):
    t = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (t - EPOCH) // timedelta(microseconds=1)


def line_of(start, end, key, held):
    """A result, its members' texts; a sum as a number."""
    row = [start, end, shortest([e["k"] for e in held])]
    for _, spec, where in functions:
        row.append(result(spec, [e for e in held if not where or int(e["id"]) > 20]))
    return row


def row_of(line):
    """The same of what was written. A list is compared as its text, so the line is cut by names."""
    rest, row = line[1:-1], []
    for name in reversed(["start", "end", "key"] + [f[0] for f in functions]):
        rest, _, text = rest.rpartition(f'"{name}":')
        row.insert(0, text)
        rest = rest.removesuffix(",")
    row[:2] = [time_of(json.loads(x)) for x in row[:2]]
    return row


def agrees(is_, wanted):
    if isinstance(wanted, Decimal):
        return "e" not in is_.lower() and Decimal(is_) == wanted
    return str(is_) == ("null" if wanted is None else str(wanted))


# ---- the runs ----------------------------------------------------------------------------------

options = ["-k", ".k"]
for f, spec, where in functions:
    options += ["-a", f"{f}={spec}" + " where .id > 20" * where]
window = [f"--{kind}", duration(size) + f"/{duration(step)}" * (kind in ("hopping", "cumulate"))]
window += ["--offset", duration(offset)] * bool(offset) + ["--tz", zone] * bool(zone)


def run(*more, lines=None, timed=True):
    args = ["sk-window", *window, *options]
    if timed:
        args += ["--time", ".t", "--delay", duration(delay), "--lateness", duration(lateness)]
        args += ["--emit", emit] + ["--every", duration(every)] * bool(every)
    text = "".join(x + "\n" for x in (lines if lines is not None else [e["line"] for e in events]))
    p = subprocess.run([*args, *more], input=text.encode(), capture_output=True)
    if p.returncode or p.stderr:
        fail("status %d: %s" % (p.returncode, p.stderr.decode()))
    return p.stdout.decode()


def fail(text):
    sys.exit(f"streams.py {SEED}: {' '.join(window + options)}: {text}")


def main():
    model = Model()
    model.run()
    got = run("--late", "late.ndjson")
    for i, (line, wanted) in enumerate(zip(got.split("\n"), model.out)):
        row, wanted = row_of(line), line_of(*wanted)
        if not all(map(agrees, row, wanted)):
            fail(f"result {i + 1} is {row}, should be {wanted}")
    if got.count("\n") != len(model.out):
        fail(f"{got.count(chr(10))} results of {len(model.out)}")
    late = open("late.ndjson", encoding="utf-8").read().split("\n")[:-1] if \
        os.path.exists("late.ndjson") else []
    if late != model.late:
        fail(f"{len(late)} late of {len(model.late)}")
    for how in (["--jobs", "1"], ["--jobs", "3"], ["-w", "true"]):
        if run(*how) != got:
            fail(f"{how} gives other bytes")
    if emit == "update" or kind == "sliding" or model.missed or late:
        return
    lines, pieces = [e["line"] for e in events], []
    rng.shuffle(lines)
    while lines:
        n = rng.randrange(len(lines)) + 1
        piece = run("--partial", "--delay", "90000h", lines=lines[:n])
        pieces += piece.split("\n")[:-1]
        lines = lines[n:]
    rng.shuffle(pieces)
    if run("--from-partials", lines=pieces, timed=False) != got:
        fail("put together from partial results it is other bytes")


main()
