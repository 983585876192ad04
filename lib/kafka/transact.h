/*
 * transact: what a producer sends becomes visible together with the offsets that it was made
 * from, or never.
 *
 *	kafka_fence(config, "counts", why);        whoever was it before is not any more
 *	p = kafka_producer_open(config, &(struct kafka_produce){.transaction = "counts"}, why);
 *	kafka_transactions_open(p, why);
 *	for (;;) {
 *		kafka_transaction_begin(p, why);
 *		kafka_producer_send(p, ...);
 *		kafka_transaction_commit(p, position, why);
 *	}
 *
 * Whoever opens transactions of one name last is the one who has it: all others are fenced,
 * for good.
 */
#ifndef SK_KAFKA_TRANSACT_H
#define SK_KAFKA_TRANSACT_H

#include "kafka/position.h"
#include "kafka/produce.h"

/* What became of a transaction. */
enum kafka_verdict {
	KAFKA_COMMITTED,
	KAFKA_ABORTED,  /* it will never be seen */
	KAFKA_REFUSED,  /* nor will this one: the group has been shared out anew meanwhile */
	KAFKA_UNKNOWN,  /* no answer: ask the group, once another producer has taken over */
	KAFKA_DEAD,     /* it will never be seen, nor any other one of this producer */
};

/* Fence others, and finish what they left. EXIT_FENCED, EXIT_UNAVAILABLE, EXIT_NOPERM. */
int kafka_transactions_open(struct kafka_producer *, struct failure *why);

/* The same, and nothing more. */
int kafka_fence(const struct kafka_config *, const char *name, struct failure *why);

int kafka_transaction_begin(struct kafka_producer *, struct failure *why);

/* Commit what was sent and delivered with these offsets and their notes. why is filled unless
 * it is committed. */
enum kafka_verdict kafka_transaction_commit(struct kafka_producer *,
	const struct kafka_position *, struct failure *why);

/* What was sent is void. -1: the producer is dead. */
int kafka_transaction_abort(struct kafka_producer *, struct failure *why);

/* True if the next transaction has to be another producer's: of this one a request may be under
 * way still, that would hit it. */
bool kafka_producer_spent(const struct kafka_producer *);

/* What the notes in the group's offsets of these partitions tell, once no open transaction can
 * change them; epoch 0: nothing. EXIT_UNAVAILABLE, ... */
int kafka_committed(const struct kafka_config *, const struct kafka_position *,
	struct source_commit *, struct failure *why);

/* May the brokers have ended the newest transaction because it stood open for too long? If
 * not, who was fenced was fenced by another copy. */
bool kafka_transaction_overdue(const struct kafka_producer *);

/* Does the group know no other process than the one that this position is of, for wait_ms (a
 * copy that has just fenced us has yet to join)? Asked where a transaction was fenced: another
 * copy may have done it, or the brokers, because it stood open for too long. False as well where
 * nobody answers: copies.c. */
bool kafka_is_alone(const struct kafka_config *, const struct kafka_position *, int wait_ms);

#endif
