#!/usr/bin/env python3
"""sql.py duckdb|chdb THREADS JOB FILE OUT: a job of the bench as SQL over FILE, into OUT.

The schema is given where the reader takes one. Of the ways to say each job that were
tried, this is the fastest in either engine: DuckDB filters on the raw line, chDB reads
lines and parses them by JSONExtract (simdjson), which it does on all threads.

Says "query WALL_S CPU_S" on stderr: the query alone, without starting Python and
loading the library. "sql.py ENGINE version" says the version.
"""
import os
import resource
import sys
import time

DUCKDB_ITEMS = ("STRUCT(itemId VARCHAR, product VARCHAR, category VARCHAR,"
                " quantity INTEGER, price DOUBLE)[]")
DUCKDB = {
    "filter": """COPY (SELECT json FROM read_ndjson_objects('{file}')
        WHERE json_extract_string(json, 'type') = 'payment-processed')
        TO '{out}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\\x01',
        USE_TMP_FILE false)""",
    "split": """COPY (SELECT i.*, orderId FROM (SELECT orderId, unnest(items) AS i
        FROM read_ndjson('{file}', columns = {{orderId: 'VARCHAR',
        items: '""" + DUCKDB_ITEMS + """'}}))) TO '{out}' (FORMAT json, USE_TMP_FILE false)""",
    "reshape": """COPY (SELECT orderId, amount, ts[1:10] AS day FROM read_ndjson('{file}',
        columns = {{orderId: 'VARCHAR', amount: 'DOUBLE', ts: 'VARCHAR'}}))
        TO '{out}' (FORMAT json, USE_TMP_FILE false)""",
    "dedup": """COPY (SELECT DISTINCT l FROM read_csv('{file}', columns = {{l: 'VARCHAR'}},
        header = false, quote = '', escape = '', delim = E'\\x01'))
        TO '{out}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\\x01',
        USE_TMP_FILE false)""",
    "first": """COPY (SELECT first(json) FROM read_ndjson_objects('{file}')
        GROUP BY json_extract_string(json, 'orderId'))
        TO '{out}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER E'\\x01',
        USE_TMP_FILE false)""",
    "aggregate": """COPY (SELECT any_value(orderId) FILTER (type = 'order-created') AS id,
        any_value(userId) FILTER (type = 'order-created') AS userId,
        any_value(paymentId) FILTER (type = 'payment-processed') AS paymentId,
        bool_or(type = 'inventory-reserved') AS inventoryReserved
        FROM read_ndjson('{file}', columns = {{type: 'VARCHAR', orderId: 'VARCHAR',
        userId: 'VARCHAR', paymentId: 'VARCHAR'}}) GROUP BY orderId HAVING id IS NOT NULL
        AND paymentId IS NOT NULL AND inventoryReserved)
        TO '{out}' (FORMAT json, USE_TMP_FILE false)""",
}
MINUTE = "time_bucket(INTERVAL 1 minute, ts)"
EVENTS = ("read_ndjson('{file}', columns = {{type: 'VARCHAR', orderId: 'VARCHAR',"
          " userId: 'VARCHAR', amount: 'DOUBLE', ts: 'TIMESTAMP'}})")


def events(*names):
    """The events, with these members alone."""
    kept = [c for c in EVENTS.split("{{")[1].split("}}")[0].split(", ")
            if c.split(":")[0] in names]
    return EVENTS.split("{{")[0] + "{{" + ", ".join(kept) + "}})"


def json_of(query):
    return f"COPY ({query}) TO '{{out}}' (FORMAT json, USE_TMP_FILE false)"


def per_minute(what, *names):
    return json_of(
        f"""SELECT strftime(m, '%Y-%m-%dT%H:%M') AS start, * EXCLUDE (m) FROM
        (SELECT {MINUTE} AS m, type AS key, {what} FROM {events("type", "ts", *names)}
        GROUP BY ALL) ORDER BY start, key""")


DUCKDB |= {
    "tumbling": per_minute("count(*) AS n, sum(amount) AS total", "amount"),
    # A window is ten minutes put together.
    "hopping": json_of(f"""WITH minutes AS (SELECT {MINUTE} AS m, type, count(*) AS n,
        sum(amount) AS total FROM {events("type", "amount", "ts")} GROUP BY ALL)
        SELECT strftime(m - to_minutes(k), '%Y-%m-%dT%H:%M') AS start, type AS key,
        sum(n)::BIGINT AS n, sum(total) AS total FROM minutes, range(10) AS r(k)
        GROUP BY ALL ORDER BY start, key"""),
    "session": json_of(f"""SELECT epoch_ms(min(ts)) AS start, epoch_ms(max(ts)) + 30000
        AS "end", userId AS key, count(*) AS n FROM (SELECT userId, ts, count(*) FILTER (new)
        OVER (PARTITION BY userId ORDER BY ts) AS s FROM (SELECT userId, ts, coalesce(ts -
        lag(ts) OVER (PARTITION BY userId ORDER BY ts) > INTERVAL 30 second, true) AS new
        FROM {events("userId", "ts")})) GROUP BY userId, s"""),
    "distinct": per_minute("count(DISTINCT userId) AS users", "userId"),
    "p99": per_minute("quantile_cont(amount, 0.99) AS p99", "amount"),
    # Read once, and joined with itself.
    "interval": json_of(f"""WITH e AS MATERIALIZED (SELECT * FROM
        {events("type", "orderId", "amount", "ts")}) SELECT l.orderId, r.amount AS paid
        FROM e l JOIN e r ON l.orderId = r.orderId AND r.ts BETWEEN l.ts - INTERVAL 1 hour
        AND l.ts + INTERVAL 1 hour WHERE l.type = 'order-created'
        AND r.type = 'payment-processed'"""),
    "table": json_of(f"""SELECT orderId, name FROM {events("orderId", "userId")} LEFT JOIN
        read_ndjson('{{users}}', columns = {{{{id: 'VARCHAR', name: 'VARCHAR'}}}})
        ON userId = id"""),
}
CHDB_ITEMS = ("Array(Tuple(itemId String, product String, category String,"
              " quantity UInt32, price Float64))")
CHDB = {
    "filter": """SELECT json FROM file('{file}', 'LineAsString', 'json String')
        WHERE JSONExtractString(json, 'type') = 'payment-processed'
        INTO OUTFILE '{out}' TRUNCATE FORMAT TSVRaw""",
    "split": """SELECT i.1 AS itemId, i.2 AS product, i.3 AS category, i.4 AS quantity,
        i.5 AS price, orderId FROM (SELECT JSONExtractString(json, 'orderId') AS orderId,
        arrayJoin(JSONExtract(json, 'items', '""" + CHDB_ITEMS + """')) AS i
        FROM file('{file}', 'LineAsString', 'json String'))
        INTO OUTFILE '{out}' TRUNCATE FORMAT JSONEachRow""",
    "reshape": """SELECT t.1 AS orderId, t.2 AS amount, substring(t.3, 1, 10) AS day FROM
        (SELECT JSONExtract(json,
        'Tuple(orderId String, amount Nullable(Float64), ts String)') AS t FROM file('{file}', 'LineAsString', 'json String'))
        INTO OUTFILE '{out}' TRUNCATE FORMAT JSONEachRow""",
    "dedup": """SELECT DISTINCT json FROM file('{file}', 'LineAsString', 'json String')
        INTO OUTFILE '{out}' TRUNCATE FORMAT TSVRaw""",
    "first": """SELECT DISTINCT ON (JSONExtractString(json, 'orderId')) json
        FROM file('{file}', 'LineAsString', 'json String')
        INTO OUTFILE '{out}' TRUNCATE FORMAT TSVRaw""",
    "aggregate": """SELECT anyIf(t.2, t.1 = 'order-created') AS id,
        anyIf(t.3, t.1 = 'order-created') AS userId,
        anyIf(t.4, t.1 = 'payment-processed') AS paymentId,
        max(t.1 = 'inventory-reserved')::Bool AS inventoryReserved FROM
        (SELECT JSONExtract(json, 'Tuple(type String, orderId String, userId String,
        paymentId String)') AS t FROM file('{file}', 'LineAsString', 'json String'))
        GROUP BY t.2 HAVING id != '' AND paymentId != '' AND inventoryReserved
        INTO OUTFILE '{out}' TRUNCATE FORMAT JSONEachRow""",
}


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main():
    engine = sys.argv[1]
    if sys.argv[2] == "version":
        if engine == "duckdb":
            import duckdb
            print("DuckDB", duckdb.__version__)
        else:
            import importlib.metadata
            print("chDB", importlib.metadata.version("chdb"))
        return
    threads, job, file, out = sys.argv[2:]
    if engine == "duckdb":
        import duckdb
        run = duckdb.connect(config={"threads": threads}).execute
        query = DUCKDB[job].format(file=file, out=out, users=os.path.join(
            os.path.dirname(file), "users.ndjson"))
    else:
        from chdb import session
        run = session.Session().query
        query = CHDB[job].format(file=file, out=out) + (
            f" SETTINGS max_threads = {threads}, max_parsing_threads = {threads}")
    wall, cpu = time.monotonic(), cpu_s()
    run(query)
    print("query", time.monotonic() - wall, cpu_s() - cpu, file=sys.stderr)


main()
