/*
 * A file, taken into the table. Where there is much, two threads read every other block each,
 * and then each takes a half of the parts (hand.h).
 * A part that has to grow needs the whole table: its thread stops there, and when the other
 * one is done too the table grows and both go on.
 */
#define _DEFAULT_SOURCE /* posix_fadvise, and the processors that there are */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cpus.h"
#include "base/mem.h"
#include "state/hand.h"

#define BLOCKS 96              /* that are gone over together, */
#define BYTES_LEAST (12u << 20) /* of them: this part of all, within these bounds */
#define BYTES_MOST (64u << 20)
#define BYTES_PART 16

/* ---- two hands --------------------------------------------------------------------- */

static void *
help(void *arg)
{
	struct replay *r = arg;

	cpus_leave(r->cpu);
	for (;;) {
		pthread_barrier_wait(&r->gate);
		if (!r->work)
			return NULL;
		r->work(&r->hand[1]);
		pthread_barrier_wait(&r->gate);
	}
}

static void
work(struct replay *r, void (*what)(struct hand *))
{
	r->work = what;
	if (r->hands > 1)
		pthread_barrier_wait(&r->gate);
	what(&r->hand[0]);
	if (r->hands > 1)
		pthread_barrier_wait(&r->gate);
}

static void
begin(struct replay *r, uint64_t bytes)
{
	unsigned i;

	r->hands = 1;
	for (i = 0; i < 2; i++)
		r->hand[i] = (struct hand){.r = r, .number = i, .horizon = INT64_MIN};
	/* The order of keys that never had a number is that of their records. */
	if (bytes < r->s->alone || r->s->evict || cpus_usable() < 2 ||
		pthread_barrier_init(&r->gate, NULL, 2) != 0)
		return;
	r->hands = 2;
	r->cpu = cpus_here();
	if (pthread_create(&r->helper, NULL, help, r) != 0) {
		pthread_barrier_destroy(&r->gate);
		r->hands = 1;
	}
}

static void
end(struct replay *r)
{
	size_t i;

	if (r->hands > 1) {
		r->work = NULL;
		pthread_barrier_wait(&r->gate);
		pthread_join(r->helper, NULL);
		pthread_barrier_destroy(&r->gate);
	}
	for (i = 0; i < BLOCKS; i++) {
		buf_release(&r->body[i].bytes);
		buf_release(&r->body[i].by_part);
	}
	free(r->body);
	for (i = 0; i < r->hands; i++) {
		r->s->values += (uint64_t)r->hand[i].values;
		if (r->hand[i].horizon > r->t->horizon)
			r->t->horizon = r->hand[i].horizon;
	}
}

/* 1; 0: a body holds what are no records, *at says which. */
static int
take_all(struct replay *r, uint64_t *at)
{
	struct hand *h;
	bool again = true;
	unsigned i;

	for (i = 0; i < r->hands; i++)
		hand_begin(&r->hand[i]);
	while (again) {
		work(r, hand_take);
		again = false;
		for (i = 0; i < r->hands; i++) {
			h = &r->hand[i];
			if (h->broken) {
				*at = r->body[h->at.body].at;
				return 0;
			}
			if (!h->stuck)
				continue;
			again = true;
			h->stuck = false;
			r->s->tables -= r->t->parts.memory;
			parts_grow(&r->t->parts, h->key, UINT64_MAX);
			r->s->tables += r->t->parts.memory;
		}
	}
	return 1;
}

/* ---- blocks ------------------------------------------------------------------------ */

static void
read_bodies(struct hand *h)
{
	struct replay *r = h->r;
	struct part_head part;
	struct body *b;
	size_t i;
	int rc;

	for (i = h->number; i < r->n && !h->why.status; i += r->hands) {
		b = &r->body[i];
		rc = file_body(r->file, b->at, &b->head, &b->bytes, &h->why);
		b->part = -1;
		b->sorted = false;
		b->records = buf_slice(&b->bytes);
		b->damaged = rc == 0 || (r->kind == BLOCK_PART && b->bytes.n < sizeof(part));
		if (rc <= 0 || b->damaged)
			continue;
		if (r->kind != BLOCK_PART) {
			b->damaged = r->hands > 1 && !hand_sort(h, b);
			continue;
		}
		memcpy(&part, b->bytes.p, sizeof(part));
		b->part = (int)(part.part % PARTS);
		b->records.p += sizeof(part);
		b->records.n -= sizeof(part);
	}
}

/* Find the blocks to be gone over next, from *behind on: 1; 0: the one at *at is damaged. */
static int
find_bodies(struct replay *r, uint64_t *at, uint64_t *behind, uint64_t until,
	struct failure *why)
{
	uint64_t bytes = 0;
	struct body *b;
	int rc;

	for (r->n = 0; *behind < until && r->n < BLOCKS && bytes < r->bytes; bytes += *behind - *at) {
		b = &r->body[r->n];
		b->at = *at = *behind;
		rc = file_block(r->file, *at, &b->head, why);
		if (rc <= 0)
			return rc;
		*behind = file_behind(*at, &b->head);
		/* Marks were walked over before; a snapshot has but parts. */
		if (b->head.kind == r->kind)
			r->n++;
		else if (r->kind != BLOCK_CHANGES)
			return 0;
	}
	return 1;
}

/* Read them: 1; 0: the one at *at is damaged. */
static int
read_all(struct replay *r, uint64_t *at, struct failure *why)
{
	size_t i;

	work(r, read_bodies);
	for (i = 0; i < r->hands; i++)
		if (r->hand[i].why.status) {
			*why = r->hand[i].why;
			return -1;
		}
	for (i = 0; i < r->n; i++)
		if (r->body[i].damaged) {
			*at = r->body[i].at;
			return 0;
		}
	return 1;
}

int
replay(struct state *s, struct task *t, struct file *f, enum block_kind kind, uint64_t until,
	struct failure *why)
{
	struct replay r = {.s = s, .t = t, .file = f, .kind = kind,
		.bytes = until / BYTES_PART};
	uint64_t at = FILE_HEAD, behind = FILE_HEAD, keys = parts_count(&t->parts);
	int rc = 1;

	(void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (r.bytes < BYTES_LEAST)
		r.bytes = BYTES_LEAST;
	if (r.bytes > BYTES_MOST)
		r.bytes = BYTES_MOST;
	r.body = mem_zalloc(BLOCKS * sizeof(*r.body));
	begin(&r, until);
	while (behind < until && rc > 0) {
		rc = find_bodies(&r, &at, &behind, until, why);
		if (rc > 0)
			rc = read_all(&r, &at, why);
		if (rc > 0)
			rc = take_all(&r, &at);
	}
	end(&r);
	s->keys += parts_count(&t->parts) - keys;
	if (rc == 0)
		file_damaged(f, at, why);
	return rc > 0 ? 0 : -1;
}
