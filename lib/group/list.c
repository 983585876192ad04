/* Lists of elements: how one is put in, and all of them as JSON, in the order of their index. */
#include "group/group.h"

#include <stdlib.h>

#include "base/mem.h"
#include "expr/extend.h"

struct element_head {
	uint64_t index; /* UINT64_MAX: none */
	uint64_t n;
};

struct element {
	uint64_t index, place;
	struct slice text;
};

bool
group_whole_number(const struct value *v, uint64_t *number)
{
	struct buf text = {0};
	uint64_t n = 0;
	size_t i;
	bool good;

	if (value_type(v) != JSON_NUMBER)
		return false;
	value_add_json(&text, v);
	for (i = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(text.p[i] - '0');
	good = i == text.n && text.n <= 18;
	buf_release(&text);
	if (good)
		*number = n;
	return good;
}

/* sk-split's _split.index, or UINT64_MAX. */
static uint64_t
split_index(const struct value *part)
{
	struct value split, index;
	uint64_t n;

	return value_get(part, SLICE("_split"), &split) &&
		value_get(&split, SLICE("index"), &index) &&
		group_whole_number(&index, &n) ? n : UINT64_MAX;
}

/* The object at t without its members _split; all other bytes as they came. */
static void
add_cut(struct buf *b, const struct json_doc *d, uint32_t t)
{
	struct slice text = json_text(d, t), value;
	const char *from = text.p, *before = NULL, *cut, *end;
	struct json_iter it;
	uint32_t after;

	for (json_enter(d, t, &it); json_step(d, &it);) {
		value = json_text(d, it.value);
		end = value.p + value.n;
		if (!json_raw_equals(json_string_raw(d, it.key), SLICE("_split"))) {
			before = end;
			continue;
		}
		cut = before ? before : d->base + d->pos[it.key];
		after = json_after(d, it.value);
		if (!before && d->first[after] == ',')
			end = d->base + d->pos[after + 1];
		if (cut > from)
			buf_add(b, from, (size_t)(cut - from));
		from = end;
	}
	buf_add(b, from, (size_t)(text.p + text.n - from));
}

static void
add_without_split(struct buf *b, const struct value *part)
{
	struct value left = *part;
	struct value_member *m;
	size_t i, n = 0;

	if (part->kind == VALUE_TOKEN) {
		add_cut(b, part->u.doc, part->t);
		return;
	}
	m = mem_array(part->u.object.n, sizeof(*m));
	for (i = 0; i < part->u.object.n; i++)
		if (!slice_eq(part->u.object.member[i].name, SLICE("_split")))
			m[n++] = part->u.object.member[i];
	left.u.object.member = m;
	left.u.object.n = n;
	value_add_json(b, &left);
	free(m);
}

void
group_add_element(struct buf *b, const struct value *part)
{
	struct element_head head = {split_index(part), 0};
	size_t at = b->n;

	buf_add(b, &head, sizeof(head));
	if (head.index != UINT64_MAX)
		add_without_split(b, part);
	else if (part->kind == VALUE_TOKEN)
		buf_add_slice(b, json_text(part->u.doc, part->t));
	else
		value_add_json(b, part);
	head.n = b->n - at - sizeof(head);
	memcpy(b->p + at, &head, sizeof(head));
}

static bool
element_step(struct slice *left, struct element *e)
{
	struct element_head head;
	size_t n;

	if (!left->n)
		return false;
	memcpy(&head, left->p, sizeof(head));
	e->index = head.index;
	e->text = slice_of(left->p + sizeof(head), (size_t)head.n);
	n = sizeof(head) + (size_t)head.n;
	*left = slice_of(left->p + n, left->n - n);
	return true;
}

static int
by_index(const void *a, const void *b)
{
	const struct element *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

/* All elements of a list, in a new array. */
static struct element *
list_elements(const struct group *g, size_t *n, bool *sorted, struct piece_iter *it)
{
	struct element *e = NULL, one;
	size_t cap = 0;
	struct slice left;
	bool more;

	*n = 0;
	*sorted = true;
	do {
		more = pieces_step(&g->pieces, it);
		left = more ? it->text : group_whole(g);
		while (element_step(&left, &one)) {
			one.place = *n;
			e = mem_grow(e, &cap, *n + 1, sizeof(*e));
			*sorted &= !*n || e[*n - 1].index <= one.index;
			e[(*n)++] = one;
		}
	} while (more);
	return e;
}

int
group_add_list(struct buf *b, const struct group *g, struct failure *why)
{
	struct piece_iter it = {.stream = 0, .n = (uint32_t)g->h.pieces};
	size_t n, i;
	bool sorted;
	struct element *e = list_elements(g, &n, &sorted, &it);

	if (!sorted)
		qsort(e, n, sizeof(*e), by_index);
	buf_addc(b, '[');
	for (i = 0; i < n; i++) {
		if (i)
			buf_addc(b, ',');
		buf_add_slice(b, e[i].text);
	}
	buf_addc(b, ']');
	free(e);
	return it.index == it.n ? 0 : pieces_missing(&it, why);
}
