/* Which lines are new, and where they go. */
#include "sink/filing.h"

#include "base/text.h"

#define DEFAULT_TOPIC "records"

/* The record is none that can be filed, whatever the run does about it. */
static int
refuse(struct capture_sink *c, struct failure *why)
{
	c->base.refused = true;
	return fail_within(why, "%s: ", c->uri);
}

static int
refuse_topic(struct capture_sink *c, struct slice topic, struct failure *why)
{
	struct buf name = {0};

	text_add_safe(&name, topic, 100);
	fail_record(why, "topic", "'%s' is no name of a topic", buf_cstr(&name));
	fail_hint(why, "?topic=NAME files such records under NAME, with numbers for offsets");
	buf_release(&name);
	return refuse(c, why);
}

/* Offsets come with the records or are made up, but not both in one topic. */
static int
set_numbered(struct capture_sink *c, struct row *r, bool numbered, struct failure *why)
{
	if (r->lane->numbered == numbered)
		return 0;
	if (!numbered) {
		fail(why, EXIT_CONFIG, "the records of topic %s are numbered by the capture, and "
			"this one has an offset", r->lane->topic);
		return filing_failed(c, why);
	}
	if (r->any) {
		fail(why, EXIT_CONFIG, "topic %s has offsets of its own, and this record has none",
			r->lane->topic);
		fail_hint(why, "?topic=NAME files records without one under another name");
		return filing_failed(c, why);
	}
	/* It must be known before the first line of it is there. */
	r->lane->numbered = true;
	c->unsaved = true;
	return filing_save(c, why);
}

/* The first record of the lane came again: it must be the one that was captured. */
static int
look_at_head(struct capture_sink *c, struct row *r, struct slice line, struct failure *why)
{
	char head[33];

	if (r->looked)
		return 0;
	hash_hex128(line.p, line.n, head);
	r->looked = true;
	if (memcmp(head, r->head, 32) == 0)
		return 0;
	fail(why, EXIT_CONFIG, "%s[%d]@%lld was captured with other contents", r->lane->topic,
		r->lane->partition, (long long)r->first);
	fail_hint(why, "another topic or file of that name, or another way to make it? Capture it "
		"into a folder of its own");
	return filing_failed(c, why);
}

/* Does the record have to be written? 1, 0: it is there already, -1. */
static int
is_new(struct capture_sink *c, struct row *r, const struct capture_line *l,
	struct slice line, struct failure *why)
{
	if (!r->any || l->offset > r->last)
		return 1;
	if (l->offset == r->first && r->skip && look_at_head(c, r, line, why) < 0)
		return -1;
	if (l->offset == r->last) {
		if (!r->skip)
			return 1;
		r->skip--;
		return 0;
	}
	if (l->offset < r->first) {
		fail(why, EXIT_CONFIG, "%s[%d]@%lld: the capture begins at %lld, and nothing can "
			"be put before that", r->lane->topic, r->lane->partition,
			(long long)l->offset, (long long)r->first);
		fail_hint(why, "capture it into a folder of its own");
		return filing_failed(c, why);
	}
	r->skip = r->repeat;
	return 0;
}

static int
write_line(struct capture_sink *c, struct row *r, const struct capture_line *l,
	struct slice line, struct failure *why)
{
	/* Records of one offset stay together. */
	if (r->open && l->offset > r->last && r->stats.count &&
		(r->stats.unpacked + line.n >= c->roll ||
		c->now_us - r->begun_us >= c->every_us) &&
		(row_finish_segment(c, r, why) < 0 || filing_save(c, why) < 0))
		return -1;
	if (!r->open && row_begin_segment(c, r, l->offset, why) < 0)
		return -1;
	/* The line feed follows. */
	if (row_add(c, r, line.p, line.n + 1, why) < 0)
		return -1;
	capture_stats_add(&r->stats, l, line);
	r->repeat = r->any && l->offset == r->last ? r->repeat + 1 : 1;
	r->last = l->offset;
	r->skip = 0;
	if (!r->any) {
		r->any = true;
		r->first = l->offset;
		memcpy(r->head, r->stats.head, sizeof(r->head));
	}
	if (r->pack.frame_bytes < FRAME_BYTES)
		return 0;
	return pack_end(&r->pack, &r->pending, why) < 0 ? filing_failed(c, why) : 0;
}

int
filing_take_line(struct capture_sink *c, struct slice line, struct failure *why)
{
	const char *name = c->topic ? c->topic : DEFAULT_TOPIC;
	struct capture_line l;
	struct row *r = c->latest;
	bool numbered;
	int rc;

	if (capture_line_read(&c->scratch, line, &l, why) < 0)
		return refuse(c, why);
	numbered = !l.topic.p || l.offset < 0;
	if (!numbered && (!r || !slice_eq(l.topic, slice_str(r->lane->topic))) &&
		!capture_is_topic(l.topic)) {
		if (!c->topic)
			return refuse_topic(c, l.topic, why);
		numbered = true;
	}
	if (numbered) {
		l.topic = slice_str(name);
		l.partition = 0;
	}
	if (!r || r->lane->partition != l.partition ||
		!slice_eq(l.topic, slice_str(r->lane->topic)))
		r = filing_add_row(c, l.topic, l.partition);
	c->latest = r;
	r->used = ++c->uses;
	if (row_make_ready(c, r, why) < 0 || set_numbered(c, r, numbered, why) < 0)
		return -1;
	if (numbered) {
		l.offset = r->any ? r->last + 1 : 0;
		buf_reset(&c->line);
		if (capture_line_renumber(&c->scratch, line, &l, name, l.offset, &c->line,
				why) < 0)
			return refuse(c, why);
		buf_addc(&c->line, '\n');
		line = slice_of(c->line.p, c->line.n - 1);
	} else {
		rc = is_new(c, r, &l, line, why);
		if (rc <= 0)
			return rc;
	}
	return write_line(c, r, &l, line, why);
}
