/* Bytes made fit to be shown or carried. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "test.h"

static bool
safe_is(struct slice s, size_t max, const char *want)
{
	struct buf b = {0};
	bool good;

	text_add_safe(&b, s, max);
	good = slice_eq(buf_slice(&b), slice_str(want));
	if (!good)
		printf("# got %s\n", buf_cstr(&b));
	buf_release(&b);
	return good;
}

static void
test_safe(void)
{
	static const struct {
		const char *title;
		struct slice s;
		size_t max;
		const char *want;
	} cases[] = {
		{"plain text stays", {"a b", 3}, 9, "a b"},
		{"nothing is nothing", {"", 0}, 0, ""},
		{"an escape sequence is shown", {"\x1b[31m", 5}, 9, "\\x1B[31m"},
		{"NUL, line feed and DEL are shown", {"\0\n\x7f", 3}, 9,
			"\\x00\\x0A\\x7F"},
		{"UTF-8 stays", {"Gr\xC3\xBC\xE2\x98\x95\xF0\x9F\x98\x80", 11}, 99,
			"Gr\xC3\xBC\xE2\x98\x95\xF0\x9F\x98\x80"},
		{"a lone byte is shown", {"a\xFFz", 3}, 9, "a\\xFFz"},
		{"an overlong form is shown", {"\xC0\xAF", 2}, 9, "\\xC0\\xAF"},
		{"a surrogate is shown", {"\xED\xA0\x80", 3}, 9, "\\xED\\xA0\\x80"},
		{"beyond U+10FFFF is shown", {"\xF4\x90\x80\x80", 4}, 9,
			"\\xF4\\x90\\x80\\x80"},
		{"a cut character is shown", {"\xE2\x98", 2}, 9, "\\xE2\\x98"},
		{"a C1 control is shown",
			{"\xC2\x9B"
			 "2J",
				4},
			9, "\\xC2\\x9B2J"},
		{"a mark that reorders text is shown", {"\xE2\x80\xAE", 3}, 9,
			"\\xE2\\x80\\xAE"},
		{"as long as the limit: whole", {"abc", 3}, 3, "abc"},
		{"longer: cut", {"abcd", 4}, 3, "abc..."},
		{"a character is not cut in two",
			{"ab\xC3\xBC"
			 "c",
				5},
			3, "ab..."},
		{"a character that ends at the limit stays",
			{"ab\xC3\xBC"
			 "c",
				5},
			4, "ab\xC3\xBC..."},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ok(safe_is(cases[i].s, cases[i].max, cases[i].want), "safe: %s",
			cases[i].title);
}

static bool
decodes(const char *text, const char *want)
{
	struct buf b = {0};
	bool good;

	buf_adds(&b, "<");
	good = text_unbase64(&b, slice_str(text)) == (want ? 0 : -1);
	/* What stood there stays, and a refused text adds nothing. */
	good = good && b.n == 1 + (want ? strlen(want) : 0) && b.p[0] == '<' &&
		(!want || !memcmp(b.p + 1, want, b.n - 1));
	buf_release(&b);
	return good;
}

static void
test_base64(void)
{
	static const char *const rfc[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};
	static const struct {
		const char *title, *text;
	} bad[] = {
		{"missing padding", "Zg"},
		{"one padding of two", "Zg="},
		{"too much padding", "Zm9v===="},
		{"padding alone", "===="},
		{"three paddings", "Z==="},
		{"padding before the end", "Zg==Zm9v"},
		{"padding in the middle", "Z=9v"},
		{"a digit after padding", "Zg=v"},
		{"white space", "Zm9v\nZm9v"},
		{"white space at the end", "Zm9v\n"},
		{"white space among four", "Zm9 Zm9v"},
		{"the URL alphabet", "-_-_"},
		{"bits that no byte takes, two paddings", "Zh=="},
		{"bits that no byte takes, one padding", "Zm9="},
		{"a byte over 127", "Zm9\xC3"},
	};
	struct buf b = {0}, c = {0}, d = {0};
	size_t n, i, wrong = 0, accepted = 0;
	unsigned char *bytes = mem_alloc(700);
	uint64_t x = 88172645463325252u;

	for (i = 0; i < 7; i++) {
		buf_reset(&b);
		text_add_base64(&b, slice_str(rfc[i][0]));
		ok(slice_eq(buf_slice(&b), slice_str(rfc[i][1])), "base64: '%s' is '%s'",
			rfc[i][0], rfc[i][1]);
		ok(decodes(rfc[i][1], rfc[i][0]), "base64: '%s' is read back", rfc[i][1]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(decodes(bad[i].text, NULL), "base64: refused: %s", bad[i].title);

	/* Three bytes at a time go the scalar way; the whole goes through vectors. */
	for (n = 0; n < 700; n++) {
		for (i = 0; i < n; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			bytes[i] = (unsigned char)(x >> 32);
		}
		buf_reset(&b);
		buf_reset(&c);
		buf_reset(&d);
		text_add_base64(&b, slice_of((char *)bytes, n));
		for (i = 0; i < n; i += 3)
			text_add_base64(
				&c, slice_of((char *)bytes + i, n - i < 3 ? n - i : 3));
		wrong += !slice_eq(buf_slice(&b), buf_slice(&c));
		wrong += text_unbase64(&d, buf_slice(&b)) != 0 ||
			!slice_eq(buf_slice(&d), slice_of((char *)bytes, n));
	}
	ok(!wrong, "base64: vectors and scalars agree for 0 to 699 bytes (%zu do not)",
		wrong);

	/* A bad character anywhere in a long text is found: each byte value in each
	 * place. */
	buf_reset(&b);
	text_add_base64(&b, slice_of((char *)bytes, 96));
	for (i = 0; i < b.n; i++) {
		char good = b.p[i];

		for (int v = 0; v < 256; v++) {
			bool fit = (v >= 'A' && v <= 'Z') || (v >= 'a' && v <= 'z') ||
				(v >= '0' && v <= '9') || v == '+' || v == '/';

			b.p[i] = (char)v;
			buf_reset(&d);
			/* A single '=' at the very end may be right; it is tested above.
			 */
			if (v != '=' || i + 1 < b.n)
				accepted +=
					(text_unbase64(&d, buf_slice(&b)) == 0) != fit;
		}
		b.p[i] = good;
	}
	ok(!accepted, "base64: every wrong byte in every place is refused (%zu not)",
		accepted);
	buf_release(&b);
	buf_release(&c);
	buf_release(&d);
	free(bytes);
}

static void
test_size(void)
{
	static const struct {
		const char *s;
		bool good;
		uint64_t bytes;
	} cases[] = {
		{"0", true, 0},
		{"4096", true, 4096},
		{"4096B", true, 4096},
		{"512k", true, 524288},
		{"10M", true, 10485760},
		{"64MiB", true, 67108864},
		{"1GB", true, 1073741824},
		{"2T", true, 2199023255552},
		{"1KiB", true, 1024},
		{"1g", true, 1073741824},
		{"18446744073709551615", true, UINT64_MAX},
		{"16777215T", true, 16777215ull << 40},
		{"18446744073709551616", false, 0},
		{"16777216T", false, 0},
		{"", false, 0},
		{"k", false, 0},
		{"-1", false, 0},
		{"+1", false, 0},
		{" 1", false, 0},
		{"1 k", false, 0},
		{"1.5M", false, 0},
		{"1kk", false, 0},
		{"1Ki", false, 0},
		{"1P", false, 0},
		{"1iB", false, 0},
		{"1BB", false, 0},
		{"0x10", false, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t bytes = 7;
		bool good = text_size(cases[i].s, &bytes) == 0;

		ok(good == cases[i].good && bytes == (good ? cases[i].bytes : 7),
			"size: '%s' is %s", cases[i].s,
			cases[i].good ? "read" : "refused");
	}
}

static void
test_component(void)
{
	static const struct {
		const char *s;
		bool good;
	} cases[] = {
		{"books", true},
		{"A-1_b.ndjson", true},
		{"-", true},
		{"a..b", true},
		{"", false},
		{".", false},
		{"..", false},
		{".hidden", false},
		{"a/b", false},
		{"a b", false},
		{"a\nb", false},
		{"B\xC3\xBC"
		 "cher",
			false},
		{"a*", false},
		{"a\\b", false},
		{"a:b", false},
		{"{}", false},
	};
	char many[201];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ok(text_is_component(slice_str(cases[i].s)) == cases[i].good,
			"component: case %zu is %s", i,
			cases[i].good ? "safe" : "refused");
	memset(many, 'a', sizeof(many));
	ok(text_is_component(slice_of(many, 200)), "component: 200 bytes are safe");
	ok(!text_is_component(slice_of(many, 201)), "component: 201 bytes are refused");
	ok(!text_is_component(slice_of("a\0b", 3)), "component: a NUL is refused");
}

static void
test_number(void)
{
	static const uint64_t v[] = {0, 9, 10, 12345, UINT32_MAX, UINT64_MAX};
	struct buf b = {0};

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		buf_addu(&b, v[i]);
		buf_addc(&b, ' ');
	}
	ok(slice_eq(buf_slice(&b), SLICE("0 9 10 12345 4294967295 18446744073709551615 ")),
		"numbers in decimal digits: %s", buf_cstr(&b));
	buf_release(&b);
}

static void
test_percent(void)
{
	static const struct {
		const char *s, *want; /* NULL: no text */
	} cases[] = {
		{"", ""}, {"plain", "plain"}, {"a%20b%2fc%2F", "a b/c/"}, {"%25", "%"},
		{"%ff", "\xff"}, {"%", NULL}, {"%2", NULL}, {"a%2g", NULL}, {"%00", NULL},
		{"%%41", NULL}, {"%-1", NULL},
	};
	char *got;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		got = text_percent_decode(cases[i].s, strlen(cases[i].s));
		ok(cases[i].want ? got && strcmp(got, cases[i].want) == 0 : !got,
			"percent: '%s'", cases[i].s);
		free(got);
	}
	got = text_percent_decode("%4142", 3);
	ok(got && strcmp(got, "A") == 0, "percent: n bytes, and no more");
	free(got);
}

int
main(void)
{
	test_percent();
	test_number();
	test_safe();
	test_base64();
	test_size();
	test_component();
	return done();
}
