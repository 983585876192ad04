/*
 * A librdkafka handle and what it says. librdkafka tells the reason of a failure in its
 * log and only the kind of it in its errors, so the newest complaint is kept for the
 * message.
 */
#include "kafka/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "time/time.h"

struct pair {
	const char *name, *value;
};

static const struct pair common[] = {
	{"client.id", "streamkit"},
	/* Else every idle connection that a broker closes is a complaint. */
	{"log.connection.close", "false"},
	{"allow.auto.create.topics", "false"},
	{NULL, NULL},
};

static const struct pair consumer[] = {
	{"enable.auto.commit", "false"},
	{"enable.auto.offset.store", "false"},
	{"enable.partition.eof", "true"},
	/* Where to begin is said with the assignment; an offset that is gone is an
	 * error. */
	{"auto.offset.reset", "error"},
	{"isolation.level", "read_committed"},
	{"partition.assignment.strategy", "range,roundrobin"},
	/* A fetcher that finds one of these reached stops; kafka_client_wake() lets it go
	 * on. The number is out of reach: bytes are what bounds memory. */
	{"queued.min.messages", "1000000"},
	{"queued.max.messages.kbytes", "16384"},
	{NULL, NULL},
};

static const struct pair producer[] = {
	{"enable.idempotence", "true"},
	{"acks", "all"},
	{"compression.codec", "zstd"},
	/* Keys land where the Java clients put them. */
	{"partitioner", "murmur2_random"},
	/* An offsets-only transaction right after another waits one such pause. */
	{"retry.backoff.ms", "10"},
	{"queue.buffering.max.messages", "100000"},
	{"queue.buffering.max.kbytes", "32768"},
	{NULL, NULL},
};

int
kafka_conf_set(
	rd_kafka_conf_t *conf, const char *name, const char *value, struct failure *why)
{
	char text[256];

	if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK)
		return fail(why, EXIT_CONFIG, "%s", text);
	return 0;
}

static int
set_all(rd_kafka_conf_t *conf, const struct pair *p, struct failure *why)
{
	for (; p->name; p++)
		if (kafka_conf_set(conf, p->name, p->value, why) < 0)
			return -1;
	return 0;
}

/* "[thrd:127.0.0.1:9092/bootstrap]: 127.0.0.1:9092/bootstrap: Connect to ..." without
 * what names librdkafka's threads. */
static const char *
plain_text(const char *text)
{
	const char *end;

	if (strncmp(text, "[thrd:", 6) == 0 && (end = strstr(text, "]: ")) != NULL)
		text = end + 3;
	return text;
}

static void
on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	struct kafka_client *c = rd_kafka_opaque(rk);
	kafka_log_fn *log;
	void *arg;

	text = plain_text(text);
	/* A producer's property on a consumer is no complaint: one config serves both. */
	if (strcmp(facility, "CONFWARN") == 0)
		return;
	log = kafka_config_logger(c->config, &arg);
	if (log)
		log(arg, level, facility, text);
	pthread_mutex_lock(&c->lock);
	c->stumbles += strcmp(facility, "FAIL") == 0 || strcmp(facility, "REQTMOUT") == 0;
	if (level <= 4)
		snprintf(c->said, sizeof(c->said), "%s", text);
	pthread_mutex_unlock(&c->lock);
}

static void
on_error(rd_kafka_t *rk, int err, const char *text, void *opaque)
{
	struct kafka_client *c = opaque;

	(void)rk;
	pthread_mutex_lock(&c->lock);
	switch (err) {
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR__SSL:
		c->refused = err;
		snprintf(c->said, sizeof(c->said), "%s", plain_text(text));
		break;
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		c->down = true;
		break;
	default:
		if (!*c->said)
			snprintf(c->said, sizeof(c->said), "%s", plain_text(text));
		break;
	}
	pthread_mutex_unlock(&c->lock);
}

rd_kafka_conf_t *
kafka_client_conf(struct kafka_client *c, const struct kafka_config *config,
	enum kafka_kind kind, struct failure *why)
{
	rd_kafka_conf_t *conf;

	c->rk = NULL;
	c->kind = kind;
	c->config = config;
	c->said[0] = '\0';
	c->refused = RD_KAFKA_RESP_ERR_NO_ERROR;
	c->down = false;
	c->stumbles = 0;
	pthread_mutex_init(&c->lock, NULL);
	if (kafka_config_check(config, why) < 0)
		return NULL;
	conf = rd_kafka_conf_new();
	rd_kafka_conf_set_opaque(conf, c);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
	if (set_all(conf, common, why) < 0 ||
		set_all(conf, kind == KAFKA_CONSUMER ? consumer : producer, why) < 0 ||
		kafka_config_apply(config, conf, why) < 0) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	return conf;
}

int
kafka_client_start(struct kafka_client *c, rd_kafka_conf_t *conf, struct failure *why)
{
	char text[400];

	c->rk = rd_kafka_new(
		c->kind == KAFKA_CONSUMER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf,
		text, sizeof(text));
	if (c->rk)
		return 0;
	rd_kafka_conf_destroy(conf);
	return fail(why, EXIT_CONFIG, "kafka: %s", text);
}

int
kafka_client_connect(struct kafka_client *c, int wait_ms, struct failure *why)
{
	const struct rd_kafka_metadata *md;
	int64_t end = time_monotonic_ns() + (int64_t)wait_ms * 1000000;
	rd_kafka_resp_err_t err, refused;
	int64_t left;

	for (;;) {
		left = (end - time_monotonic_ns()) / 1000000;
		/* Short, so that a refusal is seen while the answer is waited for; and never
		 * below zero, which would be for ever. */
		left = left < 0 ? 0 : left;
		err = rd_kafka_metadata(
			c->rk, 0, NULL, &md, left > 250 ? 250 : (int)left);
		if (!err) {
			rd_kafka_metadata_destroy(md);
			return 0;
		}
		rd_kafka_poll(c->rk, 0);
		pthread_mutex_lock(&c->lock);
		refused = c->refused;
		pthread_mutex_unlock(&c->lock);
		if (refused)
			err = refused;
		else if (left > 250) {
			/* Some errors come at once. */
			nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
			continue;
		}
		return kafka_fail(c, why, err, "kafka");
	}
}

/* ---- the end ----------------------------------------------------------------------- */

struct ending {
	rd_kafka_t *rk;
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool done, left; /* the thread is done; the waiter has left */
};

static void *
destroy(void *arg)
{
	struct ending *e = arg;
	bool left;

	rd_kafka_destroy(e->rk);
	pthread_mutex_lock(&e->lock);
	e->done = true;
	left = e->left;
	pthread_cond_signal(&e->over);
	pthread_mutex_unlock(&e->lock);
	if (left)
		free(e);
	return NULL;
}

int
kafka_client_stop(struct kafka_client *c, int wait_ms)
{
	struct timespec end;
	struct ending *e;
	pthread_t thread;
	bool done;

	if (c->rk) {
		e = mem_zalloc(sizeof(*e));
		e->rk = c->rk;
		c->rk = NULL;
		pthread_mutex_init(&e->lock, NULL);
		pthread_cond_init(&e->over, NULL);
		if (pthread_create(&thread, NULL, destroy, e)) {
			destroy(e);
			free(e);
		} else {
			pthread_detach(thread);
			clock_gettime(CLOCK_REALTIME, &end);
			end.tv_sec += wait_ms / 1000;
			end.tv_nsec += (long)(wait_ms % 1000) * 1000000;
			if (end.tv_nsec >= 1000000000) {
				end.tv_sec++;
				end.tv_nsec -= 1000000000;
			}
			pthread_mutex_lock(&e->lock);
			while (!e->done)
				if (pthread_cond_timedwait(&e->over, &e->lock, &end))
					break;
			done = e->done;
			e->left = true;
			pthread_mutex_unlock(&e->lock);
			if (!done)
				return -1;
			free(e);
		}
	}
	pthread_mutex_destroy(&c->lock);
	return 0;
}

/* ---- errors ------------------------------------------------------------------------ */

bool
kafka_again(rd_kafka_resp_err_t err, int *tries)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
	case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
	case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
	case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
	case RD_KAFKA_RESP_ERR__WAIT_COORD:
	case RD_KAFKA_RESP_ERR__TRANSPORT:
		break;
	default:
		return false;
	}
	if (++*tries > 100)
		return false;
	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	return true;
}

int
kafka_status(enum kafka_kind kind, rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		return EXIT_NOPERM;
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		return kind == KAFKA_CONSUMER ? EXIT_NOINPUT : EXIT_CANTCREATE;
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
	case RD_KAFKA_RESP_ERR__RESOLVE:
	case RD_KAFKA_RESP_ERR__SSL:
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
	case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
		return EXIT_UNAVAILABLE;
	case RD_KAFKA_RESP_ERR__FENCED:
	case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
	case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
	case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
		return EXIT_FENCED;
	case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
	case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS:
	case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
	case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
	case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
		return EXIT_TRY_AGAIN;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_INVALID_MSG:
	case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
		return EXIT_DATA;
	case RD_KAFKA_RESP_ERR__INVALID_ARG:
	case RD_KAFKA_RESP_ERR__STATE:
		return EXIT_INTERNAL;
	default:
		return EXIT_IO;
	}
}

static void
hint_for(struct kafka_client *c, rd_kafka_resp_err_t err, struct failure *why)
{
	const char *mechanism = kafka_config_get(c->config, "sasl.mechanism");
	const char *brokers = kafka_config_get(c->config, "bootstrap.servers");

	if (!mechanism)
		mechanism = kafka_config_get(c->config, "sasl.mechanisms");
	if (err == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
		err == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED) {
		/* It repeats a nonce that newer brokers compare in full. */
		if (mechanism && strncmp(mechanism, "SCRAM", 5) == 0 &&
			rd_kafka_version() < 0x020601ff)
			fail_hint(why,
				"if the password is right: librdkafka %s cannot do SCRAM "
				"with Kafka 4 (2.6.1 can); PLAIN over TLS works",
				rd_kafka_version_str());
	} else if (err == RD_KAFKA_RESP_ERR__SSL) {
		if (!kafka_config_get(c->config, "ssl.ca.location") &&
			!kafka_config_get(c->config, "ssl.ca.pem"))
			fail_hint(why,
				"ssl.ca.location names the authority that the brokers' "
				"certificates are from");
	} else if (kafka_status(c->kind, err) == EXIT_UNAVAILABLE && brokers)
		fail_hint(why,
			"the brokers are %s: does one listen there, with "
			"security.protocol=%s?",
			brokers,
			kafka_config_get(c->config, "security.protocol")
				? kafka_config_get(c->config, "security.protocol")
				: "plaintext");
	else if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
		 err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
		if (c->kind == KAFKA_PRODUCER)
			fail_hint(why, "--create-topics makes topics");
}

static int
fill(struct kafka_client *c, struct failure *why, rd_kafka_resp_err_t err,
	const char *text, const char *fmt, va_list ap)
{
	char what[200], said[sizeof(c->said)];
	int status = kafka_status(c->kind, err);

	vsnprintf(what, sizeof(what), fmt, ap);
	pthread_mutex_lock(&c->lock);
	snprintf(said, sizeof(said), "%s", c->said);
	pthread_mutex_unlock(&c->lock);
	/* The log explains what concerns the connection; of anything else it knows
	 * nothing. */
	if (*said && (status == EXIT_UNAVAILABLE || status == EXIT_NOPERM) &&
		err != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED &&
		err != RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
		fail(why, status, "%s: %s", what, said);
	else
		fail(why, status, "%s: %s", what, text);
	hint_for(c, err, why);
	return -1;
}

int
kafka_fail(struct kafka_client *c, struct failure *why, rd_kafka_resp_err_t err,
	const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(c, why, err, rd_kafka_err2str(err), fmt, ap);
	va_end(ap);
	return -1;
}

int
kafka_fail_error(struct kafka_client *c, struct failure *why, rd_kafka_error_t *error,
	const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(c, why, rd_kafka_error_code(error), rd_kafka_error_string(error), fmt, ap);
	va_end(ap);
	rd_kafka_error_destroy(error);
	return -1;
}

uint64_t
kafka_client_stumbles(struct kafka_client *c)
{
	uint64_t n;

	pthread_mutex_lock(&c->lock);
	n = c->stumbles;
	pthread_mutex_unlock(&c->lock);
	return n;
}
