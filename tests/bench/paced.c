/*
 * paced BROKERS FROM TO RATE RECORDS
 *
 * Produces RATE order events a second into the topic FROM, and reads what a pipeline makes of
 * them from the topic TO, as a reader of committed records. Each event has an orderId of its
 * own, o-1, o-2 ..., and the time at which it was produced, as .sent, in nanoseconds of the
 * monotonic clock. For each record that is seen a line goes to stdout:
 *
 *	NUMBER SENT_NS SEEN_NS
 *
 * Ends when RECORDS are produced, or SIGTERM has come, and as many have been seen; status 1
 * if none comes for PATIENCE_NS.
 */
#define _POSIX_C_SOURCE 200809L
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_NS INT64_C(60000000000)

static volatile sig_atomic_t stopped;

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "paced: %s\n", what);
	exit(1);
}

static void
stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
	(void)rk;
	(void)arg;
	if (m->err)
		die(rd_kafka_err2str(m->err));
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char text[512];

	if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
		die(text);
}

static rd_kafka_t *
client(rd_kafka_type_t type, const char *brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[512];
	rd_kafka_t *rk;

	set(conf, "bootstrap.servers", brokers);
	if (type == RD_KAFKA_PRODUCER) {
		set(conf, "enable.idempotence", "true");
		set(conf, "partitioner", "murmur2_random");
		set(conf, "linger.ms", "0");
		rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	} else {
		set(conf, "group.id", "paced");
		set(conf, "enable.auto.commit", "false");
		set(conf, "isolation.level", "read_committed");
	}
	rk = rd_kafka_new(type, conf, text, sizeof(text));
	if (!rk)
		die(text);
	return rk;
}

/* Read every partition of the topic from its beginning. */
static void
assign(rd_kafka_t *rk, const char *topic)
{
	rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
	const rd_kafka_metadata_t *md;
	rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, t, &md, 30000);
	int32_t i;

	if (err || md->topic_cnt != 1 || !md->topics[0].partition_cnt)
		die("the topic to read is not there");
	for (i = 0; i < md->topics[0].partition_cnt; i++)
		rd_kafka_topic_partition_list_add(list, topic, i)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_metadata_destroy(md);
	rd_kafka_topic_destroy(t);
	err = rd_kafka_assign(rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (err)
		die(rd_kafka_err2str(err));
}

static void
produce(rd_kafka_t *rk, const char *topic, long i)
{
	time_t s = (time_t)(1767344400 + i / 1000);
	char line[512], key[24], day[32];
	rd_kafka_resp_err_t err;
	struct tm tm;
	int k, n;

	gmtime_r(&s, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	k = snprintf(key, sizeof(key), "o-%ld", i);
	n = snprintf(line, sizeof(line),
		"{\"type\":\"order-created\",\"orderId\":\"%s\",\"userId\":\"u-1\","
		"\"items\":[{\"itemId\":\"i-%ld\",\"product\":\"Kettle\","
		"\"category\":\"kitchen\",\"quantity\":1,\"price\":39.99}],"
		"\"amount\":39.99,\"ts\":\"%s.%03ldZ\",\"sent\":%lld}",
		key, i, day, i % 1000, (long long)now_ns());
	err = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, (size_t)k),
		RD_KAFKA_V_VALUE(line, (size_t)n), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_END);
	if (err)
		die(rd_kafka_err2str(err));
}

static void
print(const rd_kafka_message_t *m)
{
	char line[1024];
	const char *number, *sent;

	if (m->err)
		die(rd_kafka_message_errstr(m));
	if (m->len >= sizeof(line))
		die("a record is too long");
	memcpy(line, m->payload, m->len);
	line[m->len] = '\0';
	number = strstr(line, "\"orderId\":\"o-");
	sent = strstr(line, "\"sent\":");
	if (!number || !sent)
		die("a record is none that was sent");
	printf("%ld %lld %lld\n", strtol(number + 13, NULL, 10), strtoll(sent + 7, NULL, 10),
	       (long long)now_ns());
}

int
main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = stop};
	int64_t begin_ns, last_ns, due_ns, left_ns;
	rd_kafka_message_t *m;
	rd_kafka_t *in, *out;
	long sent = 0, seen = 0, records;
	double rate;

	if (argc != 6 || (rate = strtod(argv[4], NULL)) <= 0 ||
	    (records = strtol(argv[5], NULL, 10)) < 1) {
		fprintf(stderr, "usage: paced BROKERS FROM TO RATE RECORDS\n");
		return 64;
	}
	sigaction(SIGTERM, &act, NULL);
	out = client(RD_KAFKA_PRODUCER, argv[1]);
	in = client(RD_KAFKA_CONSUMER, argv[1]);
	assign(in, argv[3]);
	begin_ns = last_ns = now_ns();
	while (sent < records || seen < sent) {
		if (stopped)
			records = sent;
		due_ns = begin_ns + (int64_t)((double)sent * 1e9 / rate);
		left_ns = sent < records ? due_ns - now_ns() : INT64_C(10000000);
		if (left_ns <= 0) {
			produce(out, argv[2], ++sent);
			rd_kafka_poll(out, 0);
			continue;
		}
		m = rd_kafka_consumer_poll(in, (int)(left_ns / 1000000));
		if (m) {
			print(m);
			rd_kafka_message_destroy(m);
			seen++;
			last_ns = now_ns();
			continue;
		}
		fflush(stdout);
		if (now_ns() - last_ns > PATIENCE_NS)
			die("nothing comes any more");
	}
	if (rd_kafka_flush(out, 10000))
		die("records are not delivered");
	fflush(stdout);
	rd_kafka_destroy(out);
	rd_kafka_consumer_close(in);
	rd_kafka_destroy(in);
	return 0;
}
