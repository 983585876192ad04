/*
 * Where the partitions of a consumer begin, where a bounded read ends, and how far the
 * other members of its group have come.
 */
#include "kafka/consumer.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"

/* Two values of a time that stand for the first offset and for the end. */
enum { AT_FIRST = RD_KAFKA_OFFSET_BEGINNING, AT_END = RD_KAFKA_OFFSET_END };

#define LOOK_NS 500000000LL   /* how often a member looks at what others have committed */
#define ENDS_NS 5000000000LL  /* and whether what they have not can be reached at all */
#define DOUBT_NS 500000000LL  /* how often an end that is in doubt is asked for */
enum { DOUBT_MS = 1000 };     /* and how long an answer may take, while nothing is read */

/* ---- where to begin and to end ----------------------------------------------------- */

static bool
again(struct kafka_consumer *c, rd_kafka_resp_err_t err, int *tries)
{
	if (c->opened && !flow_draining()) {
		*tries = 0;
		if (err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
			err == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT)
			return true;
	}
	return kafka_again(err, tries);
}

static int
answer_ms(const struct kafka_consumer *c)
{
	return c->opened ? ASK_MS : ANSWER_MS;
}

/* The first offsets of a time (ms), AT_FIRST or AT_END: a list with the answers, which say
 * RD_KAFKA_OFFSET_END where nothing is as late. All partitions of a broker are asked for at
 * once. Ends are those that the isolation shows. NULL: why. */
static rd_kafka_topic_partition_list_t *
offsets_of(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list,
	int64_t ms, struct failure *why)
{
	rd_kafka_topic_partition_list_t *out = rd_kafka_topic_partition_list_copy(list);
	rd_kafka_topic_partition_t *bad = NULL;
	rd_kafka_resp_err_t err;
	int tries = 0, i;

	if (!out->cnt)
		return out;
	do {
		for (i = 0; i < out->cnt; i++) {
			out->elems[i].offset = ms;
			out->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
		}
		err = rd_kafka_offsets_for_times(c->client.rk, out, answer_ms(c));
		for (i = 0; !err && i < out->cnt; i++) {
			bad = &out->elems[i];
			err = bad->err;
		}
	} while (again(c, err, &tries));
	if (!err)
		return out;
	if (bad)
		kafka_fail(&c->client, why, err, "offsets of %s[%" PRId32 "]", bad->topic,
			bad->partition);
	else
		kafka_fail(&c->client, why, err, "offsets");
	rd_kafka_topic_partition_list_destroy(out);
	return NULL;
}

static void
free_list(rd_kafka_topic_partition_list_t *list)
{
	if (list)
		rd_kafka_topic_partition_list_destroy(list);
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What a bounded read is to read: see consume.h. The needs are taken before the bounds,
 * and one time after both: whatever is written meanwhile, there is an instant between the
 * two at which every need was there, and every bound is not before what was there. */
int
consumer_bounds(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list,
	struct failure *why)
{
	const struct kafka_consume *ask = &c->ask;
	rd_kafka_topic_partition_list_t *need = NULL, *first = NULL, *end = NULL, *time = NULL;
	struct kafka_place *p;
	int64_t limit;
	int status = -1, i;

	need = offsets_of(c, list, AT_END, why);
	first = need ? offsets_of(c, list, AT_FIRST, why) : NULL;
	end = first ? offsets_of(c, list, AT_END, why) : NULL;
	if (!end)
		goto out;
	if (ask->until == KAFKA_UNTIL_TIME) {
		time = offsets_of(c, list, ask->until_n, why);
		if (!time)
			goto out;
	}
	for (i = 0; i < list->cnt; i++) {
		p = consumer_place(c, list->elems[i].topic, list->elems[i].partition, true);
		limit = ask->until == KAFKA_UNTIL_OFFSET ? ask->until_n : INT64_MAX;
		if (time && time->elems[i].offset >= 0)
			limit = time->elems[i].offset;
		p->first = first->elems[i].offset;
		p->end = end->elems[i].offset;
		p->need = least(need->elems[i].offset, limit);
		p->bound = least(p->end, limit);
		p->content = p->need <= p->first;
	}
	status = 0;
out:
	free_list(need);
	free_list(first);
	free_list(end);
	free_list(time);
	return status;
}

/* What the brokers say about partitions that come. */
struct coming {
	rd_kafka_topic_partition_list_t *committed, *first, *end, *time;
	int64_t *kept; /* by ask.place(); NULL: nobody keeps it */
};

static void
coming_release(struct coming *k)
{
	free_list(k->committed);
	free_list(k->first);
	free_list(k->end);
	free_list(k->time);
	free(k->kept);
}

static int
ask_place(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list,
	struct coming *k, struct failure *why)
{
	struct kafka_place **p = mem_array((size_t)list->cnt + 1, sizeof(*p));
	int i, rc;

	k->kept = mem_array((size_t)list->cnt + 1, sizeof(*k->kept));
	for (i = 0; i < list->cnt; i++)
		p[i] = consumer_place(c, list->elems[i].topic, list->elems[i].partition, true);
	rc = c->ask.place(c->ask.arg, p, (size_t)list->cnt, k->kept, why);
	free(p);
	return rc;
}

static int
ask_committed(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list,
	struct failure *why)
{
	rd_kafka_resp_err_t err;
	int tries = 0, i;

	do {
		err = rd_kafka_committed(c->client.rk, list, answer_ms(c));
		for (i = 0; !err && i < list->cnt; i++)
			err = list->elems[i].err;
	} while (again(c, err, &tries));
	if (!err)
		return 0;
	return kafka_fail(&c->client, why, err, "committed offsets of %s", c->ask.group);
}

/* What the group knows of all partitions, of which those of list are to be ours. */
static int
ask_notes(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list, struct failure *why)
{
	rd_kafka_topic_partition_list_t *all = consumer_list(c);
	int rc = ask_committed(c, all, why), i;

	c->notes = (struct kafka_notes){0};
	for (i = 0; rc == 0 && i < list->cnt; i++)
		list->elems[i].offset = rd_kafka_topic_partition_list_find(
			all, list->elems[i].topic, list->elems[i].partition)->offset;
	if (rc == 0)
		consumer_notes(all, &c->notes);
	rd_kafka_topic_partition_list_destroy(all);
	return rc;
}

static int
ask_coming(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list,
	struct coming *k, struct failure *why)
{
	enum kafka_at from = c->ask.from;

	if (c->ask.group && (list->cnt || c->ask.epochs)) {
		k->committed = rd_kafka_topic_partition_list_copy(list);
		if (c->ask.epochs ? ask_notes(c, k->committed, why) < 0 :
			ask_committed(c, k->committed, why) < 0)
			return -1;
	}
	if (from == KAFKA_TIME) {
		k->time = offsets_of(c, list, c->ask.from_n, why);
		if (!k->time)
			return -1;
	}
	if (c->ask.place && ask_place(c, list, k, why) < 0)
		return -1;
	if (c->ask.until != KAFKA_ENDLESS ||
		(from == KAFKA_EARLIEST && !c->ask.place && !c->ask.epochs))
		return 0;
	k->first = offsets_of(c, list, AT_FIRST, why);
	k->end = k->first ? offsets_of(c, list, AT_END, why) : NULL;
	return k->end ? 0 : -1;
}

/* Where reading begins by what is asked for and the group has committed. */
static int
locate_asked(struct kafka_consumer *c, rd_kafka_topic_partition_t *e, const struct coming *k, int i,
	struct failure *why)
{
	const struct kafka_consume *ask = &c->ask;
	struct kafka_place *p = consumer_place(c, e->topic, e->partition, true);
	int64_t committed = k->committed ? k->committed->elems[i].offset : -1;
	int64_t first = k->first ? k->first->elems[i].offset : p->first;
	/* Where nobody has asked, the first end that is told is asked for. */
	int64_t end = k->end ? k->end->elems[i].offset :
		c->ask.until == KAFKA_ENDLESS ? INT64_MAX : p->end;

	if (c->at && kafka_position_of(c->at, e->topic, e->partition) >= 0)
		committed = kafka_position_of(c->at, e->topic, e->partition);
	p->assigned = true;
	p->ended = p->at_end = p->held = false;
	p->end = end;
	p->doubted = false;
	p->next = p->done = -1;
	p->committed = committed < 0 ? -1 : committed;
	e->offset = RD_KAFKA_OFFSET_BEGINNING;
	if (p->committed >= 0) {
		e->offset = p->committed;
		return 0;
	}
	/* All of what was made later is new. */
	if (!p->known)
		return 0;
	switch (ask->from) {
	case KAFKA_EARLIEST:
		break;
	case KAFKA_LATEST:
		e->offset = end;
		break;
	case KAFKA_OFFSET:
		if (ask->from_n > end)
			return fail(why, EXIT_NOINPUT,
				"%s[%" PRId32 "]: offset %" PRId64
				" is beyond the end, %" PRId64,
				e->topic, e->partition, ask->from_n, end);
		if (ask->from_n > first)
			e->offset = ask->from_n;
		break;
	case KAFKA_TAIL:
		if (end - first > ask->from_n)
			e->offset = end - ask->from_n;
		break;
	case KAFKA_TIME:
		e->offset = k->time->elems[i].offset >= 0 ? k->time->elems[i].offset : end;
		break;
	}
	return 0;
}

/* The place that is kept elsewhere goes before the group's. */
static int
locate_kept(struct kafka_consumer *c, rd_kafka_topic_partition_t *e, int64_t kept, int64_t first,
	struct failure *why)
{
	const struct kafka_place *p = consumer_place(c, e->topic, e->partition, false);

	if (!c->ask.group) {
		if (kept > e->offset)
			e->offset = kept;
		return 0;
	}
	e->offset = kept;
	if (kept >= first)
		return 0;
	/* Markers of transactions and what was compacted away are nobody's loss. */
	e->offset = first;
	if (p->committed >= first)
		return 0;
	fail(why, EXIT_DATA, "%s[%" PRId32 "]: the first offset that is still there is %" PRId64
		", and %" PRId64 " should be next", e->topic, e->partition, first, kept);
	fail_hint(why, "retention has removed what is between: begin with another output, and "
		"keep this one");
	return -1;
}

/* Where partition i of the list begins. */
static int
locate(struct kafka_consumer *c, rd_kafka_topic_partition_t *e, const struct coming *k, int i,
	struct failure *why)
{
	const struct kafka_place *p;

	if (locate_asked(c, e, k, i, why) < 0)
		return -1;
	p = consumer_place(c, e->topic, e->partition, false);
	if (c->ask.epochs && e->offset < 0)
		e->offset = k->first ? k->first->elems[i].offset : p->first;
	if (!k->kept || k->kept[i] < 0)
		return 0;
	return locate_kept(c, e, k->kept[i], k->first ? k->first->elems[i].offset : p->first, why);
}

/* Give every partition of list its beginning, take them all, end those that hold
 * nothing. */
int
consumer_take(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *list, struct failure *why)
{
	struct coming k = {0};
	struct kafka_place *p;
	rd_kafka_resp_err_t err;
	int status = -1, i;

	if (ask_coming(c, list, &k, why) < 0)
		goto out;
	for (i = 0; i < list->cnt; i++)
		if (locate(c, &list->elems[i], &k, i, why) < 0)
			goto out;
	if (c->ask.merge)
		lanes_open(c, list);
	/* One that ended when it was ours before is still at rest. To wake it once it is ours
	 * would make librdkafka forget the beginning that it asks for, and ask again half a
	 * second later. */
	rd_kafka_resume_partitions(c->client.rk, list);
	err = rd_kafka_assign(c->client.rk, list);
	if (err) {
		kafka_fail(&c->client, why, err, "assignment");
		goto out;
	}
	c->assigned = true;
	c->running = (size_t)list->cnt;
	c->moved++;
	for (i = 0; i < list->cnt; i++) {
		p = consumer_place(c, list->elems[i].topic, list->elems[i].partition, true);
		if (c->ask.epochs)
			p->next = p->out = list->elems[i].offset;
		if (p->bound <= p->first || list->elems[i].offset >= p->bound)
			consumer_end_place(c, p, p->bound);
	}
	if (c->ask.merge)
		lanes_begin(c);
	if (c->paused || c->keeping)
		rd_kafka_pause_partitions(c->client.rk, list);
	status = 0;
out:
	coming_release(&k);
	return status;
}

/* ---- whether an end is one --------------------------------------------------------- */

static void
believe_end(struct kafka_consumer *c, struct kafka_place *p, int64_t offset)
{
	p->at_end = true;
	p->doubted = false;
	if (p->assigned && c->ask.until != KAFKA_ENDLESS)
		consumer_end_place(c, p, offset);
}

void
consumer_at_end(struct kafka_consumer *c, struct kafka_place *p, int64_t offset)
{
	p->eof = offset;
	if (offset >= least(p->bound, p->end)) {
		believe_end(c, p, offset);
		return;
	}
	p->doubted = true;
	c->ndoubts++;
}

/* A broker was lost: of what came to be there since, nothing has been heard. */
static void
doubt_all(struct kafka_consumer *c)
{
	uint64_t stumbles = kafka_client_stumbles(&c->client);
	struct kafka_place *p;
	size_t i;

	if (stumbles == c->stumbles)
		return;
	c->stumbles = stumbles;
	for (i = 0; i < c->nplaces; i++) {
		p = c->place[i];
		if (!p->assigned || p->ended || !p->at_end)
			continue;
		p->at_end = false;
		p->doubted = true;
		c->ndoubts++;
	}
}

static rd_kafka_topic_partition_list_t *
list_of_doubts(const struct kafka_consumer *c)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new((int)c->nplaces);
	const struct kafka_place *p;
	size_t i;

	for (i = 0; i < c->nplaces; i++) {
		p = c->place[i];
		if (p->assigned && p->doubted)
			rd_kafka_topic_partition_list_add(list, p->input.name,
				p->input.partition)->offset = AT_END;
	}
	return list;
}

void
consumer_ask_ends(struct kafka_consumer *c)
{
	rd_kafka_topic_partition_list_t *list;
	const rd_kafka_topic_partition_t *e;
	struct kafka_place *p;
	rd_kafka_resp_err_t err;
	int i;

	doubt_all(c);
	if (!c->ndoubts || time_monotonic_ns() < c->doubt_ns)
		return;
	c->ndoubts = 0;
	list = list_of_doubts(c);
	err = list->cnt ? rd_kafka_offsets_for_times(c->client.rk, list, DOUBT_MS) : 0;
	for (i = 0; i < list->cnt; i++) {
		e = &list->elems[i];
		p = consumer_place(c, e->topic, e->partition, false);
		if (err || e->err || e->offset < 0) {
			c->ndoubts++;
			continue;
		}
		p->end = e->offset;
		if (p->eof >= p->end)
			believe_end(c, p, p->eof);
		else
			c->ndoubts++;
	}
	rd_kafka_topic_partition_list_destroy(list);
	c->doubt_ns = time_monotonic_ns() + (err ? 4 : 1) * DOUBT_NS;
}

/* ---- what others have read --------------------------------------------------------- */

/* The partitions that others have to bring further. */
static rd_kafka_topic_partition_list_t *
list_of_others(const struct kafka_consumer *c)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new((int)c->nplaces);
	const struct kafka_place *p;
	size_t i;

	for (i = 0; i < c->nplaces; i++) {
		p = c->place[i];
		if (!p->assigned && !p->content)
			rd_kafka_topic_partition_list_add(list, p->input.name,
				p->input.partition)
				->offset = RD_KAFKA_OFFSET_INVALID;
	}
	return list;
}

/* What an error says about others: nothing if it passes. */
static int
look_failed(struct kafka_consumer *c, rd_kafka_resp_err_t err, struct failure *why)
{
	int status = kafka_status(KAFKA_CONSUMER, err);

	if (status != EXIT_NOINPUT && status != EXIT_NOPERM)
		return 0;
	return kafka_fail(&c->client, why, err, "%s", c->ask.group);
}

/* A place that has nothing to be reached any more: retention has removed it all, or the
 * partition has lost its end. */
static int
look_at_ends(struct kafka_consumer *c, rd_kafka_topic_partition_list_t *others,
	struct failure *why)
{
	rd_kafka_topic_partition_list_t *now = rd_kafka_topic_partition_list_copy(others);
	rd_kafka_resp_err_t err;
	struct kafka_place *p;
	int i, j, rc = 0;

	for (j = 0; j < 2; j++) {
		for (i = 0; i < now->cnt; i++) {
			now->elems[i].offset = j ? AT_END : AT_FIRST;
			now->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
		}
		err = rd_kafka_offsets_for_times(c->client.rk, now, ASK_MS);
		for (i = 0; !err && i < now->cnt; i++)
			err = now->elems[i].err;
		if (err) {
			rc = look_failed(c, err, why);
			break;
		}
		for (i = 0; i < now->cnt; i++) {
			p = consumer_place(c, now->elems[i].topic, now->elems[i].partition, false);
			if (j ? others->elems[i].offset >= now->elems[i].offset :
				p->need <= now->elems[i].offset)
				p->content = true;
		}
	}
	rd_kafka_topic_partition_list_destroy(now);
	return rc;
}

static int
look_at_others(struct kafka_consumer *c, struct failure *why)
{
	rd_kafka_topic_partition_list_t *others = list_of_others(c);
	int64_t now = time_monotonic_ns();
	rd_kafka_resp_err_t err;
	struct kafka_place *p;
	int i, rc = 0;

	err = others->cnt ? rd_kafka_committed(c->client.rk, others, ASK_MS) : 0;
	for (i = 0; !err && i < others->cnt; i++)
		err = others->elems[i].err;
	if (err)
		rc = look_failed(c, err, why);
	for (i = 0; !err && i < others->cnt; i++) {
		p = consumer_place(c, others->elems[i].topic, others->elems[i].partition, false);
		if (others->elems[i].offset > p->committed) {
			p->committed = others->elems[i].offset;
			c->moved++;
		}
		p->content = others->elems[i].offset >= p->need;
	}
	if (!err && now - c->ends_ns > ENDS_NS) {
		rc = look_at_ends(c, others, why);
		c->ends_ns = now;
	}
	rd_kafka_topic_partition_list_destroy(others);
	c->looked_ns = time_monotonic_ns();
	return rc;
}

static bool
is_over(const struct kafka_place *p, bool later)
{
	if (!p->assigned)
		return p->content;
	return p->ended && (later || ((p->next < 0 || p->done == p->next) &&
		consumer_to_commit(p) < 0));
}

static size_t
count_behind(const struct kafka_consumer *c, bool later)
{
	size_t i, n = 0;

	for (i = 0; i < c->nplaces; i++)
		n += !is_over(c->place[i], later);
	return n;
}

int
kafka_consumer_ended(struct kafka_consumer *c, bool later, struct failure *why)
{
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (!consumer_rests(c) || c->stash_at < c->nstash) {
		pthread_mutex_unlock(&c->lock);
		return 0;
	}
	c->behind = c->ask.group ? count_behind(c, later) : 0;
	if (c->behind && time_monotonic_ns() - c->looked_ns > LOOK_NS) {
		rc = look_at_others(c, why);
		c->behind = count_behind(c, later);
	}
	rc = rc < 0 ? -1 : c->behind == 0;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

size_t
kafka_consumer_behind(struct kafka_consumer *c, uint64_t *moved)
{
	size_t n;

	pthread_mutex_lock(&c->lock);
	*moved = c->moved;
	n = c->behind;
	pthread_mutex_unlock(&c->lock);
	return n;
}

