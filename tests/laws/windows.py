#!/usr/bin/env python3
"""windows.py KIND SEED: sk-window against SQL.

Makes a stream of events with disorder, ties, gaps, duplicates, nulls and missing fields, lets
SQLite say what the windows of KIND hold, and compares it with what sk-window writes, in order;
then for other orders of arrival within the delay, and put together from partial results, the
bytes. KIND: tumbling hopping hopping-odd cumulate offset session sliding sliding-long count
"""
import json
import random
import sqlite3
import subprocess
import sys

KIND, SEED = sys.argv[1], int(sys.argv[2])
rng = random.Random(SEED * 1000 + sum(map(ord, KIND)))
DELAY = 5000
FUNCS = ["n=count", "sum=sum(.v)", "min=min(.v)", "max=max(.v)", "distinct=distinct(.v)",
         "first=first(.v)", "last=last(.v)", "list=list(.v)", "set=set(.s)",
         "big=count where .v > 500", "values=count(.list[]?)", "top=topk(.s; 2)",
         "low=argmin(.v; .id)", "high=argmax(.v; .id)", "avg=avg(.v)", "sd=stddev(.v)",
         "approx=approx_distinct(.v)", "median=quantile(.v; 0.5)"]
WINDOW = {
    "tumbling": ["--tumbling", "1m"], "offset": ["--tumbling", "1m", "--offset", "17s"],
    "hopping": ["--hopping", "1m/10s"], "hopping-odd": ["--hopping", "25s/10s"],
    "cumulate": ["--cumulate", "1m/10s"], "session": ["--session", "7s"],
    "sliding": ["--sliding", "9s"], "sliding-long": ["--sliding", "1000s"], "count": ["--count", "7"],
}[KIND]


def make_events():
    """Sorted by time; a gap here and there; the id is the place."""
    t, events = rng.choice([-200000, 0, 1767344399000]), []
    for i in range(rng.choice([1, 50, 400])):
        t += rng.choice([0, 0, 1, 7, 100, 1000, 1500, 6999, 7000, 7001])
        if rng.random() < 0.02:
            t += rng.randrange(200000)
        e = {"t": t, "k": rng.choice("abc"), "id": i}
        if rng.random() < 0.9:
            e["v"] = rng.choice([None, rng.randrange(10), rng.randrange(1000)])
        if rng.random() < 0.9:
            e["s"] = rng.choice(["x", "y", "zeta", "\u00e9"])
        if rng.random() < 0.3:
            e["list"] = [1] * rng.randrange(4)
        events.append(e)
        if rng.random() < 0.1 and KIND != "count":
            events.append(dict(e))
    if KIND == "count":  # times of a key differ: what else would be first?
        seen = set()
        events = [e for e in events if not ((e["k"], e["t"]) in seen or
                                             seen.add((e["k"], e["t"])))]
    return events


def arrival(events):
    """An order in which no event is later than the delay."""
    keyed = [(e["t"] + rng.randrange(DELAY), i, e) for i, e in enumerate(events)]
    return [e for _, _, e in sorted(keyed, key=lambda x: x[:2])]


def run(events, *more, feed=None):
    text = feed if feed is not None else "".join(
        json.dumps(e, ensure_ascii=False, separators=(",", ":")) + "\n" for e in events)
    args = ["sk-window", *WINDOW, "--time-format", "ms", "-k", ".k"]
    for f in FUNCS:
        args += ["-a", f]
    if feed is None:
        args += ["--time", ".t", "--time-unit", "ms", "--delay", f"{DELAY}ms"]
    p = subprocess.run([*args, *more], input=text, capture_output=True, text=True)
    if p.returncode or p.stderr:
        sys.exit("%s: status %d: %s" % (" ".join(args), p.returncode, p.stderr))
    return p.stdout


# Each row: a window, and an event in it; r tells windows apart that have the same span.
MINUTES = """SELECT (t / 60000 - (t % 60000 < 0)) * 60000 AS ws,
    (t / 60000 - (t % 60000 < 0) + 1) * 60000 AS we, 0 AS r, * FROM ev"""
HOPS = """SELECT ws, ws + {0} AS we, 0 AS r, ev.* FROM ev, (SELECT DISTINCT
    (t / 10000 - (t % 10000 < 0) - n) * 10000 AS ws FROM ev, num) WHERE t >= ws AND t < ws + {0}"""
BACK = """SELECT o.t - {0} AS ws, o.t AS we, o.rowid AS r, i.* FROM ev o JOIN ev i
    ON i.k = o.k AND i.t BETWEEN o.t - {0} AND o.t"""
SQL = {
    "tumbling": MINUTES,
    "offset": """SELECT ws, ws + 60000 AS we, 0 AS r, ev.* FROM ev, (SELECT DISTINCT
        ((t - 17000) / 60000 - ((t - 17000) % 60000 < 0)) * 60000 + 17000 AS ws FROM ev)
        WHERE t >= ws AND t < ws + 60000""",
    "hopping": HOPS.format(60000),
    "hopping-odd": HOPS.format(25000),
    "cumulate": f"""SELECT ws, ws + (n + 1) * 10000 AS we, 0 AS r, t, k, id, v, word, m
        FROM ({MINUTES}), num WHERE n < 6 AND t < ws + (n + 1) * 10000""",
    "session": """SELECT min(t) OVER g AS ws, max(t) OVER g + 7000 AS we, nr AS r, * FROM
        (SELECT *, sum(fresh) OVER (PARTITION BY k ORDER BY t, rid) AS nr FROM
        (SELECT rowid AS rid, *, coalesce(t - lag(t) OVER (PARTITION BY k ORDER BY t, rowid)
        >= 7000, 1) AS fresh FROM ev)) WINDOW g AS (PARTITION BY k, nr)""",
    "sliding": BACK.format(9000), "sliding-long": BACK.format(1000000),
    "count": """SELECT min(t) OVER g AS ws, max(t) OVER g AS we, * FROM (SELECT *,
        (row_number() OVER (PARTITION BY k ORDER BY t) - 1) / 7 AS r FROM ev)
        WINDOW g AS (PARTITION BY k, r)""",
}


def by_sql(events):
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE ev (t INTEGER, k TEXT, id INTEGER, v INTEGER, word TEXT, m INTEGER)")
    db.execute("CREATE TABLE num AS WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1"
               " FROM c WHERE n < 6) SELECT n FROM c")
    db.executemany("INSERT INTO ev VALUES (?, ?, ?, ?, ?, ?)",
                   [(e["t"], e["k"], e["id"], e.get("v"), e.get("s"), len(e.get("list", [])))
                    for e in events])
    db.execute(f"CREATE TABLE w AS {SQL[KIND]}")
    db.execute("CREATE INDEX i ON w (we, ws, k, r)")
    rows = db.execute("""SELECT ws, we, k, r, count(*), sum(v), min(v), max(v),
        count(DISTINCT v), sum(v > 500), sum(m), avg(v) FROM w GROUP BY ws, we, k, r
        ORDER BY %s we, ws, k""" % ("count(*) < 7," if KIND == "count" else "")).fetchall()
    for ws, we, k, r, n, total, low, high, distinct, big, m, avg in rows:
        def one(what, order, at=(ws, we, k, r)):
            return db.execute(f"SELECT {what} FROM w WHERE ws = ? AND we = ? AND k = ? AND"
                              f" r = ? {order}", at).fetchall()
        values = [x for x, in one("v", "AND v IS NOT NULL ORDER BY t, v")]
        top = one("word, count(*) AS c", "AND word IS NOT NULL GROUP BY word"
                  " ORDER BY c DESC, word LIMIT 2")
        n2, s1, s2 = len(values), sum(values), sum(x * x for x in values)
        yield {
            "start": ws, "end": we, "key": k, "n": n, "sum": total, "min": low, "max": high,
            "distinct": distinct, "first": values[0] if values else None,
            "last": values[-1] if values else None, "list": values,
            "set": [x for x, in one("DISTINCT word", "AND word IS NOT NULL ORDER BY word")],
            "big": big or 0, "values": m, "top": [{"value": x, "count": c} for x, c in top],
            "low": (one("id", "AND v IS NOT NULL ORDER BY v, t, id LIMIT 1") or [[None]])[0][0],
            "high": (one("id", "AND v IS NOT NULL ORDER BY v DESC, t, id LIMIT 1")
                     or [[None]])[0][0],
            "avg": avg,
            "sd": ((n2 * s2 - s1 * s1) / n2 / (n2 - 1)) ** 0.5 if n2 > 1 else None,
            "approx": distinct, "median": sorted(values)[(n2 - 1) // 2] if values else None,
        }


def same(a, b):
    """median and sd may be a little off."""
    if a.keys() != b.keys():
        return False
    for k in a:
        if k in ("sd", "median", "avg") and a[k] is not None and b[k] is not None:
            if abs(a[k] - b[k]) > (0.0101 if k == "median" else 1e-12) * abs(b[k]):
                return False
        elif a[k] != b[k]:
            return False
    return True


def fail(text):
    sys.exit(f"{KIND} {SEED}: {text}")


def main():
    events = make_events()
    first = run(arrival(events))
    got, want = [json.loads(x) for x in first.splitlines()], list(by_sql(events))
    for i, (a, b) in enumerate(zip(got, want)):
        if not same(a, b):
            fail(f"result {i + 1}\n  is        {a}\n  should be {b}")
    if len(got) != len(want):
        fail(f"{len(got)} results of {len(want)}")
    for _ in range(3):
        if run(arrival(events)) != first:
            fail("another order of arrival gives another result")
    if KIND in ("sliding", "sliding-long", "count"):
        return
    # Cut anywhere: each piece by itself, as partial results, in any order.
    shuffled, pieces = events[:], []
    rng.shuffle(shuffled)
    while shuffled:
        n = rng.randrange(1, len(shuffled) + 1)
        pieces.append(run(sorted(shuffled[:n], key=lambda e: e["t"]), "--partial"))
        shuffled = shuffled[n:]
    lines = "".join(pieces).splitlines(keepends=True)
    rng.shuffle(lines)
    if run(None, "--from-partials", feed="".join(lines)) != first:
        fail(f"{len(pieces)} pieces merged give another result")
    half = len(lines) // 2
    again = [run(None, "--from-partials", "--partial", feed="".join(x))
             for x in (lines[:half], lines[half:])]
    if run(None, "--from-partials", feed="".join(again)) != first:
        fail("pieces merged twice give another result")


main()
