/*
 * client: what a consumer and a producer share: a librdkafka handle made from a config,
 * its log, and its errors as failures. Private to this room: it includes rdkafka.h.
 *
 *	struct kafka_client c;
 *	rd_kafka_conf_t *conf = kafka_client_conf(&c, config, KAFKA_PRODUCER, why);
 *	...                       callbacks, and properties by kafka_conf_set()
 *	if (!conf || kafka_client_start(&c, conf, why) < 0)
 *		...
 *	kafka_client_stop(&c);
 *
 * rd_kafka_opaque() of the handle is the struct kafka_client, which stands first in the
 * struct of its owner.
 */
#ifndef SK_KAFKA_CLIENT_H
#define SK_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "kafka/config.h"

enum kafka_kind { KAFKA_CONSUMER, KAFKA_PRODUCER };

struct kafka_client {
	rd_kafka_t *rk;
	enum kafka_kind kind;
	const struct kafka_config *config;
	pthread_mutex_t lock;        /* guards what follows */
	char said[320];              /* newest complaint of the log, "" if none */
	rd_kafka_resp_err_t refused; /* who we are, or TLS: waiting is vain */
	bool down;                   /* every broker is away, as last told */
	uint64_t stumbles;           /* connections that were lost, and answers that were late */
};

/* The defaults of the kind, then what the config says. NULL: why. Fills c, which stays
 * where it is until stopped; a conf that is not started is destroyed by
 * rd_kafka_conf_destroy and c by kafka_client_stop. */
rd_kafka_conf_t *kafka_client_conf(struct kafka_client *c, const struct kafka_config *,
	enum kafka_kind, struct failure *why);

/* Set a property of streamkit's own. */
int kafka_conf_set(rd_kafka_conf_t *, const char *name, const char *value,
	struct failure *why);

/* Make the handle; takes conf in any case. Nothing is connected yet. */
int kafka_client_start(struct kafka_client *c, rd_kafka_conf_t *conf,
	struct failure *why);

/* Wait until a broker answers a metadata request: EXIT_UNAVAILABLE after wait_ms,
 * EXIT_NOPERM at once where it refuses to let us in. */
int kafka_client_connect(struct kafka_client *c, int wait_ms, struct failure *why);

/* Destroy the handle, if there is one, and wait for it at most wait_ms. -1: librdkafka
 * hangs there (it may, after a broker went away); its threads are left to the end of the
 * process, and so must be c and its config. */
int kafka_client_stop(struct kafka_client *c, int wait_ms);

/* How many connections were lost, and answers late, so far; from any thread. */
uint64_t kafka_client_stumbles(struct kafka_client *c);

/* A consumer's fetchers look again at once whether there is room in the queue. */
void kafka_client_wake(struct kafka_client *c);

/* True, after a short sleep, if err is of the kind that passes (a leader or coordinator is
 * moving) and *tries, which begins at 0, leaves hope: some ten seconds of them. */
bool kafka_again(rd_kafka_resp_err_t err, int *tries);

/* The exit status that an error of librdkafka or a broker asks for. */
int kafka_status(enum kafka_kind, rd_kafka_resp_err_t err);

/* Fill why for err: "WHAT: what err means (what the log said last)", WHAT by fmt. -1. */
int kafka_fail(struct kafka_client *c, struct failure *why, rd_kafka_resp_err_t err,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The same for an rd_kafka_error_t, which is destroyed. */
int kafka_fail_error(struct kafka_client *c, struct failure *why, rd_kafka_error_t *error,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Lines of properties in the order in which they are to be applied: config.c. */
int kafka_config_apply(const struct kafka_config *, rd_kafka_conf_t *,
	struct failure *why);
kafka_log_fn *kafka_config_logger(const struct kafka_config *, void **arg);

#endif
