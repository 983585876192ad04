/*
 * Any bytes as lines and as one text: the fast verdict is the careful one, each line's does
 * not depend on the lines around it, and a refusal has a message and a column.
 */
#include <stdlib.h>

#include "json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) do { if (!(x)) abort(); } while (0)

static void
judge(struct json_scan *s)
{
	struct json_scan alone = {0};
	size_t i;

	for (i = 0; i < s->nlines; i++) {
		const struct json_line *l = s->line + i;
		struct slice text = json_line_text(s, i);
		uint32_t *skip = calloc(l->ntok, sizeof(*skip)), t;
		struct failure why = {0};
		struct json_doc d;
		bool good = json_check(text.p, text.n, skip, &why) == 0;

		MUST(good || (why.status == EXIT_DATA && why.text[0] && why.column >= 1 &&
			why.column <= text.n + 1));
		if (!good || !(l->flags & JSON_LINE_UNENDED))
			MUST(json_is_good(s, l) == good);
		MUST((json_line_doc(s, i, false, &d, &why) == 0) == good);
		for (t = 0; good && t < d.n; t++)
			MUST(!json_opens(&d, t) || d.skip[t] == skip[t]);
		MUST((json_doc_of(&alone, text, &d, &why) == 0) == good);
		free(skip);
	}
	json_scan_release(&alone);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const scanners[] = {"scalar", "avx2", "avx512"};
	struct json_scan s = {0};
	struct failure why = {0};
	struct json_doc d;
	char *p = malloc(size + JSON_PADDING);
	size_t k;

	MUST(p);
	if (size)
		memcpy(p, data, size);
	memset(p + size, size % 2 ? ',' : '7', JSON_PADDING);
	for (k = 0; k < 3; k++) {
		if (!json_use(scanners[k]))
			continue;
		json_scan_block(&s, p, size, false);
		judge(&s);
		MUST((json_doc_of(&s, (struct slice){p, size}, &d, &why) == 0) ==
			(json_check(p, size, NULL, &why) == 0));
	}
	json_use(NULL);
	json_scan_release(&s);
	free(p);
	return 0;
}
