/*
 * config: what a user says about brokers: where they are, how to get in, and any property
 * that librdkafka knows.
 *
 *	-b, --brokers HOST:PORT[,...]    the bootstrap brokers
 *	-X NAME=VALUE                    one property
 *	-F FILE                          properties, one a line
 *	$SK_BROKERS, $SK_SASL_PASSWORD, ...    what is said nowhere else
 *
 * -b beats -X, -X beats -F, a file beats the environment; of two that are alike the later
 * one counts. A name is checked when it is said, so that the message can point at it.
 *
 * A file has lines of NAME=VALUE, as kcat reads them: "#" begins a comment line, white
 * space around name and value doesn't count, "topic." in front of a name is dropped. A
 * file whose name ends in ".properties" is read by Java's rules: ":" or white space may
 * stand for "=", "!" begins a comment too, a backslash escapes or continues a line.
 * Either may use the names of the Java client: what librdkafka calls differently is
 * translated (PEM and PKCS12 stores, sasl.jaas.config for PLAIN and SCRAM, endpoint
 * identification, buffer sizes), what concerns Java objects alone (serializers,
 * interceptors, metrics) is passed over, and what would be lost (a JKS store, a
 * partitioner class) is refused with a way out.
 *
 * Secrets are refused in -X: other users see the arguments of a process. They come from a
 * file, or from the environment: "SK_" and the name in capitals, dots as underscores
 * (kafka_config_environment lists them). No message repeats a value that is secret.
 *
 * What makes librdkafka run code (plugin.library.paths, sasl.kerberos.kinit.cmd,
 * ssl.engine.location, ssl.providers) comes only from a file that belongs to this user or
 * root and that nobody else may write.
 *
 * What decides where reading begins, what is committed and when, and whether topics are
 * made, is streamkit's own and not taken as a property; the hint says where it is set.
 *
 * This header names nothing of librdkafka: commands may include it.
 */
#ifndef SK_KAFKA_CONFIG_H
#define SK_KAFKA_CONFIG_H

#include "base/failure.h"

struct kafka_config;

struct kafka_config *kafka_config_new(void);
void kafka_config_free(struct kafka_config *);

/* -b: HOST[:PORT], commas between several. EXIT_USAGE if there is none. */
int kafka_config_brokers(struct kafka_config *, const char *brokers, struct failure *why);

/* -X: "name=value". EXIT_USAGE: unknown, out of range, secret, or streamkit's own. */
int kafka_config_set(struct kafka_config *, const char *assignment, struct failure *why);

/* -F: the whole file or, with a failure, nothing of it. EXIT_CONFIG, and path:line in
 * front; EXIT_NOPERM if it cannot be read. */
int kafka_config_file(struct kafka_config *, const char *path, struct failure *why);

/* What the environment says: $SK_BROKERS, $SK_SASL_USERNAME, $SK_SASL_PASSWORD,
 * $SK_SSL_KEY_PASSWORD, $SK_SSL_KEY_PEM, $SK_SSL_KEYSTORE_PASSWORD,
 * $SK_SASL_OAUTHBEARER_CLIENT_SECRET, $SK_SASL_OAUTHBEARER_CONFIG. An empty one says
 * nothing. May be called before or after the others. */
int kafka_config_environment(struct kafka_config *, struct failure *why);

/* What was said of a property (by its librdkafka name, as said), or NULL. The
 * config's. */
const char *kafka_config_get(const struct kafka_config *, const char *name);

/* Is what was said enough to connect? EXIT_USAGE without brokers; EXIT_CONFIG where two
 * properties contradict each other. Done by every opening of a client as well. */
int kafka_config_check(const struct kafka_config *, struct failure *why);

/* Where librdkafka's log lines go, one at a time, from any of its threads; level as in
 * syslog(3). Without one they are only kept for the messages of failures. */
typedef void kafka_log_fn(void *arg, int level, const char *facility, const char *text);
void kafka_config_log(struct kafka_config *, kafka_log_fn *, void *arg);

#endif
