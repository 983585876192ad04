/* Is there another copy of the job? The group knows: a static member is one process. */
#define _GNU_SOURCE /* memmem */
#include "kafka/transact.h"

#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "kafka/client.h"

enum {
	ASK_MS = 3000,
	STEP_MS = 500,      /* between two questions */
	CLOSE_MS = 10000,
};

enum holder { NOBODY, OURS, ANOTHER, UNKNOWN };

/* Who has the name now, against the member that the position is of. */
static enum holder
holder_of(const rd_kafka_ConsumerGroupDescription_t *group, const char *name,
	struct slice metadata)
{
	size_t n = rd_kafka_ConsumerGroupDescription_member_count(group), i;
	const rd_kafka_MemberDescription_t *m;
	const char *instance, *id;

	for (i = 0; i < n; i++) {
		m = rd_kafka_ConsumerGroupDescription_member(group, i);
		instance = rd_kafka_MemberDescription_group_instance_id(m);
		id = rd_kafka_MemberDescription_consumer_id(m);
		if (instance && strcmp(instance, name) == 0)
			return id && *id && memmem(metadata.p, metadata.n, id, strlen(id)) ? OURS :
				ANOTHER;
	}
	return NOBODY;
}

static enum holder
ask(struct kafka_client *c, const char *name, struct slice metadata)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(c->rk);
	const rd_kafka_ConsumerGroupDescription_t **group;
	enum holder holder = UNKNOWN;
	rd_kafka_event_t *event;
	size_t n = 0;

	rd_kafka_DescribeConsumerGroups(c->rk, &name, 1, NULL, queue);
	event = rd_kafka_queue_poll(queue, ASK_MS);
	if (event && !rd_kafka_event_error(event)) {
		group = rd_kafka_DescribeConsumerGroups_result_groups(
			rd_kafka_event_DescribeConsumerGroups_result(event), &n);
		if (n == 1 && !rd_kafka_ConsumerGroupDescription_error(group[0]))
			holder = holder_of(group[0], name, metadata);
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	return holder;
}

bool
kafka_is_alone(const struct kafka_config *config, const struct kafka_position *position,
	int wait_ms)
{
	struct kafka_client *c = mem_zalloc(sizeof(*c));
	int64_t end = time_monotonic_ns() + (int64_t)wait_ms * 1000000;
	struct failure ignored;
	rd_kafka_conf_t *conf = kafka_client_conf(c, config, KAFKA_PRODUCER, &ignored);
	enum holder holder = UNKNOWN, now;

	if (conf && kafka_client_start(c, conf, &ignored) == 0) {
		do {
			now = ask(c, position->group, buf_slice(&position->metadata));
			if (now != UNKNOWN)
				holder = now;
			nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
		} while (holder != ANOTHER && time_monotonic_ns() < end);
	}
	if (kafka_client_stop(c, CLOSE_MS) == 0)
		free(c);
	return holder == OURS || holder == NOBODY;
}
