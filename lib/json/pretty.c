/*
 * Documents for people. The tokens of a value stand in the order of its text, so one pass
 * over them writes it again: a bracket changes the depth, a comma ends a line. There is no
 * recursion, and no stack either.
 */
#include "json/pretty.h"

#include "base/text.h"

enum ink { INK_NONE, INK_NAME, INK_STRING, INK_NULL };

/* As jq has them, but null in a grey that a black background shows. */
static const char *const escapes[] = {
	[INK_NONE] = "\033[0m",
	[INK_NAME] = "\033[34;1m",
	[INK_STRING] = "\033[0;32m",
	[INK_NULL] = "\033[0;90m",
};

struct printer {
	struct buf *out;
	unsigned how;
	enum ink ink;
	uint32_t depth;
	struct buf text;   /* of one string */
	struct buf safe;   /* of one character */
};

/* ---- characters ------------------------------------------------------------------ */

/* The length of the character at p by its first byte, at most n. */
static size_t
char_length(const char *p, size_t n)
{
	unsigned char c = (unsigned char)*p;
	size_t len = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

	return len < n ? len : n;
}

static bool
is_harmless(struct slice c, struct buf *scratch)
{
	if (c.n == 1 && c.p[0] >= ' ' && c.p[0] < 0x7F)
		return true;
	buf_reset(scratch);
	text_add_safe(scratch, c, c.n);
	return slice_eq(c, buf_slice(scratch));
}

/* Append the escape of a character that acts on a terminal; none of them is beyond U+FFFF. */
static void
add_escape(struct buf *b, struct slice c)
{
	uint32_t code = (unsigned char)c.p[0];
	size_t i;

	if (c.n > 1)
		code &= 0x7Fu >> c.n;
	for (i = 1; i < c.n; i++)
		code = code << 6 | ((unsigned char)c.p[i] & 0x3F);
	buf_addf(b, "\\u%04x", code);
}

/* Append text that is JSON, or part of it, and does nothing to a terminal. */
static void
add_harmless(struct printer *p, struct slice s)
{
	struct slice c;
	size_t i;

	for (i = 0; i < s.n; i += c.n) {
		c = slice_of(s.p + i, char_length(s.p + i, s.n - i));
		if (is_harmless(c, &p->safe)) {
			buf_add_slice(p->out, c);
		} else if (json_is_utf8(c)) {
			add_escape(p->out, c);
		} else {
			buf_adds(p->out, "\xEF\xBF\xBD");
			c.n = 1;
		}
	}
}

bool
pretty_is_harmless(struct slice line)
{
	struct buf scratch = {0};
	bool harmless = true;
	struct slice c;
	size_t i;

	for (i = 0; harmless && i < line.n; i += c.n) {
		c = slice_of(line.p + i, char_length(line.p + i, line.n - i));
		harmless = *c.p == '\t' || is_harmless(c, &scratch);
	}
	buf_release(&scratch);
	return harmless;
}

/* ---- tokens ---------------------------------------------------------------------- */

static void
use_ink(struct printer *p, enum ink ink)
{
	if (p->ink == ink || !(p->how & PRETTY_COLOR))
		return;
	buf_adds(p->out, escapes[ink]);
	p->ink = ink;
}

static void
new_line(struct printer *p)
{
	uint32_t i;

	if (!(p->how & PRETTY_INDENT))
		return;
	buf_addc(p->out, '\n');
	for (i = 0; i < p->depth; i++)
		buf_adds(p->out, "  ");
}

static void
add_string(struct printer *p, struct slice raw, bool is_name)
{
	use_ink(p, is_name ? INK_NAME : INK_STRING);
	buf_reset(&p->text);
	json_add_raw_string(&p->text, raw);
	add_harmless(p, buf_slice(&p->text));
}

static void
add_token(struct printer *p, const struct json_doc *d, uint32_t t)
{
	char c = d->first[t];

	if (c == '"') {
		add_string(p, json_string_raw(d, t), d->first[t + 1] == ':');
		return;
	}
	use_ink(p, c == 'n' ? INK_NULL : INK_NONE);
	switch (c) {
	case '{':
	case '[':
		buf_addc(p->out, c);
		/* Deeper only in broken text that was taken on trust. */
		p->depth += p->depth < JSON_MAX_DEPTH;
		if (d->first[t + 1] != '}' && d->first[t + 1] != ']')
			new_line(p);
		break;
	case '}':
	case ']':
		p->depth -= p->depth > 0;
		if (!t || (d->first[t - 1] != '{' && d->first[t - 1] != '['))
			new_line(p);
		buf_addc(p->out, c);
		break;
	case ',':
		buf_addc(p->out, c);
		new_line(p);
		break;
	case ':':
		buf_adds(p->out, p->how & PRETTY_INDENT ? ": " : ":");
		break;
	default:
		add_harmless(p, json_text(d, t));
	}
}

void
pretty_add(struct buf *out, const struct json_doc *d, uint32_t t, unsigned how)
{
	struct printer p = {.out = out, .how = how};
	uint32_t end = json_after(d, t);

	for (; t < end && t < d->n; t++)
		add_token(&p, d, t);
	use_ink(&p, INK_NONE);
	buf_release(&p.text);
	buf_release(&p.safe);
}
