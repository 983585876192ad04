/*
 * Topics: their partitions, offsets and settings. Ends come from ListOffsets with the logical
 * times "earliest" and "latest": one request a broker, whatever the partitions.
 */
#include "kafka/ask.h"

#include <stdlib.h>

#include "base/mem.h"

enum { SETTINGS_AT_ONCE = 200 }; /* a topic's answer has some 40 entries */

int
admin_by_topic(const void *a, const void *b)
{
	const struct kafka_topic_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int
admin_by_part(const void *a, const void *b)
{
	const struct kafka_part *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

struct kafka_part
admin_no_part(int32_t id)
{
	return (struct kafka_part){.id = id, .leader = -1, .first = -1, .end = -1,
		.at = -1, .committed = -1, .to = -1};
}

struct kafka_topic_info *
admin_add_topic(struct kafka_topics *topics, const char *name, size_t nparts)
{
	struct kafka_topic_info *t;

	topics->v = mem_grow(
		topics->v, &topics->cap, topics->n + 1, sizeof(*topics->v));
	t = &topics->v[topics->n++];
	*t = (struct kafka_topic_info){.name = mem_strdup(name),
		.internal = strncmp(name, "__", 2) == 0,
		.part = mem_array(nparts + 1, sizeof(struct kafka_part)),
		.nparts = nparts};
	return t;
}

static void
take_topic(struct kafka_topics *topics, const struct rd_kafka_metadata_topic *from)
{
	struct kafka_topic_info *t =
		admin_add_topic(topics, from->topic, (size_t)from->partition_cnt);
	const struct rd_kafka_metadata_partition *p;
	int i;

	for (i = 0; i < from->partition_cnt; i++) {
		p = &from->partitions[i];
		t->part[i] = admin_no_part(p->id);
		t->part[i].leader = p->leader;
		t->part[i].replicas = p->replica_cnt;
		t->part[i].in_sync = p->isr_cnt;
	}
	qsort(t->part, t->nparts, sizeof(*t->part), admin_by_part);
}

int
admin_find_topic(struct kafka_admin *a, const char *name, struct kafka_topics *out,
	rd_kafka_resp_err_t *err, struct failure *why)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(a->client.rk, name, NULL);
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t failed;
	int tries = 0;

	if (!topic)
		return kafka_fail(&a->client, why, rd_kafka_last_error(), "%s", name);
	do {
		failed = rd_kafka_metadata(a->client.rk, 0, topic, &md, ANSWER_MS);
		if (failed)
			continue;
		*err = md->topic_cnt == 1 ? md->topics[0].err
					  : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
		/* "No leader" at the topic's level: it is being made. */
		failed = *err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
				 ? *err : RD_KAFKA_RESP_ERR_NO_ERROR;
		if (!*err)
			take_topic(out, &md->topics[0]);
		rd_kafka_metadata_destroy(md);
	} while (kafka_again(failed, &tries));
	rd_kafka_topic_destroy(topic);
	return failed ? kafka_fail(&a->client, why, failed, "%s", name) : 0;
}

int
admin_find_topics(struct kafka_admin *a, const char *const *names, size_t n,
	struct kafka_topics *out, struct failure *why)
{
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t err;
	int tries = 0, i;
	size_t k, j;

	for (k = 0; k < n; k++) {
		for (j = 0; j < k && strcmp(names[j], names[k]) != 0; j++)
			;
		if (j < k)
			continue; /* named twice */
		if (admin_find_topic(a, names[k], out, &err, why) < 0)
			return -1;
		if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			return fail(why, EXIT_NOINPUT, "there is no topic '%s'", names[k]);
		if (err)
			return kafka_fail(&a->client, why, err, "%s", names[k]);
	}
	if (!n) {
		do
			err = rd_kafka_metadata(a->client.rk, 1, NULL, &md, ANSWER_MS);
		while (kafka_again(err, &tries));
		if (err)
			return kafka_fail(&a->client, why, err, "topics");
		for (i = 0; i < md->topic_cnt; i++)
			if (!md->topics[i].err)
				take_topic(out, &md->topics[i]);
		rd_kafka_metadata_destroy(md);
	}
	qsort(out->v, out->n, sizeof(*out->v), admin_by_topic);
	return 0;
}

/* Set the field of every partition that has a leader to its offset of a time, or of the
 * logical time RD_KAFKA_OFFSET_BEGINNING or _END. */
static int
offsets_of(struct kafka_admin *a, struct kafka_topics *topics, int64_t ms, size_t field,
	struct failure *why)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(64);
	struct kafka_part **part = NULL;
	rd_kafka_topic_partition_t *e;
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
	size_t cap = 0, n = 0, i, j;
	int tries = 0, k;

	for (i = 0; i < topics->n; i++)
		for (j = 0; j < topics->v[i].nparts; j++) {
			if (topics->v[i].part[j].leader < 0)
				continue;
			part = mem_grow(part, &cap, n + 1, sizeof(struct kafka_part *));
			part[n++] = &topics->v[i].part[j];
			e = rd_kafka_topic_partition_list_add(
				list, topics->v[i].name, topics->v[i].part[j].id);
			/* The answer comes in another order. */
			e->opaque = part[n - 1];
		}
	if (list->cnt)
		do {
			for (k = 0; k < list->cnt; k++) {
				list->elems[k].offset = ms;
				list->elems[k].err = RD_KAFKA_RESP_ERR_NO_ERROR;
			}
			err = rd_kafka_offsets_for_times(a->client.rk, list, ANSWER_MS);
			for (k = 0; !err && k < list->cnt; k++)
				err = list->elems[k].err;
		} while (kafka_again(err, &tries));
	for (k = 0; !err && k < list->cnt; k++)
		memcpy((char *)list->elems[k].opaque + field, &list->elems[k].offset,
			sizeof(int64_t));
	rd_kafka_topic_partition_list_destroy(list);
	free(part);
	return err ? kafka_fail(&a->client, why, err, "offsets") : 0;
}

int
admin_ends(struct kafka_admin *a, struct kafka_topics *topics, struct failure *why)
{
	if (offsets_of(a, topics, RD_KAFKA_OFFSET_BEGINNING,
		    offsetof(struct kafka_part, first), why) < 0)
		return -1;
	return offsets_of(a, topics, RD_KAFKA_OFFSET_END,
		offsetof(struct kafka_part, end), why);
}

int
kafka_admin_topics(struct kafka_admin *a, const char *const *names, size_t n,
	struct kafka_topics *out, struct failure *why)
{
	struct kafka_topics topics = {0};

	if (admin_find_topics(a, names, n, &topics, why) < 0 || admin_ends(a, &topics, why) < 0) {
		kafka_topics_release(&topics);
		return -1;
	}
	*out = topics;
	return 0;
}

int
kafka_admin_at(struct kafka_admin *a, struct kafka_topics *topics, int64_t ms,
	struct failure *why)
{
	struct kafka_part *p;
	size_t i, j;

	if (offsets_of(a, topics, ms, offsetof(struct kafka_part, at), why) < 0)
		return -1;
	for (i = 0; i < topics->n; i++)
		for (j = 0; j < topics->v[i].nparts; j++) {
			p = &topics->v[i].part[j];
			if (p->at < 0)
				p->at = p->end;
		}
	return 0;
}

void
kafka_topics_release(struct kafka_topics *topics)
{
	size_t i, j;

	for (i = 0; i < topics->n; i++) {
		for (j = 0; j < topics->v[i].nsettings; j++) {
			free(topics->v[i].setting[j].name);
			free(topics->v[i].setting[j].value);
		}
		free(topics->v[i].setting);
		free(topics->v[i].part);
		free(topics->v[i].name);
	}
	free(topics->v);
	*topics = (struct kafka_topics){0};
}

/* ---- settings ---------------------------------------------------------------------- */

struct some_topics {
	struct kafka_topic_info *v;
	size_t n;
};

static void
send_configs(struct kafka_admin *a, const rd_kafka_AdminOptions_t *options, void *arg)
{
	struct some_topics *some = arg;
	rd_kafka_ConfigResource_t **v = mem_array(some->n, sizeof(rd_kafka_ConfigResource_t *));
	size_t i;

	for (i = 0; i < some->n; i++)
		v[i] = rd_kafka_ConfigResource_new(
			RD_KAFKA_RESOURCE_TOPIC, some->v[i].name);
	rd_kafka_DescribeConfigs(a->client.rk, v, some->n, options, a->queue);
	rd_kafka_ConfigResource_destroy_array(v, some->n);
	free(v);
}

static int
by_setting(const void *a, const void *b)
{
	const struct kafka_setting *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
take_settings(struct kafka_topic_info *t, const rd_kafka_ConfigResource_t *from)
{
	const rd_kafka_ConfigEntry_t **entry;
	const char *value;
	size_t n, i;

	if (rd_kafka_ConfigResource_error(from))
		return;
	entry = rd_kafka_ConfigResource_configs(from, &n);
	t->settings_known = true;
	t->setting = mem_array(n + 1, sizeof(*t->setting));
	for (i = 0; i < n; i++) {
		value = rd_kafka_ConfigEntry_value(entry[i]);
		if (rd_kafka_ConfigEntry_source(entry[i]) !=
				RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG || !value)
			continue;
		t->setting[t->nsettings++] = (struct kafka_setting){
			mem_strdup(rd_kafka_ConfigEntry_name(entry[i])),
			mem_strdup(value)};
	}
	qsort(t->setting, t->nsettings, sizeof(*t->setting), by_setting);
}

int
kafka_admin_settings(struct kafka_admin *a, struct kafka_topics *topics,
	struct failure *why)
{
	struct some_topics some;
	const struct admin_request request = {.op = RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
		.send = send_configs, .arg = &some, .what = "settings of topics"};
	const rd_kafka_ConfigResource_t **found;
	struct kafka_topic_info *t;
	rd_kafka_event_t *event;
	size_t from, n, i;

	for (from = 0; from < topics->n; from += some.n) {
		some.v = topics->v + from;
		some.n = topics->n - from;
		if (some.n > SETTINGS_AT_ONCE)
			some.n = SETTINGS_AT_ONCE;
		event = admin_ask(a, &request, why);
		if (!event)
			return -1;
		found = rd_kafka_DescribeConfigs_result_resources(
			rd_kafka_event_DescribeConfigs_result(event), &n);
		for (i = 0; i < n; i++) {
			t = bsearch(&(struct kafka_topic_info){
				.name = (char *)(uintptr_t)
					rd_kafka_ConfigResource_name(found[i])},
				some.v, some.n, sizeof(*t), admin_by_topic);
			if (t && !t->settings_known)
				take_settings(t, found[i]);
		}
		rd_kafka_event_destroy(event);
	}
	return 0;
}
