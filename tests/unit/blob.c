/* Blobs: what names may be and what URLs mean, templates of names, XML of servers, and content
 * that is not what it should be. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "blob/content.h"
#include "blob/s3.h"
#include "claim/name.h"
#include "flow/flow.h"

#include "test.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- names ------------------------------------------------------------------------------- */

static void
test_names(void)
{
	static const char *const good[] = {"a", HASH, "a/b", "orders/o-1.json", "A_b.c-d/1"};
	static const char *const bad[] = {"", "/", "a/", "/a", "a//b", ".", "..", "a/..", "../a",
		".a", "a/.b", "a b", "a\nb", "\xc3\xa9", "a?b", "a%2e"};
	char longest[BLOB_NAME_MAX + 2];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		ok(blob_is_name(slice_str(good[i])), "'%s' is a name", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!blob_is_name(slice_str(bad[i])), "bad name %zu is none", i);
	for (i = 0; i < sizeof(longest); i++)
		longest[i] = i % 100 == 99 ? '/' : 'x';
	ok(blob_is_name(slice_of(longest, BLOB_NAME_MAX)), "a name of %d bytes", BLOB_NAME_MAX);
	ok(!blob_is_name(slice_of(longest, BLOB_NAME_MAX + 1)), "one more is too long");
}

static bool
named(const struct blob_store *s, const char *url, const char *name)
{
	struct slice got;

	if (!blob_name_of(s, slice_str(url), &got))
		return !name;
	return name && slice_eq(got, slice_str(name));
}

static void
test_urls(void)
{
	char file[] = "file:/srv/b", bucket[] = "s3://b/p";
	const struct blob_store folder = {.url = file, .fans = true}, s3 = {.url = bucket};
	struct buf b = {0};

	ok(named(&folder, "file:/srv/b/01/" HASH, HASH), "a hash in its folder");
	ok(named(&folder, "file:/srv/b/02/" HASH, NULL), "not in another");
	ok(named(&folder, "file:/srv/b/" HASH, NULL), "nor beside it");
	ok(named(&folder, "file:/srv/b/o/1.json", "o/1.json"), "another name as it is");
	ok(named(&folder, "file:/srv/b", NULL), "the place itself");
	ok(named(&folder, "file:/srv/b/", NULL), "with a slash");
	ok(named(&folder, "file:/srv/bx/o", NULL), "a place that begins like it");
	ok(named(&folder, "file:/srv/b/../b/o", NULL), "a way out");
	ok(named(&s3, "s3://b/p/" HASH, HASH), "an object");
	ok(named(&s3, "s3://b/p/01/" HASH, "01/" HASH), "an object that is no hash");
	ok(named(&s3, "s3://B/p/" HASH, NULL), "another bucket");
	blob_add_url(&folder, SLICE(HASH), &b);
	ok(slice_eq(buf_slice(&b), SLICE("file:/srv/b/01/" HASH)), "and back");
	buf_reset(&b);
	blob_add_url(&s3, SLICE("o/1.json"), &b);
	ok(slice_eq(buf_slice(&b), SLICE("s3://b/p/o/1.json")), "and back from s3");
	buf_release(&b);
}

/* ---- templates --------------------------------------------------------------------------- */

static const struct expr *
compile(void *arg, const char *text, struct failure *why)
{
	struct expr **list = arg;
	struct expr_options options = {0};

	while (*list)
		list++;
	*list = expr_compile(text, &options, why);
	return *list;
}

static bool
fits(const char *template, const char *name)
{
	struct expr *list[16] = {0};
	struct claim_name n;
	struct failure why;
	bool does = name_init(&n, template, compile, list, &why) == 0 &&
		name_matches(&n, slice_str(name));
	size_t i;

	name_release(&n);
	for (i = 0; list[i]; i++)
		expr_free(list[i]);
	return does;
}

static void
test_templates(void)
{
	char many[200], same[120];
	size_t i;

	ok(fits("o-{.id}.json", "o-1.json"), "a hole");
	ok(fits("o-{.id}.json", "o-1.json.json"), "a hole with the end in it");
	ok(!fits("o-{.id}.json", "o-.json"), "a hole is not empty");
	ok(!fits("o-{.id}.json", "o-1.jso"), "nor is the end cut");
	ok(!fits("o-{.id}.json", "p-1.json"), "nor the beginning another");
	ok(!fits("o-{.id}.json", "o-a/b.json"), "a slash is in no hole");
	ok(fits("{.a}/{.b}", "x/y"), "a slash between holes");
	ok(!fits("{.a}/{.b}", "x/y/z"), "and one only");
	ok(!fits("{.a}/{.b}", "x/.y"), "no hidden name");
	ok(fits("{.a}{.b}", "xy") && !fits("{.a}{.b}", "x"), "two holes need two bytes");
	ok(fits("{.a.b[0] | tostring + \"}\"}-x", "1-x"), "braces in strings and objects");
	ok(fits("{{\"a\":1} | .a}-x", "1-x"), "an object in a hole");
	/* Every way to share 100 bytes among eight holes would take years. */
	memset(same, 'a', sizeof(same));
	same[100] = '\0';
	for (i = 0, many[0] = '\0'; i < 8; i++)
		strcat(many, "{.x}a");
	strcat(many, "b");
	ok(!fits(many, same), "many holes, soon");
}

/* ---- servers ------------------------------------------------------------------------------ */

static bool
element(const char *xml, const char *name, const char *want, const char *left)
{
	struct slice s = slice_str(xml), text;
	bool found = s3_element(&s, name, &text);

	if (!found || !want)
		return found == (want != NULL) && slice_eq(s, slice_str(xml));
	return slice_eq(text, slice_str(want)) && slice_eq(s, slice_str(left));
}

static void
test_xml(void)
{
	struct buf b = {0};

	ok(element("<a>1</a>2", "a", "1", "2"), "an element");
	ok(element("<ab>0</ab><a>1</a>", "a", "1", ""), "behind one that begins like it");
	ok(element("<r><a></a></r>", "a", "", "</r>"), "an empty one in another");
	ok(element("<a>1", "a", NULL, NULL), "one without an end");
	ok(element("<a", "a", NULL, NULL) && element("", "a", NULL, NULL) &&
		element("<", "a", NULL, NULL) && element("<a>", "a", NULL, NULL) &&
		element("<a></a", "a", NULL, NULL), "rests of one");
	s3_add_encoded(&b, SLICE("a/b c+d=\xc3\xa9~"), false);
	ok(slice_eq(buf_slice(&b), SLICE("a/b%20c%2Bd%3D%C3%A9~")), "a path");
	buf_reset(&b);
	s3_add_encoded(&b, SLICE("a/b"), true);
	ok(slice_eq(buf_slice(&b), SLICE("a%2Fb")), "a query");
	buf_release(&b);
}

/* ---- content ------------------------------------------------------------------------------ */

/* A store of one blob, told in steps. */
struct one {
	struct blob_store base;
	struct slice bytes;
	size_t step;
};

static int
one_get(struct blob_store *base, struct slice name, const struct blob_sink *sink,
	struct failure *why)
{
	struct one *o = (struct one *)base;
	size_t at, n;

	if (slice_eq(name, SLICE("none")))
		return 0;
	sink->begin(sink->arg);
	for (at = 0; at < o->bytes.n; at += n) {
		n = o->bytes.n - at < o->step ? o->bytes.n - at : o->step;
		if (sink->take(sink->arg, o->bytes.p + at, n, why) < 0)
			return -1;
	}
	return 1;
}

static void
test_content(void)
{
	struct one store = {.base = {.get = one_get}};
	struct failure why;
	struct packer *p = packer_new(&why);
	struct unpacker *u = unpacker_new(&why);
	struct sha *sha = sha_new();
	struct buf content = {0}, packed = {0}, again = {0}, got = {0}, broken = {0};
	char hex[SHA_HEX];
	struct content_want want = {.sha256 = hex, .max = 1 << 20};
	static const size_t steps[] = {1, 3, 4, 5, 1000, 1 << 20};
	size_t i, bad = 0;

	for (i = 0; i < 3000; i++)
		buf_addf(&content, "%zu,", i * i % 977);
	sha_of(sha, buf_slice(&content), hex);
	want.size = content.n;
	ok(packer_pack(p, buf_slice(&content), &packed, &why) == 0 && packed.n < content.n &&
		packer_pack(p, buf_slice(&content), &again, &why) == 0 &&
		slice_eq(buf_slice(&packed), buf_slice(&again)), "the same bytes pack the same");
	for (i = 0; i < 2 * sizeof(steps) / sizeof(*steps); i++) {
		store.step = steps[i / 2];
		store.bytes = i % 2 ? buf_slice(&content) : buf_slice(&packed);
		ok(unpacker_fetch(u, &store.base, SLICE("x"), &want, &got, &why) == 0 &&
			slice_eq(buf_slice(&got), buf_slice(&content)),
			"%s in steps of %zu", i % 2 ? "plain" : "packed", store.step);
	}
	ok(unpacker_fetch(u, &store.base, SLICE("none"), &want, &got, &why) < 0 &&
		why.status == EXIT_DATA && !got.n, "what is not there");
	want.size = UINT64_MAX;
	ok(unpacker_fetch(u, &store.base, SLICE("x"), &want, &got, &why) == 0, "no size told");
	want.max = content.n - 1;
	ok(unpacker_fetch(u, &store.base, SLICE("x"), &want, &got, &why) < 0 && !got.n,
		"one byte too many");
	want.max = 1 << 20;
	want.size = content.n;
	/* Two frames make one content; every cut and every changed byte is noticed. */
	store.step = 100;
	packer_pack(p, slice_of(content.p, 1000), &again, &why);
	buf_add_slice(&broken, buf_slice(&again));
	packer_pack(p, slice_of(content.p + 1000, content.n - 1000), &again, &why);
	buf_add_slice(&broken, buf_slice(&again));
	store.bytes = buf_slice(&broken);
	ok(unpacker_fetch(u, &store.base, SLICE("x"), &want, &got, &why) == 0, "two frames");
	for (i = 0; i < packed.n; i++) {
		store.bytes = slice_of(packed.p, i);
		bad += unpacker_fetch(u, &store.base, SLICE("x"), &want, &got, &why) < 0 &&
			why.status == EXIT_DATA && !got.n;
		packed.p[i] = (char)(packed.p[i] ^ 0x41);
		store.bytes = buf_slice(&packed);
		bad += unpacker_fetch(u, &store.base, SLICE("x"), &want, &got, &why) == 0 ?
			slice_eq(buf_slice(&got), buf_slice(&content)) : !got.n;
		packed.p[i] = (char)(packed.p[i] ^ 0x41);
	}
	ok(bad == 2 * packed.n, "damage at every byte of %zu", packed.n);
	buf_release(&content);
	buf_release(&packed);
	buf_release(&again);
	buf_release(&got);
	buf_release(&broken);
	sha_free(sha);
	packer_free(p);
	unpacker_free(u);
}

int
main(void)
{
	test_names();
	test_urls();
	test_templates();
	test_xml();
	test_content();
	return done();
}
