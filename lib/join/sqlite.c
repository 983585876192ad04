/*
 * Rows of a SQLite database: each one an object, its columns the members. Opened to be read,
 * and trusted with nothing: what stands in its schema may not run anything beyond SQL.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "join/table.h"

#define WAIT_MS 5000   /* for who writes to it just now */
#define ROW_BYTES (64 << 20)
#define STEPS 100000   /* between two looks at whether to go on */

bool
sqlite_is(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	char head[sizeof(magic)];
	struct stat st;
	bool is = false;
	int fd;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	is = pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
		memcmp(head, magic, sizeof(head)) == 0;
	close(fd);
	return is;
}

static int
failed(const struct table_reader *t, sqlite3 *db, int rc, struct failure *why)
{
	int status = EXIT_DATA;

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
		status = EXIT_TRY_AGAIN;
		break;
	case SQLITE_CANTOPEN:
		status = EXIT_NOINPUT;
		break;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_READONLY:
		status = EXIT_NOPERM;
		break;
	case SQLITE_IOERR:
	case SQLITE_FULL:
		status = EXIT_IO;
		break;
	case SQLITE_NOMEM:
		status = EXIT_OS;
		break;
	default:
		break;
	}
	return fail(why, status, "%s: %s", t->plan->table,
		db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

static int
is_interrupted(void *unused)
{
	(void)unused;
	return flow_draining();
}

static int
open_database(const struct table_reader *t, sqlite3 **db, struct failure *why)
{
	int rc = sqlite3_open_v2(t->plan->table, db,
		SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK)
		return failed(t, *db, rc, why);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(*db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(*db, SQLITE_LIMIT_LENGTH, ROW_BYTES);
	sqlite3_busy_timeout(*db, WAIT_MS);
	sqlite3_progress_handler(*db, STEPS, is_interrupted, NULL);
	return 0;
}

/* ---- what is asked ----------------------------------------------------------------- */

/* Without --query: all of the one table or view that there is. */
static int
default_query(const struct table_reader *t, sqlite3 *db, struct buf *sql, struct failure *why)
{
	static const char list[] = "SELECT name FROM sqlite_schema WHERE type IN ('table', "
		"'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
	struct buf names = {0};
	sqlite3_stmt *s;
	const char *name;
	char *quoted;
	size_t n = 0;
	int rc;

	if (sqlite3_prepare_v2(db, list, -1, &s, NULL) != SQLITE_OK)
		return failed(t, db, sqlite3_errcode(db), why);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		name = (const char *)sqlite3_column_text(s, 0);
		if (!name)
			continue;
		if (n++)
			buf_adds(&names, ", ");
		text_add_safe(&names, slice_str(name), 60);
		quoted = sqlite3_mprintf("SELECT * FROM \"%w\"", name);
		buf_reset(sql);
		buf_adds(sql, quoted ? quoted : "");
		sqlite3_free(quoted);
	}
	if (rc != SQLITE_DONE)
		rc = failed(t, db, rc, why);
	else if (n == 1)
		rc = 0;
	else if (n == 0)
		rc = fail(why, EXIT_DATA, "%s: the database has no table", t->plan->table);
	else
		rc = fail(why, EXIT_USAGE, "%s: the database has several tables: %.*s",
			t->plan->table, names.n > 200 ? 200 : (int)names.n, names.p);
	if (rc < 0 && n > 1)
		fail_hint(why, "--query 'SELECT ...' says which rows");
	sqlite3_finalize(s);
	buf_release(&names);
	return rc;
}

static int
check_columns(const struct table_reader *t, sqlite3_stmt *s, struct failure *why)
{
	int n = sqlite3_column_count(s), i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < i; k++)
			if (strcmp(sqlite3_column_name(s, i), sqlite3_column_name(s, k)) == 0)
				return fail(why, EXIT_USAGE, "%s: two columns are named '%s'",
					t->plan->table, sqlite3_column_name(s, i));
	return 0;
}

static int
prepare(const struct table_reader *t, sqlite3 *db, sqlite3_stmt **s, struct failure *why)
{
	struct buf sql = {0};
	const char *rest;
	int rc = -1;

	if (t->plan->query)
		buf_adds(&sql, t->plan->query);
	else if (default_query(t, db, &sql, why) < 0)
		goto out;
	rc = sqlite3_prepare_v2(db, buf_cstr(&sql), -1, s, &rest);
	if (rc != SQLITE_OK) {
		rc = failed(t, db, rc, why);
		if (t->plan->query && why->status == EXIT_DATA && rc < 0 &&
			(sqlite3_errcode(db) & 0xff) == SQLITE_ERROR)
			why->status = EXIT_USAGE;
		goto out;
	}
	if (!*s || !sqlite3_stmt_readonly(*s) || !sqlite3_column_count(*s) ||
		rest[strspn(rest, " \t\r\n;")])
		rc = fail(why, EXIT_USAGE, "--query is one SELECT that changes nothing");
	else
		rc = check_columns(t, *s, why);
out:
	buf_release(&sql);
	return rc;
}

/* ---- rows -------------------------------------------------------------------------- */

static int
add_column(struct buf *b, sqlite3_stmt *s, int i, struct failure *why)
{
	const char *name = sqlite3_column_name(s, i);
	struct slice bytes;
	double d;

	json_add_string(b, slice_str(name));
	buf_addc(b, ':');
	switch (sqlite3_column_type(s, i)) {
	case SQLITE_INTEGER:
		buf_addf(b, "%lld", (long long)sqlite3_column_int64(s, i));
		return 0;
	case SQLITE_FLOAT:
		d = sqlite3_column_double(s, i);
		if (isinf(d))
			return fail_record(why, "row", "column '%s' is infinite", name);
		json_add_double(b, d);
		return 0;
	case SQLITE_TEXT:
		bytes.p = (const char *)sqlite3_column_text(s, i);
		bytes.n = (size_t)sqlite3_column_bytes(s, i);
		if (!json_is_utf8(bytes))
			return fail_record(why, "row", "column '%s' is not UTF-8", name);
		json_add_string(b, bytes);
		return 0;
	case SQLITE_BLOB:
		bytes.p = sqlite3_column_blob(s, i);
		bytes.n = (size_t)sqlite3_column_bytes(s, i);
		buf_addc(b, '"');
		text_add_base64(b, bytes);
		buf_addc(b, '"');
		return 0;
	default:
		buf_adds(b, "null");
		return 0;
	}
}

static int
add_row(struct table_reader *t, sqlite3_stmt *s, struct json_scan *scan, const struct block *b,
	struct failure *why)
{
	int n = sqlite3_column_count(s), i;
	struct json_doc doc;
	struct record r = {.doc = &doc, .block = b, .time_us = TIME_NONE};
	struct buf text = {0};
	int rc = 0;

	buf_addc(&text, '{');
	for (i = 0; i < n && rc == 0; i++) {
		if (i)
			buf_addc(&text, ',');
		rc = add_column(&text, s, i, why);
	}
	buf_addc(&text, '}');
	if (rc == 0)
		rc = json_doc_of(scan, buf_slice(&text), &doc, why);
	r.line = r.bytes = buf_slice(&text);
	if (rc == 0)
		rc = table_add(t, &r, why);
	buf_release(&text);
	return rc;
}

int
sqlite_read(struct table_reader *t, struct failure *why)
{
	struct input input = {.name = t->plan->table};
	struct block block = {.input = &input};
	struct json_scan scan = {0};
	sqlite3_stmt *s = NULL;
	sqlite3 *db = NULL;
	unsigned long long row = 0;
	int rc = -1, got = SQLITE_DONE;

	if (open_database(t, &db, why) < 0 || prepare(t, db, &s, why) < 0)
		goto out;
	for (rc = 0; rc == 0 && (got = sqlite3_step(s)) == SQLITE_ROW;) {
		row++;
		rc = add_row(t, s, &scan, &block, why);
		if (rc < 0)
			fail_within(why, "%s: row %llu: ", t->plan->table, row);
	}
	if (rc == 0 && got != SQLITE_DONE)
		rc = failed(t, db, got, why);
out:
	sqlite3_finalize(s);
	sqlite3_close(db);
	json_scan_release(&scan);
	return rc;
}
