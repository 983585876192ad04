/*
 * hand: the records of some blocks that are gone over together, taken into the table by one
 * thread or two, each of which has a half of the parts.
 *
 * What takes time is to wait for memory, so records are looked at some ahead. Where there are
 * two hands, the records of each block are sorted by their parts, and a hand takes all that
 * goes to one of them, of all these blocks, before it comes to the next: what the processor
 * knows of pages then lasts. Keys of one part stay in order.
 */
#ifndef SK_STATE_HAND_H
#define SK_STATE_HAND_H

#include <pthread.h>

#include "state/internal.h"

struct body {
	uint64_t at;           /* of its block in the file */
	struct block_head head;
	bool damaged;
	struct buf bytes;
	struct slice records;
	int part;              /* of all its records; -1: of any */
	bool sorted;           /* of any, and by parts: */
	struct buf by_part;
	size_t from[PARTS + 1];/* where the records of each begin there */
};

/* Where a hand stands. */
struct place {
	const char *p, *end;   /* up to here they are of one body, and if it is sorted, part */
	size_t body;           /* SIZE_MAX: before the first one */
	unsigned part;
	bool done;             /* there is nothing behind it */
};

/* One thread's: where it stands, and what it has changed. */
struct hand {
	struct replay *r;
	unsigned number;
	struct place at;
	bool stuck, broken;
	struct key128 key;     /* that it is stuck at */
	int64_t values, horizon;
	struct failure why;    /* its status not 0: a block can't be read */
};

struct replay {
	struct state *s;
	struct task *t;
	struct file *file;
	enum block_kind kind;
	uint64_t bytes;        /* that are gone over together */
	struct body *body;
	size_t n;
	struct hand hand[2];
	unsigned hands;
	pthread_t helper;
	int cpu;               /* where it was started */
	pthread_barrier_t gate;
	void (*work)(struct hand *); /* that the hands do next; NULL: nothing any more */
};

/* Sort the records of a block by their parts. False: there are others than records. */
bool hand_sort(struct hand *, struct body *);
/* Begin with all blocks that are there. */
void hand_begin(struct hand *);
/* Take what is this hand's, up to a record whose part has to grow first (stuck), or one that is
 * none (broken, in body at.body). */
void hand_take(struct hand *);

#endif
