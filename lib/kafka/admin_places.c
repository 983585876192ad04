/*
 * A group's places: what it has committed and how far it is behind, and where it is to go on.
 */
#include "kafka/ask.h"

#include <inttypes.h>
#include <stdlib.h>

static void
send_group_offsets(struct kafka_admin *a, const rd_kafka_AdminOptions_t *options, void *arg)
{
	rd_kafka_ListConsumerGroupOffsets_t *of =
		rd_kafka_ListConsumerGroupOffsets_new(arg, NULL);

	rd_kafka_ListConsumerGroupOffsets(a->client.rk, &of, 1, options, a->queue);
	rd_kafka_ListConsumerGroupOffsets_destroy(of);
}

/* The first error of a group, or of its partitions. */
static rd_kafka_resp_err_t
group_refusal(const rd_kafka_group_result_t **results, size_t n)
{
	const rd_kafka_topic_partition_list_t *list;
	int i;

	if (n == 0)
		return RD_KAFKA_RESP_ERR__FAIL;
	if (rd_kafka_group_result_error(results[0]))
		return rd_kafka_error_code(rd_kafka_group_result_error(results[0]));
	list = rd_kafka_group_result_partitions(results[0]);
	for (i = 0; list && i < list->cnt; i++)
		if (list->elems[i].err)
			return list->elems[i].err;
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t
group_offsets_refusal(rd_kafka_event_t *event)
{
	const rd_kafka_group_result_t **results;
	size_t n;

	results = rd_kafka_ListConsumerGroupOffsets_result_groups(
		rd_kafka_event_ListConsumerGroupOffsets_result(event), &n);
	return group_refusal(results, n);
}

/* What a group has committed; a list of the caller's, or NULL: why. */
static rd_kafka_topic_partition_list_t *
committed_of(struct kafka_admin *a, const struct kafka_group *g, struct failure *why)
{
	const struct admin_request request = {
		.op = RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
		.send = send_group_offsets, .refusal = group_offsets_refusal,
		.arg = g->name, .what = g->name};
	rd_kafka_event_t *event = admin_ask(a, &request, why);
	const rd_kafka_topic_partition_list_t *found;
	rd_kafka_topic_partition_list_t *out;
	size_t n;

	if (!event)
		return NULL;
	found = rd_kafka_group_result_partitions(
		rd_kafka_ListConsumerGroupOffsets_result_groups(
			rd_kafka_event_ListConsumerGroupOffsets_result(event), &n)[0]);
	out = found ? rd_kafka_topic_partition_list_copy(found)
		    : rd_kafka_topic_partition_list_new(1);
	rd_kafka_event_destroy(event);
	return out;
}

static struct kafka_topic_info *
topic_named(const struct kafka_topics *topics, const char *name)
{
	size_t i;

	for (i = 0; i < topics->n; i++)
		if (strcmp(topics->v[i].name, name) == 0)
			return &topics->v[i];
	return NULL;
}

static struct kafka_part *
part_of(const struct kafka_topics *topics, const char *name, int32_t id)
{
	struct kafka_topic_info *t = topic_named(topics, name);
	struct kafka_part *p = t ? bsearch(&(struct kafka_part){.id = id}, t->part,
		t->nparts, sizeof(*p), admin_by_part) : NULL;

	return p;
}

/* A topic that the group knows: found, or kept with what was committed if it is gone. */
static int
add_known(struct kafka_admin *a, const char *name,
	const rd_kafka_topic_partition_list_t *committed, struct kafka_topics *out,
	struct failure *why)
{
	struct kafka_topic_info *t;
	rd_kafka_resp_err_t err;
	int i;

	if (topic_named(out, name))
		return 0;
	if (admin_find_topic(a, name, out, &err, why) < 0)
		return -1;
	if (!err)
		return 0;
	if (err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return kafka_fail(&a->client, why, err, "%s", name);
	t = admin_add_topic(out, name, (size_t)committed->cnt);
	t->gone = true;
	t->nparts = 0;
	for (i = 0; i < committed->cnt; i++)
		if (strcmp(committed->elems[i].topic, name) == 0)
			t->part[t->nparts++] = admin_no_part(committed->elems[i].partition);
	qsort(t->part, t->nparts, sizeof(*t->part), admin_by_part);
	return 0;
}

static int
find_known(struct kafka_admin *a, const struct kafka_group *g,
	const rd_kafka_topic_partition_list_t *committed, struct kafka_topics *out,
	struct failure *why)
{
	size_t j, k;
	int i;

	for (i = 0; i < committed->cnt; i++)
		if (committed->elems[i].offset >= 0 &&
			add_known(a, committed->elems[i].topic, committed, out, why) < 0)
			return -1;
	for (j = 0; j < g->nmembers; j++)
		for (k = 0; k < g->member[j].nclaims; k++)
			if (add_known(a, g->member[j].claim[k].topic, committed, out,
				    why) < 0)
				return -1;
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), admin_by_topic);
	return 0;
}

int
kafka_admin_positions(struct kafka_admin *a, const struct kafka_group *g,
	const char *const *names, size_t n, struct kafka_topics *out, struct failure *why)
{
	rd_kafka_topic_partition_list_t *committed = committed_of(a, g, why);
	struct kafka_topics topics = {0};
	struct kafka_part *p;
	size_t j, k;
	int i, status = -1;

	if (!committed)
		return -1;
	if ((n ? admin_find_topics(a, names, n, &topics, why)
	       : find_known(a, g, committed, &topics, why)) < 0 ||
		admin_ends(a, &topics, why) < 0)
		goto out;
	for (i = 0; i < committed->cnt; i++) {
		p = part_of(&topics, committed->elems[i].topic,
			committed->elems[i].partition);
		if (p && committed->elems[i].offset >= 0)
			p->committed = committed->elems[i].offset;
	}
	for (j = 0; j < g->nmembers; j++)
		for (k = 0; k < g->member[j].nclaims; k++) {
			p = part_of(&topics, g->member[j].claim[k].topic,
				g->member[j].claim[k].partition);
			if (p)
				p->member = &g->member[j];
		}
	*out = topics;
	topics = (struct kafka_topics){0};
	status = 0;
out:
	kafka_topics_release(&topics);
	rd_kafka_topic_partition_list_destroy(committed);
	return status;
}

bool
kafka_part_lag(const struct kafka_part *p, int64_t *lag)
{
	if (p->committed < 0 || p->end < 0 || p->first < 0)
		return false;
	*lag = p->end - (p->committed > p->first ? p->committed : p->first);
	if (p->committed > p->end)
		*lag = p->end - p->committed;
	return true;
}

/* ---- reset ------------------------------------------------------------------------- */

static int
plan_part(const struct kafka_topic_info *t, struct kafka_part *p, enum kafka_at at,
	int64_t n, struct failure *why)
{
	if (p->first < 0 || p->end < 0)
		return fail(why, EXIT_UNAVAILABLE, "%s[%" PRId32 "] has no leader now",
			t->name, p->id);
	switch (at) {
	case KAFKA_EARLIEST:
		p->to = p->first;
		break;
	case KAFKA_LATEST:
		p->to = p->end;
		break;
	case KAFKA_OFFSET:
		if (n > p->end)
			return fail(why, EXIT_NOINPUT,
				"%s[%" PRId32 "]: offset %" PRId64
				" is beyond the end, %" PRId64,
				t->name, p->id, n, p->end);
		p->to = n > p->first ? n : p->first;
		break;
	case KAFKA_TAIL:
		p->to = p->end - p->first > n ? p->end - n : p->first;
		break;
	case KAFKA_TIME:
		p->to = p->at;
		break;
	}
	return 0;
}

int
kafka_admin_plan(struct kafka_admin *a, struct kafka_topics *topics, enum kafka_at at,
	int64_t n, int32_t only, struct failure *why)
{
	struct kafka_topic_info *t;
	bool found = only < 0;
	size_t i, j;

	if (at == KAFKA_TIME && kafka_admin_at(a, topics, n, why) < 0)
		return -1;
	for (i = 0; i < topics->n; i++) {
		t = &topics->v[i];
		for (j = 0; j < t->nparts; j++) {
			t->part[j].to = -1;
			if (t->gone || (only >= 0 && t->part[j].id != only))
				continue;
			found = true;
			if (plan_part(t, &t->part[j], at, n, why) < 0)
				return -1;
		}
	}
	if (!found)
		return fail(why, EXIT_NOINPUT, "there is no partition %" PRId32, only);
	return 0;
}

static int
fail_active(const struct kafka_group *g, struct failure *why)
{
	if (g->nmembers)
		fail(why, EXIT_TRY_AGAIN, "group '%s' has %zu active member%s", g->name,
			g->nmembers, g->nmembers == 1 ? "" : "s");
	else
		fail(why, EXIT_TRY_AGAIN, "group '%s' has active members", g->name);
	fail_hint(why, "stop them first; one that is static, or was killed, counts until its "
		"session.timeout.ms (45 s by default) is over");
	return -1;
}

int
kafka_group_resettable(const struct kafka_group *g, struct failure *why)
{
	return g->active ? fail_active(g, why) : 0;
}

struct alteration {
	const char *group;
	rd_kafka_topic_partition_list_t *list;
};

static void
send_alter(struct kafka_admin *a, const rd_kafka_AdminOptions_t *options, void *arg)
{
	struct alteration *to = arg;
	rd_kafka_AlterConsumerGroupOffsets_t *alter =
		rd_kafka_AlterConsumerGroupOffsets_new(to->group, to->list);

	rd_kafka_AlterConsumerGroupOffsets(a->client.rk, &alter, 1, options, a->queue);
	rd_kafka_AlterConsumerGroupOffsets_destroy(alter);
}

static rd_kafka_resp_err_t
alter_refusal(rd_kafka_event_t *event)
{
	const rd_kafka_group_result_t **results;
	size_t n;

	results = rd_kafka_AlterConsumerGroupOffsets_result_groups(
		rd_kafka_event_AlterConsumerGroupOffsets_result(event), &n);
	return group_refusal(results, n);
}

int
kafka_admin_reset(struct kafka_admin *a, const struct kafka_group *g,
	const struct kafka_topics *topics, struct failure *why)
{
	struct alteration to = {g->name, rd_kafka_topic_partition_list_new(16)};
	const struct admin_request request = {
		.op = RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, .send = send_alter,
		.refusal = alter_refusal, .arg = &to, .what = g->name};
	rd_kafka_event_t *event;
	const struct kafka_part *p;
	int status = kafka_group_resettable(g, why);
	size_t i, j;

	for (i = 0; i < topics->n; i++)
		for (j = 0; j < topics->v[i].nparts; j++) {
			p = &topics->v[i].part[j];
			if (p->to >= 0 && p->to != p->committed)
				rd_kafka_topic_partition_list_add(to.list,
					topics->v[i].name, p->id)->offset = p->to;
		}
	if (status == 0 && to.list->cnt) {
		event = admin_ask(a, &request, why);
		if (event)
			rd_kafka_event_destroy(event);
		else {
			status = -1;
			/* Somebody joined meanwhile: the broker knows us not as one. */
			if (why->status == EXIT_TRY_AGAIN)
				fail_active(g, why);
		}
	}
	rd_kafka_topic_partition_list_destroy(to.list);
	return status;
}
