/*
 * item: a record as a join keeps it: its key, its event time, and what the results take of
 * it. One block of memory: 48 bytes, and those of the texts. In front of it stand 32 more,
 * unless it is laid (shelf.h), or stands among notes.
 */
#ifndef SK_JOIN_ITEM_H
#define SK_JOIN_ITEM_H

#include "base/prefetch.h"
#include "join/pool.h"
#include "time/time.h"

enum join_side { SIDE_LEFT, SIDE_RIGHT };

#define ITEM_NO_KAFKA_KEY UINT32_MAX

struct item {
	int64_t us;           /* event time */
	int64_t until_us;     /* the event time of the last partner that it may find */
	uint64_t hash;        /* of the key */
	union {
		struct item *next; /* index.h: in the ring of those of its key and side */
		uint64_t before;   /* shelf.h: of its key and side, the one put before it */
	};
	uint32_t key_n;       /* bytes: the key as canonical JSON, */
	uint32_t kafka_n;     /* that of the message, or ITEM_NO_KAFKA_KEY, */
	uint32_t content_n;   /* and what results take (contents.h) */
	unsigned side : 1;    /* enum join_side */
	unsigned rank : 1;    /* of its side, for those of one key and time */
	unsigned paired : 1;  /* has found a partner */
	unsigned removes : 1; /* a row of a table: takes the row of its key away */
	unsigned done : 1;    /* waits for its time alone: nobody finds it any more */
	unsigned laid : 1;    /* lies on a shelf, with which it goes, and is in no index */
	_Alignas(uint32_t) char p[];
};
_Static_assert(sizeof(struct item) == 48 && offsetof(struct item, p) == 48,
	"what stands behind one begins at a multiple of 16");

/* What stands in front. */
struct item_front {
	uint64_t id;          /* under which the state has it; 0: not yet */
	struct item *prev;    /* index.h: in the ring */
	uint64_t place;       /* of a row of a table: 1 + the offset of its message; 0: none */
	uint64_t unused;
};
_Static_assert(sizeof(struct item_front) % 16 == 0, "blocks of a pool are aligned to 16");

static inline struct item_front *
item_front(struct item *i)
{
	return (struct item_front *)(void *)i - 1;
}

static inline uint64_t
item_id(const struct item *i)
{
	return ((const struct item_front *)(const void *)i - 1)->id;
}

/* Is it a row of a table that comes in the stream? Rows go before records of their time. */
static inline bool
item_is_row(const struct item *i)
{
	return i->side == SIDE_RIGHT && !i->rank;
}

static inline uint64_t
item_place(const struct item *i)
{
	return item_is_row(i) ? ((const struct item_front *)(const void *)i - 1)->place : 0;
}

static inline struct slice
item_key(const struct item *i)
{
	return slice_of(i->p, i->key_n);
}

static inline size_t
item_kafka_bytes(const struct item *i)
{
	return i->kafka_n == ITEM_NO_KAFKA_KEY ? 0 : i->kafka_n;
}

/* Absent if the record had none. */
static inline struct slice
item_kafka_key(const struct item *i)
{
	return i->kafka_n == ITEM_NO_KAFKA_KEY ? slice_of(NULL, 0) :
		slice_of(i->p + i->key_n, i->kafka_n);
}

static inline struct slice
item_content(const struct item *i)
{
	return slice_of(i->p + i->key_n + item_kafka_bytes(i), i->content_n);
}

static inline size_t
item_bytes(const struct item *i)
{
	return sizeof(*i) + i->key_n + item_kafka_bytes(i) + i->content_n;
}

/* The time from which on nobody finds it: --expires may lie before its own. */
static inline int64_t
item_over_us(const struct item *i)
{
	return i->us > i->until_us ? i->us : i->until_us;
}

/* Leaf i of a content that has n of them: texts, and then where each ends (sides.h). One of 0
 * bytes: it is the key. */
static inline struct slice
item_leaf(struct slice content, size_t n, size_t i)
{
	const char *end = content.p + content.n - n * sizeof(uint32_t);
	uint32_t from = 0, to;

	if (i)
		memcpy(&from, end + (i - 1) * sizeof(from), sizeof(from));
	memcpy(&to, end + i * sizeof(to), sizeof(to));
	return slice_of(content.p + from, to - from);
}

/* What an item is made of. */
struct item_parts {
	int64_t us, until_us;
	uint64_t hash;
	struct slice key, kafka_key, content;
	enum join_side side;
	uint8_t rank;
	bool removes, paired;
	uint64_t place;
};

struct item *item_new(struct pool *, const struct item_parts *);
/* Nothing, if it is laid. */
void item_free(struct pool *, struct item *);

/* Items that stand one behind the other, each at a multiple of 8 bytes. */
static inline struct item *
item_after(const struct item *i)
{
	return (struct item *)((uintptr_t)i + ((item_bytes(i) + 7) & ~(size_t)7));
}

/* A copy of one. */
struct item *item_copy(struct pool *, const struct item *);

/*
 * The order in which records count: by event time; then by key, as jq orders values; then by
 * the rank of their side; rows by their place; then by content. Two that are equal by it give
 * the same results, so that what a join writes doesn't depend on the order of arrival.
 */
int item_cmp(const struct item *, const struct item *);

/* The keys alone. */
int item_cmp_keys(struct slice a, struct slice b);

/* Sort by item_cmp. */
void items_sort(struct item **, size_t n);

#endif
