/*
 * The index: the same from every scanner whatever the bytes, right for lines that are
 * hostile to their neighbours, and right at every place in a step.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "json/scan.h"
#include "test.h"

static const char *const simd[] = {"avx2", "avx512"};

static uint64_t random_state = 88172645463325252u;

static uint32_t
draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 20) % below);
}

static bool
same_index(const struct json_scan *a, const struct json_scan *b)
{
	size_t i;

	if (a->nlines != b->nlines || a->feeds != b->feeds || a->ntok != b->ntok ||
	    memcmp(a->pos, b->pos, a->ntok * sizeof(*a->pos)) != 0 ||
	    memcmp(a->first, b->first, a->ntok) != 0)
		return false;
	for (i = 0; i < a->nlines; i++)
		if (memcmp(a->line + i, b->line + i, sizeof(*a->line)) != 0)
			return false;
	return true;
}

/* The lines of a block, told by hand: 0 if all is as it should be. */
static int
lines_are_right(const struct json_scan *s)
{
	size_t start = 0, end, i = 0, number;
	uint32_t t;

	for (number = 0; start < s->n; number++, start = end + 1) {
		const char *feed = memchr(s->p + start, '\n', s->n - start);
		const struct json_line *l = s->line + i;
		size_t k;

		end = feed ? (size_t)(feed - s->p) : s->n;
		for (k = start; k < end && strchr(" \t\r", s->p[k]) && s->p[k]; k++)
			;
		if (k == end)
			continue;
		if (i == s->nlines || l->number != number || l->start != start ||
		    l->end != end - (s->p[end - 1] == '\r') || s->pos[l->tok + l->ntok] != end ||
		    (l->flags & JSON_LINE_UNENDED) != (feed ? 0u : JSON_LINE_UNENDED))
			return 1;
		if (s->pos[l->tok] != k)
			return 2; /* the first byte that isn't white space begins a token */
		for (t = 0; t < l->ntok; t++)
			if (s->pos[l->tok + t] >= s->pos[l->tok + t + 1])
				return 3;
		if (((l->flags & JSON_LINE_NOT_UTF8) == 0) !=
		    json_is_utf8((struct slice){s->p + start, end - start}))
			return 4;
		if (((l->flags & JSON_LINE_ESCAPE) == 0) !=
		    !memchr(s->p + start, '\\', end - start))
			return 5;
		i++;
	}
	return i == s->nlines ? 0 : 6;
}

/* Compare all scanners on these bytes; 0 if they agree and the lines are right. */
static int
compare(const char *p, size_t n)
{
	struct json_scan a = {0}, b = {0};
	int wrong;
	size_t k;

	json_use("scalar");
	json_scan_block(&a, p, n, false);
	wrong = lines_are_right(&a);
	for (k = 0; k < 2; k++) {
		if (!json_use(simd[k]))
			continue;
		json_scan_block(&b, p, n, false);
		if (!same_index(&a, &b))
			wrong = 10 + (int)k;
	}
	json_use(NULL);
	json_scan_release(&a);
	json_scan_release(&b);
	return wrong;
}

/* Bytes at the end of a mapping of their own size, so that a sanitizer sees a step too far. */
static int
compare_exact(const char *p, size_t n)
{
	char *copy = malloc(n + JSON_PADDING);
	int wrong;

	if (n)
		memcpy(copy, p, n);
	memset(copy + n, "\"\n{\\7\x80"[draw(6)], JSON_PADDING);
	wrong = compare(copy, n);
	free(copy);
	return wrong;
}

static void
test_random(void)
{
	static const char few[] = "\"\"\"\\\\\n\n{}[]:, \t\r1a\x01\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80";
	char text[1200];
	int wrong = 0, kind;
	size_t round, n, i;

	for (kind = 0; kind < 4; kind++) {
		for (wrong = 0, round = 0; round < 8000 && !wrong; round++) {
			n = draw(kind == 3 ? 1100 : 400);
			for (i = 0; i < n; i++) {
				char some = few[draw(sizeof(few) - 1)];

				text[i] = kind == 0 ? (char)draw(256) : kind == 1 ? some :
					kind == 2 ? (draw(3) ? '\\' : some) :
					(draw(40) ? 'x' : some);
			}
			wrong = compare_exact(text, n);
		}
		ok(wrong == 0, "all scanners agree on random bytes, kind %d (%d)", kind, wrong);
	}
}

static void
test_utf8_phases(void)
{
	static const char *const cuts[] = {
		"\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xC3", "\xE2\x82", "\xE2",
		"\xF0\x9F\x98", "\xF0\x9F", "\xF0", "\x80", "\xED\xA0\x80", "\xC3\xA4\xA4",
		"\xF4\x90\x80\x80", "\xE0\x80\x80", "\xC0\x80",
	};
	char text[512];
	int wrong = 0;
	size_t i, at;

	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		for (at = 0; at < 140; at++) {
			size_t n = strlen(cuts[i]);

			/* Cut off by the line feed, by a letter, by the end of the block. */
			memset(text, 'a', sizeof(text));
			memcpy(text + at, cuts[i], n);
			text[at + n] = '\n';
			text[200] = '\n';
			wrong += compare_exact(text, 260) != 0;
			text[at + n] = 'a';
			wrong += compare_exact(text, 260) != 0;
			wrong += compare_exact(text, at + n) != 0;
		}
	ok(wrong == 0, "UTF-8, whole and cut, at every place (%d wrong)", wrong);
}

static void
test_backslashes(void)
{
	struct json_scan s = {0};
	char text[700];
	int wrong = 0;
	size_t shift, run, k, n;

	for (k = 0; k < 3; k++) {
		if (!json_use(k == 0 ? "scalar" : simd[k - 1]))
			continue;
		for (shift = 0; shift < 70; shift++)
			for (run = 0; run < 200; run++) {
				/* "xxx\\\\...", 1 or, the quote escaped, an open string */
				n = 0;
				text[n++] = '"';
				memset(text + n, 'x', shift);
				memset(text + n + shift, '\\', run);
				n += shift + run;
				memcpy(text + n, "\" , 1\n[2]\n", 10);
				n += 10;
				memset(text + n, ' ', JSON_PADDING);
				json_scan_block(&s, text, n, false);
				wrong += s.nlines != 2 || s.line[1].ntok != 3 ||
					s.line[1].flags != 0 ||
					s.line[0].ntok != (run % 2 ? 1 : 3) ||
					s.line[0].flags != ((run ? JSON_LINE_ESCAPE : 0u) |
					(run % 2 ? JSON_LINE_OPEN_STRING : JSON_LINE_ODD));
			}
	}
	json_use(NULL);
	json_scan_release(&s);
	ok(wrong == 0, "runs of backslashes over steps (%d wrong)", wrong);
}

static void
test_neighbours(void)
{
	static const char *const broken[] = {
		"{\"a\":\"open", "\"", "\\", "\"\\", "{\"a\":\"\\", "\"\xF0\x9F", "\"\x01", "]]]]",
		"{\"a\":1", "\"a\" \"", "\"\\\\\\", "x", "\xEF\xBB\xBF{}", "{\"a\":\"b\\\"}",
	};
	struct json_scan s = {0};
	struct json_doc d;
	struct failure why;
	char text[2048];
	int wrong = 0;
	size_t i, k, shift, n, j;

	for (k = 0; k < 3; k++) {
		if (!json_use(k == 0 ? "scalar" : simd[k - 1]))
			continue;
		for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
			for (shift = 0; shift < 130; shift++) {
				n = (size_t)sprintf(text, "%*s[\"first\"]\n%s\n%s\r\n[\"good\","
					"{\"a\":\"\\n\"}]\n%s\n{\"last\":\"\xC3\xA4\"}\n", (int)shift, "",
					broken[i], broken[i], broken[i]);
				memset(text + n, '"', JSON_PADDING);
				json_scan_block(&s, text, n, false);
				wrong += s.nlines != 6;
				for (j = 0; j < s.nlines; j++)
					wrong += json_line_doc(&s, j, false, &d, &why) !=
						(j == 0 || j == 3 || j == 5 ? 0 : -1);
			}
	}
	json_use(NULL);
	json_scan_release(&s);
	ok(wrong == 0, "broken lines leave their neighbours alone (%d wrong)", wrong);
}

static void
test_lines(void)
{
	static const char text[] = "1\n\n  \t\r\n2\r\n\r\n 3 \n\n4" "                              "
		"                                  ";
	struct json_scan s = {0};
	struct json_doc d;
	struct failure why;
	size_t n = (size_t)(strchr(text, '4') + 1 - text);

	json_scan_block(&s, text, n, false);
	ok(s.nlines == 4 && s.feeds == 7, "white space alone is no record, but a line");
	ok(s.line[0].number == 0 && s.line[1].number == 3 && s.line[2].number == 5 &&
		s.line[3].number == 7, "numbers of lines count all of them");
	ok(slice_eq(json_line_text(&s, 1), SLICE("2")), "a carriage return is cut off");
	ok(slice_eq(json_line_text(&s, 2), SLICE(" 3 ")), "blanks stay");
	ok(json_line_doc(&s, 3, false, &d, &why) == 0 && slice_eq(json_text(&d, 0), SLICE("4")),
		"the last line needs no line feed");
	json_scan_block(&s, text, 0, false);
	ok(s.nlines == 0 && s.feeds == 0, "an empty block has no lines");
	json_scan_block(&s, "\n\n\n" "                                                             ",
		3, false);
	ok(s.nlines == 0 && s.feeds == 3, "empty lines alone");
	json_scan_release(&s);
}

static void
test_text(void)
{
	struct json_scan s = {0};
	struct json_doc d;
	struct failure why;

	ok(json_doc_of(&s, SLICE("{\n \"a\" :\r\n [1,\n2]\n}\n"), &d, &why) == 0 &&
		slice_eq(json_text(&d, json_get(&d, 0, SLICE("a"))), SLICE("[1,\n2]")),
		"a text of its own may hold line feeds");
	ok(json_doc_of(&s, SLICE("{\n\"a\nb\":1}"), &d, &why) != 0 && why.column == 5,
		"but not in a string");
	ok(json_doc_of(&s, SLICE("1\n2"), &d, &why) != 0, "nor between two values");
	ok(json_doc_of(&s, (struct slice){NULL, 0}, &d, &why) != 0, "an empty text is refused");
	json_scan_release(&s);
}

/* Many tokens, many lines: the arrays grow. */
static void
test_large(void)
{
	struct buf b = {0};
	struct json_scan s = {0};
	struct json_doc d;
	struct failure why;
	size_t i, good = 0;

	for (i = 0; i < 60000; i++)
		buf_adds(&b, "1\n");
	buf_addc(&b, '[');
	for (i = 0; i < 100000; i++)
		buf_adds(&b, "[],");
	buf_adds(&b, "{}]\n");
	buf_reserve(&b, JSON_PADDING);
	json_scan_block(&s, b.p, b.n, false);
	for (i = 0; i < s.nlines; i++)
		good += json_line_doc(&s, i, false, &d, &why) == 0;
	ok(s.nlines == 60001 && good == 60001 && json_count(&d, 0) == 100001 &&
		json_type_at(&d, json_at(&d, 0, -1)) == JSON_OBJECT, "large blocks");
	buf_release(&b);
	json_scan_release(&s);
}

/* Pairs are counted right wherever they stand in a step, and beside line feeds. */
static void
test_pairs(void)
{
	enum { MAX = 64 * 40 };
	static struct json_feed feed[2][MAX + JSON_SLACK];
	const struct json_machine *m;
	size_t round, n, i, k, want, right = 0, tried = 0;
	char *text;

	for (round = 0; round < 3000; round++) {
		n = 64 * draw(41);
		text = malloc(n + JSON_PADDING);
		for (i = 0; i < n + JSON_PADDING; i++)
			text[i] = "aab\n\\x"[draw(round % 2 ? 4 : 6)];
		for (want = 0, i = 0; i < n; i++)
			want += text[i] == 'a' && text[i + 1] == 'b';
		for (k = 0; k < 3; k++) {
			struct json_state a = {.feed = feed[0]}, b = {.feed = feed[1]};

			if (!json_use(k ? simd[k - 1] : "scalar"))
				continue;
			m = json_machine_now();
			tried++;
			right += m->count(text, n, "ab") == want;
			if (!m->feeds)
				continue;
			tried++;
			m->steps[JSON_FEEDS_TRUST](&a, text, 7, n);
			right += m->feeds(&b, text, 7, n, "ab") == want &&
				a.nfeeds == b.nfeeds && a.flags == b.flags &&
				memcmp(feed[0], feed[1], a.nfeeds * sizeof(*feed[0])) == 0;
		}
		free(text);
	}
	json_use(NULL);
	ok(right == tried && tried >= 3000, "pairs are counted (%zu of %zu)", right, tried);
}

int
main(void)
{
	test_pairs();
	test_random();
	test_utf8_phases();
	test_backslashes();
	test_neighbours();
	test_lines();
	test_text();
	test_large();
	return done();
}
