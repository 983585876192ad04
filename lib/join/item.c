/* Records as a join keeps them. */
#include "join/item.h"

#include <stdlib.h>

#include "json/sortable.h"

static struct item *
take(struct pool *pool, size_t bytes, uint64_t place)
{
	struct item_front *f = pool_take(pool, sizeof(*f) + bytes);

	*f = (struct item_front){.id = 0, .place = place};
	return (struct item *)(void *)(f + 1);
}

struct item *
item_new(struct pool *pool, const struct item_parts *of)
{
	size_t kafka_n = of->kafka_key.p ? of->kafka_key.n : 0;
	struct item *i = take(pool, sizeof(*i) + of->key.n + kafka_n + of->content.n,
		of->place);
	char *p = i->p;

	*i = (struct item){
		.us = of->us, .until_us = of->until_us, .hash = of->hash,
		.key_n = (uint32_t)of->key.n,
		.kafka_n = of->kafka_key.p ? (uint32_t)kafka_n : ITEM_NO_KAFKA_KEY,
		.content_n = (uint32_t)of->content.n,
		.side = of->side, .rank = of->rank & 1u, .removes = of->removes,
		.paired = of->paired,
	};
	memcpy(p, of->key.p, of->key.n);
	p += of->key.n;
	if (kafka_n)
		memcpy(p, of->kafka_key.p, kafka_n);
	p += kafka_n;
	if (of->content.n)
		memcpy(p, of->content.p, of->content.n);
	return i;
}

void
item_free(struct pool *pool, struct item *i)
{
	if (!i->laid)
		pool_give(pool, item_front(i), sizeof(struct item_front) + item_bytes(i));
}

struct item *
item_copy(struct pool *pool, const struct item *i)
{
	return memcpy(take(pool, item_bytes(i), item_place(i)), i, item_bytes(i));
}

/* ---- order ------------------------------------------------------------------------- */

static bool
is_plain_string(struct slice s)
{
	return s.n >= 2 && s.p[0] == '"' && !memchr(s.p, '\\', s.n);
}

static int
cmp_any(struct slice a, struct slice b)
{
	struct json_scan scan = {0};
	struct buf x = {0}, y = {0};
	struct failure ignored;
	struct json_doc d;
	int c;

	if (json_doc_of(&scan, a, &d, &ignored) == 0)
		json_add_sortable(&x, &d, 0);
	if (json_doc_of(&scan, b, &d, &ignored) == 0)
		json_add_sortable(&y, &d, 0);
	c = slice_cmp(buf_slice(&x), buf_slice(&y));
	buf_release(&x);
	buf_release(&y);
	json_scan_release(&scan);
	return c;
}

int
item_cmp_keys(struct slice a, struct slice b)
{
	if (slice_eq(a, b))
		return 0;
	if (is_plain_string(a) && is_plain_string(b))
		return slice_cmp(slice_of(a.p + 1, a.n - 2), slice_of(b.p + 1, b.n - 2));
	return cmp_any(a, b);
}

int
item_cmp(const struct item *a, const struct item *b)
{
	int c;

	if (a->us != b->us)
		return a->us < b->us ? -1 : 1;
	c = item_cmp_keys(item_key(a), item_key(b));
	if (c)
		return c;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (item_is_row(a) && item_place(a) != item_place(b))
		return item_place(a) < item_place(b) ? -1 : 1;
	c = slice_cmp(item_content(a), item_content(b));
	if (c)
		return c;
	if (a->until_us != b->until_us)
		return a->until_us < b->until_us ? -1 : 1;
	if ((c = (int)a->removes - (int)b->removes))
		return c;
	return slice_cmp(item_kafka_key(a), item_kafka_key(b));
}

static int
by_order(const void *a, const void *b)
{
	return item_cmp(*(struct item *const *)a, *(struct item *const *)b);
}

void
items_sort(struct item **v, size_t n)
{
	struct item *x;
	size_t i, k;

	if (n > 16) {
		qsort(v, n, sizeof(struct item *), by_order);
		return;
	}
	for (i = 1; i < n; i++) {
		x = v[i];
		for (k = i; k && item_cmp(x, v[k - 1]) < 0; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}
