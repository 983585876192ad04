/* Keyed hashes: against values that a few lines of Python computed from the papers, every
 * byte counts, wherever the input lies, and one secret says nothing of another. */
#include "base/keyed.h"

#include <stdlib.h>

#include "test.h"

#define MOST 2048

/* Of bytes 7 i + i / 256 under the key 00 01 ... 0f. */
static const struct {
	size_t n;
	uint64_t hi, lo;
} known[] = {
	{0, UINT64_C(0x013030dd6adb62fd), UINT64_C(0xbea58827b2bc7ee7)},
	{1, UINT64_C(0x63f02f2bcc73055e), UINT64_C(0xa8edd36004376ffc)},
	{7, UINT64_C(0x7b79307791e02ecb), UINT64_C(0x74f81d01d53dc945)},
	{8, UINT64_C(0x719852db14b71653), UINT64_C(0x94dacc388f336f1c)},
	{9, UINT64_C(0x2de6fe5731fefcac), UINT64_C(0x957abad3774907fc)},
	{15, UINT64_C(0xae9003bcd33c4b24), UINT64_C(0x744401d4e09fb7c7)},
	{16, UINT64_C(0xf9c2034bcce45b30), UINT64_C(0xac320917303d146e)},
	{17, UINT64_C(0x50f7ab46a3c9df74), UINT64_C(0xd44ed4fdeefde17a)},
	{31, UINT64_C(0x8d5f1be1cf3713e9), UINT64_C(0x64ab857fdf481f73)},
	{63, UINT64_C(0x29e9bd9510f2dfb1), UINT64_C(0xcc594481aa6b3f85)},
	{64, UINT64_C(0x2906523e38591224), UINT64_C(0xfbc285064e4d0e24)},
	{65, UINT64_C(0x6b12fceeace39bfd), UINT64_C(0x91d5dac8d94c8b1d)},
	{72, UINT64_C(0x477915f1b9fc320a), UINT64_C(0x9e77d9ffc9fc9cb0)},
	{79, UINT64_C(0x439b1d041580558b), UINT64_C(0xc6d8fb61723ed534)},
	{80, UINT64_C(0x3b7e01ac834b43b8), UINT64_C(0x21afe79c474e3515)},
	{81, UINT64_C(0x85b188d59c34ca83), UINT64_C(0x7264d8c0ec0238c1)},
	{127, UINT64_C(0x0a13e71e91c31dd8), UINT64_C(0x9e064829dc543f81)},
	{255, UINT64_C(0x7e431c3b44117957), UINT64_C(0x7ebe89b498411604)},
	{256, UINT64_C(0xdcc91f0f364ecb56), UINT64_C(0x63cd06da98726575)},
	{300, UINT64_C(0x4ef6bfa55c57d511), UINT64_C(0x631635ed73e54580)},
	{511, UINT64_C(0x8fdad1bad581f5bc), UINT64_C(0xec821782945d8805)},
	{512, UINT64_C(0x2a8b98b81904b820), UINT64_C(0xf299826153dd40ba)},
	{513, UINT64_C(0xebd966b5ba2a1df6), UINT64_C(0x867557a520d22144)},
	{519, UINT64_C(0x0d94ca1f0b35bb99), UINT64_C(0xc5cb98f462bce45c)},
	{527, UINT64_C(0xffe2dd4eb8b1ca5b), UINT64_C(0x99de28467eafeac0)},
	{528, UINT64_C(0xe1278623957d013b), UINT64_C(0xf28a4823ddb53c4c)},
	{529, UINT64_C(0x67ee90ba6147c51c), UINT64_C(0x136d84c9fc8a4cfd)},
	{1000, UINT64_C(0x7065439e4370abe6), UINT64_C(0x4cced12db3de9190)},
	{1024, UINT64_C(0xe600aec538ce0c14), UINT64_C(0xc0b15706eb6950dc)},
	{1025, UINT64_C(0x53f1a89c6057731d), UINT64_C(0x10b3635fce98ac22)},
	{2047, UINT64_C(0x1c4b93d8824d97ab), UINT64_C(0x63b2611c91648696)},
	{2048, UINT64_C(0x429e3d8ee4fcd1c3), UINT64_C(0x6e4e2c47e0f069f7)},
};

static char text[MOST + 8];

static void
values(const struct keyed *k)
{
	bool good = true;
	struct key128 h;
	char *moved;
	size_t i, at;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
		h = keyed_hash(k, slice_of(text, known[i].n));
		ok(h.hi == known[i].hi && h.lo == known[i].lo, "%zu bytes", known[i].n);
		for (at = 0; at < 8; at++) {
			/* as much memory as there are bytes: a look beyond is noticed */
			moved = malloc(known[i].n + at + !(known[i].n + at));
			if (known[i].n)
				memcpy(moved + at, text, known[i].n);
			good &= key128_eq(h, keyed_hash(k, slice_of(moved + at, known[i].n)));
			free(moved);
		}
	}
	ok(good, "wherever they lie");
}

/* Of lengths that are alike and not, so many at a time. */
static void
together(const struct keyed *k)
{
	struct slice s[40];
	struct key128 h[40];
	bool good = true;
	char *moved[40];
	size_t n, round, i, j, spread;

	for (n = 0; n <= 3 * KEYED_BLOCK; n += n <= KEYED_SHORT + 8 ? 1 : 61)
		for (spread = 1; spread <= 201; spread = spread < 9 ? spread + 4 : spread + 192)
			for (round = 0; round < 40; round += 13) {
				for (i = 0; i < round + 1; i++) {
					s[i].n = n + i % spread;
					moved[i] = malloc(s[i].n + 1);
					for (j = 0; j < s[i].n; j++)
						moved[i][j + 1] = (char)(31 * i + j * n);
					s[i].p = moved[i] + 1;
				}
				keyed_hash_all(k, s, round + 1, h);
				for (i = 0; i < round + 1; i++) {
					good &= key128_eq(h[i], keyed_hash(k, s[i]));
					free(moved[i]);
				}
			}
	ok(good, "several at once");
}

static unsigned
bits(struct key128 a, struct key128 b)
{
	return (unsigned)__builtin_popcountll(a.hi ^ b.hi) +
		(unsigned)__builtin_popcountll(a.lo ^ b.lo);
}

static void
every_bit(const struct keyed *k)
{
	struct key128 h, g, before = {0, 0};
	unsigned least = 128, most = 0, n, same = 0;
	size_t len, i;

	for (len = 1; len < 1100; len += len < 140 ? 1 : 37) {
		h = keyed_hash(k, slice_of(text, len));
		same += key128_eq(h, before);
		before = h;
		for (i = 0; i < len * 8; i += len < 140 ? 1 : 7) {
			text[i / 8] = (char)(text[i / 8] ^ 1 << (i & 7));
			g = keyed_hash(k, slice_of(text, len));
			text[i / 8] = (char)(text[i / 8] ^ 1 << (i & 7));
			n = bits(h, g);
			least = n < least ? n : least;
			most = n > most ? n : most;
		}
	}
	/* Of 200,000 draws of 128 bits, none is as far out as that. */
	ok(least > 30 && most < 98, "a bit of the input changes %u to %u of the hash", least,
		most);
	ok(same == 0, "so does the length");
}

int
main(void)
{
	struct keyed k = keyed_of(UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908));
	struct keyed other = keyed_of(k.k0 ^ 1, k.k1), drawn = keyed_draw(), next = keyed_draw();
	static const char zeros[200];
	size_t i;

	for (i = 0; i < MOST; i++)
		text[i] = (char)(7 * i + i / 256);
	values(&k);
	together(&k);
	every_bit(&k);
	for (i = 0; i < 200; i += 66)
		ok(bits(keyed_hash(&k, slice_of(zeros, i)),
			keyed_hash(&other, slice_of(zeros, i))) > 30, "another secret, %zu zeros", i);
	ok(!key128_eq(keyed_hash(&k, slice_of(zeros, 100)), keyed_hash(&k, slice_of(zeros, 101))),
		"zeros are counted");
	ok(drawn.k0 != next.k0 || drawn.k1 != next.k1, "secrets are drawn");
	return done();
}
