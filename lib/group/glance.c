/*
 * A group whose parts were all picked knows by bits which of the names it has, and which of
 * them are true in jq's sense, so neither whether a name is there already nor --require is a
 * search. The numbers of names follow from --part, which shapes the state.
 */
#include "group/glance.h"

#include <stdlib.h>

#include "base/mem.h"
#include "json/plain.h"

#define NAMES 64

#define PART_MOST 65536  /* bytes of an object that is noted */
#define NOTES_MOST ((size_t)1 << 31)
#define TEXT_EXPECTED 96 /* bytes of a line's texts */
#define AT_ONCE 32       /* keys that are hashed together */
#define SLOTS 16         /* records ahead: where they lie is brought near; */
#define VALUES 8         /* what lies there */

struct notes_head {
	uint64_t assigned;  /* of the groups, when the keys were hashed */
	size_t n;           /* keys behind this; behind them notes, and then texts */
};

/* ---- init -------------------------------------------------------------------------- */

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
	struct slice key = expr_field(plan->expr[PLAN_KEY]);

	*g = (struct glance){.groups = groups};
	g->sees_keys = key.p && pick_want(&g->wants, key) == 0;
	/* $event of --complete-when is a part that has been made. */
	if (g->sees_keys && plan->expr[PLAN_PART] && !plan->expr[PLAN_WHEN] &&
		plan->merge <= MERGE_DEEP)
		init_parts(g, plan);
	if (g->pick) {
		g->members = plan_is_simple(plan) && (!plan->nrequired || g->required);
		g->npieces = forms_make(g->pick, g->members, &g->form);
	}
	g->alike = mem_zalloc(sizeof(*g->alike));
	g->alike->wants = &g->wants;
	if (g->pick)
		pick_add_tested(g->pick, &g->alike->tested);
}

void
glance_release(struct glance *g)
{
	if (g->alike)
		alike_store_release(g->alike);
	free(g->alike);
	free(g->form);
	free(g->names);
	pick_free(g->pick);
}

/* ---- ahead ------------------------------------------------------------------------- */

/* The fields of any object go behind the notes, which don't count them yet. Returns their bytes;
 * 0: there are none, or it can't be told. */
static uint32_t
add_fields(const struct glance *g, const struct json_doc *d, const uint32_t *at, int object,
	struct buf *notes, uint64_t *truths)
{
	const struct pick_object *o = pick_object(g->pick, (size_t)object);
	struct slice text;
	size_t i, n, from = notes->n;

	*truths = 0;
	for (i = 0; i < o->n; i++) {
		const struct pick_member *m = &o->member[i];

		text = m->want < 0 ? m->text : at[m->want] == JSON_NONE ? SLICE("null") :
			json_plain_text(d, at[m->want]);
		if (!text.n || text.n > PART_MOST)
			break;
		form_add(notes, g->members, m, text);
		*truths |= (uint64_t)form_is_true(text) << m->name_at;
	}
	n = notes->n - from;
	notes->n = from;
	return i < o->n || n > PART_MOST ? 0 : (uint32_t)n;
}

/* Where the members are that are looked for, and the object that the line makes; false: it is
 * no object. */
static inline bool
look(const struct glance *g, struct alike *a, const struct json_doc *d, const uint32_t **at,
	int *object, uint32_t *room)
{
	const struct likeness *like = d->flags ? NULL : alike_find(a, d);

	if (__builtin_expect(like != NULL, 1)) {
		*at = like->at;
		*object = like->chosen;
		return true;
	}
	if (!pick_look(&g->wants, d, room))
		return false;
	*at = room;
	*object = g->pick ? pick_choose(g->pick, d, room) : PICK_UNSURE;
	if (!d->flags)
		alike_learn(a, d, room, *object);
	return true;
}

/* The key's text goes behind the notes. 0: it is not told. */
static uint32_t
note_key(const struct json_doc *d, uint32_t t, struct buf *notes)
{
	struct slice key = json_plain_text(d, t);

	if (!json_plain_is_canonical(key) || notes->n > NOTES_MOST)
		return 0;
	buf_add_slice(notes, key);
	return (uint32_t)key.n;
}

/* All but the hash of a line's key; the texts go behind the notes. */
static void
note_line(const struct glance *g, struct alike *a, const struct json_doc *d,
	struct glance_note *note, struct buf *notes)
{
	uint32_t room[PICK_WANTS];
	const uint32_t *at;
	int object;

	*note = (struct glance_note){.object = PICK_UNSURE, .at = (uint32_t)notes->n};
	/* Of a line that may not be valid nothing is told. */
	if (d->flags & ~(uint32_t)JSON_LINE_ESCAPE || !look(g, a, d, &at, &object, room) ||
		at[0] == JSON_NONE)
		return;
	note->key_n = note_key(d, at[0], notes);
	if (!note->key_n || object < 0) {
		note->object = note->key_n ? object : PICK_UNSURE;
		return;
	}
	note->part_n = add_fields(g, d, at, object, notes, &note->truths);
	notes->n += note->part_n;
	if (note->part_n || !pick_object(g->pick, (size_t)object)->n)
		note->object = object;
}

/* The same of a line that is like another, and of short texts; the place where they go then.
 * NULL: it isn't. The note is written word by word. */
static inline char *
note_alike(const struct glance *g, bool members, const struct likeness *like,
	const struct json_doc *d, struct glance_note *note, size_t where, char *to)
{
	uint32_t key_n, part_n = 0;
	uint64_t truths = 0;
	unsigned odd = 0;

	if (__builtin_expect(like->at[0] == JSON_NONE, 0))
		return NULL;
	odd |= d->base[d->pos[like->at[0]]] != '"';
	key_n = form_put_plain(to, d, like->at[0], &odd);
	if (__builtin_expect(odd, 0))
		return NULL;
	if (like->chosen >= 0) {
		if (!g->npieces)
			return NULL;
		part_n = form_put(&g->form[like->chosen], g->npieces, members, d, like->at,
			to + key_n, &truths);
		if (__builtin_expect(!part_n, 0))
			return NULL;
	}
	note->truths = truths;
	note->at = (uint32_t)where;
	note->key_n = key_n;
	note->part_n = part_n;
	note->object = like->chosen;
	return to + key_n + part_n;
}

/* Lines from i on, of which there are n, a few, whose notes have their place at `at`. */
static inline void
note_lines(const struct glance *g, bool members, struct alike *a, const struct json_scan *s,
	size_t i, size_t n, struct buf *notes, size_t at)
{
	const struct json_line *l = s->line + i, *end = l + n;
	const struct likeness *like;
	struct glance_note *note;
	char *to, *behind;

	for (; l < end; l++, at += sizeof(*note)) {
		const struct json_doc d = {s->p, s->pos + l->tok, s->skip + l->tok,
			s->first + l->tok, l->ntok, l->flags};

		buf_reserve(notes, 2 * FORM_WIDE + FORM_ROOM);
		note = (struct glance_note *)(void *)(notes->p + at);
		to = notes->p + notes->n;
		like = l->flags || notes->n > NOTES_MOST ? NULL : alike_find(a, &d);
		behind = like ? note_alike(g, members, like, &d, note, notes->n, to) : NULL;
		if (__builtin_expect(behind != NULL, 1)) {
			notes->n += (size_t)(behind - to);
		} else {
			struct glance_note made;

			note_line(g, a, &d, &made, notes);
			memcpy(notes->p + at, &made, sizeof(made));
		}
	}
}

/* Some lines with the hashes of their keys; where nothing is told the hash doesn't matter. */
static void
note_some(const struct glance *g, struct alike *a, const struct json_scan *s, size_t i, size_t n,
	struct buf *notes)
{
	size_t at_keys = sizeof(struct notes_head), k;
	size_t at = at_keys + s->nlines * sizeof(struct key128) + i * sizeof(struct glance_note);
	const struct glance_note *note;
	struct slice text[AT_ONCE];

	if (g->members)
		note_lines(g, true, a, s, i, n, notes, at);
	else
		note_lines(g, false, a, s, i, n, notes, at);
	note = (const struct glance_note *)(const void *)(notes->p + at);
	for (k = 0; k < n; k++)
		text[k] = slice_of(notes->p + note[k].at, note[k].key_n);
	groups_key_all(g->groups, text, n, (struct key128 *)(void *)(notes->p + at_keys) + i);
}

void
glance_block(const struct glance *g, const struct json_scan *s, struct buf *notes)
{
	struct notes_head head = {groups_assigned(g->groups), s->nlines};
	size_t each = sizeof(struct glance_note) + sizeof(struct key128);
	size_t n = sizeof(head) + s->nlines * each;
	struct alike *a;
	size_t i;

	buf_reset(notes);
	if (!g->sees_keys || !s->nlines || s->lazy)
		return;
	buf_reserve(notes, n + s->nlines * TEXT_EXPECTED);
	memcpy(notes->p, &head, sizeof(head));
	notes->n = n;
	a = alike_take(g->alike);
	for (i = 0; i < s->nlines; i += AT_ONCE)
		note_some(g, a, s, i, s->nlines - i < AT_ONCE ? s->nlines - i : AT_ONCE, notes);
	alike_give(g->alike, a);
}

/* ---- records ----------------------------------------------------------------------- */

bool
glance_notes(const struct glance *g, const struct buf *notes, struct glance_notes *all)
{
	struct notes_head head;

	if (!notes->n)
		return false;
	memcpy(&head, notes->p, sizeof(head));
	all->n = head.n;
	all->key = (const struct key128 *)(const void *)(notes->p + sizeof(head));
	all->note = (const struct glance_note *)(const void *)(all->key + head.n);
	return head.assigned == groups_assigned(g->groups);
}

const struct glance_note *
glance_note(const struct glance *g, const struct record *r, struct key128 *key)
{
	struct glance_notes all;
	struct state_near near;
	size_t i = r->index;

	if (r->meta || !glance_notes(g, &r->block->notes, &all) || i >= all.n)
		return NULL;
	/* What records behind it will look at in the state. */
	if (all.n - i > SLOTS)
		state_prefetch_all(groups_state(g->groups), r->task, &all.key[i + SLOTS], 1);
	if (all.n - i > VALUES)
		state_near_all(groups_state(g->groups), r->task, &all.key[i + VALUES], 1, &near);
	*key = all.key[i];
	return all.note[i].key_n ? &all.note[i] : NULL;
}

int
glance_add(const struct glance *g, struct group *group, const struct glance_note *note,
	const struct record *r, struct failure *why)
{
	if (!glance_fits(g, &group->h, note))
		return 0;
	if (g->members)
		group_add_fields(&group->bytes, glance_part(note, r->block));
	else
		buf_add_slice(&group->bytes, glance_part(note, r->block));
	group->h.e.kind = WHOLE_FIELDS;
	if (group_check_size(group, group->bytes.n, why) < 0)
		return -1;
	glance_count(g, &group->h, note);
	return 1;
}
