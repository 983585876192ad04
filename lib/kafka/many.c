/*
 * Records that have neither headers nor a timestamp go to librdkafka many at a time: its locks
 * are taken and its clocks asked once for all of them. What finds no room there is skipped,
 * while a shorter record behind it might be taken, and the order of a partition is lost: so
 * many go only where there is room for all, and else one by one.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "kafka/producer.h"

enum { MANY = 256, FEW = 4 };

/* What goes by one client. */
struct share {
	struct kafka_producer *p;
	const struct kafka_topic *t;
	size_t n;
	uint64_t bytes;
};

/* How many of these are short, in order, and find room together in an empty queue. */
static size_t
count_short(const struct kafka_producer *p, const struct kafka_topic *t,
	const struct kafka_send *s, size_t n)
{
	uint64_t bytes = 0, room = p->room_bytes;
	struct failure ignored;
	size_t i;

	if (p->whole || (p->twin && p->twin->whole))
		return 0;
	if (p->twin && p->twin->room_bytes < room)
		room = p->twin->room_bytes;
	for (i = 0; i < n && i < MANY && i < p->room; i++) {
		bytes += s[i].key.n + s[i].value.n;
		if (s[i].nheaders || s[i].ts_ms != TIME_NONE || bytes > room ||
				producer_check(t, &s[i], &ignored) < 0)
			break;
	}
	return i;
}

static bool
has_room(const struct share *a)
{
	const struct kafka_producer *p = a->p;

	return p->queued + a->n <= p->room && p->queued_bytes + a->bytes <= p->room_bytes;
}

static void
add(struct share *a, const struct kafka_send *s, int32_t partition)
{
	a->p->many[a->n++] = (rd_kafka_message_t){
		.payload = (void *)(uintptr_t)s->value.p, .len = s->value.n,
		.key = (void *)(uintptr_t)s->key.p, .key_len = s->key.n,
		.partition = partition, ._private = s->opaque,
	};
	a->bytes += s->key.n + s->value.n;
}

/* Share the records out: to whom each goes. */
static void
share_out(struct kafka_producer *p, const struct kafka_topic *t, const struct kafka_send *s,
	size_t n, struct share share[2])
{
	int32_t partition;
	size_t i;

	share[0] = (struct share){.p = p, .t = t};
	share[1] = (struct share){.p = p->twin, .t = t->twin};
	for (i = 0; i < 2; i++)
		if (share[i].p && !share[i].p->many)
			share[i].p->many = mem_array(MANY, sizeof(*p->many));
	for (i = 0; i < n; i++)
		if (p->twin) {
			partition = twin_partition(p, t, &s[i]);
			add(&share[partition % 2], &s[i], partition);
		} else {
			add(&share[0], &s[i],
				s[i].partition < 0 ? RD_KAFKA_PARTITION_UA : s[i].partition);
		}
}

static int
send_share(const struct share *a, struct failure *why)
{
	const rd_kafka_message_t *m = a->p->many;
	size_t i;

	if ((size_t)rd_kafka_produce_batch(a->t->handle, RD_KAFKA_PARTITION_UA,
		    RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION, a->p->many,
		    (int)a->n) == a->n)
		return producer_queued(a->p, a->n, a->bytes, why);
	for (i = 0; i < a->n && !m[i].err; i++)
		;
	return producer_not_queued(a->p, a->t,
		i < a->n ? m[i].err : RD_KAFKA_RESP_ERR__FAIL, why);
}

/* 1: done; 0: a twin has come, and takes its share; -1: why. */
static int
send_together(struct kafka_producer *p, const struct kafka_topic *t,
	const struct kafka_send *s, size_t n, struct failure *why)
{
	struct share share[2], *a;
	int twin;

	share_out(p, t, s, n, share);
	for (a = share; a < share + 2; a++) {
		while (a->n && !has_room(a)) {
			twin = twin_open(a->p, why);
			if (twin)
				return twin < 0 ? -1 : 0;
			if (producer_wait(a->p, why) < 0)
				return -1;
		}
		if (a->n && send_share(a, why) < 0)
			return -1;
	}
	return 1;
}

int
kafka_producer_send_many(struct kafka_producer *p, const struct kafka_topic *t,
	const struct kafka_send *s, size_t n, size_t *taken, struct failure *why)
{
	size_t some;
	int done;

	for (*taken = 0; *taken < n;) {
		some = count_short(p, t, s + *taken, n - *taken);
		if (some < FEW) {
			if (kafka_producer_send(p, t, s + *taken, why) < 0)
				return -1;
			(*taken)++;
			continue;
		}
		done = send_together(p, t, s + *taken, some, why);
		if (done < 0)
			return -1;
		*taken += done ? some : 0;
	}
	return 0;
}
