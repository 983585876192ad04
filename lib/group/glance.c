/*
 * A group whose parts were all picked knows by bits which of the names it has, and which of
 * them are true in jq's sense, so neither whether a name is there already nor --require is a
 * search. The numbers of names follow from --part, which shapes the state.
 */
#include "group/glance.h"

#include <stdlib.h>

#include "base/mem.h"

#define NAMES 64
#define SLOTS_AHEAD 16  /* records */
#define VALUES_AHEAD 8

struct notes_head {
	uint64_t assigned;  /* of the groups, when the keys were hashed */
	size_t n;           /* notes behind this */
};

/* ---- init ------------------------------------------------------------------------------ */

/* ".orderId" */
static struct slice
field_of(const struct expr *e)
{
	const char *text = expr_text(e);
	struct slice s = expr_is_path(e) ? expr_path_name(e, 0) : (struct slice){0};

	if (s.p && text[0] == '.' && strlen(text) == s.n + 1 && memcmp(text + 1, s.p, s.n) == 0)
		return s;
	return (struct slice){0};
}

static size_t
number_of(const struct slice *name, size_t n, struct slice wanted)
{
	size_t i;

	for (i = 0; i < n && !slice_eq(name[i], wanted); i++)
		;
	return i;
}

/* --part as objects, but where a rule is for one of their fields. */
static void
init_parts(struct glance *g, const struct plan *plan)
{
	const struct slice *name;
	size_t n, i, k;

	g->pick = pick_new(plan->expr[PLAN_PART], &g->wants);
	if (!g->pick)
		return;
	n = pick_names(g->pick, &name);
	for (i = 0; i < plan->nfields; i++)
		if (number_of(name, n, plan->field[i].name) < n)
			break;
	if (n > NAMES || i < plan->nfields) {
		pick_free(g->pick);
		g->pick = NULL;
		return;
	}
	g->names = mem_array(pick_objects(g->pick) + 1, sizeof(*g->names));
	for (i = 0; i < pick_objects(g->pick); i++)
		for (k = 0; k < pick_object(g->pick, i)->n; k++)
			g->names[i] |= UINT64_C(1) << pick_object(g->pick, i)->member[k].name_at;
	for (i = 0; i < plan->nrequired; i++) {
		k = number_of(name, n, plan->required[i]);
		if (k == n) {
			g->required = 0;
			return;
		}
		g->required |= UINT64_C(1) << k;
	}
}

void
glance_init(struct glance *g, const struct plan *plan, const struct groups *groups)
{
	struct slice key = field_of(plan->expr[PLAN_KEY]);

	*g = (struct glance){.groups = groups};
	g->sees_keys = key.p && pick_want(&g->wants, key) == 0;
	/* $event of --complete-when is a part that has been made. */
	if (g->sees_keys && plan->expr[PLAN_PART] && !plan->expr[PLAN_WHEN] &&
		plan->merge <= MERGE_DEEP)
		init_parts(g, plan);
	g->note_bytes = (sizeof(struct glance_note) + g->wants.n * sizeof(uint32_t) + 7) &
		~(size_t)7;
}

void
glance_release(struct glance *g)
{
	free(g->names);
	pick_free(g->pick);
}

/* ---- ahead ----------------------------------------------------------------------------- */

/* Is there one of these among the eight bytes? */
static inline bool
is_among(uint64_t x, unsigned char c)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	x ^= ones * c;
	return (x - ones) & ~x & ones << 7;
}

/* Bytes of the scalar at token t as they stand, if that is how compact JSON has them; 0: it is
 * written otherwise, or is no scalar. */
static inline uint32_t
scalar_bytes(const struct json_doc *d, uint32_t t)
{
	const char *p = d->base + d->pos[t], *end = d->base + d->pos[t + 1], *q;
	uint64_t x;

	while (end > p + 1 && (unsigned char)end[-1] <= ' ')
		end--;
	if (json_opens(d, t))
		return 0;
	if (*p != '"')
		return (uint32_t)(end - p);
	for (q = p; end - q >= 8; q += 8) {
		memcpy(&x, q, sizeof(x));
		if (is_among(x, 0x7F) || is_among(x, '\\'))
			return 0;
	}
	for (; q < end; q++)
		if (*q == 0x7F || *q == '\\')
			return 0;
	return (uint32_t)(end - p);
}

/* Does the text of a key stand as the canonical form has it? A string of which scalar_bytes
 * said so does, and a short whole number. */
static inline bool
is_canonical(const char *p, uint32_t n)
{
	uint32_t i = *p == '-';

	if (*p == '"')
		return true;
	if (n > 17 || (i && (n == 1 || p[1] == '0')))
		return false;
	for (; i < n && p[i] >= '0' && p[i] <= '9'; i++)
		;
	return i == n;
}

static void
note_line(const struct glance *g, const struct json_scan *s, size_t i, struct glance_note *note)
{
	const struct json_line *l = s->line + i;
	struct json_doc d = {s->p, s->pos + l->tok, s->skip + l->tok, s->first + l->tok, l->ntok,
		l->flags};
	uint32_t at;

	/* Of a line that may not be valid nothing is told. */
	note->key_n = 0;
	if (l->flags & ~(uint32_t)JSON_LINE_ESCAPE || !pick_look(&g->wants, &d, note->at))
		return;
	at = note->at[0];
	if (at == JSON_NONE)
		return;
	note->key_at = d.pos[at];
	note->key_n = scalar_bytes(&d, at);
	if (note->key_n && !is_canonical(s->p + note->key_at, note->key_n))
		note->key_n = 0;
	if (!note->key_n)
		return;
	note->key = groups_key(g->groups, slice_of(s->p + note->key_at, note->key_n));
	note->object = g->pick ? pick_choose(g->pick, &d, note->at) : PICK_UNSURE;
}

void
glance_block(const struct glance *g, const struct json_scan *s, struct buf *notes)
{
	struct notes_head head = {groups_assigned(g->groups), s->nlines};
	size_t i, n = s->nlines * g->note_bytes;

	buf_reset(notes);
	if (!g->sees_keys || !s->nlines || s->lazy)
		return;
	buf_reserve(notes, sizeof(head) + n);
	memcpy(notes->p, &head, sizeof(head));
	for (i = 0; i < s->nlines; i++)
		note_line(g, s, i, (struct glance_note *)(void *)(notes->p + sizeof(head) +
			i * g->note_bytes));
	notes->n = sizeof(head) + n;
}

/* ---- records --------------------------------------------------------------------------- */

/* The note of a record some records behind this one. */
static inline const struct glance_note *
note_at(const struct glance *g, const struct record *r, size_t behind)
{
	const struct buf *b = &r->block->notes;
	struct notes_head head;
	const struct glance_note *note;

	if (!b->n || r->meta)
		return NULL;
	memcpy(&head, b->p, sizeof(head));
	if (head.assigned != groups_assigned(g->groups) || r->index + behind >= head.n)
		return NULL;
	note = (const struct glance_note *)(const void *)(b->p + sizeof(head) +
		(r->index + behind) * g->note_bytes);
	return note->key_n ? note : NULL;
}

const struct glance_note *
glance_note(const struct glance *g, const struct record *r)
{
	const struct glance_note *note;

	if (!r->block->notes.n)
		return NULL;
	note = note_at(g, r, SLOTS_AHEAD);
	if (note)
		groups_prefetch(g->groups, r->task, note->key, false);
	note = note_at(g, r, VALUES_AHEAD);
	if (note)
		groups_prefetch(g->groups, r->task, note->key, true);
	return note_at(g, r, 0);
}

struct slice
glance_key_text(const struct glance_note *note, const struct record *r)
{
	return slice_of(r->block->p + note->key_at, note->key_n);
}

int
glance_add(const struct glance *g, struct group *group, const struct glance_note *note,
	const struct record *r, struct failure *why)
{
	const struct pick_object *o = pick_object(g->pick, (size_t)note->object);
	const struct json_doc *d = r->doc;
	size_t was = group->bytes.n, i;
	uint64_t truths = group->h.truths, all = g->names[note->object];

	if (!group->h.bits || group->h.names & all)
		return 0;
	for (i = 0; i < o->n; i++) {
		const struct pick_member *m = &o->member[i];
		struct slice text = m->text;
		uint32_t t;

		if (m->want >= 0 && (t = note->at[m->want]) == JSON_NONE)
			text = SLICE("null");
		else if (m->want >= 0)
			text = slice_of(d->base + d->pos[t], scalar_bytes(d, t));
		if (!text.n) {
			group->bytes.n = was;
			return 0;
		}
		field_add(&group->bytes, m->name, m->plain, text);
		truths |= text.p[0] == 'n' || text.p[0] == 'f' ? 0 :
			UINT64_C(1) << m->name_at;
	}
	if (group_check_size(group, group->bytes.n, why) < 0)
		return -1;
	group->h.names |= all;
	group->h.truths = truths;
	group->h.e.kind = WHOLE_FIELDS;
	group->h.count++;
	return 1;
}
