/* References, places, and the way of one thread to the store. */
#define _GNU_SOURCE /* memmem */
#include "claim/claim.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "json/reach.h"

/* A blob that this thread has put so lately needs no new age. gc takes no --min-age below a
 * minute. */
#define RECENT_NS 10000000000LL
#define RECENT_MAX 8192

#define KEPT_BYTES ((size_t)8 << 20) /* of a buffer, for the next payload */

const char *const claim_name_vars[] = {"sha256", "size", NULL};
const char *const claim_ref_vars[] = {"sha256", "size", "url", "encoding", NULL};

/* ---- porters ----------------------------------------------------------------------- */

struct porter *
porter_new(const struct claim_options *opt, struct failure *why)
{
	struct porter *p = mem_zalloc(sizeof(*p));

	p->opt = opt;
	p->sha = sha_new();
	p->store = blob_open(opt->store, &opt->blob, why);
	p->packer = p->store ? packer_new(why) : NULL;
	p->unpacker = p->packer ? unpacker_new(why) : NULL;
	if (p->unpacker)
		return p;
	porter_free(p);
	return NULL;
}

void
porter_free(struct porter *p)
{
	if (!p)
		return;
	blob_close(p->store);
	packer_free(p->packer);
	unpacker_free(p->unpacker);
	sha_free(p->sha);
	buf_release(&p->packed);
	table_release(&p->recent);
	json_scan_release(&p->scan);
	free(p);
}

/* What is wrong with a blob, and which it is. What is wrong with the store says that itself. */
static int
tell_url(const struct porter *p, const struct claim *c, struct failure *why)
{
	struct buf url = {0};

	if (why->status != EXIT_DATA)
		return -1;
	blob_add_url(p->store, slice_str(c->name), &url);
	fail_within(why, "%s: ", buf_cstr(&url));
	buf_release(&url);
	return -1;
}

/* The name of a template is taken: by the same content, or by another, which references may
 * tell of. */
static int
is_same(struct porter *p, const struct claim *c, struct failure *why)
{
	struct content_want want = {.sha256 = c->sha256, .size = c->size, .max = c->size};
	struct buf there = {0};
	int rc = unpacker_fetch(p->unpacker, p->store, slice_str(c->name), &want, &there, why);

	buf_release(&there);
	if (rc < 0 && why->status == EXIT_DATA) {
		fail_record(why, "name", "the name is taken by another content");
		fail_hint(why, "--name may use $sha256");
	}
	return rc;
}

static int
put_bytes(struct porter *p, struct slice bytes, const struct claim *c, struct failure *why)
{
	struct blob b = {slice_str(c->name), bytes, c->encoding};
	int rc = p->store->put(p->store, &b, !p->opt->name, why);

	if (rc <= 0)
		return rc;
	/* Nobody else changes what has this name while it is there. */
	return is_same(p, c, why) < 0 ? -1 : p->store->put(p->store, &b, true, why);
}

int
porter_put(struct porter *p, struct slice payload, struct claim *c, struct failure *why)
{
	struct slice bytes = payload;
	struct table_entry *e;
	int64_t now = time_monotonic_ns();
	int rc;

	c->size = payload.n;
	if (!p->opt->name) {
		sha_of(p->sha, payload, c->sha256);
		memcpy(c->name, c->sha256, sizeof(c->sha256));
	}
	c->encoding = p->opt->packed ? BLOB_ZSTD : BLOB_PLAIN;
	e = p->opt->name ? NULL : table_get(&p->recent, slice_str(c->sha256));
	if (e && now - e->v.i < RECENT_NS)
		return 0;
	if (p->opt->packed) {
		if (packer_pack(p->packer, payload, &p->packed, why) < 0)
			return -1;
		bytes = buf_slice(&p->packed);
	}
	rc = put_bytes(p, bytes, c, why);
	if (p->packed.cap > KEPT_BYTES)
		buf_release(&p->packed);
	if (rc < 0)
		return tell_url(p, c, why);
	if (p->recent.n >= RECENT_MAX)
		table_release(&p->recent);
	table_put(&p->recent, slice_str(c->sha256), NULL)->v.i = now;
	return 0;
}

/* Say whether it is JSON, and a line. */
static void
look_at(struct porter *p, struct fetched *f)
{
	struct slice s = buf_slice(&f->content);
	struct failure ignored;
	struct json_doc d;

	f->line = !s.n || !memchr(s.p, '\n', s.n);
	if (p->opt->trust && f->line) {
		f->json = true;
	} else if (f->line) {
		json_scan_lazily(&p->scan, s.p, s.n, false);
		f->json = p->scan.nlines == 1 &&
			json_line_doc(&p->scan, 0, false, &d, &ignored) == 0;
	} else {
		f->json = json_doc_of(&p->scan, s, &d, &ignored) == 0;
	}
	if (s.n > KEPT_BYTES)
		json_scan_release(&p->scan);
}

int
porter_get(struct porter *p, const struct claim *c, struct fetched *f, struct failure *why)
{
	struct content_want want = {
		.sha256 = c->sha256,
		.size = c->size,
		.max = p->opt->max_content,
		.plain = c->encoding == BLOB_PLAIN,
	};

	if (unpacker_fetch(p->unpacker, p->store, slice_str(c->name), &want, &f->content,
			why) < 0)
		return tell_url(p, c, why);
	if (!p->opt->check_only)
		look_at(p, f);
	return 0;
}

/* ---- references -------------------------------------------------------------------- */

void
claim_add(struct buf *b, const struct blob_store *store, const struct claim *c)
{
	struct buf url = {0};

	blob_add_url(store, slice_str(c->name), &url);
	buf_adds(b, "{\"url\":");
	json_add_string(b, buf_slice(&url));
	buf_addf(b, ",\"sha256\":\"%s\",\"size\":%llu,\"encoding\":\"%s\"}", c->sha256,
		(unsigned long long)c->size, c->encoding == BLOB_ZSTD ? "zstd" : "none");
	buf_release(&url);
}

static int
no_reference(struct failure *why, const char *what)
{
	return fail_record(why, "reference", "the reference %s", what);
}

/* The member of a reference, a string; absent if there is none. */
static int
member(const struct value *reference, struct slice name, struct arena *arena,
	struct slice *text, struct failure *why)
{
	struct value v;

	*text = (struct slice){0};
	if (!value_get(reference, name, &v) || value_type(&v) == JSON_NULL)
		return 0;
	*text = value_string_bytes(&v, arena);
	return text->p ? 0 : fail_record(why, "reference", "the %s of the reference is no string",
		name.p);
}

static int
read_size(const struct value *reference, uint64_t *size, struct failure *why)
{
	struct buf text = {0};
	struct value v;
	size_t i;
	int rc = 0;

	*size = UINT64_MAX;
	if (!value_get(reference, SLICE("size"), &v) || value_type(&v) == JSON_NULL)
		return 0;
	if (value_type(&v) == JSON_NUMBER)
		value_add_canonical(&text, &v);
	for (i = 0, *size = 0; i < text.n && i < 18 && text.p[i] >= '0' && text.p[i] <= '9'; i++)
		*size = *size * 10 + (uint64_t)(text.p[i] - '0');
	if (!text.n || i < text.n)
		rc = no_reference(why, "has a size that is no number of bytes");
	buf_release(&text);
	return rc;
}

/* Of a URL only the name counts, and only one that put makes here. */
static int
read_name(struct claim *c, struct slice url, const struct claim_options *opt,
	const struct blob_store *store, struct failure *why)
{
	struct buf shown = {0};
	struct slice name;
	bool ours = blob_name_of(store, url, &name);

	if (!ours || (opt->name ? !name_matches(opt->name, name) : !sha_is_hex(name))) {
		text_add_safe(&shown, url, 200);
		fail_record(why, "reference", "%s is no blob of %s", buf_cstr(&shown), store->url);
		buf_release(&shown);
		return -1;
	}
	if (!opt->name && memcmp(name.p, c->sha256, name.n) != 0)
		return no_reference(why, "has a URL and a sha256 that are not of one blob");
	memcpy(c->name, name.p, name.n);
	c->name[name.n] = '\0';
	return 0;
}

int
claim_read(struct claim *c, const struct value *reference, const struct claim_options *opt,
	const struct blob_store *store, struct arena *arena, struct failure *why)
{
	struct slice url, sha256, encoding;

	if (value_type(reference) != JSON_OBJECT)
		return no_reference(why, "is no object");
	if (member(reference, SLICE("url"), arena, &url, why) < 0 ||
		member(reference, SLICE("sha256"), arena, &sha256, why) < 0 ||
		member(reference, SLICE("encoding"), arena, &encoding, why) < 0 ||
		read_size(reference, &c->size, why) < 0)
		return -1;
	if (!url.p)
		return no_reference(why, "has no url");
	if (!sha256.p || !sha_is_hex(sha256))
		return no_reference(why, "has no sha256 of 64 digits");
	memcpy(c->sha256, sha256.p, sha256.n);
	c->sha256[sha256.n] = '\0';
	if (encoding.p && slice_eq(encoding, SLICE("zstd")))
		c->encoding = BLOB_ZSTD;
	else if (!encoding.p || slice_eq(encoding, SLICE("none")))
		c->encoding = BLOB_PLAIN;
	else
		return no_reference(why, "has an encoding that is neither zstd nor none");
	return read_name(c, url, opt, store, why);
}

/* ---- places ------------------------------------------------------------------------ */

/* The event: as it came, unless --at points into a text that was made of it. */
static struct slice
event_text(const struct record *r, bool whole)
{
	if (whole && r->meta && r->meta->odd.p)
		return r->meta->odd;
	return r->bytes;
}

void
claim_at_init(struct claim_at *at, const struct expr *e)
{
	*at = (struct claim_at){0};
	if (!e)
		return;
	at->run = expr_run_new(e);
	at->n = expr_path_fields(e, 0, at->name, CLAIM_AT_DEPTH);
}

void
claim_at_release(struct claim_at *at)
{
	expr_run_free(at->run);
}

void
claim_at_reset(struct claim_at *at)
{
	if (at->run)
		expr_run_reset(at->run);
}

/* By its tokens. A place that an event of another shape can't have is one that it hasn't. */
static bool
find_token(struct place *p, const struct record *r, struct claim_at *at, const char *stage)
{
	struct record_vars vars = {.record = r, .stage = stage,
		.arena = expr_run_arena(at->run)};
	struct expr_env env = {record_var, &vars};
	struct value root = record_value(r);
	const struct value *v;
	struct failure ignored;
	ptrdiff_t n = expr_all(at->run, &root, &env, &v, &ignored);

	if (n != 1 || v->kind != VALUE_TOKEN || v->u.doc != r->doc)
		return false;
	p->t = v->t;
	p->text = json_text(r->doc, v->t);
	return true;
}

int
claim_place(struct place *p, const struct record *r, struct claim_at *at, const char *stage,
	struct failure *why)
{
	struct slice event = event_text(r, !at->run);
	bool found;

	(void)why;
	*p = (struct place){.doc = r->doc, .t = r->root, .text = event, .whole = true};
	if (!at->run)
		return 1;
	p->whole = false;
	if (at->n && !r->doc->pos) {
		p->t = JSON_NONE;
		found = json_reach(event, at->name, at->n, &p->text) == JSON_REACH_FOUND &&
			p->text.n;
	} else {
		found = find_token(p, r, at, stage);
	}
	if (!found)
		return 0;
	if (p->text.p < event.p || p->text.p >= event.p + event.n)
		event = json_text(r->doc, r->root);
	p->before = slice_of(event.p, (size_t)(p->text.p - event.p));
	p->after = slice_of(p->text.p + p->text.n,
		event.n - p->before.n - p->text.n);
	return 1;
}

/* The token that begins there. */
static uint32_t
token_at(const struct json_doc *d, const char *p)
{
	uint32_t at = (uint32_t)(p - d->base), low = 0, high = d->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (d->pos[mid] < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low < d->n && d->pos[low] == at ? low : JSON_NONE;
}

static bool
may_have_claim(struct slice s)
{
	return s.n && (memchr(s.p, '\\', s.n) || memmem(s.p, s.n, "claimCheck", 10));
}

uint32_t
claim_check_of(struct place *p)
{
	if (!p->doc->pos && !may_have_claim(p->text))
		return JSON_NONE;
	if (!p->doc->pos)
		json_doc_tokens(p->doc);
	if (p->t == JSON_NONE)
		p->t = token_at(p->doc, p->text.p);
	if (p->t == JSON_NONE || json_type_at(p->doc, p->t) != JSON_OBJECT)
		return JSON_NONE;
	return json_get(p->doc, p->t, CLAIM_CHECK);
}

bool
claim_maybe(const struct record *r)
{
	return may_have_claim(r->line);
}
