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

enum {
	ANSWER_MS = 30000,
	CLOSE_MS = 10000,
	BATCH_BYTES = 1000000,       /* librdkafka's default */
	QUEUE_KBYTES = 32768,        /* client.c's */
	QUEUE_LEAST = 4096,
	PARTITION_KBYTES = 1024,     /* a batch */
	DEFAULT_MAX_BYTES = 1048588, /* a broker's, where it won't tell */
	KEEP_BYTES = 4 << 20,        /* a batch of 1 MB and its neighbours */
	LINGER_MS = 50,        /* within a transaction. librdkafka turns in circles while a batch
				  is ready and the one before it is not answered */
	LARGEST = 1000000000, /* that librdkafka can send */
};

/* ---- topics ------------------------------------------------------------------------ */

uint32_t
producer_topic_limit(rd_kafka_t *rk, const char *name)
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

void
producer_topic_free(struct kafka_topic *t)
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
	limit = producer_topic_limit(p->client.rk, name);
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
			producer_topic_free(t);
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
		limit = producer_topic_limit(c->rk, ask->topics[i]);
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
	rd_kafka_conf_set_dr_msg_cb(conf, producer_on_delivery);
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
