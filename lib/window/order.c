/* Values as texts: read, compared, made canonical. */
#include "json/sortable.h"
#include "window/kinds.h"

__extension__ typedef __int128 int128;

bool
fold_small(const char *p, size_t n, int64_t *m, uint8_t *scale)
{
	const char *end = p + n, *point = NULL;
	bool minus = n && *p == '-';
	int64_t v = 0;

	if (n > 18)
		return false;
	for (p += minus; p < end; p++) {
		unsigned digit = (unsigned char)*p - '0';

		if (digit < 10)
			v = v * 10 + digit;
		else if (*p == '.')
			point = p;
		else
			return false;
	}
	*m = minus ? -v : v;
	*scale = (uint8_t)(point ? end - point - 1 : 0);
	return true;
}

struct fold_value
fold_value_of(struct slice text)
{
	struct fold_value v = {.text = text};

	v.type = (enum json_type)json_type_of_byte[(unsigned char)text.p[0]];
	v.small = v.type == JSON_NUMBER && fold_small(text.p, text.n, &v.m, &v.scale);
	return v;
}

static int
sign(int128 x)
{
	return (x > 0) - (x < 0);
}

static int
cmp_numbers(const struct fold_value *a, const struct fold_value *b)
{
	int128 x = a->m, y = b->m;
	unsigned i;

	if (!a->small || !b->small)
		return json_number_cmp(a->text, b->text);
	for (i = a->scale; i < b->scale; i++)
		x *= 10;
	for (i = b->scale; i < a->scale; i++)
		y *= 10;
	return sign(x - y);
}

static void
sortable(struct json_scan *scan, struct slice text, struct buf *b)
{
	struct failure ignored;
	struct json_doc d;

	buf_reset(b);
	if (json_doc_of(scan, text, &d, &ignored) == 0)
		json_add_sortable(b, &d, 0);
}

static int
cmp_strings(struct fold_work *w, struct slice a, struct slice b)
{
	a = slice_of(a.p + 1, a.n - 2);
	b = slice_of(b.p + 1, b.n - 2);
	if (memchr(a.p, '\\', a.n) || memchr(b.p, '\\', b.n)) {
		buf_reset(&w->key);
		buf_reset(&w->key2);
		json_unescape(&w->key, a);
		json_unescape(&w->key2, b);
		a = buf_slice(&w->key);
		b = buf_slice(&w->key2);
	}
	return slice_cmp(a, b);
}

int
fold_cmp(struct fold_work *w, const struct fold_value *a, const struct fold_value *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->type == JSON_NUMBER)
		return cmp_numbers(a, b);
	if (a->type == JSON_STRING)
		return cmp_strings(w, a->text, b->text);
	if (a->type < JSON_ARRAY)
		return 0;
	sortable(&w->scan, a->text, &w->key);
	sortable(&w->scan, b->text, &w->key2);
	return slice_cmp(buf_slice(&w->key), buf_slice(&w->key2));
}

int
fold_order(struct fold_work *w, const struct fold_value *a, const struct fold_value *b)
{
	int c = fold_cmp(w, a, b);

	if (c)
		return c;
	if (a->text.n != b->text.n)
		return a->text.n < b->text.n ? -1 : 1;
	return slice_cmp(a->text, b->text);
}

struct slice
fold_canonical(struct fold_work *w, const struct fold_value *v)
{
	struct failure ignored;
	struct json_doc d;

	/* Most texts are as equal values share them. */
	if (v->type == JSON_STRING && !memchr(v->text.p, '\\', v->text.n))
		return v->text;
	if (v->small && !v->scale && v->text.n < 18 && v->m && !memchr(v->text.p, '.', v->text.n))
		return v->text;
	if (v->type < JSON_NUMBER)
		return v->text;
	buf_reset(&w->key);
	if (json_doc_of(&w->scan, v->text, &d, &ignored) == 0)
		json_canonical(&w->key, &d, 0);
	return buf_slice(&w->key);
}

void
fold_work_release(struct fold_work *w)
{
	json_scan_release(&w->scan);
	json_scan_release(&w->other);
	buf_release(&w->text);
	buf_release(&w->more);
	buf_release(&w->key);
	buf_release(&w->key2);
}
