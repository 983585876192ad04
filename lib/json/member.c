/*
 * Members of lines that have no tokens.
 *
 * The whole block is looked through for the name in its quotes. In a line without escapes a
 * quote is the end of a string or its beginning, and the text in quotes is a string. Where it
 * stands once, it is the name of the member if it is followed by a colon and not within
 * another bracket. Where it stands more than once, the tokens tell.
 *
 * Most often the member is the first of its line: that is seen by comparing what the line
 * begins with. It can be told of lines with escapes as well.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "json/scan.h"

#define LONGEST_NAME 200
#define NEVER UINT32_MAX

#define COUNTED 60  /* bytes of {"name": that may be counted: they fit into the padding */
#define UNCOUNTED 64 /* blocks that are not, once that has not paid */

/* Compared with what stands at p, of which 16 bytes are readable. */
struct head {
	uint64_t is[2], mask[2];
};

struct json_column {
	char *text;            /* {"name": */
	size_t n;
	struct json_name name; /* borrows the text */
	struct head head;      /* of the text */
	uint64_t number;       /* of the block that value is of */
	uint32_t *value;
	size_t cap;
	/* Of the block in hand: */
	bool wanted;           /* it will be asked for, it seems */
	size_t looked;         /* bytes that were looked through */
	uint32_t *hit;         /* where the name in its quotes may begin */
	size_t nhits, cap_hit;
	/*
	 * Where every line begins with the member, it is enough to know that the name stands
	 * nowhere else: that of two letters of it there are no more than lines.
	 */
	bool counting;
	size_t pair;           /* where these stand in the text; 0: none were chosen */
	size_t count;
	unsigned uncounted;    /* blocks that are not counted */
};

static struct head
head_of(const char *text, size_t n)
{
	struct head h = {{0, 0}, {0, 0}};

	n = n < sizeof(h.is) ? n : sizeof(h.is);
	memcpy(h.is, text, n);
	memset(h.mask, 0xFF, n);
	return h;
}

static inline bool
begins_with(const char *p, const struct head *h)
{
	uint64_t x[2];

	memcpy(x, p, sizeof(x));
	return (((x[0] ^ h->is[0]) & h->mask[0]) | ((x[1] ^ h->is[1]) & h->mask[1])) == 0;
}

static bool
begins_with_all(const char *p, const char *end, const struct json_column *c)
{
	return (size_t)(end - p) > c->n && memcmp(p, c->text, c->n) == 0;
}

static struct json_column *
column_new(const struct json_name *name)
{
	struct json_column *c = mem_zalloc(sizeof(*c));
	size_t n = name->key.n;

	c->n = n + 4;
	c->text = mem_alloc(c->n);
	memcpy(c->text, "{\"", 2);
	memcpy(c->text + 2, name->key.p, n);
	memcpy(c->text + 2 + n, "\":", 2);
	c->name = json_name_of((struct slice){c->text + 2, n});
	c->head = head_of(c->text, c->n);
	return c;
}

void
json_columns_free(struct json_scan *s)
{
	size_t i;

	for (i = 0; i < s->ncolumns; i++) {
		free(s->column[i]->text);
		free(s->column[i]->value);
		free(s->column[i]->hit);
		free(s->column[i]);
	}
	free(s->column);
}

/* Look for the name in its quotes up to `end`. */
static void
look(const struct json_scan *s, struct json_column *c, size_t end)
{
	const struct json_machine *machine = json_machine_now();
	size_t to;

	for (; c->looked < end; c->looked = to) {
		to = end - c->looked < PIECE ? end : c->looked + PIECE;
		c->hit = mem_grow(c->hit, &c->cap_hit, c->nhits + (to - c->looked) + JSON_SLACK,
			sizeof(*c->hit));
		c->nhits += machine->find(s->p, c->looked, to, s->n, c->text + 1, c->n - 2,
			c->hit + c->nhits);
	}
}

void
json_columns_begin(struct json_scan *s)
{
	struct json_column *c;
	size_t i;

	for (i = 0; i < s->ncolumns; i++) {
		c = s->column[i];
		c->nhits = c->looked = c->count = 0;
		c->wanted = c->number + 1 == s->number;
		c->uncounted -= c->uncounted != 0;
		c->counting = c->wanted && c->pair && !c->uncounted;
	}
}

/* Up to `end`, a multiple of 64. */
static void
count(const struct json_scan *s, struct json_column *c, size_t end)
{
	if (c->looked < end)
		c->count += json_machine_now()->count(s->p + c->looked, end - c->looked,
			c->text + c->pair);
	c->looked = end;
}

void
json_columns_step(struct json_scan *s, struct json_state *st, size_t at, size_t n)
{
	const struct json_machine *machine = json_machine_now();
	struct json_column *c = s->ncolumns ? s->column[0] : NULL;

	if (!c || !c->counting || !machine->feeds) {
		machine->steps[JSON_FEEDS_TRUST](st, s->p + at, (uint32_t)at, n);
		return;
	}
	c->count += machine->feeds(st, s->p + at, (uint32_t)at, n, c->text + c->pair);
	c->looked = at + n;
}

void
json_columns_look(struct json_scan *s, size_t end)
{
	size_t i;

	for (i = 0; i < s->ncolumns; i++)
		if (s->column[i]->counting)
			count(s, s->column[i], end);
		else if (s->column[i]->wanted)
			look(s, s->column[i], end);
}

/* Is the string whose first quote is at p the name? Bytes up to end, the end of its line,
 * are looked at, and what is readable behind it. */
static inline bool
is_name(const char *p, const char *end, const struct json_column *c)
{
	size_t n = c->n - 2;

	return (size_t)(end - p) >= n && memcmp(p, c->text + 1, n) == 0;
}

static inline const char *
behind_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/*
 * Of a line with escapes that begins with the member: it is the only one if its name stands
 * nowhere else, and can't in another way: spelled with \u. A value is told only if it is no
 * string with escapes itself.
 */
static bool
is_only(const struct json_column *c, const char *value, const char *end)
{
	const char *p = value;

	if (memchr(c->text, '/', c->n))
		return false;
	for (; (p = memchr(p, '\\', (size_t)(end - p))); p += 2)
		if (end - p < 2 || p[1] == 'u')
			return false;
	if (*value != '"')
		return true;
	for (p = value + 1; p < end && *p != '"' && *p != '\\'; p++)
		;
	return p < end && *p == '"';
}

/* What is to be said of a line whose member is not its first, or perhaps is. hit: the first
 * place in the line or behind it. */
static uint32_t
look_closely(const struct json_scan *s, const struct json_column *c, const struct json_line *l,
	const uint32_t *hit)
{
	const char *start = s->p + l->start, *end = s->p + l->end, *p;
	uint32_t at;

	if (*start != '{')
		return JSON_UNTOLD;
	if (l->flags & JSON_LINE_ESCAPE) {
		if (hit[0] != l->start + 1 || hit[1] < l->end || !begins_with_all(start, end, c) ||
			(unsigned char)start[c->n] <= ' ' || !is_only(c, start + c->n, end))
			return JSON_UNTOLD;
		return l->start + (uint32_t)c->n;
	}
	while (*hit < l->end && !is_name(s->p + *hit, end, c))
		hit++;
	at = *hit;
	if (at >= l->end)
		return JSON_MISSING;
	while (*++hit < l->end)
		if (is_name(s->p + *hit, end, c))
			return JSON_UNTOLD;
	p = s->p + at;
	if (p != start + 1 && json_machine_now()->depth(start, (size_t)(p - start)) != 1)
		return JSON_MISSING;
	p = behind_space(p + c->n - 2, end);
	if (p == end || *p != ':')
		return JSON_MISSING;
	p = behind_space(p + 1, end);
	return p == end ? JSON_UNTOLD : (uint32_t)(p - s->p);
}

/* Choose the pair of letters that is rarest in the block, of those that the name has once. */
static void
choose_pair(const struct json_scan *s, struct json_column *c)
{
	size_t n = (s->n < PIECE ? s->n : PIECE) & ~(size_t)63, i, k, found, least = SIZE_MAX;

	c->pair = 0;
	if (c->n > COUNTED)
		return;
	for (i = 1; i + 2 < c->n; i++) {
		for (k = 1; k + 2 < c->n; k++)
			if (k != i && memcmp(c->text + k, c->text + i, 2) == 0)
				break;
		if (k + 2 < c->n)
			continue;
		found = json_machine_now()->count(s->p, n, c->text + i);
		if (found < least) {
			least = found;
			c->pair = i;
		}
	}
}

/* The value of the member that a line with escapes begins with, its name standing nowhere else
 * as it is. */
static uint32_t
escaped_value(const struct json_column *c, const struct json_line *l, const char *start,
	const char *end)
{
	return is_only(c, start + c->n, end) ? l->start + (uint32_t)c->n : JSON_UNTOLD;
}

/* Every line begins with the member, and there is no other. False: it may be otherwise. */
static bool
fill_counted(struct json_scan *s, struct json_column *c)
{
	struct head head = c->head;
	size_t i, n = c->n;
	bool good = true;

	if (!c->counting)
		return false;
	for (i = c->looked; i + 1 < s->n; i++)
		c->count += memcmp(s->p + i, c->text + c->pair, 2) == 0;
	c->looked = s->n;
	if (c->count != s->nlines)
		return false;
	for (i = 0; i < s->nlines; i++) {
		const struct json_line *l = s->line + i;
		const char *start = s->p + l->start;

		good &= begins_with(start, &head) & ((unsigned char)start[n] > ' ');
		c->value[i] = l->start + (uint32_t)n;
		if (__builtin_expect(l->flags & JSON_LINE_ESCAPE, 0) && good)
			c->value[i] = escaped_value(c, l, start, s->p + l->end);
	}
	for (i = 0; good && n > sizeof(head.is) && i < s->nlines; i++)
		good = begins_with_all(s->p + s->line[i].start, s->p + s->line[i].end, c);
	return good;
}

static void
fill(struct json_scan *s, struct json_column *c)
{
	const uint32_t *hit;
	struct head head = c->head;
	size_t i, n = c->n;

	c->value = mem_grow(c->value, &c->cap, s->nlines, sizeof(*c->value));
	if (fill_counted(s, c)) {
		c->number = s->number;
		return;
	}
	if (c->counting) {
		c->uncounted = UNCOUNTED;
		c->counting = false;
		c->looked = 0;
	}
	if (!c->pair || c->uncounted == UNCOUNTED)
		choose_pair(s, c);
	look(s, c, s->n);
	c->hit = mem_grow(c->hit, &c->cap_hit, c->nhits + 2, sizeof(*c->hit));
	c->hit[c->nhits] = c->hit[c->nhits + 1] = NEVER; /* behind all lines */
	for (hit = c->hit, i = 0; i < s->nlines; i++) {
		const struct json_line *l = s->line + i;
		const char *start = s->p + l->start;

		/* As it mostly is: the first member, and the only place. */
		if (__builtin_expect(hit[0] == l->start + 1 && hit[1] >= l->end &&
				!(l->flags & JSON_LINE_ESCAPE) && begins_with(start, &head) &&
				(unsigned char)start[n] > ' ' &&
				(n <= sizeof(head.is) || begins_with_all(start, s->p + l->end, c)),
				1)) {
			c->value[i] = l->start + (uint32_t)n;
			hit++;
			continue;
		}
		while (*hit < l->start)
			hit++;
		c->value[i] = look_closely(s, c, l, hit);
		while (*hit < l->end)
			hit++;
	}
	c->number = s->number;
}

const uint32_t *
json_members(struct json_scan *s, const struct json_name *name)
{
	struct json_column *c;
	size_t i;

	for (i = 0; i < s->ncolumns; i++)
		if (slice_eq(s->column[i]->name.key, name->key))
			break;
	if (i == s->ncolumns) {
		s->column = mem_grow(s->column, &s->cap_columns, i + 1, sizeof(*s->column));
		s->column[s->ncolumns++] = column_new(name);
	}
	c = s->column[i];
	if (c->number != s->number)
		fill(s, c);
	return c->value;
}

bool
json_can_look_for(const struct json_name *name)
{
	struct slice key = name->key;

	/* Between two strings there is something that begins with one of these. */
	return name->plain && key.n && key.n <= LONGEST_NAME && !strchr(" ,:]}", key.p[0]);
}

bool
json_finder_init(struct json_finder *f, struct slice name)
{
	*f = (struct json_finder){.name = json_name_of(name)};
	return json_can_look_for(&f->name);
}
