/* Values reached by their paths, from the bytes: what the tokens say. */
#include "json/reach.h"

#include <stdlib.h>

#include "json/json.h"
#include "test.h"

static const char *const names[] = {"a", "b", "", "a\"b", "c\\"};
static const char *const written[] = {"a", "b", "", "a\\\"b", "c\\\\", "\\u0061", "\\u0062"};
static const char *const scalars[] = {"1", "-0.5e+7", "null", "true", "false", "\"\"",
	"\"x\\\"y{[,\"", "\"\\\\\"", "\"]}\\\\\\\"\"", "\"\xc3\xa9 a\"", "{}", "[]", "{ }", "[ ]"};
static const char *const gaps[] = {"", "", "", " ", "\t", " \r "};

static unsigned
draw(unsigned n)
{
	static uint64_t x = 7;

	x = x * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(x >> 33) % n;
}

#define PICK(list) list[draw(sizeof(list) / sizeof(*list))]

static void
make(struct buf *b, int depth)
{
	unsigned i, n = draw(4), kind = depth ? draw(5) : 0;

	if (kind < 2) {
		buf_adds(b, PICK(scalars));
		return;
	}
	buf_addc(b, kind < 4 ? '{' : '[');
	for (i = 0; i < n; i++) {
		buf_adds(b, PICK(gaps));
		if (kind < 4)
			buf_addf(b, "\"%s\"%s:%s", PICK(written), PICK(gaps), PICK(gaps));
		make(b, depth - 1);
		buf_adds(b, PICK(gaps));
		if (i + 1 < n)
			buf_addc(b, ',');
	}
	buf_addc(b, kind < 4 ? '}' : ']');
}

static enum json_reach
by_tokens(const struct json_doc *d, const struct slice *name, size_t n, struct slice *v)
{
	uint32_t t = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (json_type_at(d, t) == JSON_NULL)
			return JSON_REACH_NULL;
		if (json_type_at(d, t) != JSON_OBJECT)
			return JSON_REACH_BAD;
		t = json_get(d, t, name[i]);
		if (t == JSON_NONE)
			return JSON_REACH_NULL;
	}
	*v = json_text(d, t);
	return JSON_REACH_FOUND;
}

static void
test_valid(void)
{
	struct json_scan s = {0};
	struct slice name[3], x, y;
	struct buf b = {0};
	struct json_doc d;
	struct failure why;
	size_t round, n, i, seen[3] = {0}, wrong = 0;

	for (round = 0; round < 60000; round++) {
		buf_reset(&b);
		buf_adds(&b, PICK(gaps));
		make(&b, 4);
		buf_adds(&b, PICK(gaps));
		if (json_doc_of(&s, buf_slice(&b), &d, &why) < 0) {
			printf("# %s: %.*s\n", why.text, (int)b.n, b.p);
			wrong++;
			continue;
		}
		for (n = 0, i = draw(4); n < i; n++)
			name[n] = slice_str(PICK(names));
		i = by_tokens(&d, name, n, &x);
		seen[i]++;
		if (json_reach(buf_slice(&b), name, n, &y) != i ||
			(i == JSON_REACH_FOUND && !slice_eq(x, y)))
			wrong += printf("# %.*s\n", (int)b.n, b.p) > 0;
	}
	ok(!wrong, "what is reached is what the tokens say");
	ok(seen[0] > 5000 && seen[1] > 5000 && seen[2] > 5000, "of each kind many: %zu %zu %zu",
		seen[0], seen[1], seen[2]);
	json_scan_release(&s);
	buf_release(&b);
}

/* In memory of just that size, so that the sanitizer sees a look beyond. */
static void
test_any_bytes(void)
{
	static const char bytes[] = "{}[]:,\"\\ na1u\n";
	struct slice name[2], v;
	size_t round, n, i, k;
	bool within = true;
	char *p;

	for (round = 0; round < 200000; round++) {
		n = draw(24);
		p = malloc(n + !n);
		for (i = 0; i < n; i++)
			p[i] = bytes[draw(sizeof(bytes) - 1)];
		for (k = 0; k < 2; k++)
			name[k] = slice_str(PICK(names));
		if (json_reach(slice_of(p, n), name, draw(3), &v) == JSON_REACH_FOUND)
			within = within && v.p >= p && v.p + v.n <= p + n;
		free(p);
	}
	ok(within, "anything may be walked over");
}

int
main(void)
{
	test_valid();
	test_any_bytes();
	return done();
}
