/*
 * Topics as a source.
 *
 * Each message is a line of the block, and its meta stands beside it. A value that cannot
 * stand in a line as it is (it is empty, holds a line feed, has white space around it) is
 * told apart: its line is "null", and meta.odd is the value. With a group the place that is
 * kept follows what the driver says is delivered: done(), then commit(). Under checkpoints the
 * transactions of the last process keep it: the driver asks for positions, and begins again
 * whenever the group has been shared out anew.
 */
#include "source/kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "capture/capture.h"
#include "kafka/consume.h"
#include "kafka/position.h"
#include "kafka/transact.h"
#include "kafka/uri.h"
#include "source/align.h"
#include "source/kafka_options.h"

#define MESSAGES_MAX 2048
#define BYTES_MAX ((size_t)256 << 10)
#define WAIT_MS 100        /* how soon a drain is noticed */
#define CONNECT_MS 30000
#define IDLE_NS 1000000000 /* so long without a message: what is done may be committed */
#define TELL_NS 5000000000LL   /* so long at rest, for others: that is said */
#define STILL_NS 90000000000LL /* so long without a sign of them: a whole file gives up */

struct kafka_source {
	struct source base;    /* first */
	struct kafka_consumer *consumer;
	struct kafka_batch batch;
	struct meta *meta;
	struct line_origin *origin;
	size_t cap_meta, cap_origin;
	struct kafka_uri uri;  /* the consumer borrows its names */
	int32_t *partitions;
	struct buf written;    /* the topics of the run's sinks */
	char *capture;         /* the folder of the capture that keeps the place, or NULL */
	const struct kafka_config *kafka;
	char *app;             /* under checkpoints: the group, and the member; or NULL */
	bool joined;           /* with app: the first begin was there */
	bool single;           /* a record is captured whole or not at all */
	size_t longest;        /* value so far */
	bool waited;           /* the last read found nothing at once */
	bool small;            /* the last block was: there may be no more now */
	bool unflushed;        /* since the last block that the driver took for one of many */
	bool uncommitted;      /* since the last block; only with a group */
	int64_t last_ns;       /* of the last block */
	int64_t rest_ns;       /* since when the group is waited for; 0: it is not */
	int64_t moved_ns;      /* when they were seen to move last */
	uint64_t moved;
	bool told;             /* that it is waited for */
	struct failure lost;   /* of a revocation that could not settle */
	bool failed;
};

/* ---- under checkpoints ------------------------------------------------------------- */

/* Under checkpoints the place is the app's. */
static int
take_app(struct kafka_source *s, struct kafka_consume *c, const struct source_options *opt,
	struct failure *why)
{
	if (!opt->checkpoints)
		return 0;
	if (!opt->app || !*opt->app) {
		fail(why, EXIT_USAGE, "--checkpoint needs --app where the source is topics");
		fail_hint(why, "--app NAME, or export SK_APP=NAME for the whole pipeline");
		return -1;
	}
	s->app = mem_strdup(opt->app);
	c->group = c->instance = s->app;
	c->epochs = true;
	return 0;
}

static int
check_app(const struct kafka_source *s, const struct kafka_consume *c, struct failure *why)
{
	if (s->app && strcmp(c->group, s->app) != 0)
		return fail(why, EXIT_USAGE, "group=%s: with --checkpoint the group is the app, %s",
			c->group, s->app);
	if (s->app && c->uncommitted)
		return fail(why, EXIT_USAGE, "isolation=uncommitted and --checkpoint exclude each "
			"other: what is read may yet be void");
	return 0;
}

/* ---- where a capture goes on ------------------------------------------------------- */

/* Where all that comes of the records goes into one capture, and what comes of a record depends
 * on nothing else, the files say where to go on. */
static int
find_capture(struct kafka_source *s, const struct source_options *opt, struct failure *why)
{
	struct capture_uri u;

	if (s->app || !opt->sinks || !opt->sinks[0] || opt->sinks[1] || opt->stateful ||
		!capture_is(opt->sinks[0]))
		return 0;
	if (capture_uri_parse(opt->sinks[0], &u, why) < 0)
		return -1;
	s->capture = mem_strdup(u.dir);
	s->single = opt->single;
	capture_uri_release(&u);
	return 0;
}

/* Of several records that were made of one, a killed run may have captured some: the sink
 * drops what it has. */
static int
on_place(void *arg, struct kafka_place *const *p, size_t n, int64_t *next, struct failure *why)
{
	const struct kafka_source *s = arg;
	struct capture all = {0};
	size_t i;
	int rc = capture_load(s->capture, &all, why);

	for (i = 0; i < n && rc == 0; i++) {
		rc = capture_next(&all, slice_str(p[i]->input.name), p[i]->input.partition,
			&next[i], why);
		next[i] -= next[i] > 0 && !s->single;
	}
	capture_release(&all);
	return rc < 0 ? fail_within(why, "capture:%s: ", s->capture) : 0;
}

/* ---- reading ----------------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Can the value be a line? Its bytes come back as they are only if it can: white space around
 * a value is nobody's. */
static bool
is_line(struct slice v)
{
	return v.n && !is_blank(v.p[0]) && !is_blank(v.p[v.n - 1]) && !memchr(v.p, '\n', v.n);
}

static void
fill(struct kafka_source *s, struct block *b)
{
	static const struct slice none = {"null", 4};
	const struct kafka_message *m;
	struct slice line;
	size_t i;

	b->n = 0;
	b->input = NULL;
	s->meta = mem_grow(s->meta, &s->cap_meta, s->batch.n, sizeof(*s->meta));
	s->origin = mem_grow(s->origin, &s->cap_origin, s->batch.n, sizeof(*s->origin));
	for (i = 0; i < s->batch.n; i++) {
		m = &s->batch.v[i];
		s->meta[i] = m->meta;
		s->meta[i].tombstone = !m->value.p;
		s->origin[i] = (struct line_origin){&m->place->input, (uint64_t)m->meta.offset, 0};
		line = m->value;
		if (!line.p || !is_line(line)) {
			s->meta[i].odd = line;
			line = none;
		}
		block_reserve(b, b->n + line.n + 1);
		memcpy(b->p + b->n, line.p, line.n);
		b->n += line.n;
		b->p[b->n++] = '\n';
	}
	b->meta = s->meta;
	b->origin = s->origin;
}

/* Nothing has come for a while: nobody shall wait for what did, and the group's place is kept
 * up to there. */
static int
idle(struct kafka_source *s, struct failure *why)
{
	int rc;

	if (!s->unflushed && !(s->uncommitted && time_monotonic_ns() - s->last_ns > IDLE_NS))
		return 0;
	s->unflushed = false;
	rc = s->base.settle(s->base.flow, why);
	if (rc < 0)
		return -1;
	if (!s->uncommitted || time_monotonic_ns() - s->last_ns < IDLE_NS)
		return 0;
	s->uncommitted = false;
	if (rc == 0 && s->base.commit(&s->base, why) < 0 && why->status != EXIT_TRY_AGAIN &&
		why->status != EXIT_UNAVAILABLE)
		return -1;
	return 0;
}

static void
tell(struct kafka_source *s, int64_t now, const char *text)
{
	if (s->told || now - s->rest_ns < TELL_NS)
		return;
	s->told = true;
	s->base.tell(s->base.flow, text);
}

/* The group is being shared out. */
static int
wait_to_join(struct kafka_source *s)
{
	int64_t now = time_monotonic_ns();

	if (!s->rest_ns)
		s->rest_ns = now;
	tell(s, now, "waiting until the partitions of the group are shared out: a member that "
		"died is missed after its session.timeout.ms");
	return 0;
}

/* Others have what is missing: say so after a while. What is in a file that has yet to appear
 * cannot be committed, so two such members would wait for each other: after a long time in
 * which nothing moves, one gives up. Which one is drawn, lest both do. */
static int
wait_for_others(struct kafka_source *s, bool later, struct failure *why)
{
	int64_t now = time_monotonic_ns();
	uint64_t moved;
	size_t n = kafka_consumer_behind(s->consumer, &moved);
	char text[200];

	if (!s->rest_ns)
		s->rest_ns = now;
	if (!s->moved_ns || moved != s->moved)
		s->moved_ns = now;
	s->moved = moved;
	snprintf(text, sizeof(text), "waiting for %zu partition%s that other members of the group "
		"have, or had when they died", n, n == 1 ? "" : "s");
	tell(s, now, text);
	if (!later || now - s->moved_ns < STILL_NS + getpid() % 60 * (STILL_NS / 90))
		return 0;
	return fail(why, EXIT_TRY_AGAIN, "%zu partition%s of the group moved no further, and no "
		"output file was made", n, n == 1 ? "" : "s");
}

/* All that is ours has been read. 1: and all that is others'. What is ours is committed
 * first, for the others to see. */
static int
at_rest(struct kafka_source *s, struct failure *why)
{
	bool later = s->app != NULL;
	int rc;

	if (s->base.commit) {
		rc = s->base.settle(s->base.flow, why);
		if (rc < 0)
			return -1;
		later = rc == 1;
		if (!later && s->base.commit(&s->base, why) < 0 &&
			why->status != EXIT_TRY_AGAIN && why->status != EXIT_UNAVAILABLE)
			return -1;
	}
	rc = kafka_consumer_ended(s->consumer, later, why);
	return rc ? rc : wait_for_others(s, later && !s->app, why);
}

/* Nothing has come. 1: nothing will. */
static int
look(struct kafka_source *s, struct failure *why)
{
	if (!kafka_consumer_joined(s->consumer))
		return wait_to_join(s);
	if (kafka_consumer_rests(s->consumer))
		return at_rest(s, why);
	s->rest_ns = s->moved_ns = 0;
	return s->waited && !s->app ? idle(s, why) : 0;
}

static void
count_unread(struct kafka_source *s, struct input *in)
{
	if (in->ended || in->at_end || in->seen)
		return;
	s->base.unread++;
	in->unread = s->base.reads;
}

/* What the partitions have come to, as of the records that are delivered. */
static void
tell_inputs(struct kafka_source *s)
{
	struct kafka_place *const *place;
	struct input *in;
	size_t i, n;

	place = kafka_consumer_places(s->consumer, &n);
	s->base.unread = 0;
	for (i = 0; i < n; i++) {
		in = &place[i]->input;
		place[i]->told = place[i]->assigned;
		/* Of a pipeline that owns all of them, one that a stranger has comes back. */
		in->ended = place[i]->ended || (!place[i]->assigned &&
			(!s->app || (place[i]->bound != INT64_MAX && place[i]->content)));
		in->at_end = place[i]->at_end && place[i]->assigned;
		count_unread(s, in);
	}
}

/* The same for those that were assigned by the read that has just given records. */
static void
tell_new_inputs(struct kafka_source *s)
{
	struct kafka_place *const *place;
	struct input *in;
	size_t i, n;

	place = kafka_consumer_places(s->consumer, &n);
	for (i = 0; i < n; i++) {
		in = &place[i]->input;
		if (place[i]->told || !place[i]->assigned)
			continue;
		place[i]->told = true;
		in->ended = 0;
		in->at_end = false;
		if (in->unread != s->base.reads)
			count_unread(s, in);
	}
}

/* The driver is needed, though nothing has come. */
static bool
has_reason(struct kafka_source *s)
{
	if (s->app && kafka_consumer_anew(s->consumer)) {
		s->base.anew = true;
		return true;
	}
	/* Nobody shall wait for what was read. */
	if (s->app && s->waited && s->unflushed) {
		s->unflushed = false;
		s->small = true;
		return true;
	}
	return s->base.wake_ns && time_monotonic_ns() >= s->base.wake_ns;
}

/* Of long messages several are read at once where that is of use. */
static size_t
bytes_max(const struct kafka_source *s)
{
	size_t n = s->longest * s->base.at_once;

	return n > BYTES_MAX ? n : BYTES_MAX;
}

static void
note_longest(struct kafka_source *s)
{
	size_t i;

	for (i = 0; i < s->batch.n && s->base.at_once; i++)
		if (s->batch.v[i].value.n > s->longest)
			s->longest = s->batch.v[i].value.n;
}

static int
source_read(struct source *base, struct block *b, struct failure *why)
{
	struct kafka_source *s = (struct kafka_source *)base;
	size_t bytes = bytes_max(s);
	int n;

	for (;;) {
		if (flow_draining())
			return 0;
		tell_inputs(s);
		if (base->align_us && align_places(s->consumer, base->align_us, why) < 0)
			return -1;
		n = kafka_consumer_read(s->consumer, &s->batch, MESSAGES_MAX, bytes,
			s->waited ? WAIT_MS : 0, why);
		if (s->failed) {
			*why = s->lost;
			return -1;
		}
		if (n < 0)
			return -1;
		if (n > 0)
			break;
		n = look(s, why);
		if (n)
			return n < 0 ? -1 : 0;
		if (has_reason(s)) {
			s->waited = true;
			tell_inputs(s);
			b->n = 0;
			b->input = NULL;
			return 1;
		}
		s->waited = true;
	}
	s->waited = s->told = false;
	s->rest_ns = s->moved_ns = 0;
	tell_new_inputs(s);
	fill(s, b);
	note_longest(s);
	s->small = s->batch.n < MESSAGES_MAX / 2 && b->n < BYTES_MAX / 2;
	s->unflushed = !s->small;
	s->uncommitted = base->commit != NULL;
	s->last_ns = time_monotonic_ns();
	base->done_bytes += b->n;
	return 1;
}

/* What is there was fetched a while ago: the next read tells whether there is more. */
static bool
source_would_wait(struct source *base)
{
	return ((struct kafka_source *)base)->small;
}

/* ---- the group's place ------------------------------------------------------------- */

static void
source_done(struct source *base, const struct block *b)
{
	kafka_consumer_done(((struct kafka_source *)base)->consumer, b->used);
}

static int
source_commit(struct source *base, struct failure *why)
{
	return kafka_consumer_commit(((struct kafka_source *)base)->consumer, why);
}

/* ---- by epochs --------------------------------------------------------------------- */

static int
join(struct kafka_source *s, struct failure *why)
{
	if (s->joined)
		return 0;
	if (s->base.fence && kafka_fence(s->kafka, s->app, why) < 0)
		return -1;
	if (kafka_consumer_join(s->consumer, why) < 0)
		return -1;
	s->joined = true;
	return 0;
}

static int
source_begin(struct source *base, struct slice at, struct source_commit *commit,
	struct failure *why)
{
	struct kafka_source *s = (struct kafka_source *)base;
	struct kafka_position position = {0};
	int rc = at.n ? kafka_position_read(&position, at, why) : 0;

	if (rc < 0 || join(s, why) < 0)
		rc = -1;
	while (rc == 0 && (rc = kafka_consumer_wait(s->consumer, WAIT_MS, why)) == 0) {
		if (flow_draining())
			rc = fail(why, EXIT_TRY_AGAIN, "the run was ended before the group gave it "
				"partitions");
		else
			wait_to_join(s);
	}
	if (rc > 0)
		rc = kafka_consumer_begin(s->consumer, at.n ? &position : NULL, commit, why);
	kafka_position_release(&position);
	s->rest_ns = s->moved_ns = 0;
	s->waited = s->told = s->unflushed = false;
	tell_inputs(s);
	return rc;
}

static int
source_committed(struct source *base, struct source_commit *commit, struct failure *why)
{
	if (kafka_consumer_committed(((struct kafka_source *)base)->consumer, commit) < 0)
		return fail(why, EXIT_UNAVAILABLE, "what the group has committed can't be read now");
	return 0;
}

static struct input *
source_input(struct source *base, size_t i)
{
	struct kafka_place *const *place;
	size_t n, j;

	place = kafka_consumer_places(((struct kafka_source *)base)->consumer, &n);
	for (j = 0; j < n; j++)
		if (place[j]->assigned && i-- == 0)
			return &place[j]->input;
	return NULL;
}

static void
source_position(struct source *base, const struct source_place *place, struct buf *b)
{
	(void)place;
	kafka_consumer_position(((struct kafka_source *)base)->consumer, b);
}

/* Partitions go: what came of their messages is delivered first, and then committed. Where
 * that cannot be, nothing is: the next owner reads it again. */
static void
on_revoked(void *arg, struct kafka_consumer *consumer, bool lost)
{
	struct kafka_source *s = arg;
	struct kafka_place *const *place;
	size_t i, n;
	int rc = -1;

	if (!lost && s->base.settle)
		rc = s->base.settle(s->base.flow, &s->lost);
	s->failed |= rc < 0 && !lost && s->base.settle;
	if (rc == 0 || lost || s->app)
		return;
	place = kafka_consumer_places(consumer, &n);
	for (i = 0; i < n; i++)
		place[i]->done = -1;
}

static void
source_close(struct source *base)
{
	struct kafka_source *s = (struct kafka_source *)base;

	s->base.settle = NULL;
	kafka_consumer_close(s->consumer);
	kafka_uri_release(&s->uri);
	free(s->partitions);
	free(s->capture);
	free(s->app);
	buf_release(&s->written);
	free(s->meta);
	free(s->origin);
	free(s);
}

struct source *
kafka_source_open(const char *uri, const struct source_options *opt, struct failure *why)
{
	struct kafka_source *s = mem_zalloc(sizeof(*s));
	struct kafka_consume c = {.connect_ms = CONNECT_MS, .revoked = on_revoked, .arg = s};

	if (kafka_uri_parse(uri, &s->uri, why) < 0)
		goto fail;
	c.topics = (const char *const *)s->uri.topic;
	c.ntopics = s->uri.ntopics;
	written_find(opt->sinks, &s->written);
	c.exclude = s->written.n ? buf_cstr(&s->written) : NULL;
	if (take_app(s, &c, opt, why) < 0 || kafka_take_options(&c, &s->uri, &s->partitions, why) < 0 ||
		check_app(s, &c, why) < 0 || written_check(&c, why) < 0 || find_capture(s, opt, why) < 0) {
		fail_within(why, "%s: ", uri);
		goto fail;
	}
	c.place = s->capture ? on_place : NULL;
	s->consumer = kafka_consumer_open(opt->kafka, &c, why);
	if (!s->consumer)
		goto fail;
	s->base.endless = c.until == KAFKA_ENDLESS;
	s->base.read = source_read;
	s->base.would_wait = source_would_wait;
	s->base.close = source_close;
	s->base.one_block = true;
	s->base.aligns = !c.merge;
	s->kafka = opt->kafka;
	if (s->app) {
		s->base.begin = source_begin;
		s->base.committed = source_committed;
		s->base.input = source_input;
		s->base.position = source_position;
	} else if (c.group) {
		s->base.done = source_done;
		s->base.commit = source_commit;
	}
	return &s->base;
fail:
	source_close(&s->base);
	return NULL;
}
