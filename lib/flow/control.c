/* Control records: told by their first bytes, read member by member. */
#include "flow/control.h"

#include <ctype.h>
#include <stdlib.h>

#define RUN_MIN 16
#define RUN_MAX 64

static const struct {
	struct slice name;
	enum control_kind kind;
} kinds[] = {
	{SLICE_INIT("start"), CONTROL_START},
	{SLICE_INIT("watermark"), CONTROL_WATERMARK},
	{SLICE_INIT("barrier"), CONTROL_BARRIER},
	{SLICE_INIT("to"), CONTROL_TO},
	{SLICE_INIT("state"), CONTROL_STATE},
	{SLICE_INIT("fail"), CONTROL_FAIL},
	{SLICE_INIT("end"), CONTROL_END},
};

#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct slice open_line = SLICE_INIT("{\"$sk\":\""),
	open_run = SLICE_INIT("\",\"run\":\"");

static inline bool
in_run(char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 26 || (unsigned char)(c - '0') < 10 || c == '-';
}

/* {"$sk":"KIND","run":" at the beginning of line: the kind's number, and what follows. */
static bool
head_kind(struct slice line, size_t *kind, struct slice *rest)
{
	struct slice name;
	size_t k, n;

	if (!slice_starts(line, open_line) || line.n == open_line.n)
		return false;
	line = slice_of(line.p + open_line.n, line.n - open_line.n);
	for (k = 0; k < NKINDS; k++) {
		name = kinds[k].name;
		if (line.p[0] != name.p[0] || !slice_starts(line, name) ||
			!slice_starts(slice_of(line.p + name.n, line.n - name.n), open_run))
			continue;
		n = name.n + open_run.n;
		*kind = k;
		*rest = slice_of(line.p + n, line.n - n);
		return true;
	}
	return false;
}

/* Does the run that rest begins with end after n bytes? */
static inline bool
ends_run(struct slice rest, size_t n)
{
	return n + 1 < rest.n && rest.p[n] == '"' && (rest.p[n + 1] == ',' || rest.p[n + 1] == '}');
}

/* {"$sk":"KIND","run":"RUN" at the beginning of line: the kind's number and the run id. */
static bool
head(struct slice line, size_t *kind, struct slice *run)
{
	struct slice rest;
	size_t n;

	if (!head_kind(line, kind, &rest))
		return false;
	for (n = 0; n < rest.n && n <= RUN_MAX && in_run(rest.p[n]); n++)
		;
	*run = slice_of(rest.p, n);
	return n >= RUN_MIN && n <= RUN_MAX && ends_run(rest, n);
}

bool
control_is(struct slice line, struct slice run)
{
	struct slice found;
	size_t kind;

	if (!run.p)
		return head(line, &kind, &found);
	return head_kind(line, &kind, &found) && slice_starts(found, run) && ends_run(found, run.n);
}

struct slice
control_run(struct slice line)
{
	struct slice run = {0};
	size_t kind;

	return head(line, &kind, &run) ? run : (struct slice){0};
}

/* ---- reading ----------------------------------------------------------------------- */

enum need { OPTIONAL, REQUIRED };

static int
member(const struct json_doc *d, const char *name, enum json_type type, enum need need,
	uint32_t *t, struct failure *why)
{
	enum json_type got;

	*t = json_get(d, 0, slice_str(name));
	if (*t == JSON_NONE) {
		if (need == OPTIONAL)
			return 0;
		return fail(why, EXIT_DATA, "'%s' is missing", name);
	}
	got = json_type_at(d, *t);
	if (got == type || (type == JSON_TRUE && got == JSON_FALSE))
		return 0;
	return fail(why, EXIT_DATA, "'%s' has a wrong type", name);
}

/* A whole number member; 18 digits are more than any epoch or microsecond of ours. */
static int
number(const struct json_doc *d, const char *name, enum need need, int64_t *to,
	struct failure *why)
{
	char text[24];
	struct slice s;
	uint32_t t;
	size_t i;

	if (member(d, name, JSON_NUMBER, need, &t, why) < 0)
		return -1;
	if (t == JSON_NONE)
		return 0;
	s = json_text(d, t);
	for (i = s.p[0] == '-'; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]))
			break;
	if (i != s.n || s.n > 19)
		return fail(why, EXIT_DATA, "'%s' is no whole number", name);
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*to = strtoll(text, NULL, 10);
	return 0;
}

static int
count(const struct json_doc *d, const char *name, enum need need, uint64_t *to,
	struct failure *why)
{
	int64_t n = (int64_t)*to;

	if (number(d, name, need, &n, why) < 0)
		return -1;
	if (n < 0)
		return fail(why, EXIT_DATA, "'%s' is negative", name);
	*to = (uint64_t)n;
	return 0;
}

static int
boolean(const struct json_doc *d, const char *name, enum need need, bool *to,
	struct failure *why)
{
	uint32_t t;

	if (member(d, name, JSON_TRUE, need, &t, why) < 0)
		return -1;
	if (t != JSON_NONE)
		*to = json_type_at(d, t) == JSON_TRUE;
	return 0;
}

static int
text(const struct json_doc *d, const char *name, enum json_type type, enum need need,
	struct slice *to, struct failure *why)
{
	uint32_t t;

	if (member(d, name, type, need, &t, why) < 0)
		return -1;
	if (t != JSON_NONE)
		*to = json_text(d, t);
	return 0;
}

static int
read_start(const struct json_doc *d, struct control *c, struct failure *why)
{
	struct slice format = SLICE("\"plain\"");
	bool epochs = true;

	if (text(d, "app", JSON_STRING, OPTIONAL, &c->app, why) < 0 ||
		count(d, "epoch", REQUIRED, &c->epoch, why) < 0 ||
		count(d, "stage", OPTIONAL, &c->stage, why) < 0 ||
		text(d, "format", JSON_STRING, OPTIONAL, &format, why) < 0 ||
		boolean(d, "timed", OPTIONAL, &c->timed, why) < 0 ||
		boolean(d, "epochs", OPTIONAL, &epochs, why) < 0 ||
		boolean(d, "ledger", OPTIONAL, &c->ledger, why) < 0 ||
		boolean(d, "done", OPTIONAL, &c->done, why) < 0 ||
		number(d, "every", OPTIONAL, &c->every_us, why) < 0 ||
		text(d, "group", JSON_STRING, OPTIONAL, &c->group, why) < 0 ||
		text(d, "of", JSON_STRING, OPTIONAL, &c->of, why) < 0 ||
		text(d, "tasks", JSON_ARRAY, OPTIONAL, &c->tasks, why) < 0 ||
		text(d, "sinks", JSON_ARRAY, OPTIONAL, &c->sinks, why) < 0)
		return -1;
	c->plainly = !epochs;
	c->envelope = slice_eq(format, SLICE("\"envelope\""));
	if (!c->envelope && !slice_eq(format, SLICE("\"plain\"")))
		return fail(why, EXIT_DATA, "this version doesn't know "
			"the format %.*s", (int)(format.n < 40 ? format.n : 40),
			format.p);
	return 0;
}

/* The same bytes in the line that d is a copy of; a control line begins with its value. */
static void
relocate(struct slice *s, const struct json_doc *d, struct slice line)
{
	if (s->p)
		s->p = line.p + (s->p - json_text(d, 0).p);
}

/* Of files an array, of a consumer group an object. */
static int
positions(const struct json_doc *d, struct slice *to, struct failure *why)
{
	uint32_t t = json_get(d, 0, SLICE("positions"));

	return text(d, "positions", t != JSON_NONE && json_type_at(d, t) == JSON_OBJECT ?
		JSON_OBJECT : JSON_ARRAY, OPTIONAL, to, why);
}

static int
read_epoch(const struct json_doc *d, struct control *c, struct failure *why)
{
	if (count(d, "epoch", REQUIRED, &c->epoch, why) < 0 ||
		count(d, "committed", OPTIONAL, &c->committed, why) < 0 ||
		count(d, "lines", REQUIRED, &c->lines, why) < 0 ||
		positions(d, &c->positions, why) < 0)
		return -1;
	return text(d, "clock", JSON_OBJECT, OPTIONAL, &c->clock, why);
}

static int
read_kind(const struct json_doc *d, struct control *c, struct failure *why)
{
	uint64_t n = 0;
	uint32_t t;

	switch (c->kind) {
	case CONTROL_START:
		return read_start(d, c, why);
	case CONTROL_WATERMARK:
		if (number(d, "ts", REQUIRED, &c->us, why) < 0 ||
			count(d, "task", OPTIONAL, &n, why) < 0)
			return -1;
		c->task = (uint32_t)n;
		return 0;
	case CONTROL_BARRIER:
		return read_epoch(d, c, why);
	case CONTROL_TO:
		if (count(d, "sink", REQUIRED, &c->sink, why) < 0)
			return -1;
		t = json_get(d, 0, SLICE("value"));
		if (t == JSON_NONE)
			return fail(why, EXIT_DATA, "'value' is missing");
		c->value = json_text(d, t);
		return 0;
	case CONTROL_FAIL:
		if (number(d, "status", REQUIRED, &c->us, why) < 0 ||
			count(d, "stage", OPTIONAL, &c->stage, why) < 0 ||
			text(d, "message", JSON_STRING, OPTIONAL, &c->message, why) < 0)
			return -1;
		if (c->us < 1 || c->us > 255)
			return fail(why, EXIT_DATA, "'status' is none");
		c->status = (int)c->us;
		return 0;
	case CONTROL_END:
		if (boolean(d, "complete", REQUIRED, &c->complete, why) < 0 ||
			boolean(d, "unchanged", OPTIONAL, &c->unchanged, why) < 0)
			return -1;
		c->last_epoch = json_get(d, 0, SLICE("epoch")) != JSON_NONE;
		return c->last_epoch ? read_epoch(d, c, why) : 0;
	case CONTROL_STATE:
		break;
	}
	return 0;
}

int
control_parse(struct slice line, struct json_scan *scratch, struct control *c,
	struct failure *why)
{
	struct json_doc d;
	struct control got = {0};
	struct slice run;
	size_t kind;

	if (!head(line, &kind, &run))
		return fail(why, EXIT_DATA, "not a control record");
	got.kind = kinds[kind].kind;
	if (got.kind == CONTROL_STATE) {
		*c = got;
		return 0;
	}
	if (json_doc_of(scratch, line, &d, why) < 0 || read_kind(&d, &got, why) < 0)
		return fail_within(why, "control record '%s': ", kinds[kind].name.p);
	/* The document is a copy in scratch's memory, which its next use takes back. */
	relocate(&got.app, &d, line);
	relocate(&got.group, &d, line);
	relocate(&got.of, &d, line);
	relocate(&got.tasks, &d, line);
	relocate(&got.sinks, &d, line);
	relocate(&got.value, &d, line);
	relocate(&got.message, &d, line);
	relocate(&got.positions, &d, line);
	relocate(&got.clock, &d, line);
	*c = got;
	return 0;
}

/* As control_add_watermark() writes it. */
bool
control_is_watermark(struct slice line, struct slice run, int64_t *us)
{
	static const struct slice kind = SLICE_INIT("{\"$sk\":\"watermark\",\"run\":\""),
		ts = SLICE_INIT("\",\"ts\":");
	size_t n = kind.n + run.n + ts.n;
	const char *p = line.p + n, *end = line.p + line.n - 1;
	bool negative;
	int64_t v = 0;

	if (line.n <= n || !slice_starts(line, kind) ||
		memcmp(line.p + kind.n, run.p, run.n) != 0 ||
		memcmp(line.p + kind.n + run.n, ts.p, ts.n) != 0 || *end != '}')
		return false;
	negative = *p == '-';
	p += negative;
	/* No digit may be missing, none may be too many, and 0 may not begin more of them. */
	if (end - p < 1 || end - p > 18 || (*p == '0' && end - p > 1))
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		v = v * 10 + (*p - '0');
	}
	*us = negative ? -v : v;
	return true;
}

/* ---- writing ----------------------------------------------------------------------- */

static void
begin(struct buf *b, const char *kind, struct slice run)
{
	buf_addf(b, "{\"$sk\":\"%s\",\"run\":\"%.*s\"", kind, (int)run.n, run.p);
}

/* Copy the members of line but for those named, "$sk" and "run", which stand already. */
static void
copy_members(struct buf *b, struct slice line, const char *const *but)
{
	const char *const *no;
	struct json_scan scan = {0};
	struct json_iter it;
	struct json_doc d;
	struct failure why;
	struct slice name;

	if (json_doc_of(&scan, line, &d, &why) == 0) {
		for (json_enter(&d, 0, &it); json_step(&d, &it);) {
			name = json_string_raw(&d, it.key);
			for (no = but; *no && !slice_eq(name, slice_str(*no)); no++)
				;
			if (*no)
				continue;
			buf_addc(b, ',');
			buf_add_slice(b, json_text(&d, it.key));
			buf_addc(b, ':');
			buf_add_slice(b, json_text(&d, it.value));
		}
	}
	json_scan_release(&scan);
}

static void
add_format(struct buf *b, const struct control *c)
{
	buf_addf(b, ",\"format\":\"%s\",\"timed\":%s", c->envelope ? "envelope" : "plain",
		c->timed ? "true" : "false");
}

static void
end_start(struct buf *b, const struct control *c, const struct slice *sinks, size_t nsinks)
{
	struct slice list = c->sinks.p ? c->sinks : SLICE("[]");
	bool some = memchr(list.p, '"', list.n) != NULL;
	size_t i;

	buf_addf(b, ",\"stage\":%llu,\"sinks\":", (unsigned long long)c->stage + 1);
	buf_add(b, list.p, list.n - 1);
	for (i = 0; i < nsinks; i++) {
		if (some || i)
			buf_addc(b, ',');
		json_add_string(b, sinks[i]);
	}
	buf_adds(b, "]}\n");
}

void
control_add_start(struct buf *b, struct slice line, const struct control *c, bool changed,
	const struct slice *sinks, size_t nsinks)
{
	const char *but[] = {"$sk", "run", "stage", "sinks", changed ? "format" : NULL, "timed",
		NULL};


	begin(b, "start", control_run(line));
	copy_members(b, line, but);
	if (changed)
		add_format(b, c);
	end_start(b, c, sinks, nsinks);
}

void
control_add_first(struct buf *b, struct slice run, const struct control *c,
	const struct slice *sinks, size_t nsinks)
{
	begin(b, "start", run);
	buf_addf(b, ",\"epoch\":%llu,\"app\":", (unsigned long long)c->epoch);
	json_add_string(b, c->app);
	if (c->plainly)
		buf_adds(b, ",\"epochs\":false");
	if (c->ledger)
		buf_adds(b, ",\"ledger\":true");
	if (c->group.p) {
		buf_adds(b, ",\"group\":");
		json_add_string(b, c->group);
	}
	if (c->of.p) {
		buf_adds(b, ",\"of\":");
		json_add_string(b, c->of);
	}
	if (c->every_us)
		buf_addf(b, ",\"every\":%lld", (long long)c->every_us);
	if (c->done)
		buf_adds(b, ",\"done\":true");
	add_format(b, c);
	end_start(b, c, sinks, nsinks);
}

void
control_add_barrier(struct buf *b, struct slice line, const struct control *c,
	uint64_t lines)
{
	static const char *const but[] = {"$sk", "run", "lines", NULL};

	if (lines == c->lines) {
		buf_add_slice(b, line);
		buf_addc(b, '\n');
		return;
	}
	begin(b, kinds[c->kind].name.p, control_run(line));
	copy_members(b, line, but);
	buf_addf(b, ",\"lines\":%llu}\n", (unsigned long long)lines);
}

void
control_add_epoch(struct buf *b, struct slice run, const struct control *c)
{
	begin(b, kinds[c->kind].name.p, run);
	if (c->kind == CONTROL_END)
		buf_addf(b, ",\"complete\":%s", c->complete ? "true" : "false");
	buf_addf(b, ",\"epoch\":%llu,\"committed\":%llu,\"positions\":",
		(unsigned long long)c->epoch, (unsigned long long)c->committed);
	buf_add_slice(b, c->positions);
	buf_adds(b, ",\"clock\":");
	buf_add_slice(b, c->clock);
	buf_addf(b, ",\"lines\":%llu}\n", (unsigned long long)c->lines);
}

/* Of many records each is followed by one. */
void
control_add_watermark(struct buf *b, struct slice run, int64_t us)
{
	buf_reserve(b, RUN_MAX + 64);
	buf_add_slice(b, SLICE("{\"$sk\":\"watermark\",\"run\":\""));
	buf_add_slice(b, run);
	buf_add_slice(b, SLICE("\",\"ts\":"));
	buf_addi(b, us);
	buf_add_slice(b, SLICE("}\n"));
}

void
control_add_to(struct buf *b, struct slice run, uint64_t sink, struct slice value)
{
	begin(b, "to", run);
	buf_addf(b, ",\"sink\":%llu,\"value\":", (unsigned long long)sink);
	buf_add_slice(b, value);
	buf_adds(b, "}\n");
}

void
control_add_fail(struct buf *b, struct slice run, uint64_t stage, int status,
	const char *message)
{
	begin(b, "fail", run);
	buf_addf(b, ",\"stage\":%llu,\"status\":%d,\"message\":", (unsigned long long)stage,
		status);
	json_add_string(b, slice_str(message));
	buf_adds(b, "}\n");
}

void
control_add_end(struct buf *b, struct slice run, bool complete)
{
	begin(b, "end", run);
	buf_addf(b, ",\"complete\":%s}\n", complete ? "true" : "false");
}

void
control_add_unchanged(struct buf *b, struct slice run)
{
	begin(b, "end", run);
	buf_adds(b, ",\"complete\":true,\"unchanged\":true}\n");
}
