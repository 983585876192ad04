#!/usr/bin/env python3
"""join_turns.py ROUNDS [SEED]: sk-join against a model of its page, late records included.

Streams whose disorder goes beyond --delay are joined by sk-join, taken from PATH, and by Model,
which does what the page says, slowly. Results, their order, and what is late have to be the
same, from a file, from a pipe, with --state, and with records taken one by one (--where). Says
"same N" or what differs, and then fails. Works in the current folder.
"""
import json
import os
import random
import shutil
import subprocess
import sys

NEVER = 1 << 60
# Texts of keys, and their order in jq; equal keys have the same.
KEYS = [("1", 0), ("1.0", 0), ("1e0", 0), ("2", 1), ('"a"', 2), ('"\\u0061"', 2), ('"a!"', 3),
        ('"b"', 4), ("[1]", 5), ("[1.0]", 5), ('{"x":1}', 6)]


class Record:
    def __init__(self, us, until, key, side, rank, text):
        self.us, self.until, self.key, self.side = us, until, key, side
        self.text, self.paired = text, False
        self.order = (us, key, rank, text, until)
        self.over = max(us, until)


class Model:
    def __init__(self, kind, rows):
        self.kind, self.rows, self.results = kind, rows, []
        self.now, self.waiting, self.kept, self.table = -NEVER, [], [], {}

    def add(self, r):
        """False: it is late."""
        if (r.us if self.rows else r.over) < self.now:
            return False
        if r.us >= self.now:
            self.waiting.append(r)
        else:
            self.turn(r, self.now)
        return True

    def watermark(self, us):
        due = sorted((r for r in self.waiting if r.us < us), key=lambda r: r.order)
        self.waiting = [r for r in self.waiting if r.us >= us]
        for r in due:
            self.expire(r.us)
            self.turn(r, r.us)
            self.now = r.us + 1
        self.expire(us)
        self.now = max(self.now, us)

    def expire(self, us):
        gone = [r for r in self.kept if r.over < us]
        self.kept = [r for r in self.kept if r.over >= us]
        for r in sorted(gone, key=lambda r: (r.over, r.order)):
            if r.side == "l" and not r.paired:
                self.alone(r)

    def alone(self, left):
        if self.kind != "inner":
            self.results.append([left.text, None])

    def meet(self, left, right):
        left.paired = True
        if self.kind != "anti":
            self.results.append([left.text, right.text])

    def turn(self, x, us):
        same = sorted((o for o in self.kept if o.key == x.key), key=lambda r: r.order)
        if self.rows and x.side == "r":
            self.table[x.key] = x
            for o in same:
                self.meet(o, x)
            self.kept = [o for o in self.kept if o.key != x.key]
        elif self.rows and x.key in self.table:
            self.meet(x, self.table[x.key])
        elif self.rows and x.until == x.us:
            self.alone(x)
        elif self.rows:
            self.kept.append(x)
        else:
            for o in same:
                if o.side != x.side and us <= o.until and o.us <= x.until:
                    self.meet(*((x, o) if x.side == "l" else (o, x)))
            self.kept.append(x)
            if self.kind == "anti":
                self.kept = [r for r in self.kept if r.side == "r" or not r.paired]


def stream(rng):
    """Records (time, number of the key, side, seconds to expire, id), in the order of arrival."""
    keys = rng.sample(range(len(KEYS)), rng.choice([1, 3, 8]))
    disorder, spread = rng.choice([0, 5, 20, 100]), rng.choice([1, 5, 60])
    now, records = 0, []
    for i in range(rng.choice([1, 5, 40, 200, 500])):
        now += rng.choice([0, 0, 0, 1, 1, 2, rng.randint(0, spread)])
        records.append((now + rng.uniform(0, disorder), now - rng.choice([0] * 99 + [200]),
                        rng.choice(keys), rng.choice("lr"), rng.randint(-3, 20), "%04d" % i))
    return [r[1:] for r in sorted(records)]


def case(rng):
    """The options, the lines, and what they lead to."""
    how = rng.choice(["within", "expires", "rows"])
    kind = rng.choice(["inner", "left", "anti"])
    delay, wait = rng.choice([0, 0, 3, 10, 50]), rng.choice([0, 2, 9, 1000])
    before, after = rng.choice([0, 2, 9, 40]), rng.choice([0, 2, 9, 40, 1000])
    args = ["-k", ".k", "--time", ".t", "--time-unit", "s", "--type", kind, "--delay",
            "%ds" % delay, "--emit", "[$left.i,$right.i]"]
    args += ["--table-where", '.s=="r"'] if how == "rows" else ["--left", '.s=="l"']
    args += {"within": ["--within", "%ds,%ds" % (before, after)], "expires": ["--expires", ".e"],
             "rows": ["--wait", "%ds" % wait] if wait else []}[how]
    model, newest, lines, late = Model(kind, how == "rows"), -NEVER, [], []
    for t, key, side, e, text in stream(rng):
        lines.append('{"t":%d,"k":%s,"s":"%s","e":%d,"i":"%s"}\n' % (
            t, KEYS[key][0], side, t + e, text))
        if t > newest:
            newest = t
            model.watermark((t - delay) * 10**6)
        left = side == "l"
        until = {"within": t + (after if left else before), "expires": t + (e if left else 0),
                 "rows": t + wait if left else NEVER}[how]
        rank = left if how == "rows" else not left
        if not model.add(Record(t * 10**6, until * 10**6, KEYS[key][1], side, rank, text)):
            late.append(lines[-1])
    model.watermark(NEVER * 10**6)
    return args, lines, [json.dumps(r, separators=(",", ":")) + "\n" for r in model.results], late


def joined(args, lines, how):
    """What sk-join writes, and what is late."""
    shutil.rmtree("state", ignore_errors=True)
    if os.path.exists("late"):
        os.remove("late")
    with open("in", "w", encoding="utf-8") as f:
        f.writelines(lines)
    more = {"file": ["in"], "pipe": [], "state": ["--state", "state", "in"],
            "one by one": ["--where", "true", "in"]}[how]
    p = subprocess.run(["sk-join", *args, "--late", "late", *more], text=True, check=False,
                       capture_output=True, input="" if more else "".join(lines))
    if p.returncode or p.stderr:
        return ["status %d: %s" % (p.returncode, p.stderr)], []
    with open("late", encoding="utf-8") as f:
        return p.stdout.splitlines(keepends=True), f.readlines()


def main():
    rounds, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for i in range(rounds):
        args, lines, results, late = case(random.Random("%d-%d" % (seed, i)))
        for how in ("file", "pipe", "state", "one by one"):
            for got, want in zip(joined(args, lines, how), (results, late)):
                if got == want:
                    continue
                at = next((k for k, (a, b) in enumerate(zip(got, want)) if a != b),
                          min(len(got), len(want)))
                print("round %d of seed %d, %s: %s" % (i, seed, how, " ".join(args)))
                print("line %d of %d (%d): %s, the model says %s" % (
                    at + 1, len(got), len(want), got[at:at + 1], want[at:at + 1]))
                return 1
    print("same", rounds)
    return 0


sys.exit(main())
