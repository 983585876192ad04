/* Lines on their way to a terminal. */
#include "sink/shown.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"

struct shown {
	struct sink base;
	struct sink *inner;
	unsigned how;
	struct buf line;      /* the beginning of one whose end has not come */
	struct buf out;
	struct json_scan scan;
};

static void
show_line(struct shown *s, struct slice line)
{
	struct json_doc doc;
	struct failure why;

	if (!s->how && pretty_is_harmless(line))
		buf_add_slice(&s->out, line);
	else if (json_doc_of(&s->scan, line, &doc, &why) == 0)
		pretty_add(&s->out, &doc, 0, s->how);
	else
		text_add_safe(&s->out, line, SIZE_MAX);
	buf_addc(&s->out, '\n');
}

static int
write_out(struct shown *s, struct failure *why)
{
	struct iovec v = {s->out.p, s->out.n};
	int rc = s->out.n ? s->inner->write(s->inner, &v, 1, why) : 0;

	buf_reset(&s->out);
	return rc;
}

/* Elements of v may end within a line. */
static int
shown_write(struct sink *sink, const struct iovec *v, int n, struct failure *why)
{
	struct shown *s = (struct shown *)sink;
	const char *p, *end, *feed;
	int i;

	for (i = 0; i < n; i++) {
		p = v[i].iov_base;
		end = p + v[i].iov_len;
		while (p < end && (feed = memchr(p, '\n', (size_t)(end - p)))) {
			if (s->line.n) {
				buf_add(&s->line, p, (size_t)(feed - p));
				show_line(s, buf_slice(&s->line));
				buf_reset(&s->line);
			} else {
				show_line(s, slice_of(p, (size_t)(feed - p)));
			}
			p = feed + 1;
		}
		buf_add(&s->line, p, (size_t)(end - p));
		if (write_out(s, why) < 0)
			return -1;
	}
	return 0;
}

static int
shown_flush(struct sink *sink, struct failure *why)
{
	struct shown *s = (struct shown *)sink;

	return s->inner->flush(s->inner, why);
}

static int
shown_sync(struct sink *sink, struct failure *why)
{
	struct shown *s = (struct shown *)sink;

	return s->inner->sync(s->inner, why);
}

static int
shown_prepare(struct sink *sink, struct failure *why)
{
	struct shown *s = (struct shown *)sink;

	return s->inner->prepare ? s->inner->prepare(s->inner, why) : 0;
}

static int
shown_commit(struct sink *sink, struct failure *why)
{
	struct shown *s = (struct shown *)sink;

	return s->inner->commit ? s->inner->commit(s->inner, why) : 0;
}

static void
shown_close(struct sink *sink)
{
	struct shown *s = (struct shown *)sink;

	s->inner->close(s->inner);
	buf_release(&s->line);
	buf_release(&s->out);
	json_scan_release(&s->scan);
	free(s);
}

struct sink *
shown_open(struct sink *inner, unsigned how)
{
	struct shown *s = mem_zalloc(sizeof(*s));

	/* Not open, since it has nothing to park: the inner one is stdout. */
	s->base = (struct sink){
		.write = shown_write, .flush = shown_flush, .sync = shown_sync,
		.prepare = shown_prepare, .commit = shown_commit, .close = shown_close,
		.name = inner->name, .pipe = inner->pipe, .whole = inner->whole,
		.envelopes = inner->envelopes,
	};
	s->inner = inner;
	s->how = how;
	return &s->base;
}
