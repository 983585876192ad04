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

struct notes_head {
	uint64_t assigned;  /* of the groups, when the keys were hashed */
	size_t n;           /* notes behind this; behind them texts */
};

/* ---- init ------------------------------------------------------------------------------ */

static size_t
number_of(const struct slice *name, size_t n, struct slice wanted)
{
	size_t i;

	for (i = 0; i < n && !slice_eq(name[i], wanted); i++)
		;
	return i;
}

static inline bool
is_true(struct slice text)
{
	return *text.p != 'n' && *text.p != 'f';
}

/* All members have their texts. */
static uint64_t
add_fields(struct buf *b, const struct pick_object *o, const struct slice *text)
{
	uint64_t truths = 0;
	size_t i;

	for (i = 0; i < o->n; i++) {
		field_add(b, o->member[i].name, o->member[i].plain, text[i]);
		truths |= (uint64_t)is_true(text[i]) << o->member[i].name_at;
	}
	return truths;
}

static void
init_fixed(struct glance_fixed *f, const struct pick_object *o)
{
	struct slice text[NAMES];
	struct buf b = {0};
	size_t i;

	for (i = 0; i < o->n && o->member[i].want < 0; i++)
		text[i] = o->member[i].text;
	if (i < o->n)
		return;
	f->truths = add_fields(&b, o, text);
	f->fields = buf_slice(&b);
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
	g->fixed = mem_zalloc((pick_objects(g->pick) + 1) * sizeof(*g->fixed));
	for (i = 0; i < pick_objects(g->pick); i++)
		init_fixed(&g->fixed[i], pick_object(g->pick, i));
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
}

void
glance_release(struct glance *g)
{
	size_t i;

	for (i = 0; g->fixed && i < pick_objects(g->pick); i++)
		if (g->fixed[i].fields.n)
			free((void *)(uintptr_t)g->fixed[i].fields.p);
	free(g->fixed);
	free(g->names);
	pick_free(g->pick);
}

/* ---- ahead ----------------------------------------------------------------------------- */

/* The object's fields, as a group has them, go behind the notes. key: the text of the first
 * member that is looked for. */
static bool
note_part(const struct glance *g, const struct json_doc *d, const uint32_t *at, struct slice key,
	struct glance_note *note, struct buf *notes)
{
	const struct pick_object *o = pick_object(g->pick, (size_t)note->object);
	const struct glance_fixed *fixed = &g->fixed[note->object];
	struct slice text[NAMES];
	size_t i, n = 0, from = notes->n;

	if (fixed->fields.n) {
		buf_reserve(notes, fixed->fields.n);
		copy_short(notes->p + from, fixed->fields.p, fixed->fields.n);
		notes->n += fixed->fields.n;
		note->part_n = (uint32_t)fixed->fields.n;
		note->truths = fixed->truths;
		return true;
	}
	for (i = 0; i < o->n; i++) {
		const struct pick_member *m = &o->member[i];

		if (m->want < 0)
			text[i] = m->text;
		else if (m->want == 0)
			text[i] = key;
		else
			text[i] = at[m->want] == JSON_NONE ? SLICE("null") :
				json_plain_text(d, at[m->want]);
		if (!text[i].n)
			return false;
		n += text[i].n;
	}
	if (n > PART_MOST)
		return false;
	note->truths = add_fields(notes, o, text);
	note->part_n = (uint32_t)(notes->n - from);
	return true;
}

/* All but the hash of its key. */
static void
note_line(const struct glance *g, const struct json_scan *s, size_t i, struct glance_note *note,
	struct buf *notes)
{
	const struct json_line *l = s->line + i;
	struct json_doc d = {s->p, s->pos + l->tok, s->skip + l->tok, s->first + l->tok, l->ntok,
		l->flags};
	uint32_t at[PICK_WANTS];
	struct slice key;

	/* Of a line that may not be valid nothing is told. */
	*note = (struct glance_note){.object = PICK_UNSURE};
	if (l->flags & ~(uint32_t)JSON_LINE_ESCAPE || !pick_look(&g->wants, &d, at) ||
		at[0] == JSON_NONE)
		return;
	key = json_plain_text(&d, at[0]);
	if (!json_plain_is_canonical(key) || notes->n > NOTES_MOST)
		return;
	note->key_n = (uint32_t)key.n;
	note->at = (uint32_t)notes->n;
	buf_reserve(notes, key.n);
	copy_short(notes->p + notes->n, key.p, key.n);
	notes->n += key.n;
	if (!g->pick)
		return;
	note->object = pick_choose(g->pick, &d, at);
	if (note->object >= 0 && !note_part(g, &d, at, key, note, notes))
		note->object = PICK_UNSURE;
}

/* The keys of some lines, whose notes begin there; where nothing is told it doesn't matter. */
static void
hash_keys(const struct glance *g, struct buf *notes, size_t at, size_t n)
{
	struct glance_note *note = (struct glance_note *)(void *)(notes->p + at);
	struct key128 key[AT_ONCE];
	struct slice text[AT_ONCE];
	size_t i;

	for (i = 0; i < n; i++)
		text[i] = slice_of(notes->p + note[i].at, note[i].key_n);
	groups_key_all(g->groups, text, n, key);
	for (i = 0; i < n; i++)
		note[i].key = key[i];
}

void
glance_block(const struct glance *g, const struct json_scan *s, struct buf *notes)
{
	struct notes_head head = {groups_assigned(g->groups), s->nlines};
	struct glance_note note;
	size_t i, at = sizeof(head), n = s->nlines * sizeof(note);

	buf_reset(notes);
	if (!g->sees_keys || !s->nlines || s->lazy)
		return;
	buf_reserve(notes, at + n + s->nlines * TEXT_EXPECTED);
	memcpy(notes->p, &head, sizeof(head));
	notes->n = at + n;
	for (i = 0; i < s->nlines; i++, at += sizeof(note)) {
		note_line(g, s, i, &note, notes);
		memcpy(notes->p + at, &note, sizeof(note));
		if (i % AT_ONCE == AT_ONCE - 1 || i + 1 == s->nlines)
			hash_keys(g, notes, at - i % AT_ONCE * sizeof(note), i % AT_ONCE + 1);
	}
}

/* ---- records --------------------------------------------------------------------------- */

const struct glance_note *
glance_notes(const struct glance *g, const struct buf *notes, size_t *n)
{
	struct notes_head head;

	if (!notes->n)
		return NULL;
	memcpy(&head, notes->p, sizeof(head));
	*n = head.n;
	return head.assigned == groups_assigned(g->groups) ?
		(const struct glance_note *)(const void *)(notes->p + sizeof(head)) : NULL;
}

const struct glance_note *
glance_note(const struct glance *g, const struct record *r)
{
	const struct glance_note *note;
	size_t n;

	if (r->meta || !(note = glance_notes(g, &r->block->notes, &n)) || r->index >= n)
		return NULL;
	note += r->index;
	n -= r->index;
	if (n > GLANCE_SLOTS && note[GLANCE_SLOTS].key_n)
		groups_prefetch(g->groups, r->task, note[GLANCE_SLOTS].key);
	if (n > GLANCE_VALUES && note[GLANCE_VALUES].key_n)
		groups_near(g->groups, r->task, note[GLANCE_VALUES].key);
	return note->key_n ? note : NULL;
}

int
glance_add(const struct glance *g, struct group *group, const struct glance_note *note,
	const struct record *r, struct failure *why)
{
	if (!glance_fits(g, &group->h, note))
		return 0;
	buf_add_slice(&group->bytes, glance_part(note, r->block));
	if (group_check_size(group, group->bytes.n, why) < 0)
		return -1;
	glance_count(g, &group->h, note);
	return 1;
}
