"""Jobs on event time, for run: what sk-window and sk-join are measured with, and what the
answers are. Inputs are the order events; none of their times is more than 10 s behind an
earlier one's."""
import collections
import datetime
import json
import math
import os

TIME = ["--time", ".ts", "--delay", "10s"]
USERS = 10**6

WINDOWS = {
    "tumbling": ["--tumbling", "1m", "-k", ".type", "-a", "n=count", "-a",
                 "total=sum(.amount)"],
    "hopping": ["--hopping", "10m/1m", "-k", ".type", "-a", "n=count", "-a",
                "total=sum(.amount)"],
    "session": ["--session", "30s", "--time-format", "ms", "-k", ".userId", "-a",
                "n=count"],
    "distinct": ["--tumbling", "1m", "-k", ".type", "-a", "users=distinct(.userId)"],
    "p99": ["--tumbling", "1m", "-k", ".type", "-a", "p99=quantile(.amount; 0.99)"],
}
INTERVAL = ["--left", '.type=="order-created"', "--right", '.type=="payment-processed"',
            "-k", ".orderId", "--within", "1h", "--emit",
            "{orderId: $left.orderId, paid: $right.amount}"]
TABLE = ["--table", "{users}", "--left-key", ".userId", "--right-key", ".id", "--emit",
         "{orderId: $left.orderId, name: $right.name}"]

JQ = ('reduce inputs as $e ({}; ($e.ts[0:16] + $e.type) as $k'
      ' | .[$k] |= (.start = $e.ts[0:16] | .key = $e.type | .n += 1'
      ' | .total += ($e.amount // 0))) | .[]')
MLR = ["put", "-q", "@n[substr0($ts,0,15)][$type] += 1;"
       " @total[substr0($ts,0,15)][$type] += is_present($amount) ? $amount : 0;"
       ' end {emit (@n, @total), "start", "key"}']

TITLES = {
    "tumbling": "tumbling: events and amounts per minute and type",
    "hopping": "hopping: the same over 10 minutes, every minute",
    "session": "session: a user's events with no more than 30 s between them",
    "distinct": "distinct: users per minute and type",
    "p99": "p99: the amount that 99 of 100 don't exceed, per minute and type",
    "interval": "interval: orders and their payments within an hour",
    "table": "table: each event with the name of its user, of a million in a file",
}

# job: (name of ours, peer, at least, aim)
MUST = [
    ("tumbling", "sk-window", "DuckDB, 2 threads", 2, "2.5"),
    ("tumbling", "sk-window", "jq", 80, ""),
    ("tumbling", "sk-window", "Miller", 80, ""),
    ("tumbling", "sk-window --state", "sk-window", 0.5, ""),
    ("hopping", "sk-window", "DuckDB, 2 threads", 1.5, ""),
    ("hopping", "sk-window --state", "sk-window", 0.5, ""),
    ("session", "sk-window", "DuckDB, 2 threads", 1.5, ""),
    ("session", "sk-window --state", "sk-window", 0.5, ""),
    ("distinct", "sk-window", "DuckDB, 2 threads", 1.5, ""),
    ("p99", "sk-window", "DuckDB, 2 threads", 1.5, ""),
    ("interval", "sk-join", "DuckDB, 2 threads", 3, ""),
    ("interval", "sk-join --state", "sk-join", 0.5, ""),
    ("table", "sk-join", "sk-map .", 0.5, ""),
]
# job: (name of ours, MiB): what stays when the events have long gone
MUST_MIB = [("tumbling", "sk-window", 32), ("interval", "sk-join", 64)]


def users_file(folder):
    """The table of users, made once."""
    path = os.path.join(folder, "users.ndjson")
    if not os.path.exists(path):
        with open(path + ".new", "w", encoding="ascii") as f:
            for i in range(USERS):
                f.write('{"id":"user-%06d","name":"Name %d","since":%d}\n'
                        % (i, i * 7919 % USERS, 2000 + i % 26))
        os.rename(path + ".new", path)
    return path


def jobs(make, folder):
    """make: the functions of run that make rows."""
    users = users_file(folder)
    all_jobs = {}
    for job, args in WINDOWS.items():
        rows = [make.ours("sk-window", *args, *TIME, label="sk-window"),
                make.ours("sk-window", *args, *TIME, "--jobs", "1",
                          label="sk-window --jobs 1")]
        if job in ("tumbling", "hopping", "session"):
            rows.append(make.state_row("sk-window", *args, *TIME,
                                       label="sk-window --state", same=False))
        all_jobs[job] = [*rows, *make.sql_rows(job, engines=("duckdb",))]
    all_jobs["tumbling"] += [
        make.tool("jq", ["jq", "-cn", JQ, "{file}"], slow=True, ordered=False),
        make.tool("Miller", ["mlr", "--ijsonl", "--ojsonl", *MLR, "{file}"], slow=True,
                  once=True, ordered=False)]
    all_jobs["interval"] = [
        make.ours("sk-join", *INTERVAL, *TIME, label="sk-join", ordered=False),
        make.ours("sk-join", *INTERVAL, *TIME, "--jobs", "1", label="sk-join --jobs 1",
                  ordered=False),
        make.state_row("sk-join", *INTERVAL, *TIME, label="sk-join --state", same=False,
                       ordered=False),
        *make.sql_rows("interval", engines=("duckdb",))]
    table = [a.replace("{users}", users) for a in TABLE]
    all_jobs["table"] = [
        make.ours("sk-join", *table, label="sk-join"),
        make.ours("sk-join", *table, "--jobs", "1", label="sk-join --jobs 1"),
        make.ours("sk-map", ".", label="sk-map .", answers=False),
        *make.sql_rows("table", engines=("duckdb",))]
    return all_jobs


# ---- the answers -----------------------------------------------------------------------

def micros(ts):
    at = datetime.datetime.fromisoformat(ts.replace("Z", "+00:00"))
    return (at - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)) \
        // datetime.timedelta(microseconds=1)


def minute(us):
    at = datetime.datetime.fromtimestamp(us // 60_000_000 * 60, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M")


def cents(event):
    return round(event.get("amount", 0) * 100)


def sessions(times):
    """[first, last, n] of each."""
    found = []
    for us in sorted(times):
        if found and us - found[-1][1] <= 30_000_000:
            found[-1][1] = us
            found[-1][2] += 1
        else:
            found.append([us, us, 1])
    return found


def grouped(job, events):
    """(start, key) -> the events of a window."""
    windows = collections.defaultdict(list)
    for event in events:
        us = micros(event["ts"])
        for hop in range(10 if job == "hopping" else 1):
            windows[minute(us - hop * 60_000_000), event["type"]].append(event)
    return windows


def expected(job, lines):
    """What the job is to answer, in its order but for interval."""
    events = [json.loads(line) for line in lines]
    if job == "session":
        times = collections.defaultdict(list)
        for event in events:
            times[event["userId"]].append(micros(event["ts"]))
        answers = [(last + 30_000_000, first, user, n) for user, of in times.items()
                   for first, last, n in sessions(of)]
        for end, start, user, n in sorted(answers):
            yield {"start": start // 1000, "end": end // 1000, "key": user, "n": n}
    elif job == "interval":
        orders = collections.defaultdict(list)
        for e in events:
            if e["type"] == "order-created":
                orders[e["orderId"]].append(micros(e["ts"]))
        for e in events:
            for us in orders[e["orderId"]] if e["type"] == "payment-processed" else ():
                if abs(micros(e["ts"]) - us) <= 3_600_000_000:
                    yield {"orderId": e["orderId"], "paid": e["amount"]}
    elif job == "table":
        for e in events:
            yield {"orderId": e["orderId"],
                   "name": "Name %d" % (int(e["userId"][5:]) * 7919 % USERS)}
    else:
        for (start, key), of in sorted(grouped(job, events).items()):
            answer = {"start": start, "key": key}
            if job == "distinct":
                answer["users"] = len({e["userId"] for e in of})
            elif job == "p99":
                answer["p99"] = between([e["amount"] for e in of if "amount" in e])
            else:
                answer["n"] = len(of)
                answer["total"] = sum(map(cents, of)) / 100
            yield answer


def between(values):
    """The two values that the quantile lies between; quantiles differ in how they go from
    one to the next, and a sketch is off by a part of the value."""
    if not values:
        return None
    at = 0.99 * (len(values) - 1)
    values.sort()
    return values[math.floor(at)], values[math.ceil(at)]


def normal(job, answer, want):
    """An answer as it can be compared. want: of the same place, for what is not exact."""
    answer = dict(answer)
    if job in ("interval", "table", "session"):
        return answer
    answer["start"] = answer["start"][:16]
    answer.pop("end", None)
    if "total" in answer:  # sums of doubles; null: there was nothing to sum
        answer["total"] = round(answer["total"] or 0, 2)
    if job == "p99" and answer["p99"] is not None and want and want["p99"]:
        low, high = want["p99"]
        if low * 0.99 <= answer["p99"] <= high * 1.01:
            answer["p99"] = want["p99"]
    return answer


def by_place(answers):
    return {(a["start"][:16], a["key"]): a for a in answers}
