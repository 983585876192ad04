/*
 * Topics that are made.
 */
#include "kafka/ask.h"

#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

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
		if (admin_find_topic(a, name, &topics, &err, why) < 0)
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
	const struct admin_request request = {.op = RD_KAFKA_ADMIN_OP_CREATETOPICS,
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
		a = admin_open_as(config, KAFKA_PRODUCER, why);
		if (!a)
			goto out;
		event = admin_ask(a, &request, why);
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
