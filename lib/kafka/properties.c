/*
 * Two forms of one idea. kcat's has a line, a "=", and nothing that needs escaping;
 * Java's (java.util.Properties) has three separators, two comment signs, escapes and
 * lines that go on. A password with a backslash means something else in each, so the form
 * is told by the file's name and never guessed.
 */
#include "kafka/properties.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\f' || c == '\r' || c == '\v';
}

static struct slice
trim(struct slice s)
{
	while (s.n && is_space(*s.p)) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct slice
property_name(struct slice name)
{
	struct slice topic = SLICE("topic.");

	if (slice_starts(name, topic) && !slice_starts(name, SLICE("topic.metadata.")))
		return slice_of(name.p + topic.n, name.n - topic.n);
	return name;
}

static void
add(struct properties *list, struct slice name, struct slice value, unsigned line)
{
	name = property_name(name);
	list->v = mem_grow(list->v, &list->cap, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = (struct property){
		mem_dup(name.p, name.n), mem_dup(value.p, value.n), line};
}

void
properties_release(struct properties *list)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		free(list->v[i].name);
		free(list->v[i].value);
	}
	free(list->v);
	*list = (struct properties){0};
}

static int
read_plain(struct properties *list, struct slice text, struct failure *why)
{
	const char *end = text.p + text.n, *eol, *eq;
	unsigned line = 0;
	struct slice s, name;

	for (; text.p < end; text.p = eol + 1) {
		line++;
		eol = memchr(text.p, '\n', (size_t)(end - text.p));
		if (!eol)
			eol = end;
		s = trim(slice_of(text.p, (size_t)(eol - text.p)));
		if (!s.n || *s.p == '#')
			continue;
		eq = memchr(s.p, '=', s.n);
		name = trim(slice_of(s.p, eq ? (size_t)(eq - s.p) : 0));
		if (!name.n) {
			fail(why, EXIT_CONFIG, "%u: expected NAME=VALUE", line);
			/* The line before may have meant to go on here. */
			if (list->n && slice_ends(slice_str(list->v[list->n - 1].value),
					       SLICE("\\")))
				fail_hint(why,
					"a backslash continues a line only in a file "
					"whose name ends in .properties");
			return -1;
		}
		if (s.p[s.n - 1] == '\\' && slice_eq(name, SLICE("sasl.jaas.config"))) {
			fail(why, EXIT_CONFIG,
				"%u: sasl.jaas.config goes on in the next line", line);
			fail_hint(why,
				"a backslash continues a line only in a file whose "
				"name ends in .properties");
			return -1;
		}
		add(list, name, trim(slice_of(eq + 1, (size_t)(s.p + s.n - eq - 1))),
			line);
	}
	return 0;
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* \uXXXX, a pair of surrogates included, at p (behind the u): UTF-8 into out. Returns how
 * far it reached, or NULL. */
static const char *
unicode(const char *p, const char *end, struct buf *out)
{
	uint32_t code = 0, low = 0;
	int i;

	if (end - p < 4)
		return NULL;
	for (i = 0; i < 4; i++, p++) {
		if (hex_digit(*p) < 0)
			return NULL;
		code = code << 4 | (uint32_t)hex_digit(*p);
	}
	if (code >= 0xd800 && code < 0xdc00) {
		if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
			return NULL;
		for (i = 2; i < 6; i++) {
			if (hex_digit(p[i]) < 0)
				return NULL;
			low = low << 4 | (uint32_t)hex_digit(p[i]);
		}
		if (low < 0xdc00 || low > 0xdfff)
			return NULL;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	} else if ((code >= 0xdc00 && code <= 0xdfff) || code == 0)
		return NULL;
	if (code < 0x80)
		buf_addc(out, (char)code);
	else if (code < 0x800) {
		buf_addc(out, (char)(0xc0 | code >> 6));
		buf_addc(out, (char)(0x80 | (code & 63)));
	} else {
		if (code < 0x10000)
			buf_addc(out, (char)(0xe0 | code >> 12));
		else {
			buf_addc(out, (char)(0xf0 | code >> 18));
			buf_addc(out, (char)(0x80 | (code >> 12 & 63)));
		}
		buf_addc(out, (char)(0x80 | (code >> 6 & 63)));
		buf_addc(out, (char)(0x80 | (code & 63)));
	}
	return p;
}

static int
unescape(struct slice s, struct buf *out)
{
	const char *p = s.p, *end = s.p + s.n;

	while (p < end) {
		if (*p != '\\') {
			buf_addc(out, *p++);
			continue;
		}
		if (++p == end)
			break;
		switch (*p) {
		case 'u':
			p = unicode(p + 1, end, out);
			if (!p)
				return -1;
			continue;
		case 't':
			buf_addc(out, '\t');
			break;
		case 'n':
			buf_addc(out, '\n');
			break;
		case 'r':
			buf_addc(out, '\r');
			break;
		case 'f':
			buf_addc(out, '\f');
			break;
		default:
			buf_addc(out, *p);
			break;
		}
		p++;
	}
	return 0;
}

/* One logical line, its parts joined, escapes still in it. */
static int
java_line(struct properties *list, struct slice s, unsigned line, struct failure *why)
{
	struct buf name = {0}, value = {0};
	size_t at = 0;
	int status = -1;

	while (at < s.n && s.p[at] != '=' && s.p[at] != ':' && !is_space(s.p[at]))
		at += s.p[at] == '\\' && at + 1 < s.n ? 2 : 1;
	if (unescape(slice_of(s.p, at), &name) < 0)
		goto out;
	/* One separator: "=" or ":" with white space around, or white space alone. Unlike
	 * Java, white space behind the value goes too: nobody means it. */
	while (at < s.n && is_space(s.p[at]))
		at++;
	if (at < s.n && (s.p[at] == '=' || s.p[at] == ':'))
		at++;
	if (unescape(trim(slice_of(s.p + at, s.n - at)), &value) < 0)
		goto out;
	if (!name.n) {
		fail(why, EXIT_CONFIG, "%u: expected NAME=VALUE", line);
		goto done;
	}
	add(list, buf_slice(&name), buf_slice(&value), line);
	status = 0;
out:
	if (status < 0)
		fail(why, EXIT_CONFIG, "%u: a \\u escape without a character", line);
done:
	buf_release(&name);
	buf_release(&value);
	return status;
}

static int
read_java(struct properties *list, struct slice text, struct failure *why)
{
	const char *end = text.p + text.n, *eol;
	struct buf joined = {0};
	unsigned line = 0, first = 0;
	bool goes_on = false;
	struct slice s;
	size_t slashes;
	int status = 0;

	for (; text.p < end && !status; text.p = eol + 1) {
		line++;
		eol = memchr(text.p, '\n', (size_t)(end - text.p));
		if (!eol)
			eol = end;
		s = slice_of(text.p, (size_t)(eol - text.p));
		while (s.n && is_space(*s.p)) {
			s.p++;
			s.n--;
		}
		if (s.n && s.p[s.n - 1] == '\r')
			s.n--;
		if (!goes_on) {
			if (!s.n || *s.p == '#' || *s.p == '!')
				continue;
			buf_reset(&joined);
			first = line;
		}
		for (slashes = 0; slashes < s.n && s.p[s.n - 1 - slashes] == '\\';)
			slashes++;
		goes_on = slashes % 2 == 1;
		buf_add(&joined, s.p, s.n - goes_on);
		if (!goes_on)
			status = java_line(list, buf_slice(&joined), first, why);
	}
	if (!status && goes_on)
		status = java_line(list, buf_slice(&joined), first, why);
	buf_release(&joined);
	return status;
}

int
properties_read(
	struct properties *list, struct slice text, bool java, struct failure *why)
{
	int status;

	if (memchr(text.p, '\0', text.n))
		return fail(why, EXIT_CONFIG, "1: not a text file");
	status = java ? read_java(list, text, why) : read_plain(list, text, why);
	if (status < 0)
		properties_release(list);
	return status;
}
