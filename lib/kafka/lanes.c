/*
 * Partitions merged by time.
 *
 * The partition whose next message is the earliest goes on next, so each keeps its order.
 * To know that, there must be a message of every one that has not ended: each has a queue
 * of its own, so that what one is waited for does not pile up the others'. A queue that is
 * full stops the fetching of its partition alone.
 */
#include "kafka/consumer.h"

#include <stdlib.h>

#include "base/mem.h"

enum { LANE_HEAD = 1, LANE_END = 0, LANE_FAILED = -1, LANE_WAITS = -2 };

/* By time, topic and partition. Lanes lie in the order of the other two. */
static bool
lane_before(void *arg, const void *a, const void *b)
{
	const struct lane *x = a, *y = b;

	(void)arg;
	if (x->ts_ms != y->ts_ms)
		return x->ts_ms < y->ts_ms;
	return x < y;
}

void
lanes_open(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
	struct lane *l;
	int i;

	c->nlanes = (size_t)list->cnt;
	c->lane = mem_array(c->nlanes + 1, sizeof(*c->lane));
	c->need = mem_array(c->nlanes + 1, sizeof(struct lane *));
	c->heap.before = lane_before;
	for (i = 0; i < list->cnt; i++) {
		l = &c->lane[i];
		l->place = consumer_place(
			c, list->elems[i].topic, list->elems[i].partition, true);
		l->queue = rd_kafka_queue_get_partition(c->client.rk,
			list->elems[i].topic, list->elems[i].partition);
		rd_kafka_queue_forward(l->queue, NULL);
	}
}

void
lanes_begin(struct kafka_consumer *c)
{
	size_t i;

	/* The first is looked at first. */
	for (i = c->nlanes; i-- > 0;)
		if (!c->lane[i].place->ended)
			c->need[c->nneed++] = &c->lane[i];
}

/* Get the lane a head, waiting for it at most wait_ms. */
static int
lane_fill(struct kafka_consumer *c, struct lane *l, int64_t wait_ms, struct failure *why)
{
	rd_kafka_timestamp_type_t type;
	rd_kafka_message_t *m;
	int status;

	while (!l->place->ended) {
		m = rd_kafka_consume_queue(l->queue, wait_ms > 0 ? (int)wait_ms : 0);
		if (!m)
			return LANE_WAITS;
		if (m->err) {
			status = consumer_event(c, m, why);
			rd_kafka_message_destroy(m);
			if (status < 0)
				return LANE_FAILED;
			continue;
		}
		if (m->offset >= l->place->bound) {
			rd_kafka_message_destroy(m);
			consumer_end_place(c, l->place, l->place->bound);
			continue;
		}
		l->head = m;
		l->ts_ms = rd_kafka_message_timestamp(m, &type);
		if (type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
			l->ts_ms = TIME_NONE;
		return LANE_HEAD;
	}
	return LANE_END;
}

/* What does not concern a partition. */
static int
serve(struct kafka_consumer *c, struct failure *why)
{
	rd_kafka_message_t *m = rd_kafka_consumer_poll(c->client.rk, 0);
	int status;

	if (!m)
		return 0;
	status = m->err ? consumer_event(c, m, why) : 0;
	rd_kafka_message_destroy(m);
	return status;
}

/* The first goes out: 0, and it has another head or has ended; LANE_WAITS, it needs one. */
static int
lane_out(struct kafka_consumer *c, size_t *bytes, struct failure *why)
{
	struct lane *l = c->heap.v[0];
	int rc;

	*bytes += l->head->len + l->head->key_len;
	rc = l->head->offset + 1 >= l->place->bound;
	consumer_hold(c, l->head, l->place);
	l->head = NULL;
	if (rc)
		consumer_end_place(c, l->place, l->place->bound);
	rc = lane_fill(c, l, 0, why);
	if (rc == LANE_HEAD) {
		heap_sift(&c->heap);
		return 0;
	}
	heap_take(&c->heap);
	if (rc != LANE_END)
		c->need[c->nneed++] = l;
	return rc;
}

int
lanes_read(struct kafka_consumer *c, size_t max, size_t max_bytes, int wait_ms,
	struct failure *why)
{
	int64_t end = time_monotonic_ns() + (int64_t)wait_ms * 1000000;
	size_t bytes = 0;
	struct lane *l;
	int rc = serve(c, why);

	while (rc == 0) {
		while (c->nneed && rc >= 0) {
			l = c->need[c->nneed - 1];
			rc = lane_fill(c, l,
				c->nheld ? 0 : (end - time_monotonic_ns()) / 1000000, why);
			if (rc < 0)
				break;
			c->nneed--;
			if (rc == LANE_HEAD)
				heap_add(&c->heap, l);
		}
		if (rc < 0 || !c->heap.n || c->nheld >= max || bytes >= max_bytes)
			break;
		rc = lane_out(c, &bytes, why);
	}
	return rc == LANE_FAILED ? -1 : 0;
}

void
lanes_close(struct kafka_consumer *c)
{
	size_t i;

	for (i = 0; i < c->nlanes; i++) {
		if (c->lane[i].head)
			rd_kafka_message_destroy(c->lane[i].head);
		rd_kafka_queue_destroy(c->lane[i].queue);
	}
	c->nlanes = 0;
	free(c->lane);
	free(c->need);
	heap_release(&c->heap);
	c->lane = NULL;
	c->need = NULL;
}
