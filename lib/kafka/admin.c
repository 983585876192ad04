/*
 * Every question is a request to librdkafka's admin queue or one of its calls that wait,
 * repeated while the answer is of the kind that passes. Ends come from ListOffsets with the
 * logical times "earliest" and "latest": one request a broker, whatever the partitions.
 */
#include "kafka/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "kafka/client.h"

enum { CONNECT_MS = 10000, ANSWER_MS = 30000, CLOSE_MS = 5000 };
enum { SETTINGS_AT_ONCE = 200 }; /* a topic's answer has some 40 entries */

struct kafka_admin {
	struct kafka_client client; /* first: the handle's opaque */
	rd_kafka_queue_t *queue;
};

/* ---- a client ---------------------------------------------------------------------- */

/* The kind says what a topic that isn't there means. */
static struct kafka_admin *
admin_open(const struct kafka_config *config, enum kafka_kind kind, struct failure *why)
{
	struct kafka_admin *a = mem_zalloc(sizeof(*a));
	rd_kafka_conf_t *conf = kafka_client_conf(&a->client, config, kind, why);

	if (conf && kafka_client_start(&a->client, conf, why) == 0 &&
		kafka_client_connect(&a->client, CONNECT_MS, why) == 0) {
		a->queue = rd_kafka_queue_new(a->client.rk);
		return a;
	}
	kafka_admin_close(a);
	return NULL;
}

struct kafka_admin *
kafka_admin_open(const struct kafka_config *config, struct failure *why)
{
	return admin_open(config, KAFKA_CONSUMER, why);
}

int
kafka_admin_close(struct kafka_admin *a)
{
	if (!a)
		return 0;
	if (a->queue)
		rd_kafka_queue_destroy(a->queue);
	if (kafka_client_stop(&a->client, CLOSE_MS) < 0)
		return -1;
	free(a);
	return 0;
}

/* A request of the admin API: how it is sent, and the error that its answer holds. */
struct request {
	rd_kafka_admin_op_t op;
	void (*send)(struct kafka_admin *, const rd_kafka_AdminOptions_t *, void *arg);
	rd_kafka_resp_err_t (*refusal)(rd_kafka_event_t *);
	void *arg;
	const char *what; /* for messages */
};

/* The answer, to be destroyed; NULL: why. */
static rd_kafka_event_t *
ask(struct kafka_admin *a, const struct request *r, struct failure *why)
{
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(a->client.rk, r->op);
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *event;
	char text[128];
	int tries = 0;

	rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, text, sizeof(text));
	for (;;) {
		r->send(a, options, r->arg);
		event = rd_kafka_queue_poll(a->queue, ANSWER_MS + 5000);
		err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
		if (!err && r->refusal)
			err = r->refusal(event);
		if (!err || !kafka_again(err, &tries))
			break;
		rd_kafka_event_destroy(event);
	}
	rd_kafka_AdminOptions_destroy(options);
	if (!err)
		return event;
	kafka_fail(&a->client, why, err, "%s", r->what);
	if (event)
		rd_kafka_event_destroy(event);
	return NULL;
}

/* ---- groups ------------------------------------------------------------------------ */

static void
send_list(struct kafka_admin *a, const rd_kafka_AdminOptions_t *options, void *arg)
{
	(void)arg;
	rd_kafka_ListConsumerGroups(a->client.rk, options, a->queue);
}

static rd_kafka_resp_err_t
list_refusal(rd_kafka_event_t *event)
{
	const rd_kafka_error_t **errors;
	size_t n;

	errors = rd_kafka_ListConsumerGroups_result_errors(
		rd_kafka_event_ListConsumerGroups_result(event), &n);
	return n ? rd_kafka_error_code(errors[0]) : RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void
send_describe(struct kafka_admin *a, const rd_kafka_AdminOptions_t *options, void *arg)
{
	struct kafka_groups *groups = arg;
	const char **names = mem_array(groups->n, sizeof(*names));
	size_t i;

	for (i = 0; i < groups->n; i++)
		names[i] = groups->v[i].name;
	rd_kafka_DescribeConsumerGroups(
		a->client.rk, names, groups->n, options, a->queue);
	free(names);
}

static rd_kafka_resp_err_t
describe_refusal(rd_kafka_event_t *event)
{
	const rd_kafka_ConsumerGroupDescription_t **found;
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
	const rd_kafka_error_t *error;
	size_t n, i;

	found = rd_kafka_DescribeConsumerGroups_result_groups(
		rd_kafka_event_DescribeConsumerGroups_result(event), &n);
	/* Any other is told of the group: its members are not known. */
	for (i = 0; i < n && !err; i++) {
		error = rd_kafka_ConsumerGroupDescription_error(found[i]);
		if (error && rd_kafka_error_is_retriable(error))
			err = rd_kafka_error_code(error);
	}
	return err;
}

static int
by_group(const void *a, const void *b)
{
	const struct kafka_group *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool
wanted(const char *const *names, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return n == 0;
}

static struct kafka_group *
group_named(const struct kafka_groups *groups, const char *name)
{
	size_t i;

	for (i = 0; i < groups->n; i++)
		if (strcmp(groups->v[i].name, name) == 0)
			return &groups->v[i];
	return NULL;
}

static bool
may_have_members(rd_kafka_consumer_group_state_t state)
{
	return state != RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY &&
	       state != RD_KAFKA_CONSUMER_GROUP_STATE_DEAD;
}

static void
take_member(struct kafka_member *m, const rd_kafka_MemberDescription_t *from)
{
	const rd_kafka_MemberAssignment_t *assignment =
		rd_kafka_MemberDescription_assignment(from);
	const rd_kafka_topic_partition_list_t *list =
		assignment ? rd_kafka_MemberAssignment_partitions(assignment) : NULL;
	const char *instance = rd_kafka_MemberDescription_group_instance_id(from);
	const char *host = rd_kafka_MemberDescription_host(from);
	int i;

	m->id = mem_strdup(rd_kafka_MemberDescription_consumer_id(from));
	m->instance = instance && *instance ? mem_strdup(instance) : NULL;
	m->client = mem_strdup(rd_kafka_MemberDescription_client_id(from));
	/* Java's way to print an address. */
	m->host = mem_strdup(*host == '/' ? host + 1 : host);
	if (!list || !list->cnt)
		return;
	m->claim = mem_array((size_t)list->cnt, sizeof(*m->claim));
	m->nclaims = (size_t)list->cnt;
	for (i = 0; i < list->cnt; i++)
		m->claim[i] = (struct kafka_claim){
			mem_strdup(list->elems[i].topic), list->elems[i].partition};
}

static void
take_description(struct kafka_group *g, const rd_kafka_ConsumerGroupDescription_t *from)
{
	rd_kafka_consumer_group_state_t state =
		rd_kafka_ConsumerGroupDescription_state(from);
	const char *assignor = rd_kafka_ConsumerGroupDescription_partition_assignor(from);
	size_t i;

	/* To a broker asked in the older way, a group of the newer protocol is dead: what
	 * the list says is all there is to know. */
	if (rd_kafka_ConsumerGroupDescription_error(from) ||
		state == RD_KAFKA_CONSUMER_GROUP_STATE_DEAD) {
		g->described = !g->active;
		return;
	}
	g->described = true;
	g->state = rd_kafka_consumer_group_state_name(state);
	if (assignor && *assignor) {
		free(g->assignor);
		g->assignor = mem_strdup(assignor);
	}
	g->nmembers = rd_kafka_ConsumerGroupDescription_member_count(from);
	g->active = g->nmembers || may_have_members(state);
	if (g->nmembers)
		g->member = mem_array(g->nmembers, sizeof(*g->member));
	for (i = 0; i < g->nmembers; i++)
		take_member(&g->member[i],
			rd_kafka_ConsumerGroupDescription_member(from, i));
}

static int
list_groups(struct kafka_admin *a, const char *const *names, size_t n,
	struct kafka_groups *out, struct failure *why)
{
	const struct request request = {
		.op = RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, .send = send_list,
		.refusal = list_refusal, .what = "groups"};
	rd_kafka_event_t *event = ask(a, &request, why);
	const rd_kafka_ConsumerGroupListing_t **found;
	rd_kafka_consumer_group_state_t state;
	size_t total, i;

	if (!event)
		return -1;
	found = rd_kafka_ListConsumerGroups_result_valid(
		rd_kafka_event_ListConsumerGroups_result(event), &total);
	out->v = mem_array(total + 1, sizeof(*out->v));
	for (i = 0; i < total; i++) {
		const char *name = rd_kafka_ConsumerGroupListing_group_id(found[i]);

		if (!wanted(names, n, name) || group_named(out, name))
			continue;
		state = rd_kafka_ConsumerGroupListing_state(found[i]);
		out->v[out->n++] = (struct kafka_group){
			.name = mem_strdup(name), .assignor = mem_strdup(""),
			.state = rd_kafka_consumer_group_state_name(state),
			.active = may_have_members(state)};
	}
	rd_kafka_event_destroy(event);
	qsort(out->v, out->n, sizeof(*out->v), by_group);
	return 0;
}

int
kafka_admin_groups(struct kafka_admin *a, const char *const *names, size_t n,
	struct kafka_groups *out, struct failure *why)
{
	struct kafka_groups groups = {0};
	const struct request request = {
		.op = RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, .send = send_describe,
		.refusal = describe_refusal, .arg = &groups, .what = "groups"};
	const rd_kafka_ConsumerGroupDescription_t **found;
	struct kafka_group *g;
	rd_kafka_event_t *event;
	size_t total, i;

	if (list_groups(a, names, n, &groups, why) < 0)
		return -1;
	for (i = 0; i < n; i++)
		if (!group_named(&groups, names[i])) {
			fail(why, EXIT_NOINPUT, "there is no group '%s'", names[i]);
			goto failed;
		}
	if (groups.n) {
		event = ask(a, &request, why);
		if (!event)
			goto failed;
		found = rd_kafka_DescribeConsumerGroups_result_groups(
			rd_kafka_event_DescribeConsumerGroups_result(event), &total);
		for (i = 0; i < total; i++) {
			g = group_named(&groups,
				rd_kafka_ConsumerGroupDescription_group_id(found[i]));
			if (g && !g->described)
				take_description(g, found[i]);
		}
		rd_kafka_event_destroy(event);
	}
	*out = groups;
	return 0;
failed:
	kafka_groups_release(&groups);
	return -1;
}

void
kafka_groups_release(struct kafka_groups *groups)
{
	struct kafka_member *m;
	size_t i, j, k;

	for (i = 0; i < groups->n; i++) {
		for (j = 0; j < groups->v[i].nmembers; j++) {
			m = &groups->v[i].member[j];
			for (k = 0; k < m->nclaims; k++)
				free(m->claim[k].topic);
			free(m->claim);
			free(m->id);
			free(m->instance);
			free(m->client);
			free(m->host);
		}
		free(groups->v[i].member);
		free(groups->v[i].assignor);
		free(groups->v[i].name);
	}
	free(groups->v);
	*groups = (struct kafka_groups){0};
}

/* ---- topics ------------------------------------------------------------------------ */

static int
by_topic(const void *a, const void *b)
{
	const struct kafka_topic_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int
by_part(const void *a, const void *b)
{
	const struct kafka_part *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct kafka_part
new_part(int32_t id)
{
	return (struct kafka_part){.id = id, .leader = -1, .first = -1, .end = -1,
		.at = -1, .committed = -1, .to = -1};
}

static struct kafka_topic_info *
new_topic(struct kafka_topics *topics, const char *name, size_t nparts)
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
		new_topic(topics, from->topic, (size_t)from->partition_cnt);
	const struct rd_kafka_metadata_partition *p;
	int i;

	for (i = 0; i < from->partition_cnt; i++) {
		p = &from->partitions[i];
		t->part[i] = new_part(p->id);
		t->part[i].leader = p->leader;
		t->part[i].replicas = p->replica_cnt;
		t->part[i].in_sync = p->isr_cnt;
	}
	qsort(t->part, t->nparts, sizeof(*t->part), by_part);
}

/* Ask about one topic; *err is what the brokers say of it. -1: they don't answer. */
static int
find_topic(struct kafka_admin *a, const char *name, struct kafka_topics *out,
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

static int
find_topics(struct kafka_admin *a, const char *const *names, size_t n,
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
		if (find_topic(a, names[k], out, &err, why) < 0)
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
	qsort(out->v, out->n, sizeof(*out->v), by_topic);
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

static int
ends(struct kafka_admin *a, struct kafka_topics *topics, struct failure *why)
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

	if (find_topics(a, names, n, &topics, why) < 0 || ends(a, &topics, why) < 0) {
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
	const struct request request = {.op = RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
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
		event = ask(a, &request, why);
		if (!event)
			return -1;
		found = rd_kafka_DescribeConfigs_result_resources(
			rd_kafka_event_DescribeConfigs_result(event), &n);
		for (i = 0; i < n; i++) {
			t = bsearch(&(struct kafka_topic_info){
				.name = (char *)(uintptr_t)
					rd_kafka_ConfigResource_name(found[i])},
				some.v, some.n, sizeof(*t), by_topic);
			if (t && !t->settings_known)
				take_settings(t, found[i]);
		}
		rd_kafka_event_destroy(event);
	}
	return 0;
}

/* ---- a group's place --------------------------------------------------------------- */

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
	const struct request request = {
		.op = RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
		.send = send_group_offsets, .refusal = group_offsets_refusal,
		.arg = g->name, .what = g->name};
	rd_kafka_event_t *event = ask(a, &request, why);
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
		t->nparts, sizeof(*p), by_part) : NULL;

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
	if (find_topic(a, name, out, &err, why) < 0)
		return -1;
	if (!err)
		return 0;
	if (err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return kafka_fail(&a->client, why, err, "%s", name);
	t = new_topic(out, name, (size_t)committed->cnt);
	t->gone = true;
	t->nparts = 0;
	for (i = 0; i < committed->cnt; i++)
		if (strcmp(committed->elems[i].topic, name) == 0)
			t->part[t->nparts++] = new_part(committed->elems[i].partition);
	qsort(t->part, t->nparts, sizeof(*t->part), by_part);
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
		qsort(out->v, out->n, sizeof(*out->v), by_topic);
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
	if ((n ? find_topics(a, names, n, &topics, why)
	       : find_known(a, g, committed, &topics, why)) < 0 ||
		ends(a, &topics, why) < 0)
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
	const struct request request = {
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
		event = ask(a, &request, why);
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

/* ---- making topics ----------------------------------------------------------------- */

static int
count(const char *text, size_t n, int32_t *to)
{
	int32_t v = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9' || v > 1000000)
			return -1;
		v = v * 10 + (text[i] - '0');
	}
	*to = v;
	return n && v > 0 ? 0 : -1;
}

int
kafka_new_topic_parse(const char *text, struct kafka_new_topic *t, struct failure *why)
{
	struct kafka_new_topic found = {.name = t->name};
	const char *at = text;
	size_t n;
	int status;

	for (;;) {
		n = strcspn(at, ",");
		if (n > 11 && strncmp(at, "partitions=", 11) == 0 && !found.partitions)
			status = count(at + 11, n - 11, &found.partitions);
		else if (n > 12 && strncmp(at, "replication=", 12) == 0 &&
			 !found.replication)
			status = count(at + 12, n - 12, &found.replication);
		else
			status = -1;
		if (status < 0 || found.replication > INT16_MAX)
			return fail(why, EXIT_USAGE,
				"'%s' is not of the form partitions=N,replication=M", text);
		if (!at[n])
			break;
		at += n + 1;
	}
	*t = found;
	return 0;
}

struct creation {
	rd_kafka_NewTopic_t **v;
	size_t n;
};

static void
send_create(struct kafka_admin *a, const rd_kafka_AdminOptions_t *options, void *arg)
{
	struct creation *c = arg;

	rd_kafka_CreateTopics(a->client.rk, c->v, c->n, options, a->queue);
}

/* What the brokers say of each topic that was to be made. */
static int
look_at_created(struct kafka_admin *a, rd_kafka_event_t *event, struct failure *why)
{
	const rd_kafka_topic_result_t **results;
	rd_kafka_resp_err_t err;
	const char *name, *text;
	size_t n, i;

	results = rd_kafka_CreateTopics_result_topics(
		rd_kafka_event_CreateTopics_result(event), &n);
	for (i = 0; i < n; i++) {
		err = rd_kafka_topic_result_error(results[i]);
		if (!err || err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			continue;
		name = rd_kafka_topic_result_name(results[i]);
		text = rd_kafka_topic_result_error_string(results[i]);
		if (kafka_status(KAFKA_PRODUCER, err) != EXIT_IO)
			return kafka_fail(&a->client, why, err, "cannot make %s", name);
		return fail(why, EXIT_CANTCREATE, "cannot make %s: %s", name,
			text ? text : rd_kafka_err2str(err));
	}
	return 0;
}

/* Wait until every partition of a topic has a leader. */
static int
wait_led(struct kafka_admin *a, const char *name, struct failure *why)
{
	struct kafka_topics topics = {0};
	rd_kafka_resp_err_t err;
	bool led = false;
	int tries;
	size_t i;

	for (tries = 0; !led && tries < 100; tries++) {
		if (tries)
			nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
		if (find_topic(a, name, &topics, &err, why) < 0)
			return -1;
		led = !err && topics.n && topics.v[0].nparts;
		for (i = 0; led && i < topics.v[0].nparts; i++)
			led = topics.v[0].part[i].leader >= 0;
		kafka_topics_release(&topics);
		if (err && err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			return kafka_fail(&a->client, why, err, "%s", name);
	}
	return led ? 0 : fail(why, EXIT_UNAVAILABLE, "%s: made, but without a leader", name);
}

int
kafka_admin_create(const struct kafka_config *config, const struct kafka_new_topic *topic,
	size_t n, struct failure *why)
{
	struct creation c = {mem_array(n + 1, sizeof(rd_kafka_NewTopic_t *)), 0};
	const struct request request = {.op = RD_KAFKA_ADMIN_OP_CREATETOPICS,
		.send = send_create, .arg = &c, .what = "topics"};
	struct kafka_admin *a = NULL;
	rd_kafka_event_t *event = NULL;
	char text[256];
	int status = -1;
	size_t i;

	for (; c.n < n; c.n++) {
		c.v[c.n] = rd_kafka_NewTopic_new(topic[c.n].name,
			topic[c.n].partitions ? topic[c.n].partitions : -1,
			topic[c.n].replication ? topic[c.n].replication : -1, text,
			sizeof(text));
		if (!c.v[c.n]) {
			fail(why, EXIT_CANTCREATE, "cannot make %s: %s", topic[c.n].name,
				text);
			goto out;
		}
	}
	if (n) {
		a = admin_open(config, KAFKA_PRODUCER, why);
		if (!a)
			goto out;
		event = ask(a, &request, why);
		if (!event || look_at_created(a, event, why) < 0)
			goto out;
	}
	for (i = 0; i < n; i++)
		if (wait_led(a, topic[i].name, why) < 0)
			goto out;
	status = 0;
out:
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy_array(c.v, c.n);
	free(c.v);
	kafka_admin_close(a);
	return status;
}

/* ---- what a user says -------------------------------------------------------------- */

static int
whole(const char *s, int64_t *n)
{
	char *end;

	/* Digits alone: strtoll takes signs and blanks. */
	if (!*s || s[strspn(s, "0123456789")])
		return -1;
	errno = 0;
	*n = strtoll(s, &end, 10);
	return errno ? -1 : 0;
}

static int
instant(const char *s, int64_t *ms)
{
	int64_t us;

	if (*s == '-') {
		if (time_of_duration(slice_str(s + 1), &us) < 0)
			return -1;
		us = time_now_us() - us;
	} else if (time_of_rfc3339(slice_str(s), &us) < 0)
		return -1;
	/* Times before 1970 are logical ones to a broker. */
	*ms = us > 0 ? us / 1000 : 0;
	return 0;
}

int
kafka_at_parse(const char *text, enum kafka_at *at, int64_t *n, struct failure *why)
{
	int64_t found = 0;

	if (strcmp(text, "earliest") == 0)
		*at = KAFKA_EARLIEST;
	else if (strcmp(text, "latest") == 0)
		*at = KAFKA_LATEST;
	else if (*text == '@' && instant(text + 1, &found) == 0)
		*at = KAFKA_TIME;
	else if (*text == '-' && whole(text + 1, &found) == 0)
		*at = KAFKA_TAIL;
	else if (whole(text, &found) == 0)
		*at = KAFKA_OFFSET;
	else {
		fail(why, EXIT_USAGE, "'%s' is none of earliest, latest, N, -N, @TIME", text);
		if (*text == '@' || instant(text, &found) == 0)
			fail_hint(why, "a time is @2026-01-02T03:04:05Z, or @-2h: two hours ago");
		return -1;
	}
	*n = found;
	return 0;
}
