/*
 * What the files of a consumer share; nobody else includes it. consume_open.c begins, and takes
 * what the group shares out; consume.c reads; commit.c commits; keeper.c stands in for a reader
 * that is away; bounds.c knows where partitions begin and end; lanes.c merges them by time;
 * headless.c looks behind a message.
 */
#ifndef SK_KAFKA_CONSUMER_H
#define SK_KAFKA_CONSUMER_H

#include "base/heap.h"
#include "kafka/client.h"
#include "kafka/consume.h"
#include "kafka/position.h"

/* While it is opened a consumer waits long for an answer, and then gives up; later it asks
 * again and again, so that it can be told to stop. */
enum { ANSWER_MS = 30000, ASK_MS = 3000 };

/* A partition that is merged with others: its messages come through a queue of its own. */
struct lane {
	rd_kafka_queue_t *queue;
	struct kafka_place *place;
	rd_kafka_message_t *head; /* the next to go out, or NULL */
	int64_t ts_ms;            /* of that */
};

struct kafka_consumer {
	struct kafka_client client; /* first: the handle's opaque */
	struct kafka_consume ask;
	struct kafka_place **place;
	size_t nplaces, places_cap;
	struct kafka_place *last; /* of the newest message */
	rd_kafka_topic_t *last_topic;
	bool opened;            /* brokers that are away are waited for */
	bool assigned, paused, leaving;
	size_t running;         /* assigned places that have not ended */
	bool revoked;           /* since the last look: what is held was not handed out */
	rd_kafka_topic_partition_list_t *given; /* with epochs: ours, once it is taken */
	const struct kafka_position *at; /* while it is taken: where to begin instead */
	struct kafka_notes notes;
	bool anew;              /* given was not taken yet */
	char *member;           /* who we were in the group when we took it last */
	struct failure trouble; /* found inside a callback; status 0: none */
	uint64_t era;           /* counts revocations */
	uint64_t batch_era;     /* when the batch that is out was read */
	int64_t looked_ns, ends_ns; /* when others were looked at last */
	size_t behind;          /* partitions that a bounded read still waits for */
	size_t ndoubts;         /* ends that were told and not yet believed, at the most */
	int64_t doubt_ns;       /* when they are asked for next */
	uint64_t stumbles;      /* of the client, when ends were doubted last */
	uint64_t moved;         /* counts what has come nearer, and assignments */

	pthread_mutex_t lock;   /* guards all of the above while there is a keeper */
	pthread_cond_t wake;
	pthread_t keeper;
	bool kept, closing;     /* there is a keeper; it is to end */
	bool keeping;           /* it has paused the partitions */
	bool apart;             /* callbacks run in it: the reader cannot be asked */
	int64_t read_ns;        /* end of the last read */
	int64_t patience_ns;    /* how long after that the keeper steps in */
	rd_kafka_message_t **stash; /* what came to the keeper nevertheless, from stash_at */
	size_t nstash, stash_cap, stash_at;

	rd_kafka_message_t **held; /* of the batch that is out */
	struct kafka_message *message;
	size_t nheld, held_cap, message_cap;
	size_t unwoken, wake_at; /* bytes handed out since the fetchers were woken; to be */
	struct header *header; /* of all its messages, one after the other */
	size_t nheaders, header_cap;

	struct lane *lane;     /* with ask.merge: by topic and partition */
	size_t nlanes;
	struct heap heap;      /* lanes that have a head */
	struct lane **need;    /* those that need one, and have not ended */
	size_t nneed;
};

/* The place of a partition; where it has none one is made, or NULL is returned. */
struct kafka_place *consumer_place(struct kafka_consumer *, const char *topic,
	int32_t partition, bool make);
/* Everything before offset has been handed out, or will never come. */
void consumer_end_place(struct kafka_consumer *, struct kafka_place *, int64_t offset);
/* What may be committed of a place; -1: nothing new. */
int64_t consumer_to_commit(const struct kafka_place *);
bool consumer_rests(const struct kafka_consumer *);

/* What a bounded read is to read of the partitions. */
int consumer_bounds(struct kafka_consumer *, const rd_kafka_topic_partition_list_t *,
	struct failure *why);
/* Give every partition its beginning, take them all, end those that hold nothing. */
int consumer_take(struct kafka_consumer *, rd_kafka_topic_partition_list_t *,
	struct failure *why);

/*
 * An end of a partition was told. One before what is known to be there is not believed: all that
 * is committed may have come, and markers of transactions, or records of one that is open, lie
 * behind it; or the leader is new, and does not know yet how far it may hand records out.
 */
void consumer_at_end(struct kafka_consumer *, struct kafka_place *, int64_t offset);
/* Ask for ends that are in doubt, every so often: a leader tells the true one, or none. Where a
 * broker was lost, all are. */
void consumer_ask_ends(struct kafka_consumer *);

/* The partitions have been shared out: with epochs they wait to be taken. */
void consumer_given(struct kafka_consumer *, const rd_kafka_topic_partition_list_t *);
/* True if another process is the member of our name now. A member that was away for too long
 * joins anew, as if it had just begun, and would put that one out. */
bool consumer_replaced(struct kafka_consumer *, struct failure *why);
/* A list of all partitions that are known, without offsets. */
rd_kafka_topic_partition_list_t *consumer_list(const struct kafka_consumer *);
/* What the notes beside these offsets tell. */
void consumer_notes(const rd_kafka_topic_partition_list_t *, struct kafka_notes *);

/* Hand a message out with the batch in the making, which owns it then. */
void consumer_hold(struct kafka_consumer *, rd_kafka_message_t *, struct kafka_place *);
/* True: it has no headers, as the message behind it in the same partition shows; false: who
 * knows. */
bool consumer_is_headless(const rd_kafka_message_t *, const rd_kafka_message_t *next);
/* An event that is no message. -1: it ends the read. */
int consumer_event(struct kafka_consumer *, const rd_kafka_message_t *,
	struct failure *why);

/* Commit what is done of all that is ours. */
int consumer_commit_done(struct kafka_consumer *, struct failure *why);

/* Let the keeper begin, and end. */
int consumer_keep(struct kafka_consumer *, struct failure *why);
void consumer_keep_no_more(struct kafka_consumer *);
/* What came to it goes. */
void consumer_drop_stash(struct kafka_consumer *);
/* Stop, or resume, the fetching of all partitions. */
rd_kafka_resp_err_t consumer_pause_all(struct kafka_consumer *, bool pause);
/* The batch that is out is done with. */
void consumer_let_go(struct kafka_consumer *);

/* Part the queues of partitions that are about to be taken; before rd_kafka_assign. */
void lanes_open(struct kafka_consumer *, const rd_kafka_topic_partition_list_t *);
/* Read from all that have not ended; after it. */
void lanes_begin(struct kafka_consumer *);
/* Fill the batch, as read_batch does. */
int lanes_read(struct kafka_consumer *, size_t max, size_t max_bytes, int wait_ms,
	struct failure *why);
void lanes_close(struct kafka_consumer *);

#endif
