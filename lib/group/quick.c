/* Parts that go where their group lies. */
#include "group/quick.h"

bool
quick_is_fit(const struct plan *plan, const struct glance *g)
{
	const struct groups_options *o = &plan->groups;

	return g->pick && !plan->timed && !o->sorted && !o->closed && !plan->meta &&
		!plan->expr[PLAN_WHEN] && !plan->expr[PLAN_SIZE] &&
		(!plan->nrequired || g->required);
}

/* The head of the group with the part in it. */
static inline void
count(const struct rules *r, struct group_head *h)
{
	glance_count(&r->glance, h, r->note);
	group_saw(h, r->record->time_us);
}

static inline bool
is_complete(const struct rules *r, const struct group_head *h)
{
	uint64_t required = r->glance.required, size = r->plan->size ? r->plan->size : h->size;

	return (required && (h->truths & required) == required) || (size && h->count >= size);
}

static int
begin(struct rules *r, struct groups *groups, struct slice part, struct failure *why)
{
	struct slice key = glance_key(r->note, r->record);
	struct group_head h;
	char *p;

	group_head_init(&h, (uint32_t)key.n);
	count(r, &h);
	if (is_complete(r, &h))
		return 0;
	p = groups_make(groups, r->record->task, r->note->key, &h, key.n + part.n, why);
	if (!p)
		return -1;
	memcpy(p, key.p, key.n);
	memcpy(p + key.n, part.p, part.n);
	return 1;
}

static void
finish(struct rules *r, struct slice kept, struct slice part, struct emit *e)
{
	struct buf *b = emit_begin(e, 0, r->record);

	buf_reserve(b, kept.n + part.n);
	buf_addc(b, '{');
	group_add_members(b, group_whole_of(kept, entry_head_of(kept).key_n));
	group_add_members(b, part);
	buf_addc(b, '}');
	emit_end(e);
}

int
quick_take(struct rules *r, struct groups *groups, struct emit *e, struct failure *why)
{
	const struct glance_note *note = r->note;
	struct slice part = glance_part(note, r->record);
	struct state_spot spot;
	struct group_head h;
	int rc;

	if (!groups_spot(groups, r->record->task, note->key, &spot)) {
		rc = begin(r, groups, part, why);
		if (rc > 0)
			emit_hold(e);
		return rc;
	}
	h = group_head_of(spot.value);
	if (h.e.is != ENTRY_OPEN || !glance_fits(&r->glance, &h, note) || h.spilled ||
		spot.value.n + part.n > GROUP_MAX)
		return 0;
	count(r, &h);
	if (is_complete(r, &h)) {
		finish(r, spot.value, part, e);
		return groups_finished(groups, &spot, why) < 0 ? -1 : 1;
	}
	rc = groups_append(groups, &spot, &h, part, why);
	if (rc > 0)
		emit_hold(e);
	return rc;
}
