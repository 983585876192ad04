/*
 * admin: what operators ask of brokers: which topics and groups there are, how far a group
 * is behind, where it goes on from; and the making of topics.
 *
 *	a = kafka_admin_open(config, why);
 *	kafka_admin_groups(a, &name, 1, &groups, why);
 *	kafka_admin_positions(a, &groups.v[0], NULL, 0, &topics, why);
 *	...                            topics.v[i].part[j].committed
 *	kafka_admin_plan(a, &topics, KAFKA_TIME, ms, -1, why);
 *	...                            topics.v[i].part[j].to
 *	kafka_admin_reset(a, &groups.v[0], &topics, why);
 *
 * Lists are sorted by name and partition. What is read is a picture: others go on meanwhile.
 * The end of a partition is the one that readers of committed records see: before the first
 * record of an open transaction. This header names nothing of librdkafka.
 */
#ifndef SK_KAFKA_ADMIN_H
#define SK_KAFKA_ADMIN_H

#include "kafka/config.h"
#include "kafka/consume.h"

struct kafka_admin;

/* Connect, in 10 seconds at most. NULL: EXIT_UNAVAILABLE, EXIT_NOPERM, EXIT_CONFIG. The
 * config outlives it. */
struct kafka_admin *kafka_admin_open(const struct kafka_config *, struct failure *why);

/* NULL is fine. -1: librdkafka hangs, and the config must live to the end of the process. */
int kafka_admin_close(struct kafka_admin *);

/* ---- groups ------------------------------------------------------------------------ */

struct kafka_claim {
	char *topic;
	int32_t partition;
};

struct kafka_member {
	char *id;        /* given by the broker */
	char *instance;  /* of a static member, else NULL */
	char *client, *host;
	struct kafka_claim *claim; /* what it reads */
	size_t nclaims;
};

struct kafka_group {
	char *name;
	const char *state;   /* "Stable", "Empty", "PreparingRebalance", ... */
	char *assignor;      /* "" without members */
	bool described;      /* else its members are not known (a newer protocol) */
	bool active;         /* it has members, or may have some */
	struct kafka_member *member;
	size_t nmembers;
};

struct kafka_groups {
	struct kafka_group *v;
	size_t n;
};

/* Those of these names, or with n 0 all. EXIT_NOINPUT if one isn't there. */
int kafka_admin_groups(struct kafka_admin *, const char *const *names, size_t n,
	struct kafka_groups *, struct failure *why);
void kafka_groups_release(struct kafka_groups *); /* {0} is fine */

/* ---- topics ------------------------------------------------------------------------ */

struct kafka_setting {
	char *name, *value;
};

/* Offsets are -1 where there is none, or it is not known. */
struct kafka_part {
	int32_t id;
	int32_t leader;         /* a broker; -1: none, and no offset is known */
	int replicas, in_sync;
	int64_t first, end;     /* offsets of the first record, and after the last one */
	int64_t at;             /* kafka_admin_at */
	int64_t committed;      /* kafka_admin_positions: by the group */
	const struct kafka_member *member; /* that reads it: the group's; NULL: none */
	int64_t to;             /* kafka_admin_plan; -1: is left as it is */
};

struct kafka_topic_info {
	char *name;
	bool internal;          /* begins with two underscores */
	bool gone;              /* the group knows it, the brokers don't */
	struct kafka_part *part;
	size_t nparts;
	bool settings_known;
	struct kafka_setting *setting; /* those that are the topic's own */
	size_t nsettings;
};

struct kafka_topics {
	struct kafka_topic_info *v;
	size_t n, cap;
};

/* Those of these names, or with n 0 all, with first and end. EXIT_NOINPUT if one isn't
 * there. */
int kafka_admin_topics(struct kafka_admin *, const char *const *names, size_t n,
	struct kafka_topics *, struct failure *why);
void kafka_topics_release(struct kafka_topics *); /* {0} is fine */

/* Ask for the settings that differ from the brokers'. Of a topic whose settings are not for
 * us, settings_known stays false. */
int kafka_admin_settings(struct kafka_admin *, struct kafka_topics *, struct failure *why);

/* Fill at: the offset of the first record whose timestamp is ms or later, else the end. */
int kafka_admin_at(struct kafka_admin *, struct kafka_topics *, int64_t ms,
	struct failure *why);

/* ---- a group's place --------------------------------------------------------------- */

/* All partitions of the named topics, or with n 0 of those of which the group has committed
 * or reads something; with first, end, committed and member (which borrows from the group). */
int kafka_admin_positions(struct kafka_admin *, const struct kafka_group *,
	const char *const *names, size_t n, struct kafka_topics *, struct failure *why);

/* How many offsets a group has before it; what retention has deleted doesn't count. False:
 * it is not known, or nothing is committed. Negative if the end is before the committed
 * offset: the topic was made anew. */
bool kafka_part_lag(const struct kafka_part *, int64_t *lag);

/* Fill to, of partition only, or with -1 of all: from positions, where a reader would begin
 * that is told the same. Never before the first record. EXIT_NOINPUT: an offset beyond the
 * end, or a partition that isn't there; EXIT_UNAVAILABLE: one without a leader. */
int kafka_admin_plan(struct kafka_admin *, struct kafka_topics *, enum kafka_at,
	int64_t n, int32_t only, struct failure *why);

/* EXIT_TRY_AGAIN if the group has members: they would not notice a reset, and undo it. */
int kafka_group_resettable(const struct kafka_group *, struct failure *why);

/* Commit what to says. All or, where the group has members, nothing (EXIT_TRY_AGAIN). */
int kafka_admin_reset(struct kafka_admin *, const struct kafka_group *,
	const struct kafka_topics *, struct failure *why);

/* ---- making topics ----------------------------------------------------------------- */

struct kafka_new_topic {
	const char *name;
	int32_t partitions;  /* 0: the brokers' default */
	int32_t replication; /* 0: the brokers' default */
};

/* "partitions=N,replication=M", each of which may be missing; the name stays. EXIT_USAGE. */
int kafka_new_topic_parse(const char *text, struct kafka_new_topic *, struct failure *why);

/* Make topics, and wait until they can be written to. One that is there already is fine,
 * whatever its partitions. EXIT_CANTCREATE, EXIT_NOPERM, EXIT_UNAVAILABLE. */
int kafka_admin_create(const struct kafka_config *, const struct kafka_new_topic *,
	size_t n, struct failure *why);

#endif
