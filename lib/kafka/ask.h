/*
 * ask: what the files of an operator's questions share; nobody else includes it. admin.c asks,
 * admin_groups.c, admin_topics.c and admin_places.c read the answers, admin_create.c makes
 * topics.
 */
#ifndef SK_KAFKA_ASK_H
#define SK_KAFKA_ASK_H

#include "kafka/admin.h"
#include "kafka/client.h"

enum { ANSWER_MS = 30000 };

struct kafka_admin {
	struct kafka_client client; /* first: the handle's opaque */
	rd_kafka_queue_t *queue;
};

/* As kafka_admin_open(). The kind says what a topic that isn't there means. */
struct kafka_admin *admin_open_as(const struct kafka_config *, enum kafka_kind,
	struct failure *why);

/* A request of the admin API: how it is sent, and the error that its answer holds. */
struct admin_request {
	rd_kafka_admin_op_t op;
	void (*send)(struct kafka_admin *, const rd_kafka_AdminOptions_t *, void *arg);
	rd_kafka_resp_err_t (*refusal)(rd_kafka_event_t *);
	void *arg;
	const char *what; /* for messages */
};

/* The answer, to be destroyed; NULL: why. */
rd_kafka_event_t *admin_ask(struct kafka_admin *, const struct admin_request *,
	struct failure *why);

/* Of topics, by name; of partitions, by number: for qsort. */
int admin_by_topic(const void *a, const void *b);
int admin_by_part(const void *a, const void *b);

/* A partition of which nothing is known. */
struct kafka_part admin_no_part(int32_t id);

/* Add a topic with room for so many partitions. */
struct kafka_topic_info *admin_add_topic(struct kafka_topics *, const char *name,
	size_t nparts);

/* Ask about one topic; *err is what the brokers say of it. -1: they don't answer. */
int admin_find_topic(struct kafka_admin *, const char *name, struct kafka_topics *out,
	rd_kafka_resp_err_t *err, struct failure *why);

/* As kafka_admin_topics(), without offsets; admin_ends() fills first and end. */
int admin_find_topics(struct kafka_admin *, const char *const *names, size_t n,
	struct kafka_topics *out, struct failure *why);
int admin_ends(struct kafka_admin *, struct kafka_topics *, struct failure *why);

#endif
