/*
 * gc: blobs that nothing tells of any more, and that are old enough.
 *
 * Live is what any record of the live sources mentions, wherever it stands and whatever form
 * the reference has: each 64 digits that could be a hash, and each name behind the URL of the
 * store, in values, keys and headers. Where two names had one hash, a blob would stay that
 * could go. Memory: 16 bytes, twice at most, for each name.
 */
#define _GNU_SOURCE /* memmem */
#include <stdlib.h>

#include "base/keyed.h"
#include "base/mem.h"
#include "claim/claim.h"
#include "flow/emit.h"

struct gc {
	struct claim_options *opt;
	struct blob_store *store;
	struct buf url;           /* what stands before a name */
	struct buf text;          /* a record without escapes */
	struct keyed keyed;
	struct key128 *slot;      /* {0, 0}: free */
	size_t slots, n;
	struct emit *emit;        /* at the end */
};

static void *
gc_open(const struct op_context *ctx, struct failure *why)
{
	struct gc *g = mem_zalloc(sizeof(*g));

	g->opt = (struct claim_options *)(uintptr_t)ctx->config;
	g->keyed = keyed_draw();
	g->store = blob_open(g->opt->store, &g->opt->blob, why);
	if (!g->store) {
		free(g);
		return NULL;
	}
	buf_adds(&g->url, g->store->url);
	buf_addc(&g->url, '/');
	return g;
}

static void
gc_close(void *self)
{
	struct gc *g = self;

	blob_close(g->store);
	buf_release(&g->url);
	buf_release(&g->text);
	free(g->slot);
	free(g);
}

/* ---- the live names ---------------------------------------------------------------- */

static struct key128 *
slot_of(const struct gc *g, struct key128 key)
{
	size_t i = (size_t)key.hi & (g->slots - 1);

	while ((g->slot[i].hi || g->slot[i].lo) && !key128_eq(g->slot[i], key))
		i = (i + 1) & (g->slots - 1);
	return &g->slot[i];
}

static void
grow(struct gc *g)
{
	struct key128 *old = g->slot;
	size_t n = g->slots, i;

	g->slots = n ? 2 * n : 1024;
	g->slot = mem_array(g->slots, sizeof(*g->slot));
	for (i = 0; i < n; i++)
		if (old[i].hi || old[i].lo)
			*slot_of(g, old[i]) = old[i];
	free(old);
}

static void
mark(struct gc *g, struct slice name)
{
	struct key128 key = keyed_hash(&g->keyed, name), *slot;

	if (g->n >= g->slots / 4 * 3)
		grow(g);
	slot = slot_of(g, key);
	g->n += !slot->hi && !slot->lo;
	*slot = key;
}

static bool
is_live(const struct gc *g, struct slice name)
{
	struct key128 *slot = g->slots ? slot_of(g, keyed_hash(&g->keyed, name)) : NULL;

	return slot && (slot->hi || slot->lo);
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Every 64 digits in a row; of a longer row, each beginning. */
static void
mark_hashes(struct gc *g, struct slice s)
{
	size_t i, run = 0;

	for (i = 0; i < s.n; i++) {
		run = is_hex(s.p[i]) ? run + 1 : 0;
		if (run >= SHA_HEX - 1)
			mark(g, slice_of(s.p + i - (SHA_HEX - 2), SHA_HEX - 1));
	}
}

static bool
is_name_byte(char c)
{
	return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
		c == '_' || c == '-' || c == '/';
}

/* Every name behind the URL of the store. */
static void
mark_names(struct gc *g, struct slice s)
{
	const char *at, *end = s.p + s.n;
	size_t n;

	while ((at = memmem(s.p, s.n, g->url.p, g->url.n))) {
		at += g->url.n;
		for (n = 0; at + n < end && is_name_byte(at[n]); n++)
			;
		mark(g, slice_of(at, n));
		s = slice_of(at, (size_t)(end - at));
	}
}

static void
mark_text(struct gc *g, struct slice s)
{
	if (!s.n)
		return;
	mark_hashes(g, s);
	if (g->opt->name)
		mark_names(g, s);
}

static int
gc_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct gc *g = self;
	const struct meta *m = r->meta;
	size_t i;

	(void)why;
	mark_text(g, r->bytes);
	if (r->bytes.n && memchr(r->bytes.p, '\\', r->bytes.n)) {
		buf_reset(&g->text);
		if (r->root == JSON_NONE)
			buf_add_slice(&g->text, r->bytes);
		else
			json_unescape(&g->text, r->bytes);
		mark_text(g, buf_slice(&g->text));
	}
	for (i = 0; m && i < m->nheaders; i++)
		mark_text(g, m->header[i].value);
	if (m)
		mark_text(g, m->key);
	emit_drop(e);
	return OP_OK;
}

/* ---- what can go ------------------------------------------------------------------- */

static void
tell(struct gc *g, const struct blob_info *b)
{
	struct buf *out = emit_begin(g->emit, 0, NULL);
	struct buf url = {0};

	blob_add_url(g->store, b->name, &url);
	buf_adds(out, "{\"url\":");
	json_add_string(out, buf_slice(&url));
	buf_addf(out, ",\"stored\":%llu,\"age\":\"", (unsigned long long)b->size);
	/* Whole seconds: nobody needs more. */
	time_add_duration(out, b->age_us / 1000000 * 1000000);
	buf_addf(out, "\",\"removed\":%s}", g->opt->really ? "true" : "false");
	emit_end(g->emit);
	buf_release(&url);
}

static int
look_at_blob(void *self, const struct blob_info *b, struct failure *why)
{
	struct gc *g = self;
	bool ours = g->opt->name ? name_matches(g->opt->name, b->name) : sha_is_hex(b->name);
	int rc = 1;

	if (!ours || b->age_us < g->opt->min_age_us || is_live(g, b->name))
		return 0;
	if (g->opt->really)
		rc = g->store->remove(g->store, b->name, g->opt->min_age_us, why);
	if (rc <= 0)
		return rc;
	tell(g, b);
	g->opt->blobs++;
	g->opt->bytes += b->size;
	return 0;
}

static int
gc_end(void *self, bool complete, struct emit *e, struct failure *why)
{
	struct gc *g = self;

	if (!complete)
		return fail(why, EXIT_TRY_AGAIN, "interrupted before the live sources were read to "
			"their end: nothing is removed");
	g->emit = e;
	if (g->store->list(g->store, look_at_blob, g, why) < 0)
		return -1;
	return g->store->sweep(g->store, g->opt->min_age_us, g->opt->really, &g->opt->leftovers,
		why);
}

const struct operator claim_gc = {
	.name = "claim-gc",
	.flags = OP_BYTES,
	.open = gc_open,
	.record = gc_record,
	.end = gc_end,
	.close = gc_close,
};
