/* Groups as bytes, and the whole as JSON. */
#include "group/group.h"

#include <stdlib.h>

#include "base/mem.h"
#include "expr/extend.h"
#include "json/reach.h"

void
group_begin(struct group *g, struct slice key)
{
	group_head_init(&g->h, (uint32_t)key.n);
	buf_reset(&g->bytes);
	buf_reserve(&g->bytes, sizeof(g->h) + key.n);
	g->bytes.n = sizeof(g->h);
	buf_add_slice(&g->bytes, key);
}

void
group_load(struct group *g, struct slice kept)
{
	struct slice whole;

	g->h = group_head_of(kept);
	whole = group_whole_of(kept, g->h.e.key_n);
	buf_reset(&g->bytes);
	if (g->h.e.kind != WHOLE_MEMBERS) {
		buf_add_slice(&g->bytes, kept);
		return;
	}
	buf_add(&g->bytes, kept.p, kept.n - whole.n);
	group_add_fields(&g->bytes, whole);
	g->h.e.kind = WHOLE_FIELDS;
}

struct slice
group_keep(struct group *g)
{
	memcpy(g->bytes.p, &g->h, sizeof(g->h));
	return buf_slice(&g->bytes);
}

void
group_release(struct group *g)
{
	buf_release(&g->bytes);
	pieces_release(&g->pieces);
}

void
group_work_release(struct group_work *w)
{
	buf_release(&w->next);
	buf_release(&w->canonical);
	arena_release(&w->arena);
	json_scan_release(&w->scan);
	json_scan_release(&w->other);
}

/* ---- fields ------------------------------------------------------------------------ */

/* Append "name":value of a field without pieces. */
static inline void
add_short(struct buf *b, const struct stored_field *f)
{
	char *p;

	if (!f->plain) {
		json_add_string(b, f->name);
		buf_addc(b, ':');
		buf_add_slice(b, f->value);
		return;
	}
	buf_reserve(b, f->name.n + f->value.n + 3);
	p = b->p + b->n;
	*p++ = '"';
	copy_short(p, f->name.p, f->name.n);
	p += f->name.n;
	*p++ = '"';
	*p++ = ':';
	copy_short(p, f->value.p, f->value.n);
	b->n += f->name.n + f->value.n + 3;
}

static int
add_field(struct buf *b, const struct pieces *pieces, const struct stored_field *f,
	struct failure *why)
{
	if (!f->pieces) {
		add_short(b, f);
		return 0;
	}
	json_add_string(b, f->name);
	buf_addc(b, ':');
	if (pieces_add_text(pieces, f->stream, f->pieces, b, why) < 0)
		return -1;
	buf_add_slice(b, f->value);
	return 0;
}

void
group_add_fields(struct buf *b, struct slice members)
{
	const char *p = members.p, *end = p + members.n;
	struct buf decoded = {0};
	struct slice name, value;
	bool plain;

	while (p < end) {
		name = json_value_at(p + 1, end);
		value = json_value_at(name.p + name.n + 1, end);
		p = value.p + value.n;
		name = slice_of(name.p + 1, name.n - 2);
		plain = !memchr(name.p, '\\', name.n);
		if (!plain) {
			buf_reset(&decoded);
			json_unescape(&decoded, name);
			name = buf_slice(&decoded);
		}
		field_add(b, name, plain, value);
	}
	buf_release(&decoded);
}

/* The fields as an object, but for _aggregate where that is to be added; its bracket is left
 * open. */
static int
open_object(struct buf *b, const struct group *g, bool meta, struct failure *why)
{
	struct slice fields = group_whole(g);
	struct stored_field f;

	buf_reserve(b, fields.n + 2); /* as much as all of them take, without escapes */
	buf_addc(b, '{');
	while (field_step(&fields, &f)) {
		if (meta && slice_eq(f.name, SLICE("_aggregate")))
			continue;
		if (b->p[b->n - 1] != '{')
			buf_addc(b, ',');
		if (add_field(b, &g->pieces, &f, why) < 0)
			return -1;
	}
	return 0;
}

/* ---- the whole --------------------------------------------------------------------- */

static int
add_whole(struct buf *b, const struct group *g, struct failure *why)
{
	switch ((enum whole_kind)g->h.e.kind) {
	case WHOLE_NONE:
		buf_adds(b, "null");
		break;
	case WHOLE_FIELDS:
		if (open_object(b, g, false, why) < 0)
			return -1;
		buf_addc(b, '}');
		break;
	case WHOLE_LIST:
		return group_add_list(b, g, why);
	case WHOLE_TEXT:
	case WHOLE_MEMBERS: /* of kept bytes alone */
		buf_add_slice(b, group_whole(g));
		break;
	}
	return 0;
}

static void
add_time(struct buf *b, const char *name, int64_t us)
{
	buf_addf(b, ",\"%s\":\"", name);
	time_add_rfc3339(b, us);
	buf_addc(b, '"');
}

static void
add_meta(struct buf *b, const struct group *g, const char *by)
{
	buf_adds(b, "{\"key\":");
	buf_add_slice(b, group_key(g));
	buf_addf(b, ",\"count\":%llu,\"by\":\"%s\"", (unsigned long long)g->h.count, by);
	if (g->h.first_us != TIME_NONE) {
		add_time(b, "first", g->h.first_us);
		add_time(b, "last", g->h.last_us);
	}
	buf_addc(b, '}');
}

/* An object that an expression made, with the meta; false: it is none. */
static bool
add_made_object(struct group_work *w, struct buf *b, const struct group *g, const char *by)
{
	struct value_member meta = {.name = SLICE("_aggregate")};
	struct slice whole = group_whole(g), clash;
	struct failure ignored;
	struct value object;

	if (g->h.e.kind != WHOLE_TEXT || whole.p[0] != '{' ||
		json_doc_of(&w->scan, whole, &w->doc, &ignored) < 0)
		return false;
	buf_reset(&w->next);
	add_meta(&w->next, g, by);
	if (json_doc_of(&w->other, buf_slice(&w->next), &w->other_doc, &ignored) < 0)
		return false;
	object = value_token(&w->doc, 0);
	meta.value = value_token(&w->other_doc, 0);
	return value_add_extended(b, &object, &meta, 1, true, &w->arena, &clash);
}

int
group_add_json(struct group_work *w, struct buf *b, const struct group *g, const char *by,
	struct failure *why)
{
	if (!by)
		return add_whole(b, g, why);
	if (g->h.e.kind == WHOLE_FIELDS) {
		if (open_object(b, g, true, why) < 0)
			return -1;
		if (b->p[b->n - 1] != '{')
			buf_addc(b, ',');
	} else if (add_made_object(w, b, g, by)) {
		arena_reset(&w->arena);
		return 0;
	} else {
		buf_adds(b, "{\"value\":");
		if (add_whole(b, g, why) < 0)
			return -1;
		buf_addc(b, ',');
	}
	buf_adds(b, "\"_aggregate\":");
	add_meta(b, g, by);
	buf_addc(b, '}');
	return 0;
}

int
group_value(struct group_work *w, const struct group *g, struct value *v, struct failure *why)
{
	buf_reset(&w->next);
	if (add_whole(&w->next, g, why) < 0)
		return -1;
	if (json_doc_of(&w->scan, buf_slice(&w->next), &w->doc, why) < 0)
		return fail_record(why, "merge", "the whole cannot be read: %s", why->text);
	*v = value_token(&w->doc, 0);
	return 0;
}

int
group_set(struct group_work *w, struct group *g, const struct value *v, struct failure *why)
{
	buf_reset(&w->next);
	buf_add(&w->next, g->bytes.p, sizeof(g->h) + g->h.e.key_n);
	value_add_json(&w->next, v);
	return group_take(w, g, WHOLE_TEXT, why);
}

bool
group_has(struct group_work *w, const struct group *g, const struct slice *name, size_t n)
{
	struct slice left = group_whole(g);
	struct stored_field f;
	struct failure ignored;
	struct value whole, v;
	size_t i, found = 0;

	if (g->h.e.kind == WHOLE_TEXT) {
		if (group_value(w, g, &whole, &ignored) < 0)
			return false;
		for (i = 0; i < n; i++)
			if (!value_get(&whole, name[i], &v) || !value_truth(&v))
				return false;
		return true;
	}
	if (g->h.e.kind != WHOLE_FIELDS)
		return false;
	while (field_step(&left, &f))
		for (i = 0; i < n; i++)
			if (slice_eq(f.name, name[i]))
				found += f.pieces || (f.value.p[0] != 'n' && f.value.p[0] != 'f');
	return found == n;
}
