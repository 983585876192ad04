/*
 * list, set, distinct, topk: values in a room.
 *
 *	head | items, one behind the other ... free ... | table of places
 *
 * A list is its items alone; it is sorted by (time, value) when it is read. The others find
 * an item by its canonical form in an open table at the end of the room, which is made anew,
 * twice as large, when it is three quarters full.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "window/kinds.h"

#define BAG_MAX ((size_t)1 << 30) /* bytes of a room */

struct bag {
	uint64_t seed;
	uint32_t n, slots;
	uint64_t used;       /* bytes of items */
	char item[];
};

/* The canonical form comes first. A text of its own is kept only where no text that came was
 * the canonical form itself. */
struct item {
	int64_t number;      /* a list's: time; topk's: how often */
	uint32_t size;       /* of all this */
	uint32_t canonical_n;
	uint32_t text_n;     /* 0: the text is the canonical form */
	uint32_t unused;
	char p[];
};

static bool
is_list(const struct fold *f)
{
	return f->func == FOLD_LIST;
}

static struct bag *
bag_of(const struct fold_cell *c, unsigned i)
{
	return c->room[i].n ? (struct bag *)(void *)c->room[i].p : NULL;
}

static struct item *
item_at(const struct bag *b, size_t at)
{
	return (struct item *)(void *)(uintptr_t)(b->item + at);
}

static const struct item *
next_item(const struct bag *b, const struct item *it)
{
	size_t at = it ? (size_t)((const char *)it - b->item) + it->size : 0;

	return b && at < b->used ? item_at(b, at) : NULL;
}

static struct slice
canonical_of(const struct item *it)
{
	return slice_of(it->p, it->canonical_n);
}

static struct slice
text_of(const struct item *it)
{
	return it->text_n ? slice_of(it->p + it->canonical_n, it->text_n) : canonical_of(it);
}

/* ---- the table --------------------------------------------------------------------- */

/* Place 0 is none; else it is one more than where the item begins, in eights. */
static uint32_t *
table_of(const struct fold_room *r, const struct bag *b)
{
	return (uint32_t *)(void *)(r->p + r->n - b->slots * sizeof(uint32_t));
}

static uint32_t *
find(const struct fold_room *r, const struct bag *b, struct slice canonical)
{
	uint32_t *table = table_of(r, b);
	uint32_t mask = b->slots - 1, i;

	for (i = (uint32_t)hash64(canonical.p, canonical.n, b->seed) & mask; table[i];
		i = (i + 1) & mask)
		if (slice_eq(canonical_of(item_at(b, (table[i] - 1) * (size_t)8)), canonical))
			break;
	return &table[i];
}

static void
make_table(const struct fold_room *r, struct bag *b)
{
	const struct item *it = NULL;

	memset(table_of(r, b), 0, b->slots * sizeof(uint32_t));
	while ((it = next_item(b, it)))
		*find(r, b, canonical_of(it)) =
			(uint32_t)((size_t)((const char *)it - b->item) / 8 + 1);
}

/* Make the room fit for one more item of so many bytes. */
static int
make_room(const struct fold *f, struct fold_cell *c, unsigned i, size_t bytes,
	struct failure *why)
{
	struct bag *b = bag_of(c, i);
	uint32_t slots = b ? b->slots : 0, n = b ? b->n : 0;
	size_t used = (b ? b->used : 0) + bytes, need;
	bool fresh = !b;

	if (!is_list(f) && n + 1 > slots / 4 * 3)
		slots = slots ? slots * 2 : 8;
	need = sizeof(*b) + used + slots * sizeof(uint32_t);
	if (b && slots == b->slots && need <= c->room[i].n)
		return 0;
	need = (need + used / 2 + 64 + 7) & ~(size_t)7;
	if (used > BAG_MAX / 2 || need > BAG_MAX)
		return fail(why, EXIT_OS, "%.*s: values of more than 512 MiB in one window",
			(int)f->name.n, f->name.p);
	if (need > c->room[i].n && c->grow(c, i, need, why) < 0)
		return -1;
	b = bag_of(c, i);
	if (fresh)
		b->seed = hash_process_seed();
	b->slots = slots;
	if (slots)
		make_table(&c->room[i], b);
	return 0;
}

/* ---- adding ------------------------------------------------------------------------ */

static int
append(const struct fold *f, struct fold_cell *c, unsigned i, struct slice canonical,
	struct slice text, int64_t number, struct failure *why)
{
	size_t text_n = slice_eq(text, canonical) ? 0 : text.n;
	size_t size = (sizeof(struct item) + canonical.n + text_n + 7) & ~(size_t)7;
	struct bag *b;
	struct item *it;

	if (make_room(f, c, i, size, why) < 0)
		return -1;
	b = bag_of(c, i);
	it = item_at(b, b->used);
	*it = (struct item){number, (uint32_t)size, (uint32_t)canonical.n, (uint32_t)text_n, 0};
	memcpy(it->p, canonical.p, canonical.n);
	memcpy(it->p + canonical.n, text.p, text_n);
	if (!is_list(f))
		*find(&c->room[i], b, canonical) = (uint32_t)(b->used / 8 + 1);
	b->used += size;
	b->n++;
	return 0;
}

/* Of texts of one value the canonical form stays, or else the shortest, the first of them. */
static void
better_text(struct item *it, struct slice text)
{
	struct slice was = text_of(it);

	if (!it->text_n)
		return;
	if (slice_eq(text, canonical_of(it))) {
		it->text_n = 0;
	} else if (text.n < was.n || (text.n == was.n && slice_cmp(text, was) < 0)) {
		memcpy(it->p + it->canonical_n, text.p, text.n);
		it->text_n = (uint32_t)text.n;
	}
}

/* So often more. */
static int
put(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_value *v,
	int64_t times, struct fold_work *w, struct failure *why)
{
	struct slice canonical = fold_canonical(w, v);
	struct bag *b = bag_of(c, i);
	uint32_t place = b && b->slots ? *find(&c->room[i], b, canonical) : 0;
	struct item *it;
	uint64_t was;

	if (!place)
		return append(f, c, i, canonical, f->func == FOLD_DISTINCT ? canonical :
			v->text, times, why);
	it = item_at(b, (place - 1) * (size_t)8);
	was = (uint64_t)it->number;
	if (fold_count_more(f, &was, (uint64_t)times, why) < 0)
		return -1;
	it->number = (int64_t)was;
	if (f->func != FOLD_DISTINCT)
		better_text(it, v->text);
	return 0;
}

int
bag_add(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_input *in,
	struct fold_work *w, struct failure *why)
{
	if (is_list(f))
		return append(f, c, i, in->value.text, in->value.text, in->us, why);
	return put(f, c, i, &in->value, 1, w, why);
}

int
bag_merge(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_cell *from,
	struct fold_work *w, struct failure *why)
{
	const struct bag *b = bag_of(from, i);
	const struct item *it = NULL;
	struct fold_value v;
	int rc = 0;

	while (rc == 0 && (it = next_item(b, it))) {
		v = fold_value_of(text_of(it));
		rc = is_list(f) ? append(f, c, i, v.text, v.text, it->number, why) :
			put(f, c, i, &v, it->number, w, why);
	}
	return rc;
}

/* ---- results ----------------------------------------------------------------------- */

struct sorted {
	const struct item *item;
	struct fold_value value;
	struct fold_work *work;
	enum fold_func func;
};

static int
in_order(const void *x, const void *y)
{
	const struct sorted *a = x, *b = y;
	int c = 0;

	if (a->func == FOLD_LIST)
		c = (a->item->number > b->item->number) - (a->item->number < b->item->number);
	else if (a->func == FOLD_TOPK)
		c = (a->item->number < b->item->number) - (a->item->number > b->item->number);
	return c ? c : fold_order(a->work, &a->value, &b->value);
}

/* The items in the order in which they are written; to be freed. */
static struct sorted *
sort(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	size_t *n)
{
	const struct bag *b = bag_of(c, i);
	const struct item *it = NULL;
	struct sorted *s = mem_array((b ? b->n : 0) + (size_t)1, sizeof(*s));

	for (*n = 0; (it = next_item(b, it)); ++*n)
		s[*n] = (struct sorted){it, fold_value_of(text_of(it)), w, f->func};
	qsort(s, *n, sizeof(*s), in_order);
	return s;
}

void
bag_render(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	struct sorted *s;
	size_t n, j;

	if (f->func == FOLD_DISTINCT) {
		buf_addu(b, bag_of(c, i) ? bag_of(c, i)->n : 0);
		return;
	}
	s = sort(f, c, i, w, &n);
	buf_addc(b, '[');
	for (j = 0; j < n && (f->func != FOLD_TOPK || j < f->most); j++) {
		buf_adds(b, j ? "," : "");
		if (f->func == FOLD_TOPK)
			buf_adds(b, "{\"value\":");
		buf_add_slice(b, s[j].value.text);
		if (f->func == FOLD_TOPK)
			buf_addf(b, ",\"count\":%lld}", (long long)s[j].item->number);
	}
	buf_addc(b, ']');
	free(s);
}

/* A list: [[value,time],...]; topk: [[value,count],...]; the others: [value,...]. */
void
bag_save(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	bool pairs = is_list(f) || f->func == FOLD_TOPK;
	struct sorted *s;
	size_t n, j;

	s = sort(f, c, i, w, &n);
	buf_addc(b, '[');
	for (j = 0; j < n; j++) {
		buf_adds(b, j ? "," : "");
		buf_adds(b, pairs ? "[" : "");
		buf_add_slice(b, s[j].value.text);
		if (is_list(f)) {
			buf_adds(b, ",\"");
			time_add_rfc3339(b, s[j].item->number);
			buf_adds(b, "\"]");
		} else if (pairs) {
			buf_addf(b, ",%lld]", (long long)s[j].item->number);
		}
	}
	buf_addc(b, ']');
	free(s);
}

static int
take_item(const struct fold *f, struct fold_cell *c, unsigned i, const struct json_doc *d,
	uint32_t t, struct buf *room, struct fold_work *w, struct failure *why)
{
	bool pair = is_list(f) || f->func == FOLD_TOPK;
	struct fold_value v;
	uint64_t times = 1;
	int64_t us = 0;

	if (pair && (json_type_at(d, t) != JSON_ARRAY || json_count(d, t) != 2))
		return fold_no_partial(f, why);
	if (is_list(f) ? !fold_read_time(d, json_at(d, t, 1), &us) :
			pair && !fold_read_whole(d, json_at(d, t, 1), &times))
		return fold_no_partial(f, why);
	v = fold_read_value(d, pair ? json_at(d, t, 0) : t, room);
	if (is_list(f))
		return append(f, c, i, v.text, v.text, us, why);
	if (times > INT64_MAX)
		return fold_no_partial(f, why);
	return put(f, c, i, &v, (int64_t)times, w, why);
}

int
bag_take(const struct fold *f, struct fold_cell *c, unsigned i, const struct json_doc *d,
	uint32_t t, struct fold_work *w, struct failure *why)
{
	struct buf room = {0};
	struct json_iter it;
	int rc = 0;

	if (t == JSON_NONE || json_type_at(d, t) != JSON_ARRAY)
		return fold_no_partial(f, why);
	for (json_enter(d, t, &it); rc == 0 && json_step(d, &it);)
		rc = take_item(f, c, i, d, it.value, &room, w, why);
	buf_release(&room);
	return rc;
}
