/*
 * consume: topics as batches of messages, in the order of each partition.
 *
 * With a group, the brokers give this process its partitions, and take them away again
 * inside of kafka_consumer_read; without one it reads all, and commits nothing. Where
 * reading begins is what the group has committed, else "from". A bounded read ("until")
 * takes the ends of all partitions when it is opened, so that it ends while others write.
 *
 *	c = kafka_consumer_open(config, &(struct kafka_consume){.topics = ...}, why);
 *	while ((n = kafka_consumer_read(c, &batch, 10000, 1 << 20, 1000, why)) >= 0) {
 *		...                            batch.v[0..n)
 *		kafka_consumer_done(c, (size_t)n);
 *		if (n == 0 && kafka_consumer_rests(c)) {
 *			kafka_consumer_commit(c, why);
 *			if (kafka_consumer_ended(c, false, why) != 0)
 *				break;
 *		}
 *	}
 *	kafka_consumer_close(c);
 *
 * A bounded read of a group has ended when all partitions have been read to their ends, by
 * whichever member: what is ours is committed, and what is not ours the group has committed
 * as far as the end that we found. Until then a member waits, and is there to take over
 * the partitions of one that died. Members that began at different times and wait for each
 * other cannot wait for ever: each asks of the others no more than what was there at one
 * instant, and reads of its own no less than that. So of all members the one with the
 * earliest instant is content with what any other makes of its partitions, and leaves.
 *
 * Messages are librdkafka's own memory, borrowed until the next read, assignments
 * included. One thread reads. It may stay away as long as it likes: a group's member keeps
 * its membership, and partitions that go meanwhile go without being asked about.
 */
#ifndef SK_KAFKA_CONSUME_H
#define SK_KAFKA_CONSUME_H

#include "base/buf.h"
#include "flow/flow.h"
#include "kafka/config.h"

struct kafka_consumer;

enum kafka_at {
	KAFKA_EARLIEST,
	KAFKA_LATEST,
	KAFKA_OFFSET, /* n; at the least the first that is still there */
	KAFKA_TAIL,   /* n messages before the end */
	KAFKA_TIME,   /* the first whose timestamp is n (ms) or later, else the end */
};

enum kafka_until {
	KAFKA_ENDLESS,
	KAFKA_UNTIL_END,    /* what is there when the consumer is opened */
	KAFKA_UNTIL_OFFSET, /* of that, offsets below n */
	KAFKA_UNTIL_TIME,   /* of that, what stands before the first of time n (ms) */
};

/* A partition that is or was ours. Lives as long as the consumer. */
struct kafka_place {
	struct input input;  /* its name is the topic's, and its partition */
	bool assigned;
	bool told;           /* the source's: it was assigned when that last told its inputs */
	bool ended;          /* read up to its bound */
	bool at_end;         /* nothing more was there when last asked */
	bool held;           /* kafka_consumer_hold */
	bool known;          /* it was there when the consumer was opened */
	bool content;        /* of a bounded read: others have brought it to its need */
	int64_t next;        /* offset after the newest message in hand, or -1 */
	int64_t out;         /* with epochs: after the newest one that was handed out */
	int64_t first, end;  /* what was there when it was asked last; else 0, and INT64_MAX */
	int64_t eof;         /* the end that was told last */
	bool doubted;        /* and it is not believed */
	int64_t need;        /* what others must have committed; before bound was taken */
	int64_t bound;       /* of what is read here; INT64_MAX: none */
	int64_t reached;     /* with ended: nothing before this is missing */
	int64_t done;        /* to be committed; -1: nothing */
	int64_t committed;   /* by this consumer, or found; -1: nothing */
};

struct kafka_message {
	struct meta meta;    /* topic, partition, offset, ts_ms, key, headers */
	struct slice value;  /* p == NULL: null */
	struct kafka_place *place;
};

struct kafka_batch {
	const struct kafka_message *v;
	size_t n;
};

struct kafka_consume {
	const char *const *topics;    /* names, or "^REGEX" */
	size_t ntopics;
	const char *exclude;          /* topics that a "^REGEX" never means, or NULL */
	const int32_t *partitions;    /* these alone (no group); n 0: all */
	size_t npartitions;
	const char *group;            /* NULL: none */
	const char *instance;         /* a static member's name, or NULL */
	bool epochs;                  /* another producer's transactions keep the group's
					 place: epochs, below */
	enum kafka_at from;
	int64_t from_n;
	enum kafka_until until;
	int64_t until_n;
	bool merge;                   /* by timestamp, topic, partition; bounded, no group */
	bool uncommitted;             /* read what transactions have not committed */
	int connect_ms;               /* how long to wait for a broker */
	/* Called in read, before new messages: partitions have come (places say which),
	 * or are about to go, and what is done when revoked() returns is committed; lost:
	 * they are gone already, and nothing can be. assigned() may run in another thread
	 * while the reader is away. NULL: nobody asks. */
	/* Who keeps the place instead of the group: where to go on in each of the n
	 * places, -1 where it does not know, or -1 and why. In the same thread as assigned().
	 * What the group has committed beyond that is read again, and what it has not is left
	 * out; without a group only what is asked for. NULL: nobody. */
	int (*place)(void *arg, struct kafka_place *const *, size_t n, int64_t *next,
		struct failure *why);
	void (*assigned)(void *arg, struct kafka_consumer *);
	void (*revoked)(void *arg, struct kafka_consumer *, bool lost);
	void *arg;
};

/* Connect, and without a group find the partitions. NULL: EXIT_UNAVAILABLE,
 * EXIT_NOPERM, EXIT_NOINPUT (no such topic or offset), EXIT_CONFIG. The config
 * outlives the consumer. */
struct kafka_consumer *kafka_consumer_open(const struct kafka_config *,
	const struct kafka_consume *, struct failure *why);

/* The next messages, at most max of them and about max_bytes; waits for the first at most
 * wait_ms. 0: none came in that time, or all partitions have ended. Brokers that come and
 * go are no failure. -1: EXIT_FENCED, EXIT_NOPERM, EXIT_NOINPUT, EXIT_DATA (an offset is
 * gone). */
int kafka_consumer_read(struct kafka_consumer *, struct kafka_batch *, size_t max,
	size_t max_bytes, int wait_ms, struct failure *why);

/* What came of the first n messages of the batch that is out is delivered: the next commit
 * is behind them. Without effect if a partition was taken away since. */
void kafka_consumer_done(struct kafka_consumer *, size_t n);

/* There is an assignment, if an empty one: with a group it comes once all members that are
 * alive have joined, and those that are not are given up. */
bool kafka_consumer_joined(struct kafka_consumer *);

/* A bounded read has come to the bound of every partition that is ours now. */
bool kafka_consumer_rests(struct kafka_consumer *);

/* A bounded read is over: 1, else 0. With a group the brokers are asked for what its
 * members have committed, twice a second; brokers that are away have said nothing. later:
 * what is ours counts, though it is not committed yet. -1: EXIT_NOINPUT, a topic is gone;
 * EXIT_NOPERM. */
int kafka_consumer_ended(struct kafka_consumer *, bool later, struct failure *why);

/* How many partitions kept the last kafka_consumer_ended() from saying 1, and a number
 * that changes when any of them comes nearer or the group is shared out anew. */
size_t kafka_consumer_behind(struct kafka_consumer *, uint64_t *moved);

/* All places so far, ours or not any more. */
struct kafka_place *const *kafka_consumer_places(const struct kafka_consumer *,
	size_t *n);

/* Stop or go on fetching all partitions; a paused consumer is read with wait_ms as ever,
 * for the group's sake, and hands nothing out beyond what had been fetched. */
int kafka_consumer_pause(struct kafka_consumer *, bool pause, struct failure *why);

/* The same of one place, until a rebalance gives it to somebody. Not with merge. */
int kafka_consumer_hold(struct kafka_consumer *, struct kafka_place *, bool hold,
	struct failure *why);

/* Commit what the places say is done, and wait for the answer. Nothing new: 0 at once. */
int kafka_consumer_commit(struct kafka_consumer *, struct failure *why);

/*
 * With epochs, the group's place is kept by somebody's transactions (transact.h), and this
 * consumer commits nothing. It takes no partitions by itself: the reader asks for them, and
 * learns what the notes beside their offsets tell.
 *
 *	kafka_consumer_join(c, why);
 *	while ((rc = kafka_consumer_wait(c, 100, why)) == 0)
 *		...
 *	kafka_consumer_begin(c, NULL, &commit, why);
 *	while ((n = kafka_consumer_read(c, ...)) >= 0)
 *		if (kafka_consumer_anew(c))
 *			...                         wait and begin again
 *
 * revoked() is called while there is still time to have a commit made, unless the partitions
 * are lost or the reader is away.
 */
int kafka_consumer_join(struct kafka_consumer *, struct failure *why);

/* 1: the group has been shared out, and what is ours may be none; 0: not in wait_ms; -1. */
int kafka_consumer_wait(struct kafka_consumer *, int wait_ms, struct failure *why);

/* Take what is ours, and read on from what is committed, or from where at, if not NULL, knows of
 * another place. The commit is of all partitions of the topics, ours or not. */
struct kafka_position;
int kafka_consumer_begin(struct kafka_consumer *, const struct kafka_position *at,
	struct source_commit *, struct failure *why);

/* What is committed by now. -1: the brokers don't say so soon; *commit is as it was. */
int kafka_consumer_committed(struct kafka_consumer *, struct source_commit *);

/* The group was shared out anew since the last begin: nothing more comes before the next. */
bool kafka_consumer_anew(struct kafka_consumer *);

/* Append the position (position.h) behind all that was handed out; nothing where we are no
 * member any more, or no partition is ours. */
void kafka_consumer_position(struct kafka_consumer *, struct buf *);

/* Leave the group and free all; NULL is fine. Commits nothing. */
void kafka_consumer_close(struct kafka_consumer *);

#endif
