/*
 * The k-way merge of inputs that are sorted by an expression.
 *
 * A way is an input with its reader, its scanned block and the key of its next line. The
 * ways that have one stand in a binary heap by (key, place among the inputs); ways that
 * need a line stand in a list, and nothing is given out before that is empty. Keys are
 * copied out of the block, since the one before is compared with the next to see that the
 * input is sorted. The block made has its origins behind its bytes and their padding.
 */
#include <stdlib.h>

#include "base/heap.h"
#include "base/mem.h"
#include "source/inputs.h"

/* A key that outlives its block: strings and literals as bytes, others as JSON, scanned.
 * */
struct key {
	struct value value;
	struct buf bytes;
	struct json_scan scan;
	struct json_doc doc;
};

struct way {
	struct reader reader;
	struct input *input;
	bool opened;
	bool keyed;            /* key[now] is that of a line */
	size_t place;          /* among the inputs */
	struct block block;
	struct json_scan scan;
	size_t next;           /* line of scan to look at next; next - 1 has key[now] */
	uint64_t lines;        /* in the blocks before this one */
	struct key key[2];
	unsigned now;
};

struct merge {
	struct listed listed;
	struct expr *by;
	struct expr_run *run;
	struct arena arena;
	struct way *way;
	struct heap heap;      /* ways with a line */
	struct way **need;     /* ways without, the next to look at last */
	size_t nneed;
	struct line_origin *origin;
	size_t norigin, cap_origin;
	bool over;             /* ended, drained or failed */
	bool broken;           /* failed: why says it, once the lines before are out */
	struct failure why;
};

/* What has become of a way. */
enum { WAY_LINE = 1, WAY_END = 0, WAY_FAILED = -1, WAY_WAIT = -2, WAY_FULL = -3,
	WAY_DRAINED = -4 };

/* ---- keys ------------------------------------------------------------------------ */

static void
key_keep_document(struct key *k)
{
	struct failure why;

	/* What value_add_json wrote is JSON. */
	if (json_doc_of(&k->scan, buf_slice(&k->bytes), &k->doc, &why) < 0)
		k->value = value_null();
	else
		k->value = value_token(&k->doc, 0);
}

static void
key_keep(struct key *k, const struct value *v, struct arena *arena)
{
	buf_reset(&k->bytes);
	switch (value_type(v)) {
	case JSON_NULL:
		k->value = value_null();
		return;
	case JSON_FALSE:
		k->value = (struct value){.kind = VALUE_FALSE};
		return;
	case JSON_TRUE:
		k->value = (struct value){.kind = VALUE_TRUE};
		return;
	case JSON_NUMBER:
		if (v->kind == VALUE_DOUBLE) {
			k->value = *v;
			return;
		}
		value_add_json(&k->bytes, v);
		k->value.kind = VALUE_LITERAL;
		k->value.u.text = buf_slice(&k->bytes);
		return;
	case JSON_STRING:
		buf_add_slice(&k->bytes, value_string_bytes(v, arena));
		k->value = value_string(buf_slice(&k->bytes));
		return;
	default:
		value_add_json(&k->bytes, v);
		key_keep_document(k);
	}
}

/* Several outputs are one key: the array of them. */
static void
key_keep_all(struct key *k, const struct value *v, size_t n)
{
	size_t i;

	buf_reset(&k->bytes);
	for (i = 0; i < n; i++) {
		buf_addc(&k->bytes, i ? ',' : '[');
		value_add_json(&k->bytes, &v[i]);
	}
	buf_addc(&k->bytes, ']');
	key_keep_document(k);
}

/* The key of a document: false if the expression fails on it or yields nothing. */
static bool
key_make(struct merge *m, const struct json_doc *doc, struct key *k)
{
	struct value input = value_token(doc, 0);
	const struct value *v;
	struct failure why;
	ptrdiff_t n;

	n = expr_all(m->run, &input, NULL, &v, &why);
	if (n == 1)
		key_keep(k, v, expr_run_arena(m->run));
	else if (n > 1)
		key_keep_all(k, v, (size_t)n);
	expr_run_reset(m->run);
	return n > 0;
}

static int
key_cmp(struct merge *m, const struct key *a, const struct key *b)
{
	int c;

	if (a->value.kind == VALUE_STRING && b->value.kind == VALUE_STRING)
		return slice_cmp(a->value.u.text, b->value.u.text);
	if (a->value.kind == VALUE_LITERAL && b->value.kind == VALUE_LITERAL)
		return json_number_cmp(a->value.u.text, b->value.u.text);
	c = value_cmp(&a->value, &b->value, &m->arena);
	arena_reset(&m->arena);
	return c;
}

static bool
way_before(void *merge, const void *x, const void *y)
{
	struct merge *m = merge;
	const struct way *a = x, *b = y;
	int c = key_cmp(m, &a->key[a->now], &b->key[b->now]);

	return c < 0 || (c == 0 && a->place < b->place);
}

/* ---- lines ----------------------------------------------------------------------- */

static void
add_origin(struct merge *m, const struct way *w, uint64_t offset, uint64_t line)
{
	m->origin = mem_grow(m->origin, &m->cap_origin, m->norigin + 1,
		sizeof(*m->origin));
	m->origin[m->norigin++] = (struct line_origin){w->input, offset, line};
}

/* Line i of the way's block goes out. */
static void
put(struct merge *m, struct way *w, size_t i, struct block *b)
{
	struct slice s = json_line_text(&w->scan, i);

	block_reserve(b, b->n + s.n + 1);
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
	b->p[b->n++] = '\n';
	add_origin(m, w, w->block.offset + w->scan.line[i].start,
		w->lines + w->scan.line[i].number + 1);
}

/* A line that is too long fills a block alone. */
static int
put_long(struct merge *m, struct way *w, struct block *b)
{
	if (b->n)
		return WAY_FULL;
	block_reserve(b, w->block.n);
	memcpy(b->p, w->block.p, w->block.n);
	b->n = w->block.n;
	b->too_long = w->block.too_long;
	add_origin(m, w, w->block.offset, w->lines + 1);
	w->lines++;
	w->block.too_long = 0;
	return WAY_FULL;
}

static int
not_sorted(struct merge *m, const struct way *w, size_t i)
{
	return fail(&m->why, EXIT_DATA, "%s:%llu: not sorted by %s (--merge-by)",
		w->reader.name,
		(unsigned long long)(w->lines + w->scan.line[i].number + 1),
		expr_text(m->by));
}

static bool
is_full(const struct merge *m, const struct block *b)
{
	return b->n >= m->listed.in.opt.block_bytes;
}

/* The next line of the way's scanned block that has a key. */
static int
next_line(struct merge *m, struct way *w, struct block *b)
{
	struct json_doc doc;
	struct failure bad;
	size_t i;

	while (w->next < w->scan.nlines) {
		if (is_full(m, b))
			return WAY_FULL;
		i = w->next++;
		if (json_line_doc(&w->scan, i, false, &doc, &bad) < 0 ||
			!key_make(m, &doc, &w->key[!w->now])) {
			put(m, w, i, b);
			continue;
		}
		w->now = !w->now;
		if (w->keyed && key_cmp(m, &w->key[!w->now], &w->key[w->now]) > 0)
			return not_sorted(m, w, i);
		w->keyed = true;
		return WAY_LINE;
	}
	return WAY_END;
}

static int
advance(struct merge *m, struct way *w, struct block *b)
{
	int rc;

	for (;;) {
		rc = next_line(m, w, b);
		if (rc != WAY_END)
			return rc;
		if (w->block.too_long)
			return put_long(m, w, b);
		w->lines += w->scan.feeds;
		w->scan.nlines = w->scan.feeds = 0;
		w->next = 0;
		if (!w->opened)
			return WAY_END;
		/* What is there goes out rather than wait with us. */
		if (b->n && reader_would_wait(&w->reader))
			return WAY_WAIT;
		rc = reader_read(&w->reader, &w->block, &m->why);
		if (rc < 0)
			return WAY_FAILED;
		if (rc == 0) {
			rc = w->reader.drained ? WAY_DRAINED : WAY_END;
			reader_close(&w->reader);
			w->opened = false;
			return rc;
		}
		if (!w->block.too_long)
			json_scan_block(&w->scan, w->block.p, w->block.n, false);
	}
}

/* ---- blocks ---------------------------------------------------------------------- */

/* Lay the origins behind the bytes, where they live as long as these. */
static int
finish(struct merge *m, struct block *b)
{
	size_t align = _Alignof(struct line_origin), at, bytes;

	if (!m->norigin)
		return 0;
	at = (b->n + JSON_PADDING + align - 1) / align * align;
	bytes = m->norigin * sizeof(*m->origin);
	block_reserve(b, at + bytes);
	memcpy(b->p + at, m->origin, bytes);
	b->origin = (const struct line_origin *)(const void *)(b->p + at);
	return 1;
}

/* A way didn't come to a line: the block ends here, or its end is near. */
static void
set_aside(struct merge *m, struct way *w, int rc)
{
	if (rc == WAY_FAILED || rc == WAY_DRAINED)
		m->over = true;
	m->broken = rc == WAY_FAILED;
	if (rc != WAY_END)
		m->need[m->nneed++] = w;
}

/* Give every way a line. False if the block must go out before that. */
static bool
fill_ways(struct merge *m, struct block *b)
{
	struct way *w;
	int rc;

	while (m->nneed) {
		w = m->need[--m->nneed];
		rc = advance(m, w, b);
		if (rc == WAY_LINE)
			heap_add(&m->heap, w);
		else
			set_aside(m, w, rc);
		if (rc != WAY_LINE && rc != WAY_END)
			return false;
	}
	return true;
}

static void
fill_block(struct merge *m, struct block *b)
{
	struct way *w;
	int rc;

	while (m->heap.n && !is_full(m, b)) {
		w = m->heap.v[0];
		put(m, w, w->next - 1, b);
		rc = advance(m, w, b);
		if (rc == WAY_LINE) {
			heap_sift(&m->heap);
			continue;
		}
		heap_take(&m->heap);
		set_aside(m, w, rc);
		if (rc != WAY_END)
			return;
	}
}

static int
merge_read(struct source *s, struct block *b, struct failure *why)
{
	struct merge *m = (struct merge *)s;

	b->n = 0;
	b->too_long = 0;
	b->offset = 0;
	b->input = NULL;
	b->origin = NULL;
	b->meta = NULL;
	m->norigin = 0;
	if (!m->over && !m->listed.in.opt.stage && flow_draining())
		m->over = true;
	if (!m->over && fill_ways(m, b))
		fill_block(m, b);
	if (finish(m, b))
		return 1;
	if (!m->broken)
		return 0;
	*why = m->why;
	return -1;
}

static bool
merge_would_wait(struct source *s)
{
	struct merge *m = (struct merge *)s;
	struct way *w;
	size_t i;

	for (i = 0; i < m->nneed && !m->over; i++) {
		w = m->need[i];
		if (w->next >= w->scan.nlines && !w->block.too_long && w->opened &&
			reader_would_wait(&w->reader))
			return true;
	}
	return false;
}

/* ---- opening and closing --------------------------------------------------------- */

static void
way_release(struct way *w)
{
	size_t i;

	if (w->opened)
		reader_close(&w->reader);
	block_release(&w->block);
	json_scan_release(&w->scan);
	for (i = 0; i < 2; i++) {
		buf_release(&w->key[i].bytes);
		json_scan_release(&w->key[i].scan);
	}
}

static void
merge_close(struct source *s)
{
	struct merge *m = (struct merge *)s;
	size_t i;

	for (i = 0; i < m->listed.in.n; i++)
		way_release(&m->way[i]);
	free(m->way);
	heap_release(&m->heap);
	free(m->need);
	free(m->origin);
	expr_run_free(m->run);
	expr_free(m->by);
	arena_release(&m->arena);
	inputs_release(&m->listed.in);
	free(m);
}

struct source *
merge_open(const struct source *base, struct inputs *in, const char *by,
	struct failure *why)
{
	static const char *const no_vars[] = {NULL};
	const struct expr_options options = {.vars = no_vars};
	struct merge *m = mem_zalloc(sizeof(*m));
	struct way *w;
	size_t i;

	m->listed.base = *base;
	m->listed.base.read = merge_read;
	m->listed.base.would_wait = merge_would_wait;
	m->listed.base.close = merge_close;
	m->listed.in = *in;
	m->listed.in.opt.done_bytes = &m->listed.base.done_bytes;
	m->way = mem_array(in->n, sizeof(*m->way));
	m->heap.before = way_before;
	m->heap.arg = m;
	m->need = mem_array(in->n, sizeof(struct way *));
	m->by = expr_compile(by, &options, why);
	if (!m->by) {
		fail_within(why, "--merge-by: ");
		merge_close(&m->listed.base);
		return NULL;
	}
	m->run = expr_run_new(m->by);
	for (i = 0; i < in->n; i++) {
		w = &m->way[i];
		w->place = i;
		w->input = &m->listed.in.v[i].input;
		if (reader_open(&w->reader, w->input, m->listed.in.v[i].kind,
				&m->listed.in.opt, why) < 0) {
			merge_close(&m->listed.base);
			return NULL;
		}
		w->opened = true;
		m->need[in->n - 1 - i] = w;
	}
	m->nneed = in->n;
	return &m->listed.base;
}
