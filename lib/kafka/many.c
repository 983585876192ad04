/*
 * Records that have neither headers nor a timestamp go to librdkafka many at a time: its locks
 * are taken and its clocks asked once for all of them. What finds no room there is skipped,
 * while a shorter record behind it might be taken, and the order of a partition is lost: so
 * many go only where there is room for all, and else one by one.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "kafka/producer.h"

enum { MANY = 256, FEW = 4, WAIT_MS = 100 };

/* How many of these are short, and in order. */
static size_t
count_short(const struct kafka_producer *p, const struct kafka_topic *t,
	const struct kafka_send *s, size_t n)
{
	struct failure ignored;
	size_t i;

	for (i = 0; i < n && i < MANY && !p->whole; i++)
		if (s[i].nheaders || s[i].ts_ms != TIME_NONE || producer_check(t, &s[i], &ignored) < 0)
			break;
	return i;
}

/* How many of n have room, and their bytes. */
static size_t
count_room(const struct kafka_producer *p, const struct kafka_send *s, size_t n,
	uint64_t *bytes)
{
	uint64_t room = p->room_bytes > p->queued_bytes ? p->room_bytes - p->queued_bytes : 0;
	size_t i;

	*bytes = 0;
	for (i = 0; i < n && p->queued + i < p->room; i++) {
		if (*bytes + s[i].key.n + s[i].value.n > room)
			break;
		*bytes += s[i].key.n + s[i].value.n;
	}
	return i;
}

/* Returns how many were queued. */
static size_t
send_together(struct kafka_producer *p, const struct kafka_topic *t,
	const struct kafka_send *s, size_t n, struct failure *why)
{
	rd_kafka_message_t *m = p->many;
	size_t i;

	for (i = 0; i < n; i++)
		m[i] = (rd_kafka_message_t){
			.payload = (void *)(uintptr_t)s[i].value.p, .len = s[i].value.n,
			.key = (void *)(uintptr_t)s[i].key.p, .key_len = s[i].key.n,
			.partition = s[i].partition < 0 ? RD_KAFKA_PARTITION_UA : s[i].partition,
			._private = s[i].opaque,
		};
	if ((size_t)rd_kafka_produce_batch(t->handle, RD_KAFKA_PARTITION_UA,
		    RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION, m, (int)n) == n)
		return n;
	for (i = 0; i < n && !m[i].err; i++)
		;
	if (i < n)
		producer_not_queued(p, t, m[i].err, why);
	return i;
}

/* Delivery reports make room. */
static int
wait_for_room(struct kafka_producer *p, struct failure *why)
{
	rd_kafka_poll(p->client.rk, WAIT_MS);
	return kafka_producer_poll(p, why);
}

int
kafka_producer_send_many(struct kafka_producer *p, const struct kafka_topic *t,
	const struct kafka_send *s, size_t n, size_t *taken, struct failure *why)
{
	uint64_t bytes;
	size_t some, fit;

	if (!p->many)
		p->many = mem_array(MANY, sizeof(*p->many));
	for (*taken = 0; *taken < n;) {
		some = count_short(p, t, s + *taken, n - *taken);
		fit = count_room(p, s + *taken, some, &bytes);
		if (fit < some && p->queued) {
			if (wait_for_room(p, why) < 0)
				return -1;
			continue;
		}
		if (fit < FEW) {
			if (kafka_producer_send(p, t, s + *taken, why) < 0)
				return -1;
			(*taken)++;
			continue;
		}
		if (send_together(p, t, s + *taken, fit, why) < fit)
			return -1;
		*taken += fit;
		if (producer_queued(p, fit, bytes, why) < 0)
			return -1;
	}
	return 0;
}
