/*
 * open: the open sessions of a key, in the order of time. Internal to the room.
 *
 * They lie in the state under the key's own key, as
 *
 *	head | free ... sessions, from first on n ... free, cap of them in all | key
 *
 * so that one which begins or closes moves no more than those on its shorter side, and is
 * found by halves. Between two is a gap at least.
 */
#ifndef SK_WINDOW_OPEN_H
#define SK_WINDOW_OPEN_H

#include "window/engine.h"

struct session {
	int64_t start_us, last_us; /* its first and its last record */
	int64_t id;                /* of its cell: what it began with when it was made */
};

struct open_head {
	uint8_t kind;              /* KIND_INDEX */
	uint8_t unused[3];
	uint32_t key_n;
	uint32_t first, n, cap, unused2;
};

/* As they lie in the state; valid until that is changed. */
struct open {
	struct open_head *head;
	struct session *item;      /* the first */
	size_t n;
	struct slice key_text;
};
void open_see(struct open *, const char *value);

/* The number of those that end before us: their last record is the gap or more before it. */
size_t open_before(const struct open *, int64_t us, int64_t gap_us);
/* The one that starts at us; n: none does. */
size_t open_at(const struct open *, int64_t us);

/* Put one in before number at; of a key that has none, the first. -1: the state is full. */
int open_insert(struct windows *, struct windows_task *, struct key128 owner, size_t at,
	const struct session *, struct slice key_text);
/* Take number at out. -1. */
int open_forget(struct windows *, struct windows_task *, struct key128 owner, size_t at);

#endif
