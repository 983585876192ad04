/*
 * Groups: which there are, who is in them, and what each member reads.
 */
#include "kafka/ask.h"

#include <stdlib.h>

#include "base/mem.h"

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
	const struct admin_request request = {
		.op = RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, .send = send_list,
		.refusal = list_refusal, .what = "groups"};
	rd_kafka_event_t *event = admin_ask(a, &request, why);
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
	const struct admin_request request = {
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
		event = admin_ask(a, &request, why);
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
