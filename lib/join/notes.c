/* Lines, looked at ahead of their turn. */
#include "join/notes.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "flow/instant.h"
#include "json/plain.h"

#define MOST_TEXT ((size_t)4 << 20) /* bytes of notes, beyond which none is added */
#define LONG_LINE 65536             /* its texts are copied once, in their turn */

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
		n->member[side][n->nmembers[side]++] = n->leaf[i];
		n->content[side] &= n->leaf[i] >= 0;
	}
}

void
notes_init(struct notes *n, const struct join_plan *plan, const struct flow_time *time, bool rows,
	uint64_t seed)
{
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
	/* Who stays for how long is then known too. */
	n->runs = plan->with == WITH_STREAM && !plan->expr[PLAN_EXPIRES] && n->time >= 0;
	n->delay_us = n->runs ? time->delay_us : 0;
	n->bytes = (sizeof(struct note) + n->wants.n * sizeof(uint32_t) + 7) & ~(size_t)7;
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

/* ---- making ------------------------------------------------------------------------------ */

#define ON(side) (1 << (side))

/* On which sides a line is by the conditions. */
static inline int
sides_by(const struct notes *n, const struct json_doc *d, const uint32_t *at)
{
	bool left = n->is[SIDE_LEFT] && pick_is(n->is[SIDE_LEFT], d, at);
	bool right = n->is[SIDE_RIGHT] && pick_is(n->is[SIDE_RIGHT], d, at);

	return ((n->is[SIDE_LEFT] ? left : !right) ? ON(SIDE_LEFT) : 0) |
		((n->is[SIDE_RIGHT] ? right : n->is[SIDE_LEFT] && !left) ? ON(SIDE_RIGHT) : 0);
}

/* The tokens of the wanted members, and the sides. False: it is no object. */
static inline bool
look(const struct notes *n, struct alike *a, const struct json_doc *d, struct note *note)
{
	const struct likeness *like = d->flags ? NULL : alike_find(a, d);
	int on;

	if (__builtin_expect(like != NULL, 1)) {
		memcpy(note->at, like->at, n->wants.n * sizeof(*note->at));
		on = like->chosen;
	} else {
		if (!pick_look(&n->wants, d, note->at))
			return false;
		on = sides_by(n, d, note->at);
		if (!d->flags)
			alike_learn(a, d, note->at, on);
	}
	note->on[SIDE_LEFT] = on & ON(SIDE_LEFT);
	note->on[SIDE_RIGHT] = on & ON(SIDE_RIGHT);
	return true;
}

/* A note of no key tells that its line is of no side. */
static inline bool
tell(const struct notes *n, const struct json_doc *d, struct note *note)
{
	struct slice key;
	uint32_t at;

	note->key_n = 0;
	if (!note->on[SIDE_LEFT] && !note->on[SIDE_RIGHT])
		return true;
	if (note->on[SIDE_LEFT] && note->on[SIDE_RIGHT] && n->key[0] != n->key[1])
		return false;
	at = note->at[n->key[note->on[SIDE_LEFT] ? SIDE_LEFT : SIDE_RIGHT]];
	if (at == JSON_NONE)
		return false;
	key = json_plain_text(d, at);
	note->key_at = d->pos[at];
	note->key_n = (uint32_t)key.n;
	if (!json_plain_is_canonical(key))
		return false;
	note->hash = hash64(d->base + note->key_at, note->key_n, n->seed);
	return true;
}

static inline void
tell_text(const struct notes *n, const struct json_doc *d, size_t note_at, struct buf *b,
	struct buf *others)
{
	const struct note *note = (const struct note *)(const void *)(b->p + note_at);
	enum join_side side = n->rows || !note->on[SIDE_LEFT] ? SIDE_RIGHT : SIDE_LEFT;

	if (note->told && note->key_n && n->content[side] &&
		!(note->on[SIDE_LEFT] && note->on[SIDE_RIGHT]) && b->n <= MOST_TEXT)
		notes_add_text(n, side, d, note_at, b, others);
}

/* A time that is a string in RFC 3339; anything else is left to the evaluation. */
static inline void
tell_time(const struct notes *n, const struct json_doc *d, struct note *note,
	struct time_memo *memo)
{
	uint32_t at = note->at[n->time];

	if (at == JSON_NONE || d->first[at] != '"' || !instant_of_string(d, at, memo, &note->us))
		note->us = TIME_NONE;
}

/* ---- runs -------------------------------------------------------------------------------- */

/* A run that lines are added to. */
struct making {
	struct note_run run;
	size_t first;        /* of its lines */
};

static inline bool
is_on(const struct note *note)
{
	return note->on[SIDE_LEFT] || note->on[SIDE_RIGHT];
}

static inline bool
is_of_run(const struct note *note)
{
	return note->told && note->us != TIME_NONE && (note->text_at || !is_on(note));
}

/* Its place is behind the texts that there are. */
static void
end_run(const struct notes *n, struct buf *b, struct making *m)
{
	if (!m->run.n)
		return;
	((struct note *)(void *)(b->p + m->first * n->bytes))->run = (uint32_t)b->n;
	buf_add(b, &m->run, sizeof(m->run));
	m->run.n = 0;
}

static inline void
add_to_run(struct making *m, const struct note *note, size_t line)
{
	struct note_run *run = &m->run;

	if (!run->n) {
		m->first = line;
		*run = (struct note_run){.least_us = INT64_MAX, .first_us = note->us,
			.newest_us = note->us};
	}
	run->n++;
	if (note->us > run->newest_us)
		run->newest_us = note->us;
	if (!is_on(note))
		return;
	if (!run->items++)
		run->at = (uint32_t)(note->text_at - sizeof(struct item));
	run->bytes = (note->text_at + note->key_n + note->content_n + 7) / 8 * 8 - run->at;
	if (note->us < run->least_us)
		run->least_us = note->us;
}

/* The items of a run follow one another: so what a line ends goes before the text of the line.
 * No difference overflows: instants are of ten thousand years. */
static inline void
make_way(const struct notes *n, struct buf *b, struct making *m, const struct note *note)
{
	if (m->run.n && (!note->told || note->us == TIME_NONE ||
			m->run.newest_us - note->us > n->delay_us))
		end_run(n, b, m);
}

static inline void
go_on(const struct notes *n, struct buf *b, struct making *m, size_t line)
{
	const struct note *note = (const struct note *)(const void *)(b->p + line * n->bytes);

	if (is_of_run(note))
		add_to_run(m, note, line);
	else
		end_run(n, b, m);
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

/* ---- a block ----------------------------------------------------------------------------- */

/* Of a line that may not be valid nothing is told. */
static inline void
note_line(const struct notes *n, struct alike *a, const struct json_scan *s, size_t i,
	struct time_memo *memo, struct making *m, struct buf *b, struct buf *others)
{
	const struct json_line *l = s->line + i;
	struct json_doc d = {s->p, s->pos + l->tok, s->skip + l->tok, s->first + l->tok,
		l->ntok, l->flags};
	struct note *note = (struct note *)(void *)(b->p + i * n->bytes);

	note->us = TIME_NONE;
	note->told = false;
	note->text_at = note->run = 0;
	note->behind = (uint32_t)(s->nlines - 1 - i);
	if (l->flags & ~(uint32_t)JSON_LINE_ESCAPE || !look(n, a, &d, note))
		return;
	if (n->time >= 0)
		tell_time(n, &d, note, memo);
	note->told = tell(n, &d, note);
	if (n->runs)
		make_way(n, b, m, note);
	if (l->end - l->start < LONG_LINE)
		tell_text(n, &d, i * n->bytes, b, others);
}

void
notes_make(const struct notes *n, const struct json_scan *s, struct buf *b)
{
	struct time_memo memo = {.known = false};
	struct making making = {.run = {.n = 0}};
	struct buf others = {0};
	struct alike *a;
	size_t i;

	buf_reset(b);
	if (n->key[0] < 0 || !s->nlines || s->lazy)
		return;
	a = alike_take(n->alike);
	buf_reserve(b, s->nlines * n->bytes);
	b->n = s->nlines * n->bytes;
	for (i = 0; i < s->nlines; i++) {
		note_line(n, a, s, i, &memo, &making, b, &others);
		if (n->runs)
			go_on(n, b, &making, i);
	}
	if (n->runs)
		end_run(n, b, &making);
	buf_release(&others);
	alike_give(n->alike, a);
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
