/*
 * A capture as a source.
 *
 * Lane after lane, in the order of topic, partition and offset; or merged, the lane whose
 * next line is the earliest coming next, so that each lane keeps its order. A block's lines
 * have their origins behind their bytes, where they live as long as these. Segments that
 * can't hold what is asked for aren't opened.
 */
#include "source/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/heap.h"
#include "base/mem.h"
#include "capture/capture.h"

#define EXTRA_BYTES ((size_t)16 << 20) /* of an envelope: its key and headers */

struct way {
	struct capture_lane *lane;
	struct input input;
	size_t next;                /* segment to open */
	struct segment_reader reader;
	bool reading;
	struct slice line;          /* the next to go out, of the reader */
	struct capture_line told;   /* what it tells; its topic doesn't outlive it */
	int64_t last;               /* offset of the line before, -1 if none */
	uint64_t number;            /* of the line in its segment, from 1 */
};

struct bound {
	int64_t offset;             /* -1: none */
	int64_t ms;                 /* TIME_NONE: none */
};

struct capture_source {
	struct source base;         /* first */
	struct source_options opt;
	size_t max_line;
	struct capture all;
	char **topic;               /* wanted, NULL-ended; NULL: all */
	size_t ntopics;
	int32_t (*range)[2];        /* of partitions; NULL: all */
	size_t nranges;
	struct bound from, to;      /* from the first on, up to and without the second */
	bool merge;
	struct way *way;            /* of all.lane that are wanted */
	size_t nways;
	size_t now;                 /* the way that is read, unless they are merged */
	struct heap heap;           /* ways that have a line */
	bool filled;
	bool failed;                /* why says it, once the lines before are out */
	struct failure why;
	struct capture_scratch scratch;
	struct line_origin *origin;
	size_t norigins, cap_origins;
};

/* ---- options ----------------------------------------------------------------------- */

static int
take_bound(struct bound *b, const char *name, const char *v, struct failure *why)
{
	char *end;
	int64_t us;

	*b = (struct bound){-1, TIME_NONE};
	if (v[0] == '@' && v[1] == '-') {
		if (time_of_duration(slice_str(v + 2), &us) == 0) {
			b->ms = (time_now_us() - us) / 1000;
			return 0;
		}
	} else if (v[0] == '@') {
		if (time_of_rfc3339(slice_str(v + 1), &us) == 0) {
			/* The first millisecond that isn't before it. */
			b->ms = us / 1000 + (us % 1000 > 0);
			return 0;
		}
	} else if (*v >= '0' && *v <= '9') {
		errno = 0;
		b->offset = strtoll(v, &end, 10);
		if (!*end && !errno)
			return 0;
	}
	return fail(why, EXIT_USAGE, "%s=%s is neither an offset nor @TIME", name, v);
}

/* "0,3-5" */
static int
take_partitions(struct capture_source *s, const char *v, struct failure *why)
{
	size_t cap = 0;
	long first, last;
	const char *at = v;
	char *end;

	free(s->range);
	s->range = NULL;
	s->nranges = 0;
	while (*at >= '0' && *at <= '9') {
		first = last = strtol(at, &end, 10);
		if (*end == '-' && end[1] >= '0' && end[1] <= '9')
			last = strtol(end + 1, &end, 10);
		if (last < first || last > INT32_MAX)
			break;
		s->range = mem_grow(s->range, &cap, s->nranges + 1, sizeof(*s->range));
		s->range[s->nranges][0] = (int32_t)first;
		s->range[s->nranges++][1] = (int32_t)last;
		if (!*end)
			return 0;
		if (*end != ',')
			break;
		at = end + 1;
	}
	return fail(why, EXIT_USAGE, "partition=%s is no list such as 0,3-5", v);
}

static void
release_topics(struct capture_source *s)
{
	size_t i;

	for (i = 0; i < s->ntopics; i++)
		free(s->topic[i]);
	free(s->topic);
	s->topic = NULL;
	s->ntopics = 0;
}

static int
take_topics(struct capture_source *s, const char *v, struct failure *why)
{
	size_t cap = 0, n;

	release_topics(s);
	for (;; v += n + 1) {
		n = strcspn(v, ",");
		if (!capture_is_topic(slice_of(v, n)))
			return fail(why, EXIT_USAGE, "topic=%.*s is no name of a topic", (int)n,
				v);
		s->topic = mem_grow(s->topic, &cap, s->ntopics + 1, sizeof(char *));
		s->topic[s->ntopics++] = mem_dup(v, n);
		if (!v[n])
			return 0;
	}
}

static int
take_option(struct capture_source *s, const struct capture_option *o, struct failure *why)
{
	if (strcmp(o->name, "topic") == 0)
		return take_topics(s, o->value, why);
	if (strcmp(o->name, "partition") == 0)
		return take_partitions(s, o->value, why);
	if (strcmp(o->name, "from") == 0)
		return take_bound(&s->from, o->name, o->value, why);
	if (strcmp(o->name, "to") == 0)
		return take_bound(&s->to, o->name, o->value, why);
	if (strcmp(o->name, "merge") == 0) {
		if (strcmp(o->value, "time") != 0)
			return fail(why, EXIT_USAGE, "merge=%s is not merge=time", o->value);
		s->merge = true;
		return 0;
	}
	fail(why, EXIT_USAGE, "a capture: source has no option %s", o->name);
	fail_hint(why, "its options are topic, partition, from, to and merge");
	return -1;
}

/* ---- what is wanted ---------------------------------------------------------------- */

static bool
wants_lane(const struct capture_source *s, const struct capture_lane *lane)
{
	size_t i;

	for (i = 0; i < s->ntopics; i++)
		if (strcmp(s->topic[i], lane->topic) == 0)
			break;
	if (s->ntopics && i == s->ntopics)
		return false;
	for (i = 0; i < s->nranges; i++)
		if (lane->partition >= s->range[i][0] && lane->partition <= s->range[i][1])
			return true;
	return !s->nranges;
}

/* May the segment hold something that is wanted? */
static bool
wants_segment(const struct capture_source *s, const struct capture_segment *seg)
{
	const struct capture_stats *t = &seg->stats;

	if (!seg->there || (s->to.offset >= 0 && seg->first >= s->to.offset))
		return false;
	if (!seg->known)
		return true;
	if (s->from.offset >= 0 && t->last < s->from.offset)
		return false;
	if (s->from.ms != TIME_NONE && (t->max_ts == TIME_NONE || t->max_ts < s->from.ms))
		return false;
	return s->to.ms == TIME_NONE || (t->min_ts != TIME_NONE && t->min_ts < s->to.ms);
}

/* A record without a time is in no range of times. */
static bool
wants_line(const struct capture_source *s, const struct capture_line *l)
{
	if (s->from.offset >= 0 && l->offset < s->from.offset)
		return false;
	if (s->to.offset >= 0 && l->offset >= s->to.offset)
		return false;
	if (s->from.ms != TIME_NONE && (l->ts_ms == TIME_NONE || l->ts_ms < s->from.ms))
		return false;
	return s->to.ms == TIME_NONE || (l->ts_ms != TIME_NONE && l->ts_ms < s->to.ms);
}

/* ---- lines of a way ---------------------------------------------------------------- */

static int
check_line(const struct way *w, const struct capture_line *l, struct failure *why)
{
	if (l->topic.p && slice_eq(l->topic, slice_str(w->lane->topic)) &&
		l->partition == w->lane->partition && l->offset >= 0 && l->offset >= w->last)
		return 0;
	return fail(why, EXIT_DATA, "it does not belong there");
}

static int
next_segment(struct capture_source *s, struct way *w, struct failure *why)
{
	const struct capture_segment *seg;
	struct buf path = {0};
	int rc = 0;

	while (w->next < w->lane->n && !w->reading && rc == 0) {
		seg = &w->lane->segment[w->next++];
		if (!wants_segment(s, seg))
			continue;
		capture_path(&path, s->all.dir, w->lane->topic, w->lane->partition, seg->first,
			seg->part);
		rc = segment_open(&w->reader, buf_cstr(&path), seg->part, s->opt.max_unpacked,
			s->max_line, why);
		w->reading = rc == 0;
		w->number = 0;
	}
	buf_release(&path);
	return rc;
}

/* The way's next line that is wanted: 1, 0 at its end, -1. */
static int
advance(struct capture_source *s, struct way *w, struct failure *why)
{
	uint64_t before;
	int rc;

	for (;;) {
		if (!w->reading && next_segment(s, w, why) < 0)
			return -1;
		if (!w->reading)
			return 0;
		before = w->reader.at;
		rc = segment_line(&w->reader, &w->line, why);
		s->base.done_bytes += w->reader.at - before;
		if (rc < 0)
			return -1;
		if (rc == 0) {
			segment_close(&w->reader);
			w->reading = false;
			continue;
		}
		w->number++;
		if (capture_line_read(&s->scratch, w->line, &w->told, why) < 0 ||
			check_line(w, &w->told, why) < 0) {
			/* Nothing counts that a crash of the machine left behind the end. */
			if (!w->reader.tail)
				return fail_within(why, "%s: damaged: line %llu: ",
					w->reader.path, (unsigned long long)w->number);
			segment_close(&w->reader);
			w->reading = false;
			continue;
		}
		w->last = w->told.offset;
		if (wants_line(s, &w->told))
			return 1;
	}
}

/* ---- the order of ways ------------------------------------------------------------- */

/* By time, topic and partition; a line without a time comes at once. Ways lie in the order
 * of the other two. */
static bool
way_before(void *arg, const void *x, const void *y)
{
	const struct way *a = x, *b = y;

	(void)arg;
	if (a->told.ts_ms != b->told.ts_ms)
		return a->told.ts_ms < b->told.ts_ms;
	return a < b;
}

/* The way whose line goes out next, NULL at the end. */
static int
first_way(struct capture_source *s, struct way **first, struct failure *why)
{
	size_t i;
	int rc;

	if (!s->filled) {
		for (i = 0; i < s->nways; i++) {
			rc = advance(s, &s->way[i], why);
			if (rc < 0)
				return -1;
			if (rc)
				heap_add(&s->heap, &s->way[i]);
		}
		s->filled = true;
	}
	*first = s->heap.n ? s->heap.v[0] : NULL;
	return 0;
}

/* After its line has gone out. */
static int
step_way(struct capture_source *s, struct failure *why)
{
	int rc = advance(s, s->heap.v[0], why);

	if (rc < 0)
		return -1;
	if (rc)
		heap_sift(&s->heap);
	else
		heap_take(&s->heap);
	return 0;
}

/* ---- blocks ------------------------------------------------------------------------ */

static void
put(struct capture_source *s, struct way *w, struct block *b)
{
	block_reserve(b, b->n + w->line.n + 1);
	memcpy(b->p + b->n, w->line.p, w->line.n);
	b->n += w->line.n;
	b->p[b->n++] = '\n';
	s->origin = mem_grow(s->origin, &s->cap_origins, s->norigins + 1, sizeof(*s->origin));
	s->origin[s->norigins++] = (struct line_origin){&w->input, (uint64_t)w->told.offset,
		w->number};
}

static int
fill_merged(struct capture_source *s, struct block *b, struct failure *why)
{
	struct way *w;

	while (b->n < s->opt.block_bytes) {
		if (first_way(s, &w, why) < 0)
			return -1;
		if (!w)
			return 0;
		put(s, w, b);
		if (step_way(s, why) < 0)
			return -1;
	}
	return 0;
}

static int
fill_in_order(struct capture_source *s, struct block *b, struct failure *why)
{
	int rc;

	while (b->n < s->opt.block_bytes && s->now < s->nways) {
		rc = advance(s, &s->way[s->now], why);
		if (rc < 0)
			return -1;
		if (rc)
			put(s, &s->way[s->now], b);
		else
			s->now++;
	}
	return 0;
}

static int
capture_read(struct source *base, struct block *b, struct failure *why)
{
	struct capture_source *s = (struct capture_source *)base;
	size_t align = _Alignof(struct line_origin), at, bytes;

	b->n = 0;
	b->input = NULL;
	b->offset = 0;
	b->too_long = 0;
	s->norigins = 0;
	if (s->failed) {
		*why = s->why;
		return -1;
	}
	if (flow_draining())
		return 0;
	/* What comes before a damage is read. */
	s->failed = (s->merge ? fill_merged(s, b, &s->why) : fill_in_order(s, b, &s->why)) < 0;
	if (!s->norigins) {
		if (s->failed)
			*why = s->why;
		return s->failed ? -1 : 0;
	}
	at = (b->n + JSON_PADDING + align - 1) / align * align;
	bytes = s->norigins * sizeof(*s->origin);
	block_reserve(b, at + bytes);
	memcpy(b->p + at, s->origin, bytes);
	b->origin = (const struct line_origin *)(const void *)(b->p + at);
	return 1;
}

static bool
capture_would_wait(struct source *base)
{
	(void)base;
	return false;
}

static void
capture_close(struct source *base)
{
	struct capture_source *s = (struct capture_source *)base;
	size_t i;

	for (i = 0; i < s->nways; i++)
		if (s->way[i].reading)
			segment_close(&s->way[i].reader);
	free(s->way);
	heap_release(&s->heap);
	free(s->origin);
	free(s->range);
	release_topics(s);
	capture_scratch_release(&s->scratch);
	capture_release(&s->all);
	free(s);
}

/* ---- opening ----------------------------------------------------------------------- */

/* Is the segment there, as the manifest has it? */
static int
check_segment(struct capture_source *s, const struct capture_lane *lane, size_t i,
	struct failure *why)
{
	const struct capture_segment *seg = &lane->segment[i];
	struct buf path = {0};
	struct stat st;
	int rc = 0;

	capture_path(&path, s->all.dir, lane->topic, lane->partition, seg->first, seg->part);
	if (!seg->there && i + 1 < lane->n) {
		rc = fail(why, EXIT_DATA, "%s: is missing, and the manifest lists it",
			buf_cstr(&path));
	} else if (seg->there && stat(buf_cstr(&path), &st) == 0) {
		s->base.total_bytes += (uint64_t)st.st_size;
		if (seg->known && (uint64_t)st.st_size != seg->bytes)
			rc = fail(why, EXIT_DATA, "%s: damaged: it has %llu bytes, and by the "
				"manifest %llu", buf_cstr(&path), (unsigned long long)st.st_size,
				(unsigned long long)seg->bytes);
	}
	buf_release(&path);
	return rc;
}

static int
choose(struct capture_source *s, struct failure *why)
{
	struct capture_lane *lane;
	struct way *w;
	size_t i, k;

	s->way = mem_array(s->all.n + 1, sizeof(*s->way));
	s->heap.before = way_before;
	for (i = 0; i < s->all.n; i++) {
		lane = s->all.lane[i];
		if (!wants_lane(s, lane))
			continue;
		w = &s->way[s->nways++];
		w->lane = lane;
		w->last = -1;
		w->input = (struct input){.name = lane->topic, .partition = lane->partition,
			.kafka = true};
		for (k = 0; k < lane->n; k++) {
			if ((wants_segment(s, &lane->segment[k]) || !lane->segment[k].there) &&
				check_segment(s, lane, k, why) < 0)
				return -1;
		}
	}
	return 0;
}

static int
check_topics(const struct capture_source *s, struct failure *why)
{
	size_t i, k;

	for (i = 0; i < s->ntopics; i++) {
		for (k = 0; k < s->all.n; k++)
			if (strcmp(s->all.lane[k]->topic, s->topic[i]) == 0)
				break;
		if (k == s->all.n)
			return fail(why, EXIT_NOINPUT, "it has nothing of topic %s",
				s->topic[i]);
	}
	return 0;
}

static int
load(struct capture_source *s, const char *dir, struct failure *why)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return fail(why, status_of_errno(errno, EXIT_NOINPUT), "%s", strerror(errno));
	if (capture_load(dir, &s->all, why) < 0)
		return -1;
	if (!s->all.listed && !s->all.n)
		return fail(why, EXIT_NOINPUT, "is no capture: it has no manifest.ndjson");
	if (check_topics(s, why) < 0)
		return -1;
	return choose(s, why);
}

struct source *
capture_source_open(const char *uri, const struct source_options *opt, struct failure *why)
{
	struct capture_source *s = mem_zalloc(sizeof(*s));
	struct capture_uri u;
	size_t i;
	int rc;

	s->opt = *opt;
	if (!s->opt.max_record)
		s->opt.max_record = SOURCE_MAX_RECORD;
	if (s->opt.max_record > SOURCE_MAX_RECORD_MAX)
		s->opt.max_record = SOURCE_MAX_RECORD_MAX;
	if (!s->opt.max_unpacked)
		s->opt.max_unpacked = SOURCE_MAX_UNPACKED;
	if (!s->opt.block_bytes)
		s->opt.block_bytes = SOURCE_BLOCK_BYTES;
	/* The record may be there in base64. */
	s->max_line = 2 * (size_t)s->opt.max_record + EXTRA_BYTES;
	if (s->max_line > JSON_MAX_BLOCK / 2)
		s->max_line = JSON_MAX_BLOCK / 2;
	s->from = s->to = (struct bound){-1, TIME_NONE};
	s->base.envelopes = true;
	s->base.read = capture_read;
	s->base.would_wait = capture_would_wait;
	s->base.close = capture_close;
	rc = capture_uri_parse(uri, &u, why);
	if (rc == 0) {
		for (i = 0; i < u.noptions && rc == 0; i++)
			rc = take_option(s, &u.option[i], why);
		if (rc == 0)
			rc = load(s, u.dir, why);
		if (rc < 0)
			fail_within(why, "%s: ", uri);
		capture_uri_release(&u);
	}
	if (rc < 0) {
		capture_close(&s->base);
		return NULL;
	}
	return &s->base;
}
