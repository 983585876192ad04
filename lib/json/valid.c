/*
 * Is it JSON? Asked twice.
 *
 * A block's tokens are judged 64 at a time (judge.h), its scalars one by one, and the
 * escapes of a line here: that only says yes or no. json_check() is for the lines that got a
 * no, and for those that can't be judged so; it goes byte by byte and knows what to say.
 * Neither recurses.
 */
#include "json/scan.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* ---- the fast verdict -------------------------------------------------------------- */

/* What may follow a number or a literal in a record: white space, or an end. */
static const bool ends_scalar[256] = {
	[' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true,
	[','] = true, ['}'] = true, [']'] = true,
};

static inline bool
is_end(char c)
{
	return ends_scalar[(unsigned char)c];
}

static inline bool
is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* The byte after the number at p, or NULL. Something that is no digit stands after it. */
static const char *
number_end(const char *p)
{
	if (*p == '-')
		p++;
	if (!is_digit(*p))
		return NULL;
	if (*p++ != '0')
		while (is_digit(*p))
			p++;
	if (*p == '.') {
		if (!is_digit(*++p))
			return NULL;
		while (is_digit(*p))
			p++;
	}
	if ((*p | 0x20) == 'e') {
		p++;
		if (*p == '+' || *p == '-')
			p++;
		if (!is_digit(*p))
			return NULL;
		while (is_digit(*p))
			p++;
	}
	return p;
}

static __attribute__((noinline)) bool
number_is_valid_slow(const char *p)
{
	p = number_end(p);
	return p && is_end(*p);
}

/* How many digits there are, and whether there is a point, is nothing that a branch could
 * learn: it is counted in a mask. */
static inline bool
number_is_valid(const char *p)
{
#if defined(__SSE2__)
	__m128i v = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
	__m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(9)), v);
	uint32_t m = (uint32_t)_mm_movemask_epi8(digit);
	unsigned minus = *p == '-', whole, point, fraction, n;

	m >>= minus;
	whole = (unsigned)__builtin_ctz(~m);
	point = p[minus + whole] == '.';
	fraction = (unsigned)__builtin_ctz(~(m >> whole >> 1));
	n = minus + whole + (-point & (1 + fraction));
	if (__builtin_expect((whole > 0) & ((whole == 1) | (p[minus] != '0')) &
			((fraction > 0) | !point) & (n < 16) & is_end(p[n]), 1))
		return true;
#endif
	return number_is_valid_slow(p);
}

static inline bool
literal_is_valid(const char *p, char first)
{
	switch (first) {
	case 't':
		return memcmp(p, "true", 4) == 0 && is_end(p[4]);
	case 'n':
		return memcmp(p, "null", 4) == 0 && is_end(p[4]);
	case 'f':
		return memcmp(p, "false", 5) == 0 && is_end(p[5]);
	default:
		return false;
	}
}

size_t
json_bad_scalar(const char *base, const uint32_t *scalar, size_t i, size_t n)
{
	for (; i < n; i++) {
		const char *p = base + scalar[i];

		if (!(*p == '-' || is_digit(*p) ? number_is_valid(p) : literal_is_valid(p, *p)))
			break;
	}
	return i;
}

static inline bool
is_hex(char c)
{
	return is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6;
}

/* In a line whose tokens are valid every backslash stands in a string. */
static bool
escapes_are_valid(const char *p, const char *end)
{
	while ((p = memchr(p, '\\', (size_t)(end - p)))) {
		if (end - p < 2 || !p[1] || !strchr("\"\\/bfnrtu", p[1]))
			return false;
		if (p[1] == 'u') {
			if (end - p < 6 || !is_hex(p[2]) || !is_hex(p[3]) ||
			    !is_hex(p[4]) || !is_hex(p[5]))
				return false;
			p += 4;
		}
		p += 2;
	}
	return true;
}

bool
json_is_good(const struct json_scan *s, const struct json_line *l)
{
	if (l->flags & (JSON_LINE_NOT_UTF8 | JSON_LINE_OPEN_STRING | JSON_LINE_CONTROL |
			JSON_LINE_ODD))
		return false;
	return !(l->flags & JSON_LINE_ESCAPE) ||
		escapes_are_valid(s->p + l->start, s->p + l->end);
}

/* ---- the careful verdict ----------------------------------------------------------- */

unsigned
json_utf8_length(const unsigned char *p, const unsigned char *end)
{
	size_t n = (size_t)(end - p);
	unsigned c = p[0];

	if (c < 0x80)
		return 1;
	if (c < 0xC2 || c > 0xF4)
		return 0;
	if (n < 2 || (p[1] & 0xC0) != 0x80)
		return 0;
	if (c < 0xE0)
		return 2;
	if (n < 3 || (p[2] & 0xC0) != 0x80)
		return 0;
	if (c < 0xF0)
		return (c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) ? 0 : 3;
	if (n < 4 || (p[3] & 0xC0) != 0x80)
		return 0;
	return (c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F) ? 0 : 4;
}

struct check {
	const char *start, *p, *end;
	uint32_t t;    /* tokens so far */
	struct failure *why;
};

/* A no, at p. */
#define NO(c, at, ...) \
	(fail((c)->why, EXIT_DATA, __VA_ARGS__), \
	 (c)->why->column = (uint32_t)((at) - (c)->start) + 1, -1)

static void
check_space(struct check *c)
{
	while (c->p < c->end &&
	       (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
		c->p++;
}

/* c->p stands at something that can't be there; wanted says what could. */
static int
check_unexpected(struct check *c, const char *wanted)
{
	static const struct {
		const char *word, *says;
	} known[] = {
		{"\xEF\xBB\xBF", "a byte order mark, which JSON doesn't have"},
		{"NaN", "NaN, which is no JSON number"},
		{"nan", "nan, which is no JSON number"},
		{"Infinity", "Infinity, which is no JSON number"},
		{"-Infinity", "-Infinity, which is no JSON number"},
		{"'", "a string in single quotes"},
		{"//", "a comment, which JSON doesn't have"},
		{"/*", "a comment, which JSON doesn't have"},
		{"+", "a number that begins with '+'"},
		{".", "a number that begins with '.'"},
		{"True", "True: literals are lower case"},
		{"False", "False: literals are lower case"},
		{"None", "None, which JSON calls null"},
		{"undefined", "undefined, which is no JSON value"},
	};
	size_t left = (size_t)(c->end - c->p), i;
	unsigned char byte;

	if (!left)
		return NO(c, c->p, "the line ends where %s is expected", wanted);
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (left >= strlen(known[i].word) &&
		    memcmp(c->p, known[i].word, strlen(known[i].word)) == 0)
			return NO(c, c->p, "expected %s, found %s", wanted, known[i].says);
	byte = (unsigned char)*c->p;
	if (!json_utf8_length((const unsigned char *)c->p, (const unsigned char *)c->end))
		return NO(c, c->p, "not UTF-8");
	if (byte > 0x20 && byte < 0x7F)
		return NO(c, c->p, "expected %s, found '%c'", wanted, byte);
	return NO(c, c->p, "expected %s, found byte 0x%02x", wanted, byte);
}

static int
check_string(struct check *c)
{
	const char *p = c->p + 1, *q;
	unsigned len;

	c->t++;
	for (;;) {
		if (p == c->end)
			return NO(c, c->p, "a string isn't closed before the end of the line");
		if (*p == '"')
			break;
		if ((unsigned char)*p < 0x20)
			return NO(c, p, "control byte 0x%02x in a string", (unsigned char)*p);
		if (*p == '\\') {
			if (p + 1 == c->end)
				return NO(c, c->p,
					"a string isn't closed before the end of the line");
			switch (p[1]) {
			case '"': case '\\': case '/': case 'b': case 'f': case 'n':
			case 'r': case 't':
				p += 2;
				continue;
			case 'u':
				for (q = p + 2; q < p + 6; q++)
					if (q == c->end || !is_hex(*q))
						return NO(c, p,
							"\\u without four hexadecimal digits");
				p = q;
				continue;
			default:
				return NO(c, p, "an escape that JSON doesn't have");
			}
		}
		len = json_utf8_length((const unsigned char *)p, (const unsigned char *)c->end);
		if (!len)
			return NO(c, p, "not UTF-8");
		p += len;
	}
	c->p = p + 1;
	return 0;
}

static int
check_number(struct check *c)
{
	const char *p = c->p, *end = c->end;

	c->t++;
	if (*p == '-')
		p++;
	if (end - p >= 8 && memcmp(p, "Infinity", 8) == 0)
		return NO(c, c->p, "-Infinity is no JSON number");
	if (p == end || !is_digit(*p))
		return NO(c, p, "expected a digit after '-'");
	if (*p == '0' && end - p > 1 && is_digit(p[1]))
		return NO(c, p, "number with a leading zero");
	while (p < end && is_digit(*p))
		p++;
	if (p < end && *p == '.') {
		if (++p == end || !is_digit(*p))
			return NO(c, p, "expected a digit after '.'");
		while (p < end && is_digit(*p))
			p++;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (p == end || !is_digit(*p))
			return NO(c, p, "expected a digit in the exponent");
		while (p < end && is_digit(*p))
			p++;
	}
	c->p = p;
	return 0;
}

static int
check_literal(struct check *c, const char *word)
{
	size_t n = strlen(word), i;

	c->t++;
	for (i = 0; i < n; i++)
		if (c->p + i == c->end || c->p[i] != word[i])
			return NO(c, c->p, "expected a value, found something like %s", word);
	c->p += n;
	return 0;
}

/* A scalar at c->p, and that something which ends it follows. */
static int
check_scalar(struct check *c, const char *wanted)
{
	bool string = false;
	int rc;

	if (c->p == c->end)
		return check_unexpected(c, wanted);
	switch (*c->p) {
	case '"':
		string = true;
		rc = check_string(c);
		break;
	case 't':
		rc = check_literal(c, "true");
		break;
	case 'f':
		rc = check_literal(c, "false");
		break;
	case 'n':
		rc = check_literal(c, "null");
		break;
	default:
		if (*c->p != '-' && !is_digit(*c->p))
			return check_unexpected(c, wanted);
		rc = check_number(c);
	}
	if (rc != 0 || string || c->p == c->end)
		return rc;
	if (is_end(*c->p) || strchr("{[:\"", *c->p))
		return *c->p ? 0 : check_unexpected(c, "the end of a number or literal");
	return check_unexpected(c, "the end of a number or literal");
}

int
json_check(const char *p, size_t n, uint32_t *skip, struct failure *why)
{
	struct check c = {.start = p, .p = p, .end = p + n, .why = why};
	struct {
		uint32_t t;
		bool object;
	} open[JSON_MAX_DEPTH];
	uint32_t depth = 0;
	const char *wanted = "a value";
	bool object;

	for (;;) {
		/* Here a value begins. */
		check_space(&c);
		if (c.p < c.end && (*c.p == '{' || *c.p == '[')) {
			if (depth == JSON_MAX_DEPTH)
				return NO(&c, c.p, "deeper than %d levels", JSON_MAX_DEPTH);
			object = *c.p++ == '{';
			open[depth].t = c.t++;
			open[depth++].object = object;
			check_space(&c);
			if (c.p < c.end && *c.p == (object ? '}' : ']'))
				goto close;
			if (object) {
				wanted = "a name or '}'";
				goto name;
			}
			wanted = "a value or ']'";
			continue;
		}
		if (check_scalar(&c, wanted) != 0)
			return -1;

	after:
		/* Here one has ended. */
		check_space(&c);
		if (depth == 0) {
			if (c.p == c.end)
				return 0;
			if (strchr("{[\"-0123456789tfn", *c.p) && *c.p)
				return NO(&c, c.p, "a second value in the line");
			return check_unexpected(&c, "the end of the line");
		}
		object = open[depth - 1].object;
		if (c.p < c.end && *c.p == (object ? '}' : ']'))
			goto close;
		if (c.p == c.end || *c.p != ',')
			return check_unexpected(&c, object ? "',' or '}' in object" :
				"',' or ']' in array");
		c.p++;
		c.t++;
		wanted = "a value after ','";
		if (!object)
			continue;
		wanted = "a name after ','";
		check_space(&c);
	name:
		if (c.p == c.end || *c.p != '"')
			return check_unexpected(&c, wanted);
		if (check_string(&c) != 0)
			return -1;
		check_space(&c);
		if (c.p == c.end || *c.p != ':')
			return check_unexpected(&c, "':' after a name");
		c.p++;
		c.t++;
		wanted = "a value after ':'";
		continue;

	close:
		depth--;
		if (skip)
			skip[open[depth].t] = c.t;
		c.t++;
		c.p++;
		goto after;
	}
}
