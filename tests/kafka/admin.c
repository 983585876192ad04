/*
 * admin: what the tests ask of a broker, without a JVM's start-up: topics, groups,
 * records.
 *
 *	admin [-b BROKERS] [-X name=value]... VERB ARGUMENT...
 *
 *	ports N                          N free loopback ports, outside of the ephemeral range
 *	wait NODES SECONDS               until that many brokers and both coordinators answer
 *	after PID COMMAND ARGUMENT...    wait until that process is gone, then be the command
 *	create TOPIC PARTITIONS [REPLICATION] [name=value]...
 *	grow TOPIC PARTITIONS            so many from now on
 *	delete TOPIC...
 *	acl TOPIC PRINCIPAL              nobody but User:NAME may use it, super users apart
 *	topics                           one line each: NAME PARTITIONS
 *	ends TOPIC                       one line a partition: PARTITION LOW HIGH
 *	trim TOPIC PARTITION OFFSET      delete what is before the offset
 *	produce TOPIC                    records from stdin, in the form that dump writes
 *	lines TOPIC                      each line of stdin is a value, without a key
 *	transact TOPIC commit|abort|hang as lines, in a transaction; hang leaves it open
 *	dump TOPIC [uncommitted]         every record, partition by partition
 *	committed GROUP TOPIC            one line a partition: PARTITION OFFSET [METADATA]
 *	group GROUP                      its state and number of members
 *	member GROUP TOPIC SECONDS       join it, read, commit nothing, and leave
 *
 * A record is a line of JSON with every field that Kafka keeps:
 *
 *	{"partition":0,"offset":7,"ts":1700000000000,"ts_type":"create",
 *	 "headers":[["name","value"],["name",null]],"key":"k","value":"{\"a\":1}"}
 *
 * Key, header value and value are null, a string, or, where the bytes are not UTF-8,
 * {"b64":"..."}. The value is never read as JSON, so that the dump is the plain truth
 * that envelopes are compared with. produce takes partition, ts, key, headers and value,
 * each of which may be missing.
 *
 * The brokers default to $SK_BROKERS. Status 0; 1 with a message; 2 if called wrongly.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jv.h>
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 30000

static rd_kafka_conf_t *settings; /* what -b and -X said, copied for each client */
static int refused;               /* deliveries that failed */

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "admin: %s: %s\n", what, why);
	exit(1);
}

static _Noreturn void
usage(void)
{
	fprintf(stderr,
		"usage: admin [-b BROKERS] [-X name=value]... VERB ARGUMENT...\n");
	exit(2);
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char text[512];

	if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
		die(name, text);
}

static rd_kafka_t *
client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char text[512];
	rd_kafka_t *rk;

	/* Only what becomes of a request counts; brokers that come and go are
	 * expected. */
	set(conf, "log_level", "2");
	rk = rd_kafka_new(type, conf, text, sizeof(text));
	if (!rk)
		die("new client", text);
	return rk;
}

static rd_kafka_t *
plain_client(void)
{
	return client(RD_KAFKA_PRODUCER, rd_kafka_conf_dup(settings));
}

static long
number(const char *s)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || end == s || *end)
		die(s, "not a number");
	return n;
}

/* ---- ports and readiness ----------------------------------------------------------- */

static int
ports(long n)
{
	unsigned int at = (unsigned int)getpid() * 2654435761u ^ (unsigned int)time(NULL);
	struct sockaddr_in a = {.sin_family = AF_INET};
	long found = 0;
	int tries, fd;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (tries = 0; found < n && tries < 20000; tries++) {
		/* 32768 and up is where outgoing connections take theirs. */
		at = at * 1103515245u + 12345u;
		a.sin_port = htons((uint16_t)(20000 + (at >> 16) % 12000));
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			die("socket", strerror(errno));
		if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
			/* Kept open until the end, so that none comes twice. */
			printf("%d\n", ntohs(a.sin_port));
			found++;
		} else
			close(fd);
	}
	return found == n ? 0 : 1;
}

static void
nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

/* Whatever started a broker may be killed without a chance to end it. */
static int
after(long pid, char **command)
{
	while (kill((pid_t)pid, 0) == 0 || errno == EPERM)
		nap();
	execv(command[0], command);
	die(command[0], strerror(errno));
}

static bool
brokers_answer(rd_kafka_t *rk, long nodes)
{
	const struct rd_kafka_metadata *md;
	bool all;

	if (rd_kafka_metadata(rk, 0, NULL, &md, 1000))
		return false;
	all = md->broker_cnt >= nodes && rd_kafka_controllerid(rk, 1000) >= 0;
	rd_kafka_metadata_destroy(md);
	return all;
}

/* The group coordinator and the transaction coordinator make their topics when first
 * asked, and refuse until those are loaded: that wait is over before the first test. */
static bool
groups_answer(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t err;
	rd_kafka_t *rk;

	set(conf, "group.id", "sk-wait");
	rk = client(RD_KAFKA_CONSUMER, conf);
	rd_kafka_topic_partition_list_add(list, "sk-wait", 0);
	err = rd_kafka_committed(rk, list, 2000);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
	return !err;
}

static bool
transactions_answer(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
	rd_kafka_error_t *error;
	rd_kafka_t *rk;

	set(conf, "transactional.id", "sk-wait");
	rk = client(RD_KAFKA_PRODUCER, conf);
	error = rd_kafka_init_transactions(rk, 3000);
	rd_kafka_destroy(rk);
	if (!error)
		return true;
	rd_kafka_error_destroy(error);
	return false;
}

static int
wait_for(long nodes, long seconds)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
	time_t end = time(NULL) + seconds;
	bool brokers = false, groups = false, transactions = false;
	rd_kafka_t *rk;

	set(conf, "reconnect.backoff.ms", "50");
	set(conf, "reconnect.backoff.max.ms", "200");
	rk = client(RD_KAFKA_PRODUCER, conf);
	while (time(NULL) <= end) {
		if (!brokers)
			brokers = brokers_answer(rk, nodes);
		else if (!groups)
			groups = groups_answer();
		else
			transactions = transactions_answer();
		if (transactions)
			break;
		nap();
	}
	rd_kafka_destroy(rk);
	if (!transactions)
		die("wait", !brokers  ? "the brokers do not answer"
			    : !groups ? "the group coordinator does not answer"
				      : "the transaction coordinator does not answer");
	return 0;
}

/* ---- topics ------------------------------------------------------------------------ */

/* Wait for the answer to an admin request: the errors of its topics are fatal but one. */
static void
topics_done(rd_kafka_queue_t *q, const char *what, rd_kafka_resp_err_t allowed)
{
	rd_kafka_event_t *ev = rd_kafka_queue_poll(q, TIMEOUT_MS);
	const rd_kafka_topic_result_t **list = NULL;
	rd_kafka_resp_err_t err;
	size_t n = 0, i;

	if (!ev)
		die(what, "no answer");
	if (rd_kafka_event_error(ev))
		die(what, rd_kafka_event_error_string(ev));
	if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
		list = rd_kafka_CreateTopics_result_topics(
			rd_kafka_event_CreateTopics_result(ev), &n);
	else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT)
		list = rd_kafka_CreatePartitions_result_topics(
			rd_kafka_event_CreatePartitions_result(ev), &n);
	else if (rd_kafka_event_type(ev) == RD_KAFKA_EVENT_DELETETOPICS_RESULT)
		list = rd_kafka_DeleteTopics_result_topics(
			rd_kafka_event_DeleteTopics_result(ev), &n);
	for (i = 0; i < n; i++) {
		err = rd_kafka_topic_result_error(list[i]);
		if (err && err != allowed)
			die(rd_kafka_topic_result_name(list[i]), rd_kafka_err2str(err));
	}
	rd_kafka_event_destroy(ev);
}

/* The number of partitions of a topic that all have a leader; 0: not yet. */
static int
partitions_led(rd_kafka_t *rk, const char *topic)
{
	rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t err;
	int n = 0, i;

	err = rd_kafka_metadata(rk, 0, t, &md, 5000);
	if (err && err != RD_KAFKA_RESP_ERR__TIMED_OUT)
		die(topic, rd_kafka_err2str(err));
	if (!err) {
		if (md->topic_cnt == 1 && !md->topics[0].err)
			n = md->topics[0].partition_cnt;
		for (i = 0; n && i < md->topics[0].partition_cnt; i++)
			if (md->topics[0].partitions[i].leader < 0)
				n = 0;
		rd_kafka_metadata_destroy(md);
	}
	rd_kafka_topic_destroy(t);
	return n;
}

static void
await_leaders(rd_kafka_t *rk, const char *topic, long n)
{
	int tries;

	for (tries = 0; partitions_led(rk, topic) != n; tries++) {
		if (tries == 100)
			die(topic, "made, but without leaders");
		nap();
	}
}

static int
grow(const char *topic, long n)
{
	rd_kafka_t *rk = plain_client();
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_NewPartitions_t *more;
	char text[512];

	more = rd_kafka_NewPartitions_new(topic, (size_t)n, text, sizeof(text));
	if (!more)
		die(topic, text);
	rd_kafka_CreatePartitions(rk, &more, 1, NULL, q);
	topics_done(q, topic, RD_KAFKA_RESP_ERR_NO_ERROR);
	await_leaders(rk, topic, n);
	rd_kafka_NewPartitions_destroy(more);
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
	return 0;
}

static int
create(int argc, char **argv)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
	rd_kafka_NewTopic_t *topic;
	rd_kafka_AdminOptions_t *options;
	rd_kafka_queue_t *q;
	rd_kafka_t *rk;
	char text[512], *eq;
	long n, replication = 1;
	int i = 2;

	if (argc < 2)
		usage();
	n = number(argv[1]);
	if (argc > 2 && !strchr(argv[2], '='))
		replication = number(argv[i++]);
	/* Else asking about the new topic would make it. */
	set(conf, "allow.auto.create.topics", "false");
	rk = client(RD_KAFKA_PRODUCER, conf);
	topic = rd_kafka_NewTopic_new(
		argv[0], (int)n, (int)replication, text, sizeof(text));
	if (!topic)
		die(argv[0], text);
	for (; i < argc; i++) {
		eq = strchr(argv[i], '=');
		if (!eq)
			usage();
		*eq = '\0';
		if (rd_kafka_NewTopic_set_config(topic, argv[i], eq + 1))
			die(argv[i], "not a topic setting");
	}
	q = rd_kafka_queue_new(rk);
	options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	if (rd_kafka_AdminOptions_set_operation_timeout(
		    options, TIMEOUT_MS, text, sizeof(text)))
		die("operation timeout", text);
	rd_kafka_CreateTopics(rk, &topic, 1, options, q);
	topics_done(q, argv[0], RD_KAFKA_RESP_ERR_NO_ERROR);
	await_leaders(rk, argv[0], n);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_NewTopic_destroy(topic);
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
	return 0;
}

static int
delete_topics(int argc, char **argv)
{
	rd_kafka_t *rk = plain_client();
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_DeleteTopic_t *topic;
	int i;

	for (i = 0; i < argc; i++) {
		topic = rd_kafka_DeleteTopic_new(argv[i]);
		rd_kafka_DeleteTopics(rk, &topic, 1, NULL, q);
		topics_done(q, argv[i], RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
		rd_kafka_DeleteTopic_destroy(topic);
	}
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
	return 0;
}

static int
acl(const char *topic, const char *principal)
{
	rd_kafka_t *rk = plain_client();
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	const rd_kafka_acl_result_t **list;
	rd_kafka_AclBinding_t *binding;
	rd_kafka_event_t *ev;
	char text[256];
	size_t n = 0;

	binding = rd_kafka_AclBinding_new(RD_KAFKA_RESOURCE_TOPIC, topic,
		RD_KAFKA_RESOURCE_PATTERN_LITERAL, principal, "*",
		RD_KAFKA_ACL_OPERATION_ALL, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, text,
		sizeof(text));
	if (!binding)
		die(topic, text);
	rd_kafka_CreateAcls(rk, &binding, 1, NULL, q);
	ev = rd_kafka_queue_poll(q, TIMEOUT_MS);
	if (!ev)
		die(topic, "no answer");
	if (rd_kafka_event_error(ev))
		die(topic, rd_kafka_event_error_string(ev));
	list = rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(ev), &n);
	if (n != 1 || rd_kafka_acl_result_error(list[0]))
		die(topic, "no ACL was made");
	rd_kafka_event_destroy(ev);
	rd_kafka_AclBinding_destroy(binding);
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
	return 0;
}

static int
topics(void)
{
	rd_kafka_t *rk = plain_client();
	const struct rd_kafka_metadata *md;
	rd_kafka_resp_err_t err;
	int i;

	err = rd_kafka_metadata(rk, 1, NULL, &md, TIMEOUT_MS);
	if (err)
		die("metadata", rd_kafka_err2str(err));
	for (i = 0; i < md->topic_cnt; i++)
		printf("%s %d\n", md->topics[i].topic, md->topics[i].partition_cnt);
	rd_kafka_metadata_destroy(md);
	rd_kafka_destroy(rk);
	return 0;
}

static int
ends(const char *topic)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
	rd_kafka_resp_err_t err;
	int64_t low, high;
	rd_kafka_t *rk;
	int n, i;

	set(conf, "allow.auto.create.topics", "false");
	rk = client(RD_KAFKA_PRODUCER, conf);
	n = partitions_led(rk, topic);
	if (!n)
		die(topic, "no such topic");
	for (i = 0; i < n; i++) {
		err = rd_kafka_query_watermark_offsets(
			rk, topic, i, &low, &high, TIMEOUT_MS);
		if (err)
			die(topic, rd_kafka_err2str(err));
		printf("%d %" PRId64 " %" PRId64 "\n", i, low, high);
	}
	rd_kafka_destroy(rk);
	return 0;
}

static int
trim(const char *topic, long partition, long offset)
{
	rd_kafka_t *rk = plain_client();
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	const rd_kafka_topic_partition_list_t *done;
	rd_kafka_DeleteRecords_t *del;
	rd_kafka_event_t *ev;

	rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition)->offset =
		offset;
	del = rd_kafka_DeleteRecords_new(list);
	rd_kafka_DeleteRecords(rk, &del, 1, NULL, q);
	ev = rd_kafka_queue_poll(q, TIMEOUT_MS);
	if (!ev)
		die(topic, "no answer");
	if (rd_kafka_event_error(ev))
		die(topic, rd_kafka_event_error_string(ev));
	done = rd_kafka_DeleteRecords_result_offsets(
		rd_kafka_event_DeleteRecords_result(ev));
	if (done->elems[0].err)
		die(topic, rd_kafka_err2str(done->elems[0].err));
	rd_kafka_event_destroy(ev);
	rd_kafka_DeleteRecords_destroy(del);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_queue_destroy(q);
	rd_kafka_destroy(rk);
	return 0;
}

/* ---- records ----------------------------------------------------------------------- */

static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static jv
base64(const unsigned char *p, size_t n)
{
	char *text = malloc(n / 3 * 4 + 5), *to = text;
	uint32_t three;
	size_t i, have;
	jv out;

	if (!text)
		die("base64", strerror(errno));
	for (i = 0; i < n; i += 3) {
		have = n - i < 3 ? n - i : 3;
		three = (uint32_t)p[i] << 16;
		if (have > 1)
			three |= (uint32_t)p[i + 1] << 8;
		if (have > 2)
			three |= p[i + 2];
		*to++ = digits[three >> 18];
		*to++ = digits[three >> 12 & 63];
		*to++ = have > 1 ? digits[three >> 6 & 63] : '=';
		*to++ = have > 2 ? digits[three & 63] : '=';
	}
	out = jv_string_sized(text, (int)(to - text));
	free(text);
	return out;
}

static bool
is_utf8(const char *p, size_t n)
{
	/* jv replaces what is not UTF-8: what comes back unchanged was. */
	jv s = jv_string_sized(p, (int)n);
	bool same = (size_t)jv_string_length_bytes(jv_copy(s)) == n &&
		    (n == 0 || memcmp(jv_string_value(s), p, n) == 0);

	jv_free(s);
	return same;
}

static jv
of_bytes(const void *p, size_t n)
{
	if (!p)
		return jv_null();
	if (is_utf8(p, n))
		return jv_string_sized(p, (int)n);
	return jv_object_set(jv_object(), jv_string("b64"), base64(p, n));
}

/* Bytes of a field, owned by the caller; p is NULL for null. */
struct bytes {
	char *p;
	size_t n;
};

/* Consumes v. */
static struct bytes
to_bytes(jv v, const char *what)
{
	struct bytes b = {NULL, 0};
	const char *text, *at;
	uint32_t bits = 0;
	int n, i, have = 0;
	jv coded;

	switch (jv_get_kind(v)) {
	case JV_KIND_INVALID: /* the field is missing */
	case JV_KIND_NULL:
		break;
	case JV_KIND_STRING:
		n = jv_string_length_bytes(jv_copy(v));
		b.p = malloc((size_t)n + 1);
		if (!b.p)
			die(what, strerror(errno));
		memcpy(b.p, jv_string_value(v), (size_t)n);
		b.n = (size_t)n;
		break;
	case JV_KIND_OBJECT:
		coded = jv_object_get(jv_copy(v), jv_string("b64"));
		if (jv_get_kind(coded) != JV_KIND_STRING)
			die(what, "neither string, null nor {\"b64\":...}");
		text = jv_string_value(coded);
		n = jv_string_length_bytes(jv_copy(coded));
		b.p = malloc((size_t)n + 1);
		if (!b.p)
			die(what, strerror(errno));
		for (i = 0; i < n && text[i] != '='; i++) {
			at = strchr(digits, text[i]);
			if (!at || !*at)
				die(what, "not base64");
			bits = bits << 6 | (uint32_t)(at - digits);
			have += 6;
			if (have >= 8) {
				have -= 8;
				b.p[b.n++] = (char)(bits >> have & 255);
			}
		}
		jv_free(coded);
		break;
	default:
		die(what, "neither string, null nor {\"b64\":...}");
	}
	jv_free(v);
	return b;
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	if (m->err) {
		fprintf(stderr, "admin: delivery: %s\n", rd_kafka_err2str(m->err));
		refused++;
	}
}

static rd_kafka_t *
producer(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);

	set(conf, "allow.auto.create.topics", "false");
	set(conf, "enable.idempotence", "true");
	set(conf, "partitioner", "murmur2_random");
	set(conf, "linger.ms", "5");
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	return client(RD_KAFKA_PRODUCER, conf);
}

static int
flushed(rd_kafka_t *rk)
{
	rd_kafka_resp_err_t err = rd_kafka_flush(rk, TIMEOUT_MS);

	if (err)
		die("flush", rd_kafka_err2str(err));
	rd_kafka_destroy(rk);
	return refused ? 1 : 0;
}

static void
send_one(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t ts,
	struct bytes key, rd_kafka_headers_t *headers, struct bytes value)
{
	rd_kafka_headers_t *mine;
	rd_kafka_resp_err_t err;

	for (;;) {
		mine = headers ? rd_kafka_headers_copy(headers) : NULL;
		err = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
			RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_TIMESTAMP(ts),
			RD_KAFKA_V_KEY(key.p, key.n), RD_KAFKA_V_VALUE(value.p, value.n),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
			RD_KAFKA_V_HEADERS(mine), RD_KAFKA_V_END);
		if (!err)
			break;
		if (mine)
			rd_kafka_headers_destroy(mine);
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die(topic, rd_kafka_err2str(err));
		rd_kafka_poll(rk, 100);
	}
	rd_kafka_poll(rk, 0);
}

/* Consumes h. */
static rd_kafka_headers_t *
to_headers(jv h)
{
	rd_kafka_headers_t *out = NULL;
	struct bytes value;
	jv pair, name;
	int n, i;

	if (jv_get_kind(h) == JV_KIND_ARRAY) {
		n = jv_array_length(jv_copy(h));
		out = rd_kafka_headers_new((size_t)n);
		for (i = 0; i < n; i++) {
			pair = jv_array_get(jv_copy(h), i);
			if (jv_get_kind(pair) != JV_KIND_ARRAY)
				die("headers", "not pairs");
			name = jv_array_get(jv_copy(pair), 0);
			if (jv_get_kind(name) != JV_KIND_STRING)
				die("headers", "a name is no string");
			value = to_bytes(jv_array_get(pair, 1), "header");
			rd_kafka_header_add(out, jv_string_value(name),
				jv_string_length_bytes(jv_copy(name)), value.p,
				(ssize_t)value.n);
			free(value.p);
			jv_free(name);
		}
	}
	jv_free(h);
	return out;
}

static double
number_or(jv object, const char *name, double otherwise)
{
	jv v = jv_object_get(object, jv_string(name));
	double d = jv_get_kind(v) == JV_KIND_NUMBER ? jv_number_value(v) : otherwise;

	jv_free(v);
	return d;
}

static int
produce(const char *topic)
{
	rd_kafka_t *rk = producer();
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) > 0) {
		jv v = jv_parse_sized(line, (int)n);
		rd_kafka_headers_t *headers;
		struct bytes key, value;
		int32_t partition;
		int64_t ts;

		if (jv_get_kind(v) != JV_KIND_OBJECT)
			die("stdin", "a line is no object");
		key = to_bytes(jv_object_get(jv_copy(v), jv_string("key")), "key");
		value = to_bytes(jv_object_get(jv_copy(v), jv_string("value")), "value");
		headers = to_headers(jv_object_get(jv_copy(v), jv_string("headers")));
		partition = (int32_t)number_or(
			jv_copy(v), "partition", RD_KAFKA_PARTITION_UA);
		ts = (int64_t)number_or(v, "ts", 0);
		send_one(rk, topic, partition, ts, key, headers, value);
		if (headers)
			rd_kafka_headers_destroy(headers);
		free(key.p);
		free(value.p);
	}
	free(line);
	return flushed(rk);
}

static void
stdin_lines(rd_kafka_t *rk, const char *topic)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) > 0) {
		if (line[n - 1] == '\n')
			n--;
		send_one(rk, topic, RD_KAFKA_PARTITION_UA, 0, (struct bytes){NULL, 0},
			NULL, (struct bytes){line, (size_t)n});
	}
	free(line);
}

static int
lines(const char *topic)
{
	rd_kafka_t *rk = producer();

	stdin_lines(rk, topic);
	return flushed(rk);
}

static int
transact(const char *topic, const char *end)
{
	char id[64];
	rd_kafka_error_t *error;
	rd_kafka_t *rk;

	snprintf(id, sizeof(id), "sk-admin-%ld", (long)getpid());
	set(settings, "transactional.id", id);
	rk = producer();
	error = rd_kafka_init_transactions(rk, TIMEOUT_MS);
	if (!error)
		error = rd_kafka_begin_transaction(rk);
	if (error)
		die(topic, rd_kafka_error_string(error));
	stdin_lines(rk, topic);
	/* Else an abort would take back what never went out. */
	if (rd_kafka_flush(rk, TIMEOUT_MS))
		die(topic, "not delivered");
	if (strcmp(end, "commit") == 0)
		error = rd_kafka_commit_transaction(rk, TIMEOUT_MS);
	else if (strcmp(end, "abort") == 0)
		error = rd_kafka_abort_transaction(rk, TIMEOUT_MS);
	if (error)
		die(topic, rd_kafka_error_string(error));
	return flushed(rk);
}

static void
print_record(const rd_kafka_message_t *m)
{
	static const char *const type_name[] = {"none", "create", "append"};
	rd_kafka_timestamp_type_t type;
	int64_t ts = rd_kafka_message_timestamp(m, &type);
	jv v = jv_object(), list = jv_array(), text;
	rd_kafka_headers_t *headers;
	const void *p;
	const char *name;
	size_t n, i;

	if (!rd_kafka_message_headers(m, &headers))
		for (i = 0; !rd_kafka_header_get_all(headers, i, &name, &p, &n); i++)
			list = jv_array_append(list,
				jv_array_append(
					jv_array_append(jv_array(), jv_string(name)),
					of_bytes(p, n)));
	v = jv_object_set(v, jv_string("headers"), list);
	v = jv_object_set(v, jv_string("key"), of_bytes(m->key, m->key_len));
	v = jv_object_set(v, jv_string("value"), of_bytes(m->payload, m->len));
	text = jv_dump_string(v, JV_PRINT_SORTED);
	/* The numbers by hand: jv's are doubles. */
	printf("{\"partition\":%d,\"offset\":%" PRId64 ",\"ts\":%" PRId64
	       ",\"ts_type\":\"%s\",%s\n",
		m->partition, m->offset, ts, type_name[type], jv_string_value(text) + 1);
	jv_free(text);
}

static int
dump(const char *topic, bool uncommitted)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_message_t *m;
	rd_kafka_t *rk;
	bool end;
	int n, i;

	set(conf, "group.id", "sk-dump");
	set(conf, "allow.auto.create.topics", "false");
	set(conf, "enable.auto.commit", "false");
	set(conf, "enable.partition.eof", "true");
	/* How long the end of an empty partition takes to be told. */
	set(conf, "fetch.wait.max.ms", "10");
	set(conf, "auto.offset.reset", "earliest");
	set(conf, "isolation.level", uncommitted ? "read_uncommitted" : "read_committed");
	rk = client(RD_KAFKA_CONSUMER, conf);
	n = partitions_led(rk, topic);
	if (!n)
		die(topic, "no such topic");
	for (i = 0; i < n; i++) {
		list = rd_kafka_topic_partition_list_new(1);
		rd_kafka_topic_partition_list_add(list, topic, i)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
		rd_kafka_assign(rk, list);
		rd_kafka_topic_partition_list_destroy(list);
		for (end = false; !end;) {
			m = rd_kafka_consumer_poll(rk, TIMEOUT_MS);
			if (!m)
				die(topic, "nothing came");
			if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
				end = true;
			else if (m->err == RD_KAFKA_RESP_ERR__TRANSPORT ||
				 m->err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
				; /* a broker is away: it comes back, or nothing comes */
			else if (m->err)
				die(topic, rd_kafka_message_errstr(m));
			else
				print_record(m);
			rd_kafka_message_destroy(m);
		}
	}
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	return 0;
}

/* ---- groups ------------------------------------------------------------------------ */

static int
committed(const char *group, const char *topic)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
	rd_kafka_resp_err_t err;
	rd_kafka_t *rk;
	int n, i;

	set(conf, "group.id", group);
	set(conf, "allow.auto.create.topics", "false");
	rk = client(RD_KAFKA_CONSUMER, conf);
	n = partitions_led(rk, topic);
	if (!n)
		die(topic, "no such topic");
	for (i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, topic, i);
	err = rd_kafka_committed(rk, list, TIMEOUT_MS);
	if (err)
		die(group, rd_kafka_err2str(err));
	for (i = 0; i < list->cnt; i++) {
		/* "-" where nothing is committed. */
		if (list->elems[i].offset < 0)
			printf("%d -\n", list->elems[i].partition);
		else
			printf("%d %" PRId64 "%s%.*s\n", list->elems[i].partition,
				list->elems[i].offset,
				list->elems[i].metadata_size ? " " : "",
				(int)list->elems[i].metadata_size,
				list->elems[i].metadata_size
					? (const char *)list->elems[i].metadata
					: "");
	}
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
	return 0;
}

static int
group_state(const char *group)
{
	rd_kafka_t *rk = plain_client();
	const struct rd_kafka_group_list *list;
	rd_kafka_resp_err_t err;
	int i;

	err = rd_kafka_list_groups(rk, group, &list, TIMEOUT_MS);
	if (err)
		die(group, rd_kafka_err2str(err));
	for (i = 0; i < list->group_cnt; i++)
		printf("%s %d\n", list->groups[i].state, list->groups[i].member_cnt);
	rd_kafka_group_list_destroy(list);
	rd_kafka_destroy(rk);
	return 0;
}

/* A member that nobody knows of, and that gives back what it takes. */
static int
member(const char *group, const char *topic, long seconds)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	time_t until = time(NULL) + seconds;
	rd_kafka_message_t *m;
	long n = 0;
	rd_kafka_t *rk;

	set(conf, "group.id", group);
	set(conf, "enable.auto.commit", "false");
	set(conf, "auto.offset.reset", "earliest");
	set(conf, "session.timeout.ms", "6000");
	set(conf, "heartbeat.interval.ms", "200");
	rk = client(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
	if (rd_kafka_subscribe(rk, list))
		die(topic, "cannot subscribe");
	rd_kafka_topic_partition_list_destroy(list);
	while (time(NULL) < until) {
		m = rd_kafka_consumer_poll(rk, 100);
		if (!m)
			continue;
		n += !m->err;
		rd_kafka_message_destroy(m);
	}
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	printf("%ld\n", n);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *verb, *brokers = getenv("SK_BROKERS");
	char *eq;
	int c, status = 2;

	settings = rd_kafka_conf_new();
	while ((c = getopt(argc, argv, "+b:X:")) != -1) {
		if (c == 'b')
			brokers = optarg;
		else if (c == 'X' && (eq = strchr(optarg, '=')) != NULL) {
			*eq = '\0';
			set(settings, optarg, eq + 1);
		} else
			usage();
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		usage();
	verb = *argv++;
	argc--;
	if (brokers)
		set(settings, "bootstrap.servers", brokers);
	else if (strcmp(verb, "ports") != 0 && strcmp(verb, "after") != 0)
		die("brokers", "neither -b nor $SK_BROKERS says where they are");

	if (strcmp(verb, "ports") == 0 && argc == 1)
		status = ports(number(argv[0]));
	else if (strcmp(verb, "after") == 0 && argc > 1)
		status = after(number(argv[0]), argv + 1);
	else if (strcmp(verb, "wait") == 0 && argc == 2)
		status = wait_for(number(argv[0]), number(argv[1]));
	else if (strcmp(verb, "create") == 0)
		status = create(argc, argv);
	else if (strcmp(verb, "grow") == 0 && argc == 2)
		status = grow(argv[0], number(argv[1]));
	else if (strcmp(verb, "delete") == 0)
		status = delete_topics(argc, argv);
	else if (strcmp(verb, "acl") == 0 && argc == 2)
		status = acl(argv[0], argv[1]);
	else if (strcmp(verb, "topics") == 0 && argc == 0)
		status = topics();
	else if (strcmp(verb, "ends") == 0 && argc == 1)
		status = ends(argv[0]);
	else if (strcmp(verb, "trim") == 0 && argc == 3)
		status = trim(argv[0], number(argv[1]), number(argv[2]));
	else if (strcmp(verb, "produce") == 0 && argc == 1)
		status = produce(argv[0]);
	else if (strcmp(verb, "lines") == 0 && argc == 1)
		status = lines(argv[0]);
	else if (strcmp(verb, "transact") == 0 && argc == 2)
		status = transact(argv[0], argv[1]);
	else if (strcmp(verb, "dump") == 0 && argc == 1)
		status = dump(argv[0], false);
	else if (strcmp(verb, "dump") == 0 && argc == 2 &&
		 strcmp(argv[1], "uncommitted") == 0)
		status = dump(argv[0], true);
	else if (strcmp(verb, "committed") == 0 && argc == 2)
		status = committed(argv[0], argv[1]);
	else if (strcmp(verb, "group") == 0 && argc == 1)
		status = group_state(argv[0]);
	else if (strcmp(verb, "member") == 0 && argc == 3)
		status = member(argv[0], argv[1], number(argv[2]));
	else
		usage();
	rd_kafka_conf_destroy(settings);
	if (fflush(stdout) || ferror(stdout))
		die("stdout", strerror(errno));
	return status;
}
