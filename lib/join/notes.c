/* Lines, looked at ahead of their turn. */
#include "join/notes.h"

#include <stdlib.h>

#include "base/mem.h"
#include "flow/instant.h"
#include "join/note_short.h"

#define MOST_TEXT ((size_t)4 << 20) /* bytes of notes, beyond which none is added */
#define LONG_LINE 65536             /* its texts are copied once, in their turn */
_Static_assert(PICK_WANTS % NOTES_FEW == 0, "tokens are copied by so many");

static int
want_field(struct notes *n, struct slice name)
{
	return name.p ? pick_want(&n->wants, name) : -1;
}

/* Whether the sides can be told, where expressions tell them. */
static bool
want_sides(struct notes *n, const struct join_plan *plan)
{
	static const int of[2] = {PLAN_LEFT, PLAN_RIGHT};
	int side, which;

	for (side = 0; side < 2; side++) {
		which = plan->with == WITH_ROWS && side == SIDE_RIGHT ? PLAN_ROWS : of[side];
		if (!plan->expr[which])
			continue;
		n->is[side] = pick_condition(plan->expr[which], &n->wants);
		if (!n->is[side])
			return false;
	}
	return true;
}

bool
notes_is_key(const struct notes *n, enum join_side side, size_t leaf)
{
	return (n->plan->with == WITH_STREAM || n->plan->with == WITH_INPUT) &&
		n->key[side] >= 0 && n->leaf[leaf] == n->key[side];
}

/* The members of a side's content, if they are all that it has. */
static void
want_content(struct notes *n, const struct join_plan *plan, enum join_side side)
{
	size_t i;

	n->member[side] = mem_array(plan->outline.nleaves + 1, sizeof(**n->member));
	n->content[side] = plan->outlined && !(plan->whole && side == SIDE_LEFT) &&
		plan->outline.nleaves <= PICK_WANTS;
	for (i = 0; i < plan->outline.nleaves; i++) {
		if ((plan->outline.leaf[i].of == 2) != (side == SIDE_RIGHT))
			continue;
		n->member[side][n->nmembers[side]++] = notes_is_key(n, side, i) ? -1 : n->leaf[i];
		n->content[side] &= n->leaf[i] >= 0;
	}
}

void
notes_init(struct notes *n, const struct join_plan *plan, const struct flow_time *time, bool rows,
	uint64_t seed)
{
	enum join_side side;
	size_t i;

	*n = (struct notes){.plan = plan, .seed = seed, .key = {-1, -1}, .time = -1};
	n->leaf = mem_array(plan->outline.nleaves + 1, sizeof(*n->leaf));
	n->sides = plan->with == WITH_TABLE || plan->with == WITH_STREAM ||
		(plan->with == WITH_ROWS && !plan->topic);
	if (!want_sides(n, plan))
		return;
	n->key[SIDE_LEFT] = want_field(n, expr_field(plan->expr[rows ? PLAN_KEY_RIGHT :
		PLAN_KEY_LEFT]));
	n->key[SIDE_RIGHT] = plan->with == WITH_TABLE ? n->key[SIDE_LEFT] :
		want_field(n, expr_field(plan->expr[PLAN_KEY_RIGHT]));
	/* Where the side isn't known yet the key has to be that of both. */
	if (n->key[0] < 0 || n->key[1] < 0 || (!n->sides && n->key[0] != n->key[1]))
		n->key[0] = n->key[1] = -1;
	if (time && time->expr)
		n->time = want_field(n, expr_field(time->expr));
	for (i = 0; i < plan->outline.nleaves; i++)
		n->leaf[i] = want_field(n, plan->outline.leaf[i].field);
	n->alike = mem_zalloc(sizeof(*n->alike));
	n->alike->wants = &n->wants;
	for (i = 0; i < 2; i++)
		if (n->is[i])
			pick_add_tested(n->is[i], &n->alike->tested);
	n->rows = rows;
	for (i = 0; i < 2 && n->sides; i++)
		want_content(n, plan, (enum join_side)i);
	for (i = 0; i < 4; i++) {
		side = rows || !(i & ON(SIDE_LEFT)) ? SIDE_RIGHT : SIDE_LEFT;
		n->way[i] = (struct note_way){side, n->content[side] && i < 3};
	}
	/* Who stays for how long is then known too. */
	n->runs = plan->with == WITH_STREAM && !plan->expr[PLAN_EXPIRES] && n->time >= 0;
	n->delay_us = n->runs ? time->delay_us : 0;
	n->bytes = sizeof(struct note) + (n->wants.n + NOTES_FEW - 1) / NOTES_FEW * NOTES_FEW *
		sizeof(uint32_t);
	n->bytes = (n->bytes + 7) & ~(size_t)7;
	n->room = sizeof(struct item) + (plan->outline.nleaves + 2) * NOTES_SHORT +
		PICK_WANTS * sizeof(uint32_t) + 8;
}

void
notes_release(struct notes *n)
{
	if (n->alike)
		alike_store_release(n->alike);
	free(n->alike);
	pick_free(n->is[0]);
	pick_free(n->is[1]);
	free(n->leaf);
	free(n->member[0]);
	free(n->member[1]);
}

/* ---- making ------------------------------------------------------------------------ */

/* The notes of a block, in the making. */
struct making {
	const struct notes *n;
	struct alike *a;
	struct time_memo memo;
	struct note_run run; /* that lines are added to; run.n 0: none, */
	size_t first;        /* where the note of its first line stands */
	size_t at;           /* where that of the line in hand does */
	struct json_doc d;   /* the line in hand */
	struct buf *b, others;
};

static inline struct note *
note_to_make(const struct making *m, size_t at)
{
	return (struct note *)(void *)(m->b->p + at);
}

/* On which sides a line is by the conditions. */
static inline int
sides_by(const struct notes *n, const struct json_doc *d, const uint32_t *at)
{
	bool left = n->is[SIDE_LEFT] && pick_is(n->is[SIDE_LEFT], d, at);
	bool right = n->is[SIDE_RIGHT] && pick_is(n->is[SIDE_RIGHT], d, at);

	return (int)(((n->is[SIDE_LEFT] ? left : !right) ? ON(SIDE_LEFT) : 0) |
		((n->is[SIDE_RIGHT] ? right : n->is[SIDE_LEFT] && !left) ? ON(SIDE_RIGHT) : 0));
}

/* The tokens of the wanted members; returns the sides, or -1: it is no object. */
static inline int
look(struct making *m, uint32_t *at)
{
	const struct json_doc *d = &m->d;
	const struct likeness *like = d->flags ? NULL : alike_find(m->a, d);
	size_t i;
	int on;

	if (__builtin_expect(like != NULL, 1)) {
		for (i = 0; i < m->n->wants.n; i += NOTES_FEW)
			memcpy(at + i, like->at + i, NOTES_FEW * sizeof(*at));
		return like->chosen;
	}
	if (!pick_look(&m->n->wants, d, at))
		return -1;
	on = sides_by(m->n, d, at);
	if (!d->flags)
		alike_learn(m->a, d, at, on);
	return on;
}

/* The key of a line that is on a side. */
static bool
tell_key(const struct notes *n, const struct json_doc *d, struct note *note)
{
	uint32_t at = note->at[n->key[note->on & ON(SIDE_LEFT) ? SIDE_LEFT : SIDE_RIGHT]];
	struct slice key;

	if (at == JSON_NONE || (note->on == (ON(SIDE_LEFT) | ON(SIDE_RIGHT)) &&
			n->key[SIDE_LEFT] != n->key[SIDE_RIGHT]))
		return false;
	key = json_plain_text(d, at);
	note->key_at = d->pos[at];
	note->key_n = (uint32_t)key.n;
	if (!json_plain_is_canonical(key))
		return false;
	note->hash = hash64(d->base + note->key_at, note->key_n, n->seed);
	return true;
}

/* Of a line that is on one side or on both. */
static inline bool
tell(struct making *m, struct note *note, int on, bool is_long)
{
	const struct notes *n = m->n;
	const struct note_way *way = &n->way[on];
	bool text = way->text & !is_long & (m->b->n <= MOST_TEXT);

	if (text && !m->d.flags && notes_add_short(n, way->side, &m->d, note, m->b))
		return true;
	if (!tell_key(n, &m->d, note))
		return false;
	if (text)
		notes_add_text(n, way->side, &m->d, m->at, m->b, &m->others);
	return true;
}

/* A time that is a string in RFC 3339; anything else is left to the evaluation. */
static inline int64_t
tell_time(struct making *m, const uint32_t *at)
{
	const struct json_doc *d = &m->d;
	uint32_t t = m->n->time < 0 ? JSON_NONE : at[m->n->time];
	int64_t us;

	return t != JSON_NONE && d->first[t] == '"' && instant_of_string(d, t, &m->memo, &us) ?
		us : TIME_NONE;
}

/* ---- runs -------------------------------------------------------------------------- */

/* The items of a run follow one another, and it stands behind them. */
static void
end_run(struct making *m)
{
	if (!m->run.n)
		return;
	note_to_make(m, m->first)->run = (uint32_t)m->b->n;
	buf_add(m->b, &m->run, sizeof(m->run));
	m->run.n = 0;
}

/* No difference overflows: instants are of ten thousand years. */
static inline bool
ends_run(const struct making *m, int64_t us)
{
	return us == TIME_NONE || m->run.newest_us - us > m->n->delay_us;
}

/* text_at: of a line that is on a side, and else 0. */
static inline void
add_to_run(struct making *m, int64_t us, uint32_t text_at)
{
	struct note_run *run = &m->run;

	if (!run->n) {
		m->first = m->at;
		*run = (struct note_run){.least_us = INT64_MAX, .first_us = us, .newest_us = us};
	}
	run->n++;
	run->newest_us = us > run->newest_us ? us : run->newest_us;
	if (!text_at)
		return;
	if (!run->items++)
		run->at = (uint32_t)(text_at - sizeof(struct item));
	run->bytes = (uint32_t)m->b->n - run->at;
	run->least_us = us < run->least_us ? us : run->least_us;
}

const struct note_run *
notes_run(const struct notes *n, const struct block *b, size_t line)
{
	const struct note *note;

	if (!n->runs || !b->notes.n)
		return NULL;
	note = notes_line(n, b, line);
	return note->run ? (const struct note_run *)(const void *)(b->notes.p + note->run) : NULL;
}

/* ---- a block ----------------------------------------------------------------------- */

/* Of a line that may not be valid nothing is told. */
static inline void
note_line(struct making *m, bool may_be_bad, bool is_long, uint32_t behind)
{
	struct note *note;
	int64_t us = TIME_NONE;
	bool told = false;
	int on = -1;

	buf_reserve(m->b, m->n->room);
	note = note_to_make(m, m->at);
	note->text_at = note->run = note->key_n = 0;
	note->behind = behind;
	if (!may_be_bad)
		on = look(m, note->at);
	if (on >= 0) {
		note->on = (uint8_t)on;
		us = tell_time(m, note->at);
	}
	note->us = us;
	/* What ends a run goes before the text of the line. */
	if (m->run.n && ends_run(m, us))
		end_run(m);
	if (on >= 0)
		told = on == 0 || tell(m, note, on, is_long);
	note = note_to_make(m, m->at);
	note->told = told;
	if (told && m->n->runs && us != TIME_NONE && (note->text_at || !on))
		add_to_run(m, us, note->text_at);
	else
		end_run(m);
}

void
notes_make(const struct notes *n, const struct json_scan *s, struct buf *b)
{
	struct making m = {.n = n, .b = b, .d = {.base = s->p}};
	const struct json_line *l = s->line, *end = l + s->nlines;

	buf_reset(b);
	if (n->key[0] < 0 || !s->nlines || s->lazy)
		return;
	m.a = alike_take(n->alike);
	buf_reserve(b, s->nlines * n->bytes);
	b->n = s->nlines * n->bytes;
	for (; l < end; l++, m.at += n->bytes) {
		m.d.pos = s->pos + l->tok;
		m.d.skip = s->skip + l->tok;
		m.d.first = s->first + l->tok;
		m.d.n = l->ntok;
		m.d.flags = l->flags;
		note_line(&m, l->flags & ~(uint32_t)JSON_LINE_ESCAPE,
			l->end - l->start >= LONG_LINE, (uint32_t)(end - l - 1));
	}
	end_run(&m);
	buf_release(&m.others);
	alike_give(n->alike, m.a);
}

static inline const struct note *
note_at(const struct notes *n, const struct record *r, size_t behind)
{
	const struct buf *b = &r->block->notes;
	const struct note *note;

	if (r->meta || !b->n)
		return NULL;
	note = (const struct note *)(const void *)(b->p + r->index * n->bytes);
	return behind > note->behind ? NULL :
		(const struct note *)(const void *)((const char *)note + behind * n->bytes);
}

bool
notes_when(const struct notes *n, const struct record *r, int64_t *us)
{
	const struct note *note = n->time < 0 ? NULL : note_at(n, r, 0);

	if (!note || note->us == TIME_NONE)
		return false;
	*us = note->us;
	return true;
}

const struct note *
notes_of(const struct notes *n, const struct record *r, size_t behind)
{
	const struct note *note = note_at(n, r, behind);

	return note && note->told ? note : NULL;
}
