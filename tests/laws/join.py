#!/usr/bin/env python3
"""join.py ROUNDS [SEED]: sk-join against SQL.

Streams with ties, gaps, duplicates and disorder within --delay are joined by sk-join, taken
from PATH, and by SQLite; the results have to be the same, and in the order that the page
states. Says "same N" or what differs, and then fails.
"""
import json
import random
import sqlite3
import subprocess
import sys

KEYS = ["1", "1.0", "10e-1", '"1"', '"a"', '"\\u0061"', '"b c"', "12345678901234567890",
        "12345678901234567891", "[1,2]", "[1.0,2]", '{"x":1,"y":2}', '{"y":2.0,"x":1}',
        "true", '""', '"a!"', '"é"']
# Equal keys, and their order in jq: true, numbers, strings, arrays, objects.
CLASS = [1, 1, 1, 6, 7, 7, 9, 2, 3, 11, 11, 12, 12, 0, 5, 8, 10]


def make(rng, n, spread, nkeys, delay):
    """Records (arrival, time, key text, class, side, id); times tie, lie in gaps and come late
    by up to delay seconds."""
    keys = rng.sample(range(len(KEYS)), nkeys)
    now, rows = 0, []
    for i in range(n):
        now += rng.choice([0, 0, 0, 1, 1, 2, rng.randint(0, spread)])
        key = rng.choice(keys)
        rows.append([now, KEYS[key], CLASS[key], rng.choice("lr"), "%04d" % rng.randint(0, n)])
        if rng.random() < 0.05:
            rows.append(list(rows[-1]))
    # As late as may be, and no later.
    rows.sort(key=lambda r: r[0])
    order = sorted(range(len(rows)), key=lambda i: rows[i][0] + rng.uniform(0, delay))
    return rows, [rows[i] for i in order]


def line(r):
    return '{"t":%d,"k":%s,"s":"%s","i":"%s"}' % (r[0], r[1], r[3], r[4])


def run(args, lines):
    p = subprocess.run(["sk-join", "-k", ".k", *args], text=True, capture_output=True,
                       input="".join(s + "\n" for s in lines), check=False)
    if p.returncode:
        return ["status %d: %s" % (p.returncode, p.stderr)]
    return p.stdout.splitlines()


def database(rows):
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE raw (t INTEGER, k TEXT, c INTEGER, s TEXT, i TEXT)")
    db.executemany("INSERT INTO raw VALUES (?,?,?,?,?)", rows)
    return db


# The number of each record in the order in which records count.
ORDERED = """WITH e AS MATERIALIZED
    (SELECT *, row_number() OVER (ORDER BY t, c, s %s, '"' || i || '"', rowid) AS o FROM raw)
"""


def streams(rng):
    """Two streams: within, one-sided bounds, expires; inner, left, anti."""
    delay = rng.choice([0, 3, 10])
    rows, arrival = make(rng, rng.choice([1, 5, 40, 200]), rng.choice([1, 5, 60]),
                         rng.choice([1, 3, 8]), delay)
    how = rng.choice(["both", "two", "expires"])
    kind = rng.choice(["inner", "left", "anti"])
    before, after = rng.choice([0, 2, 9]), rng.choice([0, 2, 9, 1000])
    until = "l.t + %d" % after
    if how == "both":
        before = after
        args = ["--within", "%ds" % after]
    elif how == "two":
        args = ["--within", "%ds,%ds" % (before, after)]
    else:
        before = 0
        args = ["--expires", ".t + (.i | tonumber) % 20 - 3"]
        until = "l.t + CAST(l.i AS INTEGER) % 20 - 3"
    sides = rng.choice([["--left", '.s=="l"'], ["--right", '.s=="r"'],
                        ["--left", '.s=="l"', "--right", '.s=="r"']])
    emit = rng.choice(["[$left.i,$right.i]", "[.i,($right|.i)]"])
    args += sides + ["--time", ".t", "--type", kind, "--delay", "%ds" % delay, "--emit",
                     emit if kind != "anti" else "[$left.i,null]"]
    match = "l.s = 'l' AND r.s = 'r' AND l.c = r.c AND r.t BETWEEN l.t - %d AND %s" % (
        before, until)
    # Equals come in the order of what is kept of them: the id, or, of any other filter, the
    # whole record, which SQL does not know.
    ordered = emit == "[$left.i,$right.i]" and kind != "anti"
    pairs = """SELECT max(l.t, r.t), 0, max(l.o, r.o), min(l.o, r.o), l.i, r.i
        FROM e l JOIN e r ON """ + match
    alone = """SELECT max(l.t, %s), 1, l.o, 0, l.i, NULL FROM e l WHERE l.s = 'l'
        AND NOT EXISTS (SELECT 1 FROM e r WHERE %s)""" % (until, match)
    sql = {"inner": pairs, "left": pairs + " UNION ALL " + alone, "anti": alone}[kind]
    want = database(rows).execute(ORDERED % "" + sql + " ORDER BY 1, 2, 3, 4").fetchall()
    return args, [line(r) for r in arrival], [json.dumps([w[4], w[5]], separators=(",", ":"))
                                              for w in want], ordered


def versions(rng):
    """A stream with the rows of a table that come in it, and waiting for a row."""
    delay = rng.choice([0, 3, 10])
    rows, arrival = make(rng, rng.choice([1, 5, 40, 200]), rng.choice([1, 5, 60]),
                         rng.choice([1, 3, 8]), delay)
    kind = rng.choice(["inner", "left", "anti"])
    wait = rng.choice([0, 0, 2, 9, 1000])
    args = ["--time", ".t", "--table-where", '.s=="r"', "--type", kind, "--delay", "%ds" % delay, "--emit",
            "[$left.i,$right.i]"] + (["--wait", "%ds" % wait] if wait else [])
    sql = """SELECT l.t, l.o AS lo, l.i,
        (SELECT r.o FROM e r WHERE r.s = 'r' AND r.c = l.c AND r.o < l.o
            ORDER BY r.o DESC LIMIT 1) AS now,
        (SELECT r.o FROM e r WHERE r.s = 'r' AND r.c = l.c AND r.o > l.o AND r.t <= l.t + %d
            ORDER BY r.o LIMIT 1) AS later FROM e l WHERE l.s = 'l'""" % wait
    found = """SELECT f.*, r.i AS ri, r.t AS rt FROM (%s) f
        LEFT JOIN e r ON r.o = coalesce(f.now, f.later)""" % sql
    db = database(rows)
    results = []
    for t, lo, li, now, later, ri, rt in db.execute(ORDERED % "DESC" + found):
        row = now or later
        if row and kind != "anti":
            results.append((max(t, rt), 0, max(lo, row), min(lo, row), [li, ri]))
        elif not row and kind != "inner":
            # Without waiting it has no row in its turn, not behind all that is then.
            results.append((t + wait, 1 if wait else 0, lo, 0, [li, None]))
    results.sort(key=lambda r: r[:4])
    return args, [line(r) for r in arrival], [json.dumps(r[4], separators=(",", ":"))
                                              for r in results], True


def table(rng):
    """A stream with a file: the last row of a key counts."""
    rows, _ = make(rng, rng.choice([1, 40, 200]), 5, rng.choice([1, 3, 8]), 0)
    kind = rng.choice(["inner", "left", "anti"])
    right = [r for r in rows if r[3] == "r"]
    with open("table.ndjson", "w", encoding="utf-8") as f:
        f.writelines(line(r) + "\n" for r in right)
    sql = """SELECT l.i, (SELECT r.i FROM raw r WHERE r.s = 'r' AND r.c = l.c
        ORDER BY r.rowid DESC LIMIT 1) AS ri FROM raw l WHERE l.s = 'l' ORDER BY l.rowid"""
    want = [list(r) for r in database(rows).execute(sql)]
    want = [r for r in want if kind == "left" or (r[1] is None) == (kind == "anti")]
    args = ["--table", "table.ndjson", "--type", kind, "--emit", "[$left.i,$right.i]"]
    return args, [line(r) for r in rows if r[3] == "l"], [
        json.dumps(r, separators=(",", ":")) for r in want], True


def main():
    rounds, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for i in range(rounds):
        rng = random.Random("%d-%d" % (seed, i))
        kind = rng.choice([streams, streams, versions, table])
        args, lines, want, ordered = kind(rng)
        got = run(args, lines)
        if not ordered:
            got, want = sorted(got), sorted(want)
        if got != want:
            at = next((k for k, (a, b) in enumerate(zip(got, want)) if a != b),
                      min(len(got), len(want)))
            print("round %d of seed %d: %s" % (i, seed, " ".join(args)))
            print("result %d of %d (%d): %s, SQL says %s" % (
                at + 1, len(got), len(want), got[at:at + 1], want[at:at + 1]))
            with open("differs.ndjson", "w", encoding="utf-8") as f:
                f.writelines(s + "\n" for s in lines)
            return 1
    print("same", rounds)
    return 0


sys.exit(main())
