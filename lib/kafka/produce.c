/* Records go into the queues of librdkafka, and their delivery reports come out. */
#include "kafka/producer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "time/time.h"

enum {
	CLOSE_MS = 10000,
	WAIT_MS = 100,
	RECORD_OVERHEAD = 100, /* of a batch's and a record's own fields, at the most */
	HEADER_OVERHEAD = 10,
};

void
producer_on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct kafka_producer *p = opaque;
	struct failure why;

	p->queued--;
	p->queued_bytes -= m->len + m->key_len;
	if (!p->ask.delivered || p->doomed)
		return;
	/* Of a dead producer records are purged, which tells little. */
	if (m->err && p->ask.transaction && rd_kafka_fatal_error(rk, NULL, 0))
		producer_fenced(p, &why);
	else if (m->err)
		kafka_fail(&p->client, &why, m->err, "%s[%" PRId32 "]",
			m->rkt ? rd_kafka_topic_name(m->rkt) : "topic", m->partition);
	p->ask.delivered(p->ask.arg, m->_private, m->err ? &why : NULL);
}

/* ---- sending ----------------------------------------------------------------------- */

static rd_kafka_headers_t *
headers_of(const struct kafka_send *s)
{
	rd_kafka_headers_t *list = rd_kafka_headers_new(s->nheaders);
	size_t i;

	for (i = 0; i < s->nheaders; i++)
		rd_kafka_header_add(list, s->header[i].name.p,
			(ssize_t)s->header[i].name.n, s->header[i].value.p,
			(ssize_t)s->header[i].value.n);
	return list;
}

/* What has neither headers nor a timestamp goes a shorter way. */
static rd_kafka_resp_err_t
send_short(const struct kafka_topic *t, const struct kafka_send *s, int32_t partition)
{
	if (rd_kafka_produce(t->handle, partition, RD_KAFKA_MSG_F_COPY,
		    (void *)(uintptr_t)s->value.p, s->value.n, s->key.p, s->key.n,
		    s->opaque) == 0)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	return rd_kafka_last_error();
}

static rd_kafka_resp_err_t
send_whole(struct kafka_producer *p, const struct kafka_topic *t, const struct kafka_send *s,
	int32_t partition)
{
	rd_kafka_headers_t *list = s->nheaders ? headers_of(s) : NULL;
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_error_t *error;
	rd_kafka_vu_t v[8];
	size_t n = 0;

	v[n].vtype = RD_KAFKA_VTYPE_RKT;
	v[n++].u.rkt = t->handle;
	v[n].vtype = RD_KAFKA_VTYPE_PARTITION;
	v[n++].u.i32 = partition;
	v[n].vtype = RD_KAFKA_VTYPE_VALUE;
	v[n].u.mem.ptr = (void *)(uintptr_t)s->value.p;
	v[n++].u.mem.size = s->value.n;
	v[n].vtype = RD_KAFKA_VTYPE_KEY;
	v[n].u.mem.ptr = (void *)(uintptr_t)s->key.p;
	v[n++].u.mem.size = s->key.n;
	v[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
	v[n++].u.ptr = s->opaque;
	v[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
	v[n++].u.i = RD_KAFKA_MSG_F_COPY;
	if (s->ts_ms != TIME_NONE) {
		v[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
		v[n++].u.i64 = s->ts_ms;
	}
	if (list) {
		v[n].vtype = RD_KAFKA_VTYPE_HEADERS;
		v[n++].u.headers = list;
	}
	error = rd_kafka_produceva(p->client.rk, v, n);
	if (!error)
		return err;
	if (list)
		rd_kafka_headers_destroy(list);
	err = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	return err;
}

int
producer_check(const struct kafka_topic *t, const struct kafka_send *s, struct failure *why)
{
	uint64_t size = s->key.n + s->value.n + RECORD_OVERHEAD;
	size_t i;

	for (i = 0; i < s->nheaders; i++)
		size += s->header[i].name.n + s->header[i].value.n + HEADER_OVERHEAD;
	if (size > t->max_bytes)
		return fail_record(why, "too-large",
			"topic %s takes %" PRIu32 " bytes, this record has "
			"about %" PRIu64,
			t->name, t->max_bytes, size);
	if (s->partition >= t->partitions || s->partition < -1)
		return fail_record(why, "no-partition",
			"%s has no partition %" PRId32 ", only %" PRId32 " of them",
			t->name, s->partition, t->partitions);
	/* librdkafka takes 0 for "now". */
	if (s->ts_ms == 0)
		return fail_record(why, "no-timestamp",
			"timestamp 0 cannot be sent: librdkafka would make it the "
			"present");
	return 0;
}

int
producer_not_queued(struct kafka_producer *p, const struct kafka_topic *t,
	rd_kafka_resp_err_t err, struct failure *why)
{
	/* A transaction that has to be aborted takes no more records. */
	if (p->ask.transaction && kafka_producer_poll(p, why) < 0)
		return -1;
	if (p->ask.transaction && err == RD_KAFKA_RESP_ERR__STATE)
		return fail(why, EXIT_TRY_AGAIN, "%s: the transaction has failed", t->name);
	return kafka_fail(&p->client, why, err, "%s", t->name);
}

int
producer_queued(struct kafka_producer *p, size_t n, uint64_t bytes, struct failure *why)
{
	p->queued += n;
	p->queued_bytes += bytes;
	p->unpolled += (unsigned)n;
	if (p->unpolled < 1000)
		return 0;
	p->unpolled = 0;
	return kafka_producer_poll(p, why);
}

int
producer_wait(struct kafka_producer *p, struct failure *why)
{
	rd_kafka_poll(p->client.rk, WAIT_MS);
	return kafka_producer_poll(p, why);
}

int
kafka_producer_send(struct kafka_producer *p, const struct kafka_topic *t,
	const struct kafka_send *s, struct failure *why)
{
	int32_t partition = s->partition < 0 ? RD_KAFKA_PARTITION_UA : s->partition;
	bool is_short = s->ts_ms == TIME_NONE && !s->nheaders;
	rd_kafka_resp_err_t err;
	int twin;

	if (producer_check(t, s, why) < 0)
		return -1;
	if (p->twin) {
		partition = twin_partition(p, t, s);
		if (partition % 2) {
			p = p->twin;
			t = t->twin;
		}
	}
	for (;;) {
		err = is_short ? send_short(t, s, partition) : send_whole(p, t, s, partition);
		if (!err)
			break;
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			return producer_not_queued(p, t, err, why);
		twin = twin_open(p, why);
		if (twin)
			return twin < 0 ? -1 : kafka_producer_send(p, t, s, why);
		/* Room comes with delivery reports. */
		if (producer_wait(p, why) < 0)
			return -1;
	}
	p->whole |= !is_short;
	return producer_queued(p, 1, s->key.n + s->value.n, why);
}

int
kafka_producer_poll(struct kafka_producer *p, struct failure *why)
{
	rd_kafka_resp_err_t err;
	char text[256];

	rd_kafka_poll(p->client.rk, 0);
	err = rd_kafka_fatal_error(p->client.rk, text, sizeof(text));
	if (!err && p->twin) {
		twin_count(p);
		return kafka_producer_poll(p->twin, why);
	}
	if (!err)
		return 0;
	if (p->ask.transaction)
		return producer_fenced(p, why);
	kafka_fail(&p->client, why, err, "producer");
	return fail_within(why, "%s: ", text);
}

size_t
kafka_producer_pending(const struct kafka_producer *p)
{
	return (size_t)rd_kafka_outq_len(p->client.rk) +
		(p->twin ? kafka_producer_pending(p->twin) : 0);
}

int
kafka_producer_flush(struct kafka_producer *p, int wait_ms, struct failure *why)
{
	int64_t end = time_monotonic_ns() + (int64_t)wait_ms * 1000000, left;
	rd_kafka_resp_err_t err = rd_kafka_flush(p->client.rk, wait_ms);

	if (p->twin && !err) {
		left = (end - time_monotonic_ns()) / 1000000;
		err = rd_kafka_flush(p->twin->client.rk, left > 0 ? (int)left : 0);
	}
	if (kafka_producer_poll(p, why) < 0)
		return -1;
	if (err)
		return kafka_fail(&p->client, why, err, "%zu records are not delivered",
			kafka_producer_pending(p));
	return 0;
}

void
kafka_producer_close(struct kafka_producer *p)
{
	struct table_entry *e;

	if (!p)
		return;
	kafka_producer_close(p->twin);
	for (e = table_next(&p->topics, NULL); e; e = table_next(&p->topics, e))
		producer_topic_free(e->v.ptr);
	table_release(&p->topics);
	p->doomed = true;
	if (p->client.rk)
		rd_kafka_purge(
			p->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	if (kafka_client_stop(&p->client, CLOSE_MS) < 0)
		return; /* librdkafka's threads still know it */
	free(p->many);
	free(p);
}
