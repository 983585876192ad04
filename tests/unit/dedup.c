/* Ids: the canonical form of a record and its SHA-256, computed by Python's json, decimal and
 * hashlib from the same texts. What is left out of it. The filter: never wrong about what it
 * has, and about the rest as often as it says. */
#include "dedup/additions.h"
#include "dedup/approx.h"
#include "test.h"

static const struct {
	const char *text, *canonical, *sha;
} known[] = {
	{"{}",
		"{}",
		"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
	{"[]",
		"[]",
		"4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"},
	{"null",
		"null",
		"74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"},
	{" true ",
		"true",
		"b5bea41b6c623f7c09f1bf24dcae58ebab3c0cdd90ad966bc43a45b44867e12b"},
	{"0",
		"0",
		"5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"},
	{"-0",
		"0",
		"5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"},
	{"1",
		"1",
		"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"},
	{"1.0",
		"1",
		"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"},
	{"1e0",
		"1",
		"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"},
	{"12.50",
		"12.5",
		"b902cc4550838229a710bfec4c38cbc7eb11082367a409df9135e7f007a96bda"},
	{"100",
		"100",
		"ad57366865126e55649ecb23ae1d48887544976efea46a48eb5d85a6eeb4d306"},
	{"1e2",
		"100",
		"ad57366865126e55649ecb23ae1d48887544976efea46a48eb5d85a6eeb4d306"},
	{"1e20",
		"100000000000000000000",
		"c344e9487bfbd5c4e03c9fb90d62a5dde5e00b54d55c46e9f4a803aea162b80c"},
	{"1e21",
		"1e+21",
		"241c4643fa70b1dcde1205b71be4e3bebb17e9f880c8e1a33d0ead6c27271d3c"},
	{"123456789012345678901234567890",
		"1.2345678901234567890123456789e+29",
		"00f5922c4f60c750371b854311951ca1be41b66e960c31cb17b2ec9a5ccb743f"},
	{"0.000001",
		"0.000001",
		"159fb29a827ad04b260aa6c8ab6d8637f8f2b38af5c4f3cb49d6a21205e040f8"},
	{"1e-7",
		"1e-7",
		"5b33e02f2c5103a05d32f6ba9cb058294452bfbf393967f68bb30c1bdcbbab22"},
	{"-0.0000025E+1",
		"-0.000025",
		"a961c1edb726b05aa2bfd4ec161923525cd8179751a35f00f438a9855d85338a"},
	{"12345678901234567890",
		"12345678901234567890",
		"6ed645ef0e1abea1bf1e4e935ff04f9e18d39812387f63cda3415b46240f0405"},
	{"12345678901234567891",
		"12345678901234567891",
		"239abedde48241c10a2c95837f82d2c242e5964ec708107fe6cad668b5743437"},
	{"9007199254740993",
		"9007199254740993",
		"a1c367c29158357e62a3ff5d3e800fb7698a22396439dbc0a9d4929322afd35d"},
	{"1.7976931348623157e308",
		"1.7976931348623157e+308",
		"c2784e1abd6317452708f3fbf9641c16b959561bc621a1d408c23a20aa2cb585"},
	{"4.35",
		"4.35",
		"6d98ea24827f5a019110f671bdab1596d35800c5ee5557d5af709ed3eab75aea"},
	{"0.1",
		"0.1",
		"14be4b45f18e0d8c67b4f719b5144eee88497e413709d11d85b096d8e2346310"},
	{"\"\"",
		"\"\"",
		"12ae32cb1ec02d01eda3581b127c1fee3b0dc53572ed6baf239721a03d82e126"},
	{"\"\\u0061\\/\\b\\f\\n\\r\\t\\u0001\\u001F\\u007f\\\"\\\\\"",
		"\"a/\\b\\f\\n\\r\\t\\u0001\\u001f\177\\\"\\\\\"",
		"c90fbc050d38334060c9cc5d50ca1820f92ea7ce2754013a2e23d56a16352ea7"},
	{"\"\\u20ac\\ud83d\\ude00\"",
		"\"\342\202\254\360\237\230\200\"",
		"a0350e60ce644a3f837f79822d2f0036b14296bf251571fd9d7cffb57f646fef"},
	{"\"\303\251\"",
		"\"\303\251\"",
		"f2886017e9c7abacf804b54d64787dce2b611c9544ba21f3affdd126a6e50086"},
	{"{\"b\":1,\"a\":2}",
		"{\"a\":2,\"b\":1}",
		"d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772"},
	{" { \"b\" : 1.0 , \"a\" : 2e0 } ",
		"{\"a\":2,\"b\":1}",
		"d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772"},
	{"{\"a\":1,\"A\":2,\"\\u00e9\":3,\"z\":4,\"\":5}",
		"{\"\":5,\"A\":2,\"a\":1,\"z\":4,\"\303\251\":3}",
		"50e78f05aeba0759cb13eaa925051d30d7616f6f2c6d571bc368f0698f0c35f0"},
	{"{\"\\ud83d\\ude00\":1,\"\\uffee\":2}",
		"{\"\357\277\256\":2,\"\360\237\230\200\":1}",
		"4a18db7ce7ac0dec742ca9b634aedad1104002c9c24ed062e9f6d7dc8cc3888e"},
	{"{\"a\":{\"y\":[1,{\"d\":1,\"c\":2}],\"x\":null}}",
		"{\"a\":{\"x\":null,\"y\":[1,{\"c\":2,\"d\":1}]}}",
		"0a888aaf1e885bd643109cae0d766ace6ce3e1e074f1f1c8f56f547bbaf6c569"},
	{"{\"type\":\"order-created\",\"orderId\":\"o1\",\"amount\":19.90,"
		"\"items\":[{\"sku\":\"a\",\"n\":2},{\"n\":1.50,\"sku\":\"b\"}],"
		"\"note\":\"Gr\\u00fc\\u00dfe\"}",
		"{\"amount\":19.9,\"items\":[{\"n\":2,\"sku\":\"a\"},{\"n\":1.5,"
		"\"sku\":\"b\"}],\"note\":\"Gr\303\274\303\237e\","
		"\"orderId\":\"o1\",\"type\":\"order-created\"}",
		"e6c2af32251c6d7c910359dc251555104bb120a5b31e1773c695e57c7f37b212"},
	{"{\"10\":1,\"9\":2,\"1\":3}",
		"{\"1\":3,\"10\":1,\"9\":2}",
		"38a3fdd6f89c34bb41bdb86e885678938b4aaaa0b743d49f3f509d65bbefa88e"},
};

/* By hand, for each list of paths. */
static const struct {
	const char *ignore, *tag, *text, *content;
} without[] = {
	{".ts", NULL, "{\"ts\":1,\"a\":2}", "{\"a\":2}"},
	{".ts", NULL, "{\"a\":{\"ts\":1}}", "{\"a\":{\"ts\":1}}"},
	{".a.ts", NULL, "{\"ts\":1,\"a\":{\"ts\":1,\"b\":2}}", "{\"a\":{\"b\":2},\"ts\":1}"},
	{".a.ts", NULL, "{\"a\":7}", "{\"a\":7}"},
	{".a.ts", NULL, "{\"a\":[{\"ts\":1}]}", "{\"a\":[{\"ts\":1}]}"},
	{".ts,.meta", NULL, "{\"meta\":{\"x\":1},\"b\":1,\"ts\":0}", "{\"b\":1}"},
	{".meta.x,.meta", NULL, "{\"meta\":{\"x\":1,\"y\":2}}", "{}"},
	{".meta,.meta.x", NULL, "{\"meta\":{\"x\":1,\"y\":2}}", "{}"},
	{".m.x,.m.y.z", NULL, "{\"m\":{\"x\":1,\"y\":{\"z\":1,\"q\":2}}}", "{\"m\":{\"y\":{\"q\":2}}}"},
	{".ts", NULL, "{\"\\u0074s\":1,\"ts\":2,\"z\":3}", "{\"z\":3}"},
	{".ts", NULL, "[1,2]", "[1,2]"},
	{".ts", NULL, "\"ts\"", "\"ts\""},
	{NULL, ".id", "{\"id\":\"x\",\"a\":1}", "{\"a\":1}"},
	{".ts", ".m.id", "{\"m\":{\"id\":1},\"ts\":1}", "{\"m\":{}}"},
	{".[\"a b\"]", NULL, "{\"a b\":1,\"c\":1}", "{\"c\":1}"},
};

static struct json_scan scan;

static bool
content(const struct dedup_plan *plan, const char *text, struct buf *b)
{
	struct json_doc doc;
	struct record r = {.doc = &doc};
	struct failure why;

	buf_reset(b);
	if (json_doc_of(&scan, slice_str(text), &doc, &why) < 0)
		return false;
	additions_content(plan, b, &r);
	return true;
}

static void
ids(void)
{
	static struct dedup_plan plan;
	struct sha *sha = sha_new();
	struct buf b = {0};
	char hex[SHA_HEX];
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		ok(content(&plan, known[i].text, &b) &&
			strcmp(buf_cstr(&b), known[i].canonical) == 0, "canonical, %zu", i + 1);
		sha_of(sha, buf_slice(&b), hex);
		ok(strcmp(hex, known[i].sha) == 0, "and its hash");
	}
	sha_free(sha);
	buf_release(&b);
}

static void
left_out(void)
{
	const struct expr_options options = {0};
	const struct dedup_around around = {.keys = true};
	struct dedup_plan plan;
	struct failure why;
	struct buf b = {0};
	size_t i;

	for (i = 0; i < sizeof(without) / sizeof(*without); i++) {
		memset(&plan, 0, sizeof(plan));
		if (without[i].ignore)
			plan.ignore = expr_compile(without[i].ignore, &options, &why);
		if (without[i].tag)
			plan.tag = expr_compile(without[i].tag, &options, &why);
		ok(dedup_plan_read(&plan, &around, &why) == 0 &&
			content(&plan, without[i].text, &b) &&
			strcmp(buf_cstr(&b), without[i].content) == 0, "left out, %zu", i + 1);
		expr_free((struct expr *)(uintptr_t)plan.ignore);
		expr_free((struct expr *)(uintptr_t)plan.tag);
		dedup_plan_release(&plan);
	}
	buf_release(&b);
}

static struct key128
key_of(uint64_t n)
{
	static const struct keyed secret = {1, 2};

	return keyed_hash(&secret, slice_of((const char *)&n, sizeof(n)));
}

static void
filter(void)
{
	enum { N = 200000 };
	struct approx *a = approx_new(N, 32);
	uint64_t i, wrong = 0, again = 0, most;
	double rate;

	for (i = 0; i < N; i++)
		wrong += approx_add(a, key_of(i)) != 1;
	for (i = 0; i < N; i++)
		again += approx_add(a, key_of(i)) != 0;
	ok(wrong == 0, "%d keys are new", (int)N);
	ok(again == 0 && approx_keys(a) == N, "and known again");
	ok(approx_bytes(N) < N * 43 / 10, "4.3 bytes a key");
	for (i = N; i < 2 * N && approx_add(a, key_of(i)) == 1; i++)
		;
	ok(i > N && i < N + N / 10, "some more than was asked for, and no more");
	approx_clear(a);
	ok(approx_add(a, key_of(0)) == 1 && approx_keys(a) == 1, "emptied, it knows none");
	approx_free(a);

	/* Of 12 bits: 32 of 4096 at the most, and 0.95 of that where all keys are there. */
	a = approx_new(N, 12);
	for (i = 0; i < N; i++)
		approx_add(a, key_of(i));
	most = approx_keys(a);
	for (i = N; i < 2 * N; i++)
		wrong += approx_add(a, key_of(i)) == 0;
	rate = (double)wrong / N;
	ok(most > N - N / 100 && rate > 0.004 && rate < 33.0 / 4096, "it is wrong about %.4f, "
		"and says %.4f", rate, 32.0 / 4096);
	approx_free(a);
}

int
main(void)
{
	ids();
	left_out();
	filter();
	json_scan_release(&scan);
	return done();
}
