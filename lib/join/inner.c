/* The turn of a record of which nothing is known once its time is over. */
#include "base/mem.h"
#include "join/engine.h"

#define SOON 8   /* turns ahead, for the cache */

static bool
is_sorted(struct item *const *v, size_t n)
{
	size_t i;

	for (i = 1; i < n && (v[i - 1]->us < v[i]->us || item_cmp(v[i - 1], v[i]) <= 0); i++)
		;
	return i >= n;
}

/* Several partners, from the last to the first of them: those whose time is not over, in their
 * order. How many. */
static size_t
sort_partners(struct pairs *p, const struct task *t, const struct item *x, struct item *last,
	int64_t us)
{
	struct item *o, *i;
	size_t n = 0, k;

	for (o = last; o; o = shelf_before(&t->shelf, o)) {
		if (us > o->until_us || o->us > x->until_us)
			continue;
		p->met = mem_grow(p->met, &p->cap_met, n + 1, sizeof(struct item *));
		p->met[n++] = o;
	}
	for (k = 0; k < n / 2; k++) {
		i = p->met[k];
		p->met[k] = p->met[n - 1 - k];
		p->met[n - 1 - k] = i;
	}
	/* One that came late is not where it belongs. */
	if (!is_sorted(p->met, n))
		items_sort(p->met, n);
	return n;
}

static inline int
meet(struct pairs *p, const struct item *x, const struct item *o, int64_t us)
{
	bool left = x->side == SIDE_LEFT;

	return result_of_items(p->result, p->emit, left ? x : o, left ? o : x, us, p->why);
}

/* last: the partner that was put last. */
static int
meet_all(struct pairs *p, const struct task *t, const struct item *x, struct item *last,
	int64_t us)
{
	size_t n, i;
	int rc = 0;

	result_forget(p->result);
	if (!shelf_before(&t->shelf, last))
		return us > last->until_us || last->us > x->until_us ? 0 : meet(p, x, last, us);
	n = sort_partners(p, t, x, last, us);
	for (i = 0; i < n && rc == 0; i++)
		rc = meet(p, x, p->met[i], us);
	return rc;
}

static void
let_go(struct pairs *p, struct item *x)
{
	item_free(&p->pool, x);
	p->items--;
}

/* One that is not laid, in another place. */
static struct item *
lay(struct pairs *p, struct task *t, struct item *x, int64_t us)
{
	uint64_t went = 0;
	struct item *i = shelf_lay(&t->shelf, &p->pool, x, us, &went);

	item_free(&p->pool, x);
	p->items -= went;
	return i;
}

static inline int
take(struct pairs *p, struct task *t, struct item *x)
{
	int64_t us = x->us > t->mark.now_us ? x->us : t->mark.now_us;
	struct shelf_slot *slot = shelf_find(&t->shelf, x);
	struct item *last = slot && slot->ref[0] ?
		shelf_item(&t->shelf.side[!x->side], slot->ref[!x->side]) : NULL;
	int rc = last ? meet_all(p, t, x, last, us) : 0;

	if (x->side == SIDE_LEFT || x->until_us > x->us)
		shelf_put(&t->shelf, x->laid ? x : lay(p, t, x, us), slot);
	else if (!x->laid)
		let_go(p, x);
	return rc;
}

int
inner_take(struct pairs *p, struct task *t, struct item *x)
{
	return take(p, t, x);
}

int
inner_take_all(struct pairs *p, struct task *t, int64_t us)
{
	const struct entry *soon;
	struct entry e;

	while (agenda_take_one(&t->waiting, us, &e)) {
		soon = agenda_soon(&t->waiting, SOON);
		if (soon)
			shelf_prefetch(&t->shelf, soon->hash);
		if (take(p, t, e.item) < 0)
			return -1;
		t->mark.now_us = e.us + 1;
	}
	return 0;
}
