/*
 * Any bytes as a filter: it is refused, or it runs natively on a small document; nothing
 * else. Filters that would run for very long by rights are left out.
 */
#include <stdint.h>
#include <stdlib.h>

#include "expr/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define DOCUMENT "{\"a\":1,\"b\":[1,2.50,\"x\\u00e9\",null],\"c\":{\"d\":true,\"d\":[]}," \
	"\"e\":12345678901234567890,\"f\":\"2,3\",\"g\":[{\"k\":\"x\",\"v\":2},{\"k\":\"y\"}]}"

static struct value
variable(void *arg, unsigned i)
{
	(void)arg;
	return i ? value_null() : value_string(SLICE("topic\"\n"));
}

static int
write_out(void *arg, const struct value *v)
{
	struct buf *b = arg;

	buf_reset(b);
	value_add_json(b, v);
	value_add_text(b, v);
	value_add_canonical(b, v);
	return b->n > 1000000 ? 7 : 0;
}

static bool
takes_long(const char *s)
{
	unsigned many = 0, digits = 0;
	bool range = strstr(s, "range");

	for (; *s; s++) {
		many += *s == ',' || *s == '[' || *s == '*';
		digits = *s >= '0' && *s <= '9' ? digits + 1 : 0;
		if (range && (digits > 2 || *s == '*' || *s == 'e'))
			many += *s == 'e' ? 1 : 100;
	}
	return many > 12;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const vars[] = {"topic", "key", NULL};
	struct expr_options options = {.vars = vars};
	struct expr_env env = {variable, NULL};
	struct json_scan scan = {0};
	struct json_doc doc;
	struct failure why;
	struct expr *x;
	struct expr_run *r;
	struct value in;
	struct buf out = {0};
	char *text;

	if (n > 4096)
		return 0;
	text = malloc(n + 1);
	if (!text)
		return 0;
	memcpy(text, data, n);
	text[n] = '\0';
	x = takes_long(text) || !json_is_utf8(slice_str(text)) ? NULL :
		expr_compile_native(text, &options, &why);
	if (x && json_doc_of(&scan, SLICE(DOCUMENT), &doc, &why) == 0) {
		in = value_token(&doc, 0);
		r = expr_run_new(x);
		expr_each(r, &in, &env, write_out, &out, &why);
		expr_run_reset(r);
		expr_test(r, &in, &env, &why);
		expr_run_free(r);
	}
	expr_free(x);
	json_scan_release(&scan);
	buf_release(&out);
	free(text);
	return 0;
}
