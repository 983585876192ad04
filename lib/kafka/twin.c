/*
 * A second client. librdkafka compresses and sends all that goes to one broker in one thread,
 * which is what bounds a producer. So one whose queue is full gets a twin: that sends to the
 * odd partitions, and each partition keeps its order, since it is always the same client that
 * sends to it, and the twin begins when nothing of before is under way. To know whose a record
 * is, its partition is found here, where librdkafka and the Java clients would find it.
 */
#include <stdlib.h>

#include "base/cpus.h"
#include "base/mem.h"
#include "kafka/producer.h"
#include "time/time.h"

enum { TOPIC_MS = 1000 };

int32_t
twin_partition(struct kafka_producer *p, const struct kafka_topic *t, const struct kafka_send *s)
{
	if (s->partition >= 0)
		return s->partition;
	if (s->key.p)
		return rd_kafka_msg_partitioner_murmur2_random(
			t->handle, s->key.p, s->key.n, t->partitions, NULL, NULL);
	return (int32_t)(p->turn++ % (uint32_t)t->partitions);
}

/* Let the twin know the topics. */
static int
introduce(struct kafka_producer *p, struct kafka_producer *twin)
{
	struct table_entry *e;
	struct kafka_topic *t;
	struct failure why;

	for (e = table_next(&p->topics, NULL); e; e = table_next(&p->topics, e)) {
		t = e->v.ptr;
		t->twin = (void *)(uintptr_t)kafka_producer_topic(twin, t->name, &why);
		if (!t->twin)
			return -1;
	}
	return 0;
}

int
twin_open(struct kafka_producer *p, struct failure *why)
{
	struct kafka_produce ask = {.delivered = p->ask.delivered, .arg = p->ask.arg};
	struct producer_limits limits = p->limits;
	struct kafka_producer *twin;
	struct failure ignored;

	if (p->alone || p->twin)
		return 0;
	p->alone = true;
	if (cpus_usable() < 2)
		return 0;
	limits.partitions = (limits.partitions + 1) / 2;
	twin = producer_open(p->client.config, &ask, &limits, &ignored);
	if (!twin)
		return 0;
	twin->alone = true;
	if (introduce(p, twin) < 0) {
		kafka_producer_close(twin);
		return 0;
	}
	while (p->queued)
		if (producer_wait(p, why) < 0) {
			kafka_producer_close(twin);
			return -1;
		}
	p->twin = twin;
	p->counted_ns = time_monotonic_ns();
	return 1;
}

void
twin_count(struct kafka_producer *p)
{
	int64_t now_ns = time_monotonic_ns();
	struct table_entry *e;
	struct kafka_topic *t, *other;
	struct failure ignored;
	int n, m;

	if (p->count_ms <= 0 || now_ns - p->counted_ns < (int64_t)p->count_ms * 1000000)
		return;
	p->counted_ns = now_ns;
	for (e = table_next(&p->topics, NULL); e; e = table_next(&p->topics, e)) {
		t = e->v.ptr;
		other = t->twin;
		n = producer_partitions(&p->client, t->handle, TOPIC_MS, &ignored);
		if (n <= t->partitions)
			continue;
		m = producer_partitions(&p->twin->client, other->handle, TOPIC_MS, &ignored);
		if (n == m)
			t->partitions = other->partitions = n;
	}
}
