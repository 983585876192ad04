/*
 * A broker refuses a batch as a whole, and librdkafka does not split it: so no batch may
 * grow beyond the smallest max.message.bytes of its topics, and a record that is larger
 * by itself is refused here, before it has neighbours.
 */
#include "kafka/producer.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "time/time.h"

enum {
	ANSWER_MS = 30000,
	CLOSE_MS = 10000,
	WAIT_MS = 100,
	BATCH_BYTES = 1000000,       /* librdkafka's default */
	QUEUE_KBYTES = 32768,        /* client.c's */
	QUEUE_LEAST = 4096,
	PARTITION_KBYTES = 1024,     /* a batch */
	DEFAULT_MAX_BYTES = 1048588, /* a broker's, where it won't tell */
	RECORD_OVERHEAD = 100, /* of a batch's and a record's own fields, at the most */
	HEADER_OVERHEAD = 10,
	KEEP_BYTES = 4 << 20,        /* a batch of 1 MB and its neighbours */
	LINGER_MS = 50,        /* within a transaction. librdkafka turns in circles while a batch
				  is ready and the one before it is not answered */
	LARGEST = 1000000000, /* that librdkafka can send */
};

static void
on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
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

/* ---- topics ------------------------------------------------------------------------ */

/* max.message.bytes of a topic, or a broker's default where we may not ask. */
static uint32_t
limit_of(rd_kafka_t *rk, const char *name)
{
	rd_kafka_ConfigResource_t *ask =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	const rd_kafka_ConfigResource_t **list;
	const rd_kafka_ConfigEntry_t **entry;
	uint32_t limit = DEFAULT_MAX_BYTES;
	rd_kafka_event_t *ev;
	const char *value;
	size_t n, i;

	rd_kafka_DescribeConfigs(rk, &ask, 1, NULL, queue);
	ev = rd_kafka_queue_poll(queue, ANSWER_MS);
	if (ev && !rd_kafka_event_error(ev)) {
		list = rd_kafka_DescribeConfigs_result_resources(
			rd_kafka_event_DescribeConfigs_result(ev), &n);
		if (n == 1 && !rd_kafka_ConfigResource_error(list[0])) {
			entry = rd_kafka_ConfigResource_configs(list[0], &n);
			for (i = 0; i < n; i++) {
				value = rd_kafka_ConfigEntry_value(entry[i]);
				if (value && strcmp(rd_kafka_ConfigEntry_name(entry[i]),
						     "max.message.bytes") == 0)
					limit = (uint32_t)strtoul(value, NULL, 10);
			}
		}
	}
	if (ev)
		rd_kafka_event_destroy(ev);
	rd_kafka_queue_destroy(queue);
	rd_kafka_ConfigResource_destroy(ask);
	return limit;
}

int
producer_partitions(struct kafka_client *c, rd_kafka_topic_t *topic, int wait_ms,
	struct failure *why)
{
	const char *name = rd_kafka_topic_name(topic);
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t err;
	int n = -1;

	err = rd_kafka_metadata(c->rk, 0, topic, &md, wait_ms);
	if (err)
		return kafka_fail(c, why, err, "%s", name);
	err = md->topic_cnt == 1 ? md->topics[0].err
				 : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	if (err)
		kafka_fail(c, why, err, "%s", name);
	else
		n = md->topics[0].partition_cnt;
	rd_kafka_metadata_destroy(md);
	return n;
}

static void
topic_free(struct kafka_topic *t)
{
	rd_kafka_topic_destroy(t->handle);
	free((char *)(uintptr_t)t->name);
	free(t);
}

const struct kafka_topic *
kafka_producer_topic(struct kafka_producer *p, const char *name, struct failure *why)
{
	struct table_entry *e = table_get(&p->topics, slice_str(name));
	struct kafka_topic *t;
	rd_kafka_topic_t *handle;
	uint32_t limit;
	int n;

	if (e)
		return e->v.ptr;
	handle = rd_kafka_topic_new(p->client.rk, name, NULL);
	if (!handle) {
		kafka_fail(&p->client, why, rd_kafka_last_error(), "%s", name);
		return NULL;
	}
	n = producer_partitions(&p->client, handle, ANSWER_MS, why);
	if (n < 0)
		goto refused;
	limit = limit_of(p->client.rk, name);
	if (limit < p->batch_bytes) {
		fail(why, EXIT_CONFIG,
			"%s takes %" PRIu32 " bytes at a time, less than a batch "
			"of this producer: %" PRIu32,
			name, limit, p->batch_bytes);
		fail_hint(why, "-X batch.size=%" PRIu32, limit);
		goto refused;
	}
	t = mem_zalloc(sizeof(*t));
	*t = (struct kafka_topic){.name = mem_strdup(name),
		.partitions = n,
		.max_bytes = limit < p->largest ? limit : p->largest,
		.handle = handle};
	if (p->twin) {
		t->twin = (void *)(uintptr_t)kafka_producer_topic(p->twin, name, why);
		if (!t->twin) {
			topic_free(t);
			return NULL;
		}
	}
	table_put(&p->topics, slice_str(name), NULL)->v.ptr = t;
	return t;
refused:
	rd_kafka_topic_destroy(handle);
	return NULL;
}

/* ---- opening ----------------------------------------------------------------------- */

static int
ask_limits(const struct kafka_config *config, const struct kafka_produce *ask,
	struct producer_limits *of, struct failure *why)
{
	/* Not on the stack: where stopping hangs, librdkafka goes on using it. */
	struct kafka_client *c = mem_zalloc(sizeof(*c));
	rd_kafka_conf_t *conf = kafka_client_conf(c, config, KAFKA_PRODUCER, why);
	rd_kafka_topic_t *topic;
	uint32_t limit;
	int status = -1;
	size_t i;

	*of = (struct producer_limits){.smallest = UINT32_MAX,
		.largest = ask->ntopics ? 0 : DEFAULT_MAX_BYTES};
	if (!conf || kafka_client_start(c, conf, why) < 0 ||
		kafka_client_connect(c, ask->connect_ms, why) < 0)
		goto out;
	for (i = 0; i < ask->ntopics; i++) {
		topic = rd_kafka_topic_new(c->rk, ask->topics[i], NULL);
		if (!topic) {
			kafka_fail(c, why, rd_kafka_last_error(), "%s", ask->topics[i]);
			goto out;
		}
		status = producer_partitions(c, topic, ANSWER_MS, why);
		rd_kafka_topic_destroy(topic);
		if (status < 0)
			goto out;
		of->partitions += (uint32_t)status;
		limit = limit_of(c->rk, ask->topics[i]);
		if (limit < of->smallest)
			of->smallest = limit;
		if (limit > of->largest)
			of->largest = limit;
	}
	status = 0;
out:
	if (kafka_client_stop(c, CLOSE_MS) == 0)
		free(c);
	return status;
}

static int
set_number(rd_kafka_conf_t *conf, const char *name, uint32_t n, struct failure *why)
{
	char text[16];

	snprintf(text, sizeof(text), "%" PRIu32, n);
	return kafka_conf_set(conf, name, text, why);
}

static uint32_t
get_number(rd_kafka_conf_t *conf, const char *name)
{
	char text[32] = "0";
	size_t n = sizeof(text);

	rd_kafka_conf_get(conf, name, text, &n);
	return (uint32_t)strtoul(text, NULL, 10);
}

static bool
is_zstd(rd_kafka_conf_t *conf)
{
	char text[32] = "";
	size_t n = sizeof(text);

	return rd_kafka_conf_get(conf, "compression.codec", text, &n) ==
		       RD_KAFKA_CONF_OK &&
	       strcmp(text, "zstd") == 0;
}

/* What waits fits into the processor's caches, if there is room for full batches, of which
 * five at the most are on their way to a broker: a queue of two batches a partition takes a
 * tenth more of its time, and one of 32 MB more than a third. A record that has no room in an
 * empty queue would wait for ever. */
static int
fit_queue(struct kafka_producer *p, rd_kafka_conf_t *conf, uint32_t partitions,
	struct failure *why)
{
	static const char name[] = "queue.buffering.max.kbytes";
	uint32_t kbytes = get_number(conf, name), record = p->largest / 1024 + 1;

	if (!kafka_config_get(p->client.config, name) && partitions) {
		kbytes = partitions < QUEUE_KBYTES / PARTITION_KBYTES ?
			partitions * PARTITION_KBYTES : QUEUE_KBYTES;
		if (kbytes < QUEUE_LEAST)
			kbytes = QUEUE_LEAST;
	}
	if (kbytes < record)
		kbytes = record;
	p->room = get_number(conf, "queue.buffering.max.messages");
	p->room_bytes = UINT64_C(1024) * kbytes;
	return set_number(conf, name, kbytes, why);
}

/* Fit sizes to the topics, where the user has not said another. */
static int
fit(struct kafka_producer *p, rd_kafka_conf_t *conf, const struct producer_limits *of,
	struct failure *why)
{
	const struct kafka_config *config = p->client.config;
	uint32_t smallest = of->smallest, largest = of->largest;

	if (!kafka_config_get(config, "message.max.bytes")) {
		largest = largest < 1000 ? 1000 : largest > LARGEST ? LARGEST : largest;
		if (set_number(conf, "message.max.bytes", largest, why) < 0)
			return -1;
	}
	p->largest = get_number(conf, "message.max.bytes");
	if (!kafka_config_get(config, "batch.size") && smallest < BATCH_BYTES &&
		set_number(conf, "batch.size", smallest ? smallest : 1, why) < 0)
		return -1;
	p->batch_bytes = get_number(conf, "batch.size");
	if (p->batch_bytes > p->largest)
		p->batch_bytes = p->largest;
	/* zstd's fastest level: of batches of events it makes no more bytes than its usual
	 * one, in half of the time. */
	if (!kafka_config_get(config, "compression.level") && is_zstd(conf) &&
		kafka_conf_set(conf, "compression.level", "1", why) < 0)
		return -1;
	return fit_queue(p, conf, of->partitions, why);
}

static int
name_transactions(struct kafka_producer *p, rd_kafka_conf_t *conf, struct failure *why)
{
	static const char name[] = "transaction.timeout.ms";

	if (!p->ask.transaction)
		return 0;
	if (kafka_conf_set(conf, "transactional.id", p->ask.transaction, why) < 0)
		return -1;
	if (!kafka_config_get(p->client.config, name) && p->ask.transaction_ms &&
		set_number(conf, name, (uint32_t)p->ask.transaction_ms, why) < 0)
		return -1;
	p->transaction_ms = (int)get_number(conf, name);
	/* What is sent is seen with the commit, and the flush before that waits for nothing. */
	if (!kafka_config_get(p->client.config, "linger.ms") &&
		!kafka_config_get(p->client.config, "queue.buffering.max.ms"))
		return set_number(conf, "linger.ms", LINGER_MS, why);
	return 0;
}

/* Would another client queue more than we may, or put keys elsewhere? */
static bool
is_alone(const struct kafka_producer *p, rd_kafka_conf_t *conf)
{
	static const char *const bounds[] = {"queue.buffering.max.kbytes",
		"queue.buffering.max.messages", "transactional.id"};
	char text[64] = "";
	size_t n = sizeof(text), i;

	for (i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
		if (kafka_config_get(p->client.config, bounds[i]))
			return true;
	return p->ask.transaction ||
		rd_kafka_conf_get(conf, "partitioner", text, &n) != RD_KAFKA_CONF_OK ||
		strcmp(text, "murmur2_random") != 0;
}

struct kafka_producer *
kafka_producer_open(const struct kafka_config *config, const struct kafka_produce *ask,
	struct failure *why)
{
	struct producer_limits limits;

	if (ask_limits(config, ask, &limits, why) < 0)
		return NULL;
	return producer_open(config, ask, &limits, why);
}

/* librdkafka allocates and frees a batch, and what it is compressed into, each time: glibc would
 * give their pages back to the system, and get them anew, 60,000 faults for a million records. */
static void
keep_pages(void)
{
	mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
	mallopt(M_TRIM_THRESHOLD, 8 * KEEP_BYTES);
}

struct kafka_producer *
producer_open(const struct kafka_config *config, const struct kafka_produce *ask,
	const struct producer_limits *limits, struct failure *why)
{
	struct kafka_producer *p = mem_zalloc(sizeof(*p));
	rd_kafka_conf_t *conf;
	size_t i;

	keep_pages();
	p->ask = *ask;
	p->limits = *limits;
	conf = kafka_client_conf(&p->client, config, KAFKA_PRODUCER, why);
	if (!conf)
		goto failed;
	p->alone = is_alone(p, conf);
	p->count_ms = (int)get_number(conf, "topic.metadata.refresh.interval.ms");
	if (fit(p, conf, limits, why) < 0 || name_transactions(p, conf, why) < 0) {
		rd_kafka_conf_destroy(conf);
		goto failed;
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	if (kafka_client_start(&p->client, conf, why) < 0)
		goto failed;
	for (i = 0; i < ask->ntopics; i++)
		if (!kafka_producer_topic(p, ask->topics[i], why))
			goto failed;
	return p;
failed:
	kafka_producer_close(p);
	return NULL;
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
		topic_free(e->v.ptr);
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
