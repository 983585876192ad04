/*
 * Any bytes as a block: every scanner gives the same index; lines and tokens go forward and
 * stay in the block; a document taken on trust can be looked at.
 */
#include <stdlib.h>

#include "json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) do { if (!(x)) abort(); } while (0)

static void
look(const struct json_doc *d, uint32_t t, unsigned depth)
{
	const char *end = d->base + d->pos[d->n];
	struct slice s = json_text(d, t), raw = json_string_raw(d, t);
	struct json_iter it;
	uint32_t last = t;

	MUST(s.p >= d->base && s.p + s.n <= end + 1);
	MUST(raw.p >= d->base && raw.p + raw.n <= end + 1);
	MUST(json_after(d, t) > t && json_after(d, t) <= d->n);
	json_get(d, t, SLICE("type"));
	json_get(d, t, SLICE("a longer name"));
	json_at(d, t, -1);
	for (json_enter(d, t, &it); json_step(d, &it);) {
		MUST(it.value > last && it.value < d->n);
		last = it.value;
		if (depth < 4)
			look(d, it.value, depth + 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const simd[] = {"avx2", "avx512"};
	struct json_scan a = {0}, b = {0};
	char *p = malloc(size + JSON_PADDING);
	size_t i, k;
	int trust;

	MUST(p);
	if (size)
		memcpy(p, data, size);
	memset(p + size, size % 2 ? '"' : '{', JSON_PADDING);
	for (trust = 0; trust < 2; trust++) {
		MUST(json_use("scalar"));
		json_scan_block(&a, p, size, trust);
		for (k = 0; k < 2; k++) {
			if (!json_use(simd[k]))
				continue;
			json_scan_block(&b, p, size, trust);
			MUST(a.nlines == b.nlines && a.feeds == b.feeds && a.ntok == b.ntok);
			MUST(!a.ntok || memcmp(a.pos, b.pos, a.ntok * sizeof(*a.pos)) == 0);
			MUST(!a.ntok || memcmp(a.first, b.first, a.ntok) == 0);
			MUST(!a.nlines ||
				memcmp(a.line, b.line, a.nlines * sizeof(*a.line)) == 0);
		}
		for (i = 0; i < a.nlines; i++) {
			const struct json_line *l = a.line + i;
			struct json_doc d;
			uint32_t t;

			MUST(l->start < l->end && l->end <= size && l->ntok > 0);
			MUST(i == 0 || l[-1].end < l->start);
			MUST(!memchr(p + l->start, '\n', l->end - l->start));
			MUST(a.pos[l->tok] >= l->start && a.pos[l->tok + l->ntok] >= l->end);
			for (t = 0; t < l->ntok; t++)
				MUST(a.pos[l->tok + t] < a.pos[l->tok + t + 1]);
			if (!trust)
				continue;
			MUST(json_line_doc(&a, i, true, &d, NULL) == 0);
			for (t = 0; t < d.n && t < 16; t++)
				look(&d, t, 0);
		}
	}
	json_use(NULL);
	json_scan_release(&a);
	json_scan_release(&b);
	free(p);
	return 0;
}
