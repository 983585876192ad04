/* Items in the state. */
#include "join/journal.h"

#include <stdlib.h>

#include "base/mem.h"

#define BATCH 1024
#define AHEAD 8

/* The value of an item, then its bytes. Of the mark, which has the number 0, the head alone. */
struct stored {
	int64_t expires_us;  /* lib/state's */
	int64_t us, until_us;
	uint64_t id;
	uint32_t key_n, kafka_n, content_n;
	uint8_t side, rank, removes, paired;
};

struct fresh {
	uint32_t task;
	struct item *item;   /* NULL: gone again */
};

struct journal {
	struct state *state;
	uint64_t last_id;
	uint64_t written;    /* items up to here are in the state */
	struct fresh fresh[BATCH]; /* from written + 1 on */
	struct buf room;
};

struct journal *
journal_new(const char *shape, const struct op_context *ctx)
{
	struct state_options options = {.tool = "sk-join", .shape = shape,
		.value_bytes = STATE_VARIABLE, .expires = true,
		.max_memory = UINT64_MAX / 4, .max_keys = UINT64_MAX / 4};
	struct journal *j = mem_zalloc(sizeof(*j));

	j->state = state_new(&options, ctx);
	return j;
}

void
journal_free(struct journal *j)
{
	if (!j)
		return;
	state_free(j->state);
	buf_release(&j->room);
	free(j);
}

uint64_t
journal_memory(const struct journal *j)
{
	return j ? state_memory(j->state) : 0;
}

/* Numbers are spread over the table; 0 is the key of zeros. */
static struct key128
key_of(uint64_t id)
{
	uint64_t x = id * UINT64_C(0x9E3779B97F4A7C15), y = id * UINT64_C(0xD6E8FEB86659FD93);

	return (struct key128){x ^ x >> 32, y ^ y >> 29};
}

static struct slice
value_of(struct journal *j, const struct item *i)
{
	struct stored head = {
		.expires_us = i->us > i->until_us ? i->us : i->until_us,
		.us = i->us, .until_us = i->until_us, .id = i->id,
		.key_n = i->key_n, .kafka_n = i->kafka_n, .content_n = i->content_n,
		.side = i->side, .rank = i->rank, .removes = i->removes, .paired = i->paired,
	};

	buf_reset(&j->room);
	buf_add(&j->room, &head, sizeof(head));
	buf_add(&j->room, i->p, item_bytes(i) - sizeof(*i));
	return buf_slice(&j->room);
}

/* ---- what is new ------------------------------------------------------------------------- */

static int
write_fresh(struct journal *j, struct failure *why)
{
	size_t n = (size_t)(j->last_id - j->written), i;
	const struct fresh *f;

	for (i = 0; i < n; i++) {
		if (i + AHEAD < n && j->fresh[i + AHEAD].item)
			state_prefetch(j->state, j->fresh[i + AHEAD].task,
				key_of(j->fresh[i + AHEAD].item->id));
		f = &j->fresh[i];
		if (f->item && state_add(j->state, f->task, key_of(f->item->id),
				value_of(j, f->item), NULL, why) < 0)
			return -1;
	}
	j->written = j->last_id;
	return 0;
}

int
journal_add(struct journal *j, uint32_t task, struct item *i, struct failure *why)
{
	if (!j)
		return 0;
	if (j->last_id - j->written == BATCH && write_fresh(j, why) < 0)
		return -1;
	i->id = ++j->last_id;
	j->fresh[i->id - j->written - 1] = (struct fresh){task, i};
	return 0;
}

int
journal_change(struct journal *j, uint32_t task, const struct item *i, struct failure *why)
{
	if (!j || i->id > j->written)
		return 0;
	return state_set(j->state, task, key_of(i->id), value_of(j, i), why);
}

int
journal_forget(struct journal *j, uint32_t task, const struct item *i, bool early,
	struct failure *why)
{
	if (!j)
		return 0;
	if (i->id > j->written) {
		j->fresh[i->id - j->written - 1].item = NULL;
		return 0;
	}
	return early ? state_remove(j->state, task, key_of(i->id), why) : 0;
}

int
journal_expire(struct journal *j, uint32_t task, int64_t us, struct failure *why)
{
	return j ? state_expire(j->state, task, us, why) : 0;
}

/* ---- epochs ------------------------------------------------------------------------------ */

int
journal_assign(struct journal *j, uint32_t task, struct failure *why)
{
	return j ? state_assign(j->state, task, why) : 0;
}

/* What is new of that task is given up with it, as in the state. */
int
journal_revoke(struct journal *j, uint32_t task, struct failure *why)
{
	size_t n, i;

	if (!j)
		return 0;
	n = (size_t)(j->last_id - j->written);
	for (i = 0; i < n; i++)
		if (j->fresh[i].task == task)
			j->fresh[i].item = NULL;
	return state_revoke(j->state, task, why);
}

int
journal_rollback(struct journal *j, uint64_t epoch, struct failure *why)
{
	if (!j)
		return 0;
	j->written = j->last_id;
	return state_rollback(j->state, epoch, why);
}

int
journal_barrier(struct journal *j, uint64_t epoch, struct failure *why)
{
	if (!j)
		return 0;
	return write_fresh(j, why) < 0 ? -1 : state_barrier(j->state, epoch, why);
}

int
journal_put_mark(struct journal *j, uint32_t task, const struct journal_mark *mark,
	struct failure *why)
{
	struct stored head = {.expires_us = INT64_MAX, .us = mark->now_us,
		.until_us = (int64_t)mark->given_up, .id = j ? j->last_id : 0};

	return j ? state_put(j->state, task, key_of(0),
		slice_of((const char *)&head, sizeof(head)), why) : 0;
}

struct load {
	struct journal *j;
	struct journal_mark *mark;
	void (*take)(void *arg, const struct item_parts *, uint64_t id);
	void *arg;
};

static int
load_one(void *arg, struct key128 key, struct slice value)
{
	struct load *l = arg;
	struct stored head;
	struct item_parts of;
	const char *p = value.p + sizeof(head);

	memcpy(&head, value.p, sizeof(head));
	if (head.id > l->j->last_id)
		l->j->last_id = l->j->written = head.id;
	if (!(key.hi | key.lo)) {
		*l->mark = (struct journal_mark){head.us, (uint64_t)head.until_us};
		return 0;
	}
	of = (struct item_parts){.us = head.us, .until_us = head.until_us, .side = head.side,
		.rank = head.rank, .removes = head.removes, .paired = head.paired};
	of.key = slice_of(p, head.key_n);
	p += head.key_n;
	if (head.kafka_n != ITEM_NO_KAFKA_KEY) {
		of.kafka_key = slice_of(p, head.kafka_n);
		p += head.kafka_n;
	}
	of.content = slice_of(p, head.content_n);
	l->take(l->arg, &of, head.id);
	return 0;
}

void
journal_load(struct journal *j, uint32_t task, struct journal_mark *mark,
	void (*take)(void *arg, const struct item_parts *, uint64_t id), void *arg)
{
	struct load l = {j, mark, take, arg};

	if (j)
		state_each(j->state, task, load_one, &l);
}
