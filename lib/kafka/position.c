/* The two texts, written and read in one place. */
#include "kafka/position.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/json.h"

/* ---- writing ----------------------------------------------------------------------- */

void
kafka_position_begin(struct buf *b, const char *group, struct slice metadata)
{
	static const char digit[] = "0123456789abcdef";
	size_t i;

	buf_adds(b, "{\"group\":");
	json_add_string(b, slice_str(group));
	buf_adds(b, ",\"metadata\":\"");
	for (i = 0; i < metadata.n; i++) {
		buf_addc(b, digit[(unsigned char)metadata.p[i] >> 4]);
		buf_addc(b, digit[(unsigned char)metadata.p[i] & 15]);
	}
	buf_adds(b, "\",\"offsets\":[");
}

void
kafka_position_add(struct buf *b, const char *topic, int32_t partition, int64_t offset)
{
	if (b->p[b->n - 1] != '[')
		buf_addc(b, ',');
	buf_addc(b, '[');
	json_add_string(b, slice_str(topic));
	buf_addf(b, ",%" PRId32 ",%" PRId64 "]", partition, offset);
}

void
kafka_position_end(struct buf *b)
{
	buf_adds(b, "]}");
}

/* ---- reading ----------------------------------------------------------------------- */

static bool
read_string(const struct json_doc *d, uint32_t t, struct buf *b)
{
	if (t == JSON_NONE || json_type_at(d, t) != JSON_STRING)
		return false;
	buf_reset(b);
	json_unescape(b, json_string_raw(d, t));
	return b->n > 0 && !memchr(b->p, '\0', b->n);
}

/* A whole number, 0 to max; -1: it is none. */
static int64_t
read_whole(const struct json_doc *d, uint32_t t, int64_t max)
{
	struct slice text;
	int64_t n = 0;
	size_t i;

	if (t == JSON_NONE || json_type_at(d, t) != JSON_NUMBER)
		return -1;
	text = json_text(d, t);
	for (i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || n > (max - (text.p[i] - '0')) / 10)
			return -1;
		n = n * 10 + (text.p[i] - '0');
	}
	return n;
}

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_hex(const struct json_doc *d, uint32_t t, struct buf *b)
{
	struct slice hex;
	size_t i;

	if (t == JSON_NONE || json_type_at(d, t) != JSON_STRING)
		return false;
	hex = json_string_raw(d, t);
	for (i = 0; i + 1 < hex.n; i += 2) {
		if (nibble(hex.p[i]) < 0 || nibble(hex.p[i + 1]) < 0)
			return false;
		buf_addc(b, (char)(nibble(hex.p[i]) << 4 | nibble(hex.p[i + 1])));
	}
	return hex.n && hex.n % 2 == 0;
}

static bool
read_spots(struct kafka_position *p, const struct json_doc *d, uint32_t list)
{
	struct kafka_spot s;
	struct buf name = {0};
	struct json_iter it;
	bool good = list != JSON_NONE && json_type_at(d, list) == JSON_ARRAY;

	if (!good)
		return false;
	json_enter(d, list, &it);
	while (good && json_step(d, &it)) {
		good = json_type_at(d, it.value) == JSON_ARRAY && json_count(d, it.value) == 3 &&
			read_string(d, json_at(d, it.value, 0), &name);
		if (!good)
			break;
		s.partition = (int32_t)read_whole(d, json_at(d, it.value, 1), INT32_MAX);
		s.offset = read_whole(d, json_at(d, it.value, 2), INT64_MAX);
		good = s.partition >= 0 && s.offset >= 0;
		if (!good)
			break;
		s.topic = mem_dup(name.p, name.n);
		s.note = NULL;
		p->spot = mem_grow(p->spot, &p->cap, p->n + 1, sizeof(*p->spot));
		p->spot[p->n++] = s;
	}
	buf_release(&name);
	return good && p->n > 0;
}

int
kafka_position_read(struct kafka_position *p, struct slice text, struct failure *why)
{
	struct json_scan scan = {0};
	struct buf group = {0};
	struct json_doc d;
	int rc = json_doc_of(&scan, text, &d, why);

	if (rc < 0)
		fail_within(why, "position of a group: ");
	else if (json_type_at(&d, 0) != JSON_OBJECT ||
		!read_string(&d, json_get(&d, 0, SLICE("group")), &group) ||
		!read_hex(&d, json_get(&d, 0, SLICE("metadata")), &p->metadata) ||
		!read_spots(p, &d, json_get(&d, 0, SLICE("offsets"))))
		rc = fail(why, EXIT_DATA, "this is no position of a group: %.*s",
			(int)(text.n < 200 ? text.n : 200), text.p);
	else
		p->group = mem_dup(group.p, group.n);
	buf_release(&group);
	json_scan_release(&scan);
	return rc;
}

void
kafka_position_release(struct kafka_position *p)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		free(p->spot[i].topic);
		free(p->spot[i].note);
	}
	free(p->spot);
	free(p->group);
	buf_release(&p->metadata);
	*p = (struct kafka_position){0};
}

int64_t
kafka_position_of(const struct kafka_position *p, const char *topic, int32_t partition)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->spot[i].partition == partition && strcmp(p->spot[i].topic, topic) == 0)
			return p->spot[i].offset;
	return -1;
}

/* ---- notes ------------------------------------------------------------------------- */

static const char mark[] = "sk1 ";

/* A time in a clock's text, or TIME_NONE. */
static int64_t
time_at(const struct json_doc *d, uint32_t t)
{
	return t == JSON_NONE || json_type_at(d, t) != JSON_NUMBER ? TIME_NONE :
		strtoll(json_text(d, t).p, NULL, 10);
}

/* The newest time of a partition: in a clock's list. */
static int64_t
newest_of(const struct json_doc *d, uint32_t list, const struct kafka_spot *s)
{
	struct json_iter it;
	uint32_t name;

	if (list == JSON_NONE || json_type_at(d, list) != JSON_ARRAY)
		return TIME_NONE;
	json_enter(d, list, &it);
	while (json_step(d, &it)) {
		name = json_at(d, it.value, 0);
		if (name != JSON_NONE && json_type_at(d, name) == JSON_STRING &&
			json_raw_equals(json_string_raw(d, name), slice_str(s->topic)) &&
			read_whole(d, json_at(d, it.value, 1), INT32_MAX) == s->partition)
			return time_at(d, json_at(d, it.value, 2));
	}
	return TIME_NONE;
}

static void
add_time(struct buf *b, int64_t us)
{
	if (us == TIME_NONE)
		buf_adds(b, " -");
	else
		buf_addf(b, " %" PRId64, us);
}

int
kafka_position_note(struct kafka_position *p, const struct source_commit *c, struct failure *why)
{
	struct json_scan scan = {0};
	struct buf b = {0};
	struct json_doc d;
	uint32_t list = JSON_NONE;
	int64_t watermark_us = TIME_NONE;
	size_t i;
	int rc = c->clock.n ? json_doc_of(&scan, buf_slice(&c->clock), &d, why) : 0;

	if (rc == 0 && c->clock.n && json_type_at(&d, 0) == JSON_OBJECT) {
		list = json_get(&d, 0, SLICE("newest"));
		watermark_us = time_at(&d, json_get(&d, 0, SLICE("watermark")));
	}
	for (i = 0; rc == 0 && i < p->n; i++) {
		buf_reset(&b);
		buf_addf(&b, "%s%" PRIu64 " %s", mark, c->epoch, c->run);
		add_time(&b, watermark_us);
		add_time(&b, newest_of(&d, list, &p->spot[i]));
		if (c->done)
			buf_adds(&b, " done");
		free(p->spot[i].note);
		p->spot[i].note = mem_dup(b.p, b.n);
	}
	buf_release(&b);
	json_scan_release(&scan);
	return rc < 0 ? fail_within(why, "clock of epoch %" PRIu64 ": ", c->epoch) : 0;
}

/* The next word; n 0: there is none. */
static struct slice
next_word(struct slice *text)
{
	struct slice word = {text->p, 0};

	while (word.n < text->n && word.p[word.n] != ' ')
		word.n++;
	text->p += word.n;
	text->n -= word.n;
	if (text->n) {
		text->p++;
		text->n--;
	}
	return word;
}

static bool
read_time(struct slice word, int64_t *us)
{
	char text[24];
	char *end;

	*us = TIME_NONE;
	if (slice_eq(word, SLICE("-")))
		return true;
	if (!word.n || word.n >= sizeof(text))
		return false;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	errno = 0;
	*us = strtoll(text, &end, 10);
	return !*end && !errno;
}

static bool
read_epoch(struct slice word, uint64_t *epoch)
{
	size_t i;

	*epoch = 0;
	for (i = 0; i < word.n; i++) {
		if (word.p[i] < '0' || word.p[i] > '9' || *epoch > (UINT64_MAX - 9) / 10)
			return false;
		*epoch = *epoch * 10 + (uint64_t)(word.p[i] - '0');
	}
	return *epoch > 0;
}

void
kafka_notes_add(struct kafka_notes *all, const char *topic, int32_t partition,
	struct slice text)
{
	struct slice run;
	int64_t watermark_us, newest_us;
	uint64_t epoch;

	if (!slice_starts(text, slice_of(mark, sizeof(mark) - 1)))
		return;
	next_word(&text);
	if (!read_epoch(next_word(&text), &epoch))
		return;
	run = next_word(&text);
	if (!run.n || run.n >= sizeof(all->run) || !read_time(next_word(&text), &watermark_us) ||
		!read_time(next_word(&text), &newest_us))
		return;
	if (newest_us != TIME_NONE) {
		buf_adds(&all->newest, all->newest.n ? ",[" : "[");
		json_add_string(&all->newest, slice_str(topic));
		buf_addf(&all->newest, ",%" PRId32 ",%" PRId64 "]", partition, newest_us);
	}
	if (epoch <= all->epoch)
		return;
	all->epoch = epoch;
	all->watermark_us = watermark_us;
	all->done = slice_eq(next_word(&text), SLICE("done"));
	memcpy(all->run, run.p, run.n);
	all->run[run.n] = '\0';
}

void
kafka_notes_end(struct kafka_notes *all, struct source_commit *c)
{
	c->epoch = all->epoch;
	c->done = all->done;
	memcpy(c->run, all->run, sizeof(c->run));
	buf_reset(&c->clock);
	if (all->epoch) {
		buf_adds(&c->clock, "{\"watermark\":");
		if (all->watermark_us == TIME_NONE)
			buf_adds(&c->clock, "null");
		else
			buf_addf(&c->clock, "%" PRId64, all->watermark_us);
		buf_adds(&c->clock, ",\"newest\":[");
		buf_add_slice(&c->clock, buf_slice(&all->newest));
		buf_adds(&c->clock, "]}");
	}
	buf_release(&all->newest);
}
