/*
 * Strings: escapes read and written.
 *
 * Most strings have nothing to read or write but themselves. Both directions look for the
 * first byte that needs work, eight at a time in one register, and copy as they look.
 */
#include "json/json.h"

#include "json/bytes.h"

#define REPLACEMENT 0xFFFD

/* jq 1.6 escapes DEL; the canonical form does not. */
enum { JQ, CANONICAL };

/* The high bit of each byte that needs work, the lowest one exact. */
static inline uint64_t
marks_to_encode(uint64_t x)
{
	uint64_t quote = x ^ EACH('"'), slash = x ^ EACH('\\');

	/* DEL and one is 0x80 */
	return MARKS_BELOW(x, 0x20) | MARKS_ZERO(quote) | MARKS_ZERO(slash) |
		((x | (x + EACH(1))) & EACH(0x80));
}

static inline uint64_t
marks_to_decode(uint64_t x)
{
	uint64_t slash = x ^ EACH('\\'), del = x ^ EACH(0x7F);

	return MARKS_ZERO(slash) | MARKS_ZERO(del);
}

/* Copy p up to its first marked byte and return how many those are. Up to seven bytes
 * more than n are written. */
static inline size_t
copy_unmarked(char *out, const char *p, size_t n, uint64_t (*marks)(uint64_t))
{
	size_t i = 0;
	uint64_t x, m;

	for (; n - i >= 8; i += 8) {
		x = load8(p + i);
		store8(out + i, x);
		m = marks(x);
		if (m)
			return i + ((size_t)__builtin_ctzll(m) >> 3);
	}
	x = load_part(p + i, n - i, ' ');
	store8(out + i, x);
	m = marks(x);
	return m ? i + ((size_t)__builtin_ctzll(m) >> 3) : n;
}

/* The length of the UTF-8 sequence that p, of n > 0 bytes, begins with. *good tells if it
 * is one; if not, the length is that of what one U+FFFD stands for. */
static inline size_t
utf8_sequence(const unsigned char *p, size_t n, bool *good)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	size_t need, i;
	uint32_t cp;

	*good = false;
	if (p[0] < 0x80) {
		*good = true;
		return 1;
	}
	if (p[0] < 0xC2 || p[0] > 0xF4)
		return 1;
	need = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	cp = p[0] & (0x7Fu >> need);
	for (i = 1; i < need && i < n && (p[i] & 0xC0) == 0x80; i++)
		cp = cp << 6 | (p[i] & 0x3F);
	*good = i == need && cp >= least[need] && cp <= 0x10FFFF &&
		(cp & ~0x7FFu) != 0xD800;
	return i;
}

static inline char *
write_utf8(char *out, uint32_t cp)
{
	if (cp < 0x80) {
		*out++ = (char)cp;
	} else if (cp < 0x800) {
		*out++ = (char)(0xC0 | cp >> 6);
		*out++ = (char)(0x80 | (cp & 0x3F));
	} else if (cp < 0x10000) {
		*out++ = (char)(0xE0 | cp >> 12);
		*out++ = (char)(0x80 | (cp >> 6 & 0x3F));
		*out++ = (char)(0x80 | (cp & 0x3F));
	} else {
		*out++ = (char)(0xF0 | cp >> 18);
		*out++ = (char)(0x80 | (cp >> 12 & 0x3F));
		*out++ = (char)(0x80 | (cp >> 6 & 0x3F));
		*out++ = (char)(0x80 | (cp & 0x3F));
	}
	return out;
}

/* A character as it stands in a JSON string: at most six bytes. */
static inline char *
write_encoded(char *out, uint32_t cp, int style)
{
	static const char hex[] = "0123456789abcdef";
	char letter;

	switch (cp) {
	case '"':
	case '\\':
		letter = (char)cp;
		break;
	case '\b':
		letter = 'b';
		break;
	case '\f':
		letter = 'f';
		break;
	case '\n':
		letter = 'n';
		break;
	case '\r':
		letter = 'r';
		break;
	case '\t':
		letter = 't';
		break;
	default:
		if (cp >= 0x20 && (cp != 0x7F || style == CANONICAL))
			return write_utf8(out, cp);
		memcpy(out, "\\u00", 4);
		out[4] = hex[cp >> 4];
		out[5] = hex[cp & 15];
		return out + 6;
	}
	out[0] = '\\';
	out[1] = letter;
	return out + 2;
}

/* The value of four hexadecimal digits, or -1. */
static int32_t
hex4(const char *p, const char *end)
{
	int32_t v = 0;
	int i, c;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		c = (unsigned char)p[i];
		if (c >= '0' && c <= '9')
			c -= '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			c = (c | 0x20) - 'a' + 10;
		else
			return -1;
		v = v << 4 | c;
	}
	return v;
}

/* The character that an escape stands for; p is at what follows the backslash. Returns
 * where the escape ends. What no valid string holds is U+FFFD. */
static const char *
read_escape(const char *p, const char *end, uint32_t *cp)
{
	int32_t high, low;

	*cp = REPLACEMENT;
	if (p == end)
		return p;
	switch (*p++) {
	case '"':
		*cp = '"';
		return p;
	case '\\':
		*cp = '\\';
		return p;
	case '/':
		*cp = '/';
		return p;
	case 'b':
		*cp = '\b';
		return p;
	case 'f':
		*cp = '\f';
		return p;
	case 'n':
		*cp = '\n';
		return p;
	case 'r':
		*cp = '\r';
		return p;
	case 't':
		*cp = '\t';
		return p;
	case 'u':
		break;
	default:
		return p;
	}
	high = hex4(p, end);
	if (high < 0)
		return p;
	p += 4;
	if ((high & ~0x7FF) != 0xD800) {
		*cp = (uint32_t)high;
		return p;
	}
	if (high < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		low = hex4(p + 2, end);
		if (low >= 0xDC00 && low < 0xE000) {
			*cp = 0x10000 + ((uint32_t)(high - 0xD800) << 10 |
				(uint32_t)(low - 0xDC00));
			return p + 6;
		}
	}
	return p; /* a surrogate without its other half */
}

void
json_unescape(struct buf *b, struct slice raw)
{
	const char *p = raw.p, *end = raw.p + raw.n, *slash;
	uint32_t cp;
	char *out;

	if (!raw.n)
		return;
	/* An escape is never shorter than the UTF-8 that it stands for, but for a broken
	 * one at the very end. */
	buf_reserve(b, raw.n + 3);
	out = b->p + b->n;
	while ((slash = memchr(p, '\\', (size_t)(end - p)))) {
		memcpy(out, p, (size_t)(slash - p));
		out += slash - p;
		p = read_escape(slash + 1, end, &cp);
		if (cp == REPLACEMENT && p - slash < 3) {
			/* broken: two bytes that become three */
			b->n = (size_t)(out - b->p);
			buf_reserve(b, (size_t)(end - p) + 6);
			out = b->p + b->n;
		}
		out = write_utf8(out, cp);
		if (p == end)
			break;
	}
	memcpy(out, p, (size_t)(end - p));
	out += end - p;
	b->n = (size_t)(out - b->p);
}

bool
json_raw_equals(struct slice raw, struct slice s)
{
	const char *p = raw.p, *end = raw.p + raw.n, *slash;
	const char *q = s.p, *qend = s.p + s.n;
	char utf8[4];
	uint32_t cp;
	size_t n;

	if (raw.n <= s.n)
		return slice_eq(raw, s) && (!raw.n || !memchr(raw.p, '\\', raw.n));
	while ((slash = memchr(p, '\\', (size_t)(end - p)))) {
		n = (size_t)(slash - p);
		if (n > (size_t)(qend - q) || memcmp(p, q, n) != 0)
			return false;
		q += n;
		p = read_escape(slash + 1, end, &cp);
		n = (size_t)(write_utf8(utf8, cp) - utf8);
		if (n > (size_t)(qend - q) || memcmp(utf8, q, n) != 0)
			return false;
		q += n;
		if (p == end)
			break;
	}
	n = (size_t)(end - p);
	return n == (size_t)(qend - q) && (!n || memcmp(p, q, n) == 0);
}

static inline void
add_string(struct buf *b, struct slice s, int style)
{
	const char *p = s.p, *end = s.p + s.n;
	bool good;
	char *out;
	size_t n;

	buf_reserve(b, s.n + 16);
	out = b->p + b->n;
	*out++ = '"';
	while (p != end) {
		n = copy_unmarked(out, p, (size_t)(end - p), marks_to_encode);
		p += n;
		out += n;
		if (p == end)
			break;
		b->n = (size_t)(out - b->p);
		buf_reserve(b, (size_t)(end - p) + 24);
		out = b->p + b->n;
		if ((unsigned char)*p < 0x80) {
			out = write_encoded(out, (unsigned char)*p++, style);
			continue;
		}
		n = utf8_sequence((const unsigned char *)p, (size_t)(end - p), &good);
		if (good) {
			memcpy(out, p, n);
			out += n;
		} else {
			out = write_utf8(out, REPLACEMENT);
		}
		p += n;
	}
	*out++ = '"';
	b->n = (size_t)(out - b->p);
}

bool
json_add_plain_string(struct buf *b, struct slice s)
{
	char *p;

	buf_reserve(b, s.n + 2 + 7);
	p = b->p + b->n;
	if (copy_unmarked(p + 1, s.p, s.n, marks_to_encode) < s.n)
		return false;
	p[0] = '"';
	p[s.n + 1] = '"';
	b->n += s.n + 2;
	return true;
}

void
json_add_string(struct buf *b, struct slice s)
{
	add_string(b, s, JQ);
}

void
json_add_canonical_string(struct buf *b, struct slice s)
{
	add_string(b, s, CANONICAL);
}

static inline void
add_raw(struct buf *b, struct slice raw, int style)
{
	const char *p = raw.p, *end = raw.p + raw.n;
	uint32_t cp;
	char *out;
	size_t n;

	buf_reserve(b, raw.n + 16);
	out = b->p + b->n;
	*out++ = '"';
	while (p != end) {
		n = copy_unmarked(out, p, (size_t)(end - p), marks_to_decode);
		p += n;
		out += n;
		if (p == end)
			break;
		b->n = (size_t)(out - b->p);
		buf_reserve(b, (size_t)(end - p) + 24);
		out = b->p + b->n;
		if (*p == '\\')
			p = read_escape(p + 1, end, &cp);
		else
			cp = (unsigned char)*p++;
		out = write_encoded(out, cp, style);
	}
	*out++ = '"';
	b->n = (size_t)(out - b->p);
}

void
json_add_raw_string(struct buf *b, struct slice raw)
{
	add_raw(b, raw, JQ);
}

void
json_add_canonical_raw(struct buf *b, struct slice raw)
{
	add_raw(b, raw, CANONICAL);
}

bool
json_is_utf8(struct slice s)
{
	const char *p = s.p, *end = s.p + s.n;
	bool good;

	while (p != end) {
		if (end - p >= 8 && !(load8(p) & EACH(0x80))) {
			p += 8;
			continue;
		}
		p += utf8_sequence((const unsigned char *)p, (size_t)(end - p), &good);
		if (!good)
			return false;
	}
	return true;
}
