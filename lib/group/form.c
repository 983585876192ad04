/* The pieces of which fields are written. */
#include "group/form.h"

#include "base/mem.h"

void
form_add(struct buf *b, bool members, const struct pick_member *m, struct slice text)
{
	if (!members) {
		field_add(b, m->name, m->plain, text);
		return;
	}
	buf_addc(b, ',');
	json_add_string(b, m->name);
	buf_addc(b, ':');
	buf_add_slice(b, text);
}

/* Bytes that are always the same go on in as many pieces as they need; false: in too many. */
static bool
add_bytes(struct form *f, uint32_t *n, struct slice bytes)
{
	struct form_piece *p;
	size_t k;

	while (bytes.n) {
		if (!*n || f->piece[*n - 1].is_text || f->piece[*n - 1].n == FORM_WIDE)
			++*n;
		if (*n > FORM_PIECES)
			return false;
		p = &f->piece[*n - 1];
		k = bytes.n < FORM_WIDE - p->n ? bytes.n : FORM_WIDE - p->n;
		memcpy(p->bytes + p->n, bytes.p, k);
		p->n += (uint32_t)k;
		bytes = slice_of(bytes.p + k, bytes.n - k);
	}
	return true;
}

/* The field's text ends the piece that is the last now; its head began in one of so many. */
static void
add_text(struct form *f, uint32_t n, const struct pick_member *m, size_t head, bool members)
{
	struct form_piece *p = &f->piece[n - 1];

	p->want = (uint32_t)m->want;
	p->is_text = UINT32_MAX;
	p->truth_at = m->name_at;
	if (members)
		return;
	p->size_at = (int32_t)offsetof(struct field_sizes, value_n) + (int32_t)p->n -
		(int32_t)head;
}

/* How many pieces it has; 0: it has no form. */
static uint32_t
make_form(struct form *f, const struct pick_object *o, bool members)
{
	const struct pick_member *m;
	struct buf b = {0};
	uint32_t n = 0, i;
	bool good = true;

	/* What is nothing is written behind what counts. */
	for (i = 0; i < FORM_PIECES; i++)
		f->piece[i].size_at = 2 * FORM_WIDE;
	for (m = o->member; m < o->member + o->n && good; m++) {
		buf_reset(&b);
		form_add(&b, members, m, m->want < 0 ? m->text : SLICE(""));
		good = add_bytes(f, &n, buf_slice(&b));
		if (good && m->want >= 0)
			add_text(f, n, m, b.n, members);
		else if (good)
			f->truths |= (uint64_t)form_is_true(m->text) << m->name_at;
	}
	buf_release(&b);
	return good && n ? n : 0;
}

uint32_t
forms_make(const struct pick *pick, bool members, struct form **forms)
{
	size_t i, objects = pick_objects(pick);
	uint32_t n, most = 0;

	*forms = mem_zalloc((objects + 1) * sizeof(**forms));
	for (i = 0; i < objects; i++) {
		n = make_form(&(*forms)[i], pick_object(pick, i), members);
		if (!n)
			return 0;
		most = n > most ? n : most;
	}
	return most;
}
