/* lib/flow: where lines go by the answers to a condition. */
#include "flow/flow.h"

#include "test.h"

#define MAX 70

static uint8_t
want(uint8_t to, int8_t is, int yes, int no)
{
	int goes = is == EXPR_YES ? yes : no;

	if (is == EXPR_UNSURE)
		return GLANCE_RECORD;
	return goes == GLANCE_STAYS ? to : (uint8_t)goes;
}

int
main(void)
{
	static const int where[] = {GLANCE_STAYS, 0, 1, 77, 253, GLANCE_DROP};
	uint8_t before[MAX], to[MAX + 1];
	int8_t is[MAX];
	size_t n, i, k, wrong = 0, beyond = 0, asked = 0;

	for (k = 0; k < 36; k++) {
		int yes = where[k / 6], no = where[k % 6];

		for (n = 0; n < MAX; n++) {
			for (i = 0; i < n; i++) {
				before[i] = to[i] = (uint8_t)(i * 97 + k * 31 + n);
				is[i] = (int8_t)((i * 7 + i / 3 + k + n) % 3) - 1;
			}
			to[n] = 42;
			glance_by(to, is, n, yes, no);
			beyond += to[n] != 42;
			for (i = 0; i < n; i++, asked++)
				wrong += to[i] != want(before[i], is[i], yes, no);
		}
	}
	ok(asked && !wrong, "lines go where they are to (%zu of %zu don't)", wrong, asked);
	ok(!beyond, "and no others");
	return done();
}
