/*
 * A ring of blocks that circulate between two threads: the reading one fills a slot, the other
 * swaps it with the block that it is done with.
 */
#include "flow/coming.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"

/* Blocks of long lines that are read ahead hold no more than this, and not more than half of as
 * many of the longest as there may be: what becomes of them takes as much again. Memory for a
 * long block is given back, or each slot would come to hold one. */
#define AHEAD_BYTES ((size_t)24 << 20)
#define KEPT_BYTES ((size_t)4 << 20)

struct slot {
	struct block block;
	struct taken taken;
	struct failure why;
	int rc;              /* of the read */
};

struct coming {
	struct worker *w;
	struct flow *flow;
	/* What is shown: */
	uint64_t number;     /* the block of that number, */
	size_t line;         /* from this record on */
	bool scanned;        /* behind the block in hand: its lines are found */
	struct json_scan scan;
	struct json_doc doc;
	struct envelope_reader envelope;
	/* What is read: */
	bool reads;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t filled, emptied;
	struct slot *slot;
	size_t nslots, first, n; /* filled ones, from first on */
	size_t bytes;        /* in them */
	size_t longest;      /* block so far */
	bool wanted;         /* the other thread waits */
	bool stop;
};

bool
coming_is_fit(const struct operator *op, const struct flow_options *opt,
	const struct source *source)
{
	return op->coming && opt->jobs > 1 && !source->one_block && !opt->time.idle_us &&
		(source->position || source->envelopes);
}

/* ---- the thread -------------------------------------------------------------------- */

/* Is there no room for another block? */
static bool
is_full(const struct coming *c)
{
	if (c->n == c->nslots)
		return true;
	if (c->n == 0 && c->wanted)
		return false;
	return c->bytes + c->longest > AHEAD_BYTES + (c->nslots / 2 - 1) * c->longest;
}

static void
fill(struct coming *c, struct slot *s)
{
	int off;

	/* Only here may it be ended: a pipe may never give more. A capture always does. */
	if (c->flow->source->position)
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &off);
	s->rc = flow_read(c->flow, &s->block, &s->taken, 0, &s->why);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &off);
	if (s->rc <= 0)
		s->block.n = 0;
}

static void *
run(void *arg)
{
	struct coming *c = arg;
	struct slot *s;
	int off, rc = 1;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &off);
	while (rc > 0) {
		pthread_mutex_lock(&c->lock);
		while (is_full(c) && !c->stop)
			pthread_cond_wait(&c->emptied, &c->lock);
		s = &c->slot[(c->first + c->n) % c->nslots];
		rc = !c->stop;
		pthread_mutex_unlock(&c->lock);
		if (!rc)
			break;
		fill(c, s);
		rc = s->rc;
		pthread_mutex_lock(&c->lock);
		c->n++;
		c->bytes += s->block.n;
		if (s->block.n > c->longest)
			c->longest = s->block.n;
		pthread_cond_signal(&c->filled);
		pthread_mutex_unlock(&c->lock);
	}
	return NULL;
}

struct coming *
coming_start(struct worker *w, size_t blocks)
{
	struct coming *c = mem_zalloc(sizeof(*c));
	pthread_condattr_t monotonic;

	c->w = w;
	c->flow = w->flow;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->filled, &monotonic);
	pthread_cond_init(&c->emptied, NULL);
	pthread_condattr_destroy(&monotonic);
	if (!blocks)
		return c;
	c->nslots = blocks;
	c->slot = mem_array(blocks, sizeof(*c->slot));
	c->longest = w->block.n;
	c->reads = pthread_create(&c->thread, NULL, run, c) == 0;
	return c;
}

void
coming_stop(struct coming *c)
{
	size_t i;

	if (!c)
		return;
	c->flow->op->coming(c->w->op, NULL);
	if (c->reads) {
		pthread_mutex_lock(&c->lock);
		c->stop = true;
		pthread_cond_signal(&c->emptied);
		pthread_mutex_unlock(&c->lock);
		pthread_cancel(c->thread);
		pthread_join(c->thread, NULL);
	}
	for (i = 0; i < c->nslots; i++)
		block_release(&c->slot[i].block);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->filled);
	pthread_cond_destroy(&c->emptied);
	json_scan_release(&c->scan);
	envelope_reader_release(&c->envelope);
	free(c->slot);
	free(c);
}

/* ---- who takes the blocks ---------------------------------------------------------- */

bool
coming_reads(const struct coming *c)
{
	return c && c->reads;
}

static void
swap(struct worker *w, struct slot *s)
{
	struct block block = w->block;

	w->block = s->block;
	w->taken = s->taken;
	w->why = s->why;
	if (block.n > KEPT_BYTES)
		block_release(&block);
	s->block = block;
}

int
coming_take(struct coming *c, struct worker *w, int64_t wake_ns)
{
	struct timespec at = {.tv_sec = wake_ns / 1000000000, .tv_nsec = wake_ns % 1000000000};
	struct slot *s;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	c->wanted = true;
	pthread_cond_signal(&c->emptied);
	while (c->n == 0 && rc != ETIMEDOUT)
		rc = wake_ns ? pthread_cond_timedwait(&c->filled, &c->lock, &at) :
			pthread_cond_wait(&c->filled, &c->lock);
	c->wanted = false;
	if (c->n == 0) {
		pthread_mutex_unlock(&c->lock);
		w->block.n = 0;
		w->block.too_long = 0;
		return 1;
	}
	s = &c->slot[c->first];
	rc = s->rc;
	c->bytes -= s->block.n;
	swap(w, s);
	/* The end stays where it is. */
	if (rc > 0) {
		c->first = (c->first + 1) % c->nslots;
		c->n--;
		pthread_cond_signal(&c->emptied);
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

bool
coming_waits(struct coming *c)
{
	bool waits;

	pthread_mutex_lock(&c->lock);
	waits = c->n == 0;
	pthread_mutex_unlock(&c->lock);
	return waits;
}

/* The block of that number, if it was read and is not taken yet; it stays where it is until it
 * is. */
static const struct block *
block_ahead(struct coming *c, uint64_t number)
{
	struct slot *s = NULL;
	uint64_t i;

	if (!c->reads)
		return NULL;
	pthread_mutex_lock(&c->lock);
	if (c->n) {
		i = number - c->slot[c->first].block.number;
		if (i < c->n)
			s = &c->slot[(c->first + i) % c->nslots];
	}
	pthread_mutex_unlock(&c->lock);
	return s && s->rc > 0 ? &s->block : NULL;
}

/* ---- showing ----------------------------------------------------------------------- */

/* A record of a block that was read ahead, with its value. -1: it is not to be shown. */
static int
read_ahead(struct coming *c, struct record *r)
{
	struct failure ignored;

	if (r->meta || json_line_doc(&c->scan, r->index, true, &c->doc, &ignored) < 0)
		return -1;
	r->doc = &c->doc;
	if (!c->flow->envelope_in)
		return 0;
	json_doc_tokens(&c->doc);
	if (envelope_read(&c->envelope, &c->doc, r, &ignored) < 0 || r->root == JSON_NONE)
		return -1;
	return 0;
}

static enum op_coming
show_record(struct coming *c, struct record *r)
{
	const struct operator *op = c->flow->op;
	struct worker *w = c->w;
	enum op_coming rc = op->coming(w->op, r);
	struct failure ignored;

	if (rc != COMING_VALUE)
		return rc;
	r->doc = &w->doc;
	if ((r->block == &w->block ? worker_read_value(w, r, &ignored) :
			read_ahead(c, r)) < 0 ||
		(w->where && worker_test_where(w, r, &ignored) <= 0))
		return COMING_NOTHING;
	return op->coming(w->op, r);
}

/* Show the lines of a block that were not shown yet. False: no more for now. */
static bool
show_lines(struct coming *c, const struct block *b, const struct json_scan *scan)
{
	struct flow *f = c->flow;
	struct record r;

	for (; c->line < scan->nlines; c->line++) {
		r = (struct record){
			.line = json_line_text(scan, c->line),
			.meta = b->meta ? &b->meta[c->line] : NULL,
			.block = b,
			.index = (uint32_t)c->line,
			.time_us = TIME_NONE,
		};
		r.bytes = r.line;
		if (f->controlled && control_is(r.line, buf_slice(&f->run)))
			continue;
		if (show_record(c, &r) == COMING_FULL)
			return false;
	}
	c->number++;
	c->line = 0;
	c->scanned = false;
	return true;
}

void
coming_show(struct coming *c, size_t i)
{
	struct worker *w = c->w;
	const struct block *b;

	if (c->number < w->block.number) {
		c->number = w->block.number;
		c->line = 0;
		c->scanned = false;
	}
	if (c->number == w->block.number) {
		if (c->line < i)
			c->line = i;
		if (!show_lines(c, &w->block, &w->scan))
			return;
	}
	while ((b = block_ahead(c, c->number))) {
		if (!c->scanned)
			json_scan_lazily(&c->scan, b->p, b->too_long ? 0 : b->n, true);
		c->scanned = true;
		if (!show_lines(c, b, &c->scan))
			return;
	}
}

void
coming_block_ends(struct coming *c)
{
	c->flow->op->coming(c->w->op, &(struct record){.block = &c->w->block});
}
