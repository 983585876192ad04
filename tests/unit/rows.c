/* The rows of a table: against a model, with places that are taken over and over. */
#include <stdlib.h>

#include "base/table.h"
#include "join/rows.h"
#include "random.h"
#include "test.h"

#define KEYS 40000
#define PUTS 400000

static struct slice
key_of(char *p, unsigned key)
{
	return slice_of(p, (size_t)sprintf(p, "\"%0*u\"", (int)(key % 30), key));
}

/* Of the version of a row: now and then a large one. */
static struct slice
content_of(char *p, unsigned key, unsigned version)
{
	size_t n = version % 50000 == 3 ? 200000 : (key + version) % 40;

	memset(p, 'a' + (char)((key + version) % 26), n);
	return slice_of(p, n);
}

static bool
has(const struct rows *r, unsigned key, unsigned version)
{
	static char text[200000], name[64];
	struct slice k = key_of(name, key), want = content_of(text, key, version), got;

	got = rows_find(r, hash64(k.p, k.n, hash_process_seed()), k);
	return version ? got.p && slice_eq(got, want) : !got.p;
}

static void
puts_and_finds(size_t expected, unsigned keys, const char *what)
{
	static unsigned version[KEYS];
	static char text[200000], name[64];
	struct rows r = {.expected = expected};
	size_t rows = 0, most = 0;
	bool good = true;
	struct slice k;
	unsigned n, key;

	memset(version, 0, sizeof(version));
	for (n = 0; n < PUTS && good; n++) {
		key = (unsigned)(random64() % keys);
		rows += !version[key];
		version[key] = n + 1;
		k = key_of(name, key);
		rows_put(&r, hash64(k.p, k.n, hash_process_seed()), k,
			content_of(text, key, version[key]));
		key = (unsigned)(random64() % keys);
		good = has(&r, key, version[key]);
		most = r.used > most ? r.used : most;
	}
	for (key = 0; key < keys && good; key++)
		good = has(&r, key, version[key]);
	ok(good, "%s: each key has the row put last, or none", what);
	ok(r.n == rows, "%s: as many rows as keys: %zu", what, r.n);
	ok(most < 2 * (size_t)keys * 80 + (4u << 20), "%s: what was lost goes: %zu bytes at most",
		what, most);
	ok(rows_memory(&r) >= r.used, "%s: the memory is told", what);
	rows_release(&r);
	ok(!r.slot && !r.p && !r.n, "%s: all is given back", what);
}

int
main(void)
{
	struct rows none = {0};

	ok(has(&none, 1, 0), "an empty table has no row");
	rows_release(&none);
	puts_and_finds(0, KEYS, "a table that grows");
	puts_and_finds(KEYS, KEYS, "one whose rows are expected");
	puts_and_finds(1000000, KEYS, "one of which too much is expected");
	puts_and_finds(0, 7, "one of few keys");
	return done();
}
