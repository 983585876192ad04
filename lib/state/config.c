/* The two files of a state that are lines: what shaped it, and what runs have committed. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/table.h"
#include "json/json.h"
#include "state/file.h"
#include "state/folder.h"

void
config_release(struct config *c)
{
	buf_release(&c->text);
	memset(c, 0, sizeof(*c));
}

void
config_say(struct config *c)
{
	struct buf *b = &c->text;

	buf_reset(b);
	buf_addf(b, "{\"streamkit\":\"state\",\"version\":%d,\"tool\":", FILE_VERSION);
	json_add_string(b, c->tool);
	buf_adds(b, ",\"shape\":");
	buf_add_slice(b, c->shape);
	buf_adds(b, ",\"value_bytes\":");
	if (c->value_bytes == SIZE_MAX)
		buf_adds(b, "null");
	else
		buf_addf(b, "%zu", c->value_bytes);
	buf_addf(b, ",\"expires\":%s,\"key\":\"%016llx%016llx\"",
		c->expires ? "true" : "false", (unsigned long long)c->key.k0,
		(unsigned long long)c->key.k1);
	c->sum = hash64(b->p, b->n, 0);
	buf_addf(b, ",\"sum\":\"%016llx\"}\n", (unsigned long long)c->sum);
}

/* The sum is looked at before anything else is believed. */
static bool
sum_holds(const struct buf *b, uint64_t *sum)
{
	enum { TAIL = sizeof(",\"sum\":\"0123456789abcdef\"}\n") - 1 };
	char tail[TAIL + 1];

	if (b->n < TAIL)
		return false;
	*sum = hash64(b->p, b->n - TAIL, 0);
	snprintf(tail, sizeof(tail), ",\"sum\":\"%016llx\"}\n", (unsigned long long)*sum);
	return memcmp(tail, b->p + b->n - TAIL, TAIL) == 0;
}

static struct slice
member(const struct json_doc *d, const char *name)
{
	uint32_t t = json_get(d, 0, slice_str(name));

	if (t == JSON_NONE)
		return (struct slice){0};
	return json_type_at(d, t) == JSON_STRING ? json_string_raw(d, t) : json_text(d, t);
}

static bool
config_parse(struct config *c, const struct json_doc *d)
{
	struct slice key = member(d, "key"), bytes = member(d, "value_bytes");
	char hex[33] = "", *end;
	char half[17] = "";

	c->tool = member(d, "tool");
	c->shape = member(d, "shape");
	if (!c->tool.p || !c->shape.p || !bytes.p || key.n != 32)
		return false;
	memcpy(hex, key.p, 32);
	memcpy(half, hex, 16);
	c->key.k0 = strtoull(half, &end, 16);
	if (*end)
		return false;
	c->key.k1 = strtoull(hex + 16, &end, 16);
	if (*end)
		return false;
	c->key = keyed_of(c->key.k0, c->key.k1);
	c->value_bytes = slice_eq(bytes, SLICE("null")) ? SIZE_MAX
							: strtoul(bytes.p, NULL, 10);
	c->expires = slice_eq(member(d, "expires"), SLICE("true"));
	return true;
}

static int
read_whole(const char *path, struct buf *b, struct failure *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 1;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	while (fd >= 0 && b->n < 1 << 20) {
		buf_reserve(b, 4096);
		n = read(fd, b->p + b->n, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n < 0 ? -1 : 1;
			break;
		}
		b->n += (size_t)n;
	}
	if (fd < 0 || rc < 0)
		rc = fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path,
			strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

int
config_read(const struct folder *f, struct config *c, struct failure *why)
{
	char *path = folder_join(f->path, "config");
	struct json_scan scan = {0};
	struct failure broken;
	struct json_doc d;
	struct slice version, shape;
	int rc;

	memset(c, 0, sizeof(*c));
	rc = read_whole(path, &c->text, why);
	if (rc <= 0)
		goto out;
	rc = -1;
	if (json_doc_of(&scan, buf_slice(&c->text), &d, &broken) == 0 &&
		slice_eq(member(&d, "streamkit"), SLICE("state"))) {
		version = member(&d, "version");
		if (version.n && !slice_eq(version, SLICE("1"))) {
			fail(why, EXIT_CONFIG, "%s: version %.*s, and this program knows %d", path,
				(int)(version.n < 20 ? version.n : 20), version.p, FILE_VERSION);
			fail_hint(why, "a newer streamkit wrote it, or it is damaged");
			goto out;
		}
		if (sum_holds(&c->text, &c->sum) && config_parse(c, &d))
			rc = 1;
	}
	if (rc < 0) {
		fail(why, EXIT_CONFIG, "%s: damaged", path);
		fail_hint(why, "put the folder back from a copy, or begin anew with sk-state "
			"reset");
		goto out;
	}
	/* What lies in the scan's copy is looked up in the text. */
	shape = c->shape;
	c->tool.p = c->text.p + (c->tool.p - d.base);
	c->shape.p = c->text.p + (shape.p - d.base);
out:
	if (rc <= 0)
		config_release(c);
	json_scan_release(&scan);
	free(path);
	return rc;
}

/* Durable and whole, or not there. */
static int
write_whole(const struct folder *f, const char *name, const struct buf *text,
	struct failure *why)
{
	char *path = folder_join(f->path, name), *temp = NULL;
	struct buf b = {0};
	int fd, rc = 0;
	size_t at;
	ssize_t n = 0;

	buf_addf(&b, "%s.tmp", path);
	buf_cstr(&b);
	temp = b.p;
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (at = 0; fd >= 0 && at < text->n; at += (size_t)n) {
		n = write(fd, text->p + at, text->n - at);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			break;
	}
	if (fd < 0 || n < 0 || fsync(fd) < 0 || rename(temp, path) < 0)
		rc = fail(why, status_of_errno(errno, fd < 0 ? EXIT_CANTCREATE : EXIT_IO),
			"%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (rc == 0)
		rc = file_sync_folder(path, why);
	buf_release(&b);
	free(path);
	return rc;
}

int
config_write(const struct folder *f, const struct config *given, struct failure *why)
{
	struct config c = *given;
	int rc;

	memset(&c.text, 0, sizeof(c.text));
	config_say(&c);
	rc = write_whole(f, "config", &c.text, why);
	buf_release(&c.text);
	return rc;
}

/* ---- runs -------------------------------------------------------------------------- */

static void
runs_say(struct buf *b, uint64_t state, uint64_t epoch)
{
	buf_addf(b, "%llu %016llx\n", (unsigned long long)epoch,
		(unsigned long long)hash64(&epoch, sizeof(epoch), state));
}

int
runs_write(const struct folder *f, uint64_t state, uint64_t epoch, struct failure *why)
{
	struct buf text = {0};
	int rc;

	runs_say(&text, state, epoch);
	rc = write_whole(f, "runs", &text, why);
	buf_release(&text);
	return rc;
}

int
runs_read(const struct folder *f, uint64_t state, uint64_t *epoch, struct failure *why)
{
	char *path = folder_join(f->path, "runs");
	struct buf text = {0}, again = {0};
	int rc = read_whole(path, &text, why);

	if (rc > 0) {
		*epoch = strtoull(buf_cstr(&text), NULL, 10);
		runs_say(&again, state, *epoch);
		rc = slice_eq(buf_slice(&text), buf_slice(&again)) ? 1 : 0;
	}
	if (rc == 0) {
		fail(why, EXIT_CONFIG, "%s: %s", path, text.n ? "damaged" : "is missing");
		fail_hint(why, "put the folder back from a copy, or begin anew with sk-state "
			"reset");
	}
	buf_release(&text);
	buf_release(&again);
	free(path);
	return rc > 0 ? 0 : -1;
}
