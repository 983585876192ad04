/* What becomes of records. */
#include "dedup/fate.h"

static int
pass(struct fates *d, const struct record *r, struct failure *why)
{
	if (d->plan->adds)
		return additions_write(&d->additions, d->emit, r, false, why);
	emit_same(d->emit, 0, r);
	return 0;
}

static int
duplicate(struct fates *d, const struct record *r, struct failure *why)
{
	if (d->plan->mark)
		return additions_write(&d->additions, d->emit, r, true, why);
	if (d->to.duplicates >= 0)
		emit_same(d->emit, (unsigned)d->to.duplicates, r);
	else
		emit_drop(d->emit);
	return 0;
}

static int
late(struct fates *d, const struct record *r)
{
	if (d->to.late >= 0)
		emit_same(d->emit, (unsigned)d->to.late, r);
	emit_late(d->emit);
	return 0;
}

static int
write_held(void *self, const struct record *r, enum held_as as, struct failure *why)
{
	switch (as) {
	case HELD_LAST:
		return pass(self, r, why);
	case HELD_DUPLICATE:
		return duplicate(self, r, why);
	default:
		return late(self, r);
	}
}

void
fates_init(struct fates *d, const struct dedup_plan *plan, const struct outlets *to,
	struct memory *memory, const char *stage)
{
	*d = (struct fates){.plan = plan, .to = *to, .memory = memory};
	identity_init(&d->identity, plan, stage);
	additions_init(&d->additions, plan, stage);
	if (plan->keep_last)
		d->held = held_new(&(struct held_options){plan, write_held, d}, memory);
	d->verdicts = (struct verdicts){.identity = &d->identity, .memory = memory};
	d->at_a_glance = identity_is_bytes(&d->identity) && !plan->keep_last &&
		!plan->within_us && !plan->adds && !plan->mark && to->duplicates < GLANCE_DROP;
}

void
fates_release(struct fates *d)
{
	held_free(d->held);
	verdicts_release(&d->verdicts);
	identity_release(&d->identity);
	additions_release(&d->additions);
}

/* ---- one record -------------------------------------------------------------------- */

bool
fates_glance(struct fates *d, struct json_scan *s, const struct buf *notes, uint8_t *to)
{
	uint8_t goes[] = {
		[VERDICT_NEW] = 0,
		[VERDICT_SEEN] = d->to.duplicates < 0 ? GLANCE_DROP : (uint8_t)d->to.duplicates,
		[VERDICT_NONE] = GLANCE_RECORD,
	};
	size_t i;

	if (!d->at_a_glance)
		return false;
	verdicts_take(&d->verdicts, s, notes);
	for (i = 0; i < s->nlines; i++)
		to[i] = goes[d->verdicts.is[i]];
	return true;
}

static int
keep_first(struct fates *d, const struct record *r, struct key128 key, struct failure *why)
{
	switch (memory_take(d->memory, r->task, key, r->time_us, why)) {
	case MEMORY_NEW:
		return pass(d, r, why);
	case MEMORY_SEEN:
		return duplicate(d, r, why);
	case MEMORY_LATE:
		return late(d, r);
	default:
		return -1;
	}
}

static int
keep_last(struct fates *d, const struct record *r, struct key128 key, struct failure *why)
{
	bool envelope = emit_as_envelope(d->emit, 0) || (d->to.duplicates >= 0 &&
		emit_as_envelope(d->emit, (unsigned)d->to.duplicates));
	int rc = held_take(d->held, r, key, envelope, why);

	if (rc > 0)
		emit_hold(d->emit);
	return rc < 0 ? -1 : 0;
}

int
fates_record(struct fates *d, const struct record *r, struct emit *e, struct failure *why)
{
	struct slice bytes;
	struct key128 key;
	enum verdict told = d->at_a_glance ? verdict_of(&d->verdicts, r) : VERDICT_NONE;

	d->emit = e;
	if (told != VERDICT_NONE)
		return told == VERDICT_NEW ? pass(d, r, why) : duplicate(d, r, why);
	if (d->plan->within_us && r->time_us == TIME_NONE)
		return fail_record(why, "time", "the record has no event time");
	if (d->plan->adds && additions_fit(&d->additions, r, why) < 0)
		return -1;
	if (!verdict_key(&d->verdicts, r, &key)) {
		if (identity_of(&d->identity, r, &bytes, why) < 0)
			return -1;
		key = memory_key(d->memory, bytes);
	}
	return d->plan->keep_last ? keep_last(d, r, key, why) : keep_first(d, r, key, why);
}
