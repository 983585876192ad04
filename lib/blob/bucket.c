/*
 * s3://BUCKET/PREFIX, blobs as objects.
 *
 * A small blob is put and that is all: an object that was there is the same, and its age
 * begins anew. Of a larger one it is asked first whether it is there; if the ETag says that
 * it holds the same bytes, it is copied onto itself, which begins its age anew without sending
 * it again. Above 64 MiB it goes in parts. Ages are by the server's clock.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/sha.h"
#include "base/text.h"
#include "blob/kinds.h"
#include "blob/s3.h"
#include "json/json.h"
#include "time/time.h"

#define ASK_FIRST ((size_t)1 << 20)    /* above, a question costs less than the bytes */
#define WHOLE_MAX ((size_t)64 << 20)   /* sent by one request */
#define PART_BYTES ((size_t)16 << 20)
#define SECOND_US 1000000              /* what HTTP tells times by */
#define RENEWED_US (5 * SECOND_US)     /* as old is what was just put at the most */

struct bucket {
	struct blob_store base; /* first */
	struct s3 *s3;
	char *name;
	int64_t retry_us;
	struct buf prefix;      /* of keys, with a slash at its end, or empty */
	struct buf key;         /* of the blob in hand */
	struct buf query;
};

static struct slice
key_of(struct bucket *b, struct slice name)
{
	buf_reset(&b->key);
	buf_add_slice(&b->key, buf_slice(&b->prefix));
	blob_add_path(&b->base, name, &b->key);
	return buf_slice(&b->key);
}

/* The bucket, or what was begun in it, is not there. */
static int
missing(const struct bucket *b, const struct s3_answer *a, int status, struct failure *why)
{
	return fail(why, status, "s3://%s: the server answers %ld%s%s", b->name, a->status,
		a->code[0] ? " " : "", a->code);
}

static bool
is_done(const struct s3_answer *a)
{
	return a->status / 100 == 2;
}

/* ---- what a blob's ETag is --------------------------------------------------------- */

static size_t
parts_of(struct slice bytes)
{
	return (bytes.n + PART_BYTES - 1) / PART_BYTES;
}

static struct slice
part_of(struct slice bytes, size_t i)
{
	size_t at = i * PART_BYTES, left = bytes.n - at;

	return slice_of(bytes.p + at, left < PART_BYTES ? left : PART_BYTES);
}

static unsigned char
digit(char c)
{
	return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The MD5 of the bytes; of an object in parts, that of the MD5s of the parts. Servers that
 * encrypt have another one, which then is like none. */
static bool
etag_of(struct slice bytes, char etag[S3_ETAG_MAX])
{
	char hex[MD5_HEX];
	struct buf sums = {0};
	size_t i, k, n = parts_of(bytes);
	bool known = true;

	if (bytes.n <= WHOLE_MAX)
		return md5_of(bytes, etag);
	for (i = 0; i < n && known; i++) {
		known = md5_of(part_of(bytes, i), hex);
		for (k = 0; known && k < MD5_HEX - 1; k += 2)
			buf_addc(&sums, (char)(digit(hex[k]) << 4 | digit(hex[k + 1])));
	}
	known = known && md5_of(buf_slice(&sums), hex);
	if (known)
		snprintf(etag, S3_ETAG_MAX, "%s-%zu", hex, n);
	buf_release(&sums);
	return known;
}

/* ---- putting ----------------------------------------------------------------------- */

#define TYPE "Content-Type: application/json"
#define PACKED "Content-Encoding: zstd"

static const char *
packed_header(const struct blob *blob)
{
	return blob->encoding == BLOB_ZSTD ? PACKED : NULL;
}

/* Send the whole. 1: the name is taken, where it may not be. */
static int
put_whole(struct bucket *b, const struct blob *blob, bool replace, struct failure *why)
{
	const char *header[4] = {TYPE};
	struct s3_request r = {"PUT", key_of(b, blob->name), NULL, header, blob->bytes, NULL};
	const struct s3_answer *a;
	size_t n = 1;

	if (!replace)
		header[n++] = "If-None-Match: *";
	header[n] = packed_header(blob);
	if (s3_ask(b->s3, &r, &a, why) < 0)
		return -1;
	if (a->status == 412 && !replace)
		return 1;
	/* A server that knows no conditions has just been asked whether it is there. */
	if (a->status == 501 && !replace)
		return put_whole(b, blob, true, why);
	return is_done(a) ? 0 : missing(b, a, EXIT_CANTCREATE, why);
}

/* Begin an upload in parts: its id, into id. */
static int
begin_parts(struct bucket *b, const struct blob *blob, struct buf *id, struct failure *why)
{
	const char *header[] = {TYPE, packed_header(blob), NULL};
	struct s3_request r = {"POST", key_of(b, blob->name), "uploads=", header, {0}, NULL};
	const struct s3_answer *a;
	struct slice xml, text;

	if (s3_ask(b->s3, &r, &a, why) < 0)
		return -1;
	xml = a->body;
	if (!is_done(a) || !s3_element(&xml, "UploadId", &text))
		return missing(b, a, EXIT_CANTCREATE, why);
	s3_add_encoded(id, text, true);
	buf_cstr(id);
	return 0;
}

/* Send the parts, and list them in xml. */
static int
send_parts(struct bucket *b, const struct blob *blob, const struct buf *id, struct buf *xml,
	struct failure *why)
{
	struct s3_request r = {.method = "PUT", .key = key_of(b, blob->name)};
	const struct s3_answer *a;
	size_t i, n = parts_of(blob->bytes);

	buf_adds(xml, "<CompleteMultipartUpload>");
	for (i = 0; i < n; i++) {
		buf_reset(&b->query);
		buf_addf(&b->query, "partNumber=%zu&uploadId=%s", i + 1, id->p);
		r.query = buf_cstr(&b->query);
		r.body = part_of(blob->bytes, i);
		if (s3_ask(b->s3, &r, &a, why) < 0)
			return -1;
		if (!is_done(a) || !a->etag[0])
			return missing(b, a, EXIT_CANTCREATE, why);
		buf_addf(xml, "<Part><PartNumber>%zu</PartNumber><ETag>&quot;%s&quot;</ETag></Part>",
			i + 1, a->etag);
	}
	buf_adds(xml, "</CompleteMultipartUpload>");
	return 0;
}

/* Look at what is there under the blob's name; false if nothing is. */
static int
look(struct bucket *b, const struct blob *blob, struct s3_answer *there, struct failure *why)
{
	struct s3_request r = {.method = "HEAD", .key = key_of(b, blob->name)};
	const struct s3_answer *a;

	if (s3_ask(b->s3, &r, &a, why) < 0)
		return -1;
	*there = *a;
	return is_done(a);
}

static bool
is_same(const struct blob *blob, const struct s3_answer *there)
{
	char etag[S3_ETAG_MAX];

	return there->size == blob->bytes.n && etag_of(blob->bytes, etag) &&
		strcmp(etag, there->etag) == 0;
}

static int64_t
age_of(const struct s3_answer *there)
{
	int64_t now = there->date_us == TIME_NONE ? time_now_us() : there->date_us;

	return there->modified_us == TIME_NONE ? -1 : now - there->modified_us;
}

/* Ask for the whole that the parts are. Where the answer was lost, the upload is not known
 * any more, and an object of that length has just appeared: not all servers make its ETag in
 * the same way, but each has checked the parts. */
static int
end_parts(struct bucket *b, const struct blob *blob, const struct buf *id, struct slice xml,
	struct failure *why)
{
	static const char *const header[] = {"Content-Type: application/xml", NULL};
	struct s3_request r = {"POST", key_of(b, blob->name), NULL, header, xml, NULL};
	const struct s3_answer *a;
	struct s3_answer there;
	struct failure lost;
	int64_t began = time_monotonic_ns();
	int rc;

	buf_reset(&b->query);
	buf_addf(&b->query, "uploadId=%s", id->p);
	r.query = buf_cstr(&b->query);
	if (s3_ask(b->s3, &r, &a, why) < 0)
		return -1;
	if (is_done(a))
		return 0;
	missing(b, a, EXIT_CANTCREATE, &lost);
	rc = look(b, blob, &there, why);
	if (rc > 0 && (is_same(blob, &there) || (there.size == blob->bytes.n &&
			age_of(&there) >= 0 &&
			age_of(&there) <= (time_monotonic_ns() - began) / 1000 + SECOND_US)))
		return 0;
	if (rc >= 0)
		*why = lost;
	return -1;
}

static void
give_up_parts(struct bucket *b, struct slice key, const char *id)
{
	struct s3_request r = {.method = "DELETE", .key = key};
	const struct s3_answer *a;
	struct failure ignored;

	buf_reset(&b->query);
	buf_addf(&b->query, "uploadId=%s", id);
	r.query = buf_cstr(&b->query);
	(void)s3_ask(b->s3, &r, &a, &ignored); /* gc finds what stays */
}

static int
put_parts(struct bucket *b, const struct blob *blob, struct failure *why)
{
	struct buf id = {0}, xml = {0};
	int rc = begin_parts(b, blob, &id, why);

	if (rc == 0) {
		rc = send_parts(b, blob, &id, &xml, why);
		if (rc == 0)
			rc = end_parts(b, blob, &id, buf_slice(&xml), why);
		if (rc < 0)
			give_up_parts(b, key_of(b, blob->name), id.p);
	}
	buf_release(&id);
	buf_release(&xml);
	return rc;
}

/* Copy an object onto itself, and see whether it is younger now: 1; 0: this server doesn't
 * make it so. */
static int
renew(struct bucket *b, const struct blob *blob, struct s3_answer *there, struct failure *why)
{
	struct buf source = {0};
	const char *header[] = {"x-amz-metadata-directive: REPLACE", TYPE, NULL, NULL, NULL};
	struct s3_request r = {.method = "PUT", .key = key_of(b, blob->name), .header = header};
	const struct s3_answer *a;
	int rc;

	buf_addf(&source, "x-amz-copy-source: /%s/", b->name);
	s3_add_encoded(&source, r.key, false);
	header[2] = buf_cstr(&source);
	header[3] = strcmp(there->encoding, "zstd") == 0 ? PACKED : NULL;
	rc = s3_ask(b->s3, &r, &a, why);
	buf_release(&source);
	if (rc < 0)
		return why->status == EXIT_CONFIG ? 0 : -1;
	if (!is_done(a))
		return 0;
	rc = look(b, blob, there, why);
	return rc <= 0 ? rc : age_of(there) >= 0 && age_of(there) <= RENEWED_US;
}

static int
s3_put(struct blob_store *base, const struct blob *blob, bool replace, struct failure *why)
{
	struct bucket *b = (struct bucket *)base;
	struct s3_answer there;
	int rc;

	if (blob->bytes.n > ASK_FIRST || !replace) {
		rc = look(b, blob, &there, why);
		if (rc < 0)
			return -1;
		if (rc && !is_same(blob, &there) && !replace)
			return 1;
		if (rc && is_same(blob, &there)) {
			rc = renew(b, blob, &there, why);
			if (rc)
				return rc < 0 ? -1 : 0;
			replace = true; /* by the same bytes */
		}
	}
	if (blob->bytes.n > WHOLE_MAX)
		return put_parts(b, blob, why);
	return put_whole(b, blob, replace, why);
}

/* ---- getting ----------------------------------------------------------------------- */

static int
s3_get(struct blob_store *base, struct slice name, const struct blob_sink *sink,
	struct failure *why)
{
	struct bucket *b = (struct bucket *)base;
	struct s3_request r = {"GET", key_of(b, name), NULL, NULL, {0}, sink};
	const struct s3_answer *a;

	if (s3_ask(b->s3, &r, &a, why) < 0) {
		/* Of this one blob: a server that sends us elsewhere for it. */
		if (why->status == EXIT_CONFIG && strstr(why->text, "server answers 3"))
			return fail_record(why, "blob", "the server answers with a redirect, which "
				"is not followed");
		return -1;
	}
	if (a->status == 200)
		return 1;
	return strcmp(a->code, "NoSuchBucket") == 0 || a->status != 404 ?
		missing(b, a, EXIT_NOINPUT, why) : 0;
}

/* ---- what there is ----------------------------------------------------------------- */

/* Append text of XML with its entities resolved; others than the five stand for bytes that no
 * name has. */
static void
add_text(struct buf *b, struct slice s)
{
	static const struct {
		struct slice entity;
		char c;
	} known[] = {
		{SLICE_INIT("&amp;"), '&'}, {SLICE_INIT("&lt;"), '<'}, {SLICE_INIT("&gt;"), '>'},
		{SLICE_INIT("&quot;"), '"'}, {SLICE_INIT("&apos;"), '\''},
	};
	size_t i, k;

	for (i = 0; i < s.n;) {
		for (k = 0; k < sizeof(known) / sizeof(*known); k++)
			if (slice_starts(slice_of(s.p + i, s.n - i), known[k].entity))
				break;
		if (k < sizeof(known) / sizeof(*known)) {
			buf_addc(b, known[k].c);
			i += known[k].entity.n;
		} else {
			buf_addc(b, s.p[i++]);
		}
	}
}

/* The age of what the server says was changed then; negative if it can't be told. */
static int64_t
age_us(const struct s3_answer *a, struct slice changed)
{
	int64_t now = a->date_us == TIME_NONE ? time_now_us() : a->date_us, us;

	return time_of_rfc3339(changed, &us) < 0 ? -1 : now - us;
}

/* One <Contents>. */
static int
tell_object(struct bucket *b, const struct s3_answer *a, struct slice object,
	blob_lister *lister, void *arg, struct failure *why)
{
	struct slice rest = object, key, text;
	struct blob_info info;
	struct buf name = {0};
	size_t i, skip = b->prefix.n;
	int rc = 0;

	if (!s3_element(&rest, "Key", &key))
		return 0;
	rest = object;
	if (!s3_element(&rest, "LastModified", &text))
		return 0;
	info.age_us = age_us(a, text);
	rest = object;
	info.size = 0;
	if (s3_element(&rest, "Size", &text))
		for (i = 0; i < text.n && i < 18 && text.p[i] >= '0' && text.p[i] <= '9'; i++)
			info.size = info.size * 10 + (uint64_t)(text.p[i] - '0');
	add_text(&name, key);
	if (name.n > skip && slice_starts(buf_slice(&name), buf_slice(&b->prefix))) {
		info.name = slice_of(name.p + skip, name.n - skip);
		if (blob_is_name(info.name))
			rc = lister(arg, &info, why);
	}
	buf_release(&name);
	return rc;
}

/* The query of the next page: token is empty for the first one. */
static const char *
page_query(struct bucket *b, const struct buf *token)
{
	buf_reset(&b->query);
	if (token->n) {
		buf_adds(&b->query, "continuation-token=");
		s3_add_encoded(&b->query, buf_slice(token), true);
		buf_addc(&b->query, '&');
	}
	buf_adds(&b->query, "list-type=2&prefix=");
	s3_add_encoded(&b->query, buf_slice(&b->prefix), true);
	return buf_cstr(&b->query);
}

/* A page is copied: the lister may ask for other things. */
static int
list_page(struct bucket *b, struct buf *token, blob_lister *lister, void *arg,
	struct failure *why)
{
	struct s3_request r = {.method = "GET", .query = page_query(b, token)};
	struct s3_answer answer;
	const struct s3_answer *a;
	struct buf page = {0};
	struct slice xml, object, text;
	int rc = 0;

	if (s3_ask(b->s3, &r, &a, why) < 0)
		return -1;
	if (!is_done(a))
		return missing(b, a, EXIT_NOINPUT, why);
	answer = *a;
	buf_add_slice(&page, a->body);
	buf_reset(token);
	xml = buf_slice(&page);
	if (s3_element(&xml, "NextContinuationToken", &text))
		add_text(token, text);
	xml = buf_slice(&page);
	while (rc == 0 && s3_element(&xml, "Contents", &object))
		rc = tell_object(b, &answer, object, lister, arg, why);
	buf_release(&page);
	return rc;
}

static int
s3_list(struct blob_store *base, blob_lister *lister, void *arg, struct failure *why)
{
	struct bucket *b = (struct bucket *)base;
	struct buf token = {0};
	int rc;

	do
		rc = list_page(b, &token, lister, arg, why);
	while (rc == 0 && token.n);
	buf_release(&token);
	return rc;
}

/* Its age is asked for right before, also where the removal is tried again: a put may have come
 * in between. */
static int
s3_remove(struct blob_store *base, struct slice name, int64_t min_age_us,
	struct failure *why)
{
	struct bucket *b = (struct bucket *)base;
	struct s3_request look_at = {.method = "HEAD", .key = key_of(b, name)};
	struct s3_request drop = {.method = "DELETE", .key = look_at.key, .once = true};
	const struct s3_answer *a;
	int64_t began = time_monotonic_ns();
	int rc;

	do {
		if (s3_ask(b->s3, &look_at, &a, why) < 0)
			return -1;
		if (!is_done(a) || age_of(a) < min_age_us)
			return 0;
		rc = s3_ask(b->s3, &drop, &a, why);
	} while (rc > 0 && (time_monotonic_ns() - began) / 1000 < b->retry_us);
	if (rc)
		return -1;
	return is_done(a) ? 1 : a->status == 404 ? 0 : missing(b, a, EXIT_IO, why);
}

/* Uploads in parts that were begun and not ended. Servers that can't tell have none. */
static int
s3_sweep(struct blob_store *base, int64_t min_age_us, bool really, uint64_t *n,
	struct failure *why)
{
	struct bucket *b = (struct bucket *)base;
	struct s3_request r = {.method = "GET"};
	const struct s3_answer *a;
	struct s3_answer answer;
	struct buf page = {0}, key = {0}, id = {0};
	struct slice xml, upload, rest, text;

	*n = 0;
	buf_reset(&b->query);
	buf_adds(&b->query, "prefix=");
	s3_add_encoded(&b->query, buf_slice(&b->prefix), true);
	buf_adds(&b->query, "&uploads=");
	r.query = buf_cstr(&b->query);
	if (s3_ask(b->s3, &r, &a, why) < 0)
		return -1;
	if (!is_done(a))
		return 0;
	answer = *a;
	buf_add_slice(&page, a->body);
	xml = buf_slice(&page);
	while (s3_element(&xml, "Upload", &upload)) {
		buf_reset(&key);
		buf_reset(&id);
		rest = upload;
		if (s3_element(&rest, "Key", &text))
			add_text(&key, text);
		rest = upload;
		if (s3_element(&rest, "UploadId", &text))
			s3_add_encoded(&id, text, true);
		rest = upload;
		if (!slice_starts(buf_slice(&key), buf_slice(&b->prefix)) || !id.n ||
			!s3_element(&rest, "Initiated", &text) ||
			age_us(&answer, text) < min_age_us)
			continue;
		++*n;
		if (really)
			give_up_parts(b, buf_slice(&key), buf_cstr(&id));
	}
	buf_release(&page);
	buf_release(&key);
	buf_release(&id);
	return 0;
}

/* ---- opening ----------------------------------------------------------------------- */

static void
s3_store_close(struct blob_store *base)
{
	struct bucket *b = (struct bucket *)base;

	s3_close(b->s3);
	buf_release(&b->prefix);
	buf_release(&b->key);
	buf_release(&b->query);
	free(b->name);
	free(b->base.url);
	free(b);
}

/* A prefix is components that mean themselves. */
static bool
is_prefix(struct slice s)
{
	const char *slash;
	size_t n, i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	while (s.n) {
		slash = memchr(s.p, '/', s.n);
		n = slash ? (size_t)(slash - s.p) : s.n;
		if (!n || slice_eq(slice_of(s.p, n), SLICE(".")) ||
			slice_eq(slice_of(s.p, n), SLICE("..")))
			return false;
		s = slice_of(s.p + n + (slash != NULL), s.n - n - (slash != NULL));
	}
	return true;
}

struct blob_store *
blob_s3_open(const char *path, const struct blob_options *opt, struct failure *why)
{
	struct bucket *b = mem_zalloc(sizeof(*b));
	size_t n = strcspn(path, "/");
	struct slice prefix = slice_str(path + n + (path[n] == '/'));
	struct buf url = {0};

	while (prefix.n && prefix.p[prefix.n - 1] == '/')
		prefix.n--;
	b->name = mem_dup(path, n);
	b->retry_us = opt->retry_us;
	buf_add_slice(&b->prefix, prefix);
	buf_addf(&url, "s3://%s%s%.*s", b->name, prefix.n ? "/" : "", (int)prefix.n, prefix.p);
	if (prefix.n)
		buf_addc(&b->prefix, '/');
	b->base.url = mem_strdup(opt->url ? opt->url : buf_cstr(&url));
	buf_release(&url);
	if (!text_is_component(slice_str(b->name)) || !is_prefix(prefix) ||
		!json_is_utf8(slice_str(b->base.url)))
		fail(why, EXIT_USAGE, "'s3://%s' is no s3://BUCKET/PREFIX", path);
	else
		b->s3 = s3_open(b->name, opt, why);
	if (!b->s3) {
		s3_store_close(&b->base);
		return NULL;
	}
	b->base.put = s3_put;
	b->base.get = s3_get;
	b->base.list = s3_list;
	b->base.remove = s3_remove;
	b->base.sweep = s3_sweep;
	b->base.close = s3_store_close;
	return &b->base;
}
