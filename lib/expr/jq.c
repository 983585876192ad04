/*
 * Filters that are not native, run by libjq 1.6. The only file that knows jv and jq.
 *
 * The rule of jv: every jv_ function consumes each jv that it is given and returns one that
 * its caller owns; only jv_copy does not consume. So a jv that is looked at is copied into
 * the call, and every path, errors included, passes each jv on once or frees it.
 *
 * What it is given to run is made of the user's text by jq_program.c.
 *
 * Numbers. libjq has doubles. The literals of each record are noted while it is converted;
 * if one is not written as jq would print it, a table of double to text gives outputs their
 * text back. If one does not fit a double, a twin of the program runs instead, in which
 * arithmetic and all else that computes from a number, or makes text of it, first compares
 * it with the numbers that do not fit, and fails; so does a computed number that equals
 * one. What only moves and compares numbers is exact as long as no two literals of
 * different value share a double, which is checked; rounding keeps the order of all others.
 *
 * ~/.jq, which libjq reads at each compilation, is closed by taking HOME out of the
 * environment meanwhile: filters are compiled at start-up, by one thread.
 */
#include "expr/jq.h"

#include <jq.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "expr/jq_program.h"

#define MAX_IN 256               /* levels: what libjq parses, and prints in tojson */
#define MAX_OUT JSON_MAX_DEPTH
#define MAX_TEXT (1 << 24)

/* A number literal of a record or of the program. */
struct literal {
	struct slice text;
	double d;
	bool plain; /* jq prints d as this very text */
};

/* An entry of the table: the literals that share a double. */
struct shared {
	struct slice text;  /* p == NULL: free */
	double d;
	bool program;       /* only the program has it */
	bool several;       /* written in more than one way: jq's is taken */
};

struct jq_filter {
	jq_state *plain;
	jq_state *guarded;    /* compiled when a record first needs it */
	struct jq_program program;
	bool numbers_double;
	struct literal *lit;  /* of the program */
	size_t nlit, cap_lit;
	struct buf lit_text;
	bool lit_odd, computes;
	struct literal *rec;  /* of the record at hand */
	size_t nrec, cap_rec;
	bool rec_odd;
	struct buf fired;     /* what the guard has found */
	struct shared *table;
	size_t slots, cap_table;
	struct buf scratch;
};

/* ---- number literals --------------------------------------------------------------- */

/* Would jq print this number as it is written? Most texts tell by themselves. */
static bool
is_plain(struct slice s, double d, struct buf *scratch)
{
	size_t i = s.n && s.p[0] == '-', digits = 0, dot = 0;

	for (; i < s.n; i++)
		if (is_digit(s.p[i]))
			digits++;
		else if (s.p[i] == '.' && i + 1 < s.n)
			dot = i;
		else
			break;
	if (i == s.n && digits <= 15 && (!dot || (s.p[s.n - 1] != '0' && s.p[dot + 1] != '0')))
		return true;
	buf_reset(scratch);
	json_add_double(scratch, d);
	return slice_eq(buf_slice(scratch), s);
}

static bool
is_unfit(const struct literal *l)
{
	return !l->plain && !json_number_fits_double(l->text);
}

/* jq takes 1. .5 and 007 for numbers too: append one as JSON has it. False if it is none. */
static bool
add_number(struct buf *b, struct slice s)
{
	size_t i = 0, dots = 0;

	while (i + 1 < s.n && s.p[i] == '0' && is_digit(s.p[i + 1]))
		i++;
	if (s.p[i] == '.')
		buf_addc(b, '0');
	for (; i < s.n; i++) {
		if (s.p[i] == '.' && (++dots > 1 || i + 1 == s.n || !is_digit(s.p[i + 1]))) {
			if (dots > 1)
				return false;
			continue;
		}
		buf_addc(b, s.p[i]);
	}
	return true;
}

static void
find_literals(struct jq_filter *f)
{
	size_t at = 0, i, l = 0;

	f->computes = jq_program_computes(&f->program);
	for (i = 0; i < f->program.ntoken; i++) {
		struct literal lit = {{NULL, 0}, 0, true};

		if (f->program.token[i].kind != T_NUMBER)
			continue;
		at = f->lit_text.n;
		if (!add_number(&f->lit_text, f->program.token[i].text)) {
			f->lit_text.n = at;
			continue;
		}
		lit.text.n = f->lit_text.n - at;
		f->lit = mem_grow(f->lit, &f->cap_lit, f->nlit + 1, sizeof(lit));
		f->lit[f->nlit++] = lit;
	}
	for (at = 0; l < f->nlit; at += f->lit[l++].text.n) {
		struct literal *lit = &f->lit[l];

		lit->text.p = f->lit_text.p + at;
		lit->d = json_number_double(lit->text);
		lit->plain = is_plain(lit->text, lit->d, &f->scratch);
		f->lit_odd |= !lit->plain;
	}
}

/* ---- compiling --------------------------------------------------------------------- */

/* The messages of a compilation, one a line. */
static void
hear(void *arg, jv msg)
{
	struct buf *heard = arg;

	if (jv_get_kind(msg) == JV_KIND_STRING) {
		buf_adds(heard, jv_string_value(msg));
		buf_addc(heard, '\n');
	}
	jv_free(msg);
}

/* What a guard of the program has found, by way of debug. */
static void
hear_guard(void *arg, jv msg)
{
	struct buf *fired = arg;

	if (jv_get_kind(msg) == JV_KIND_STRING && !fired->n)
		buf_adds(fired, jv_string_value(msg));
	jv_free(msg);
}

/* Compile program, in which vars are null; NULL if it has errors. */
static jq_state *
compile(const char *program, jv vars, struct buf *heard)
{
	jq_state *q = jq_init();
	char *home = getenv("HOME") ? mem_strdup(getenv("HOME")) : NULL;
	int good;

	if (!q) {
		jv_free(vars);
		free(home);
		buf_adds(heard, "libjq cannot start\n");
		return NULL;
	}
	if (home)
		unsetenv("HOME");
	jq_set_error_cb(q, hear, heard);
	jq_set_attr(q, jv_string("JQ_LIBRARY_PATH"), jv_array());
	good = jq_compile_args(q, program, vars);
	if (home)
		setenv("HOME", home, 1);
	free(home);
	jq_set_error_cb(q, NULL, NULL);
	if (!good)
		jq_teardown(&q);
	return q;
}

/* Cut what stands at the front of s up to and with mark out of it. */
static bool
cut(struct slice *s, const char *mark, struct slice *before)
{
	size_t n = strlen(mark);

	for (size_t i = 0; i + n <= s->n; i++)
		if (memcmp(s->p + i, mark, n) == 0) {
			*before = slice_of(s->p, i);
			s->p += i + n;
			s->n -= i + n;
			return true;
		}
	return false;
}

/* "jq: error: WHAT (Unix shell quoting issues?) at <top-level>, line 3:" as "line 3: what". */
static void
tidy(struct slice *heard, struct buf *to)
{
	static const struct { const char *jq, *ours; } words[] = {
		{"INVALID_CHARACTER", "character"}, {"$end", "end of the filter"},
		{"QQSTRING_TEXT", "text"}, {"QQSTRING_INTERP_START", "\"\\(\""},
		{"QQSTRING_START", "'\"'"}, {"QQSTRING_END", "'\"'"}, {"IDENT", "name"},
		{"FIELD", "field"}, {"LITERAL", "literal"}, {"FORMAT", "format"},
	};
	struct slice what, line, rest = *heard;
	size_t from;

	buf_reset(to);
	if (!cut(heard, "\n", &what))
		return;
	if (!cut(&what, "jq: error: ", &line) && !cut(&what, "jq: ", &line))
		line.n = 0;
	rest = what;
	if (cut(&rest, " at <top-level>, line ", &what)) {
		line = slice_of(rest.p, strspn(rest.p, "0123456789"));
		buf_addf(to, "line %.*s: ", (int)line.n, line.p);
		cut(heard, "\n", &line); /* the line of the text, which follows */
	}
	rest = what;
	if (!cut(&rest, " (Unix shell", &what))
		what = rest;
	from = to->n;
	while (what.n) {
		size_t w = 0, n = 0;

		for (; w < sizeof(words) / sizeof(words[0]); w++) {
			n = strlen(words[w].jq);
			if (what.n >= n && memcmp(what.p, words[w].jq, n) == 0)
				break;
		}
		if (w == sizeof(words) / sizeof(words[0])) {
			buf_addc(to, *what.p);
			n = 1;
		} else
			buf_adds(to, words[w].ours);
		what.p += n;
		what.n -= n;
	}
	if (to->n > from && to->p[from] >= 'A' && to->p[from] <= 'Z' && to->n > from + 1 &&
			to->p[from + 1] >= 'a' && to->p[from + 1] <= 'z')
		to->p[from] = (char)(to->p[from] - 'A' + 'a');
}

static int
say_compile_error(const struct buf *heard, struct failure *why)
{
	struct slice all = buf_slice(heard), before, rest = all;
	struct buf text = {0}, more = {0};

	if (cut(&rest, JQ_CLOSED, &before)) {
		cut(&rest, " is not defined", &before);
		fail(why, EXIT_USAGE, "%.*s is not available: a filter sees its record alone",
			(int)before.n, before.p);
		return -1;
	}
	tidy(&all, &text);
	fail(why, EXIT_USAGE, "%s", text.n ? buf_cstr(&text) : "the filter does not compile");
	tidy(&all, &more);
	if (more.n && !strstr(buf_cstr(&more), " compile error"))
		fail_hint(why, "%s", buf_cstr(&more));
	buf_release(&text);
	buf_release(&more);
	return -1;
}

/* The user's text by itself: its errors are in the user's words. */
static bool
compiles_alone(struct jq_filter *f, struct buf *heard)
{
	jv vars = jv_object();
	jq_state *q;

	for (size_t i = 0; i < f->program.nvar; i++)
		vars = jv_object_set(vars, jv_string(f->program.name[i]), jv_null());
	q = compile(f->program.text, vars, heard);
	if (!q)
		return false;
	jq_teardown(&q);
	return true;
}

static jq_state *
compile_wrapped(struct jq_filter *f, bool guarded, struct buf *heard)
{
	struct buf program = {0};
	jq_state *q;

	jq_program_write(&f->program, &program, guarded);
	q = compile(buf_cstr(&program), jv_object(), heard);
	if (q)
		jq_set_debug_cb(q, hear_guard, &f->fired);
	buf_release(&program);
	return q;
}

static int
compile_filter(struct jq_filter *f, struct failure *why)
{
	struct buf alone = {0}, heard = {0};
	struct slice first;
	int r = -1;

	first = f->program.token[0].text;
	if (slice_eq(first, SLICE("import")) || slice_eq(first, SLICE("include")) ||
			slice_eq(first, SLICE("module"))) {
		fail(why, EXIT_USAGE, "%.*s is not available: a filter is one text",
			(int)first.n, first.p);
		goto out;
	}
	find_literals(f);
	if (f->program.balanced && (f->plain = compile_wrapped(f, false, &heard))) {
		r = 0;
		goto out;
	}
	if (!compiles_alone(f, &alone)) {
		r = say_compile_error(&alone, why);
		goto out;
	}
	/* Definitions alone, or nothing at all, are a program to jq: the identity. */
	f->program.ending = "\n.";
	if (f->program.balanced && !strstr(buf_cstr(&heard), JQ_CLOSED)) {
		struct buf again = {0};

		f->plain = compile_wrapped(f, false, &again);
		buf_release(&again);
	}
	r = f->plain ? 0 : say_compile_error(&heard, why);
out:
	buf_release(&alone);
	buf_release(&heard);
	return r;
}

struct jq_filter *
jq_filter_new(const char *text, const struct expr_options *options, struct failure *why)
{
	struct jq_filter *f = mem_zalloc(sizeof(*f));

	if (strlen(text) > MAX_TEXT) {
		fail(why, EXIT_USAGE, "the filter is longer than %d bytes", MAX_TEXT);
		goto bad;
	}
	f->numbers_double = options && options->numbers_double;
	jq_program_init(&f->program, text, options ? options->vars : NULL,
		options && options->allow_env, f->numbers_double);
	if (compile_filter(f, why))
		goto bad;
	return f;
bad:
	jq_filter_free(f);
	return NULL;
}

void
jq_filter_free(struct jq_filter *f)
{
	if (!f)
		return;
	if (f->plain)
		jq_teardown(&f->plain);
	if (f->guarded)
		jq_teardown(&f->guarded);
	jq_program_release(&f->program);
	free(f->lit);
	free(f->rec);
	free(f->table);
	buf_release(&f->lit_text);
	buf_release(&f->scratch);
	buf_release(&f->fired);
	free(f);
}

/* ---- values to jv ------------------------------------------------------------------ */

static jv
number_in(struct jq_filter *f, struct slice text)
{
	struct literal l = {text, json_number_double(text), false};

	l.plain = is_plain(text, l.d, &f->scratch);
	f->rec_odd |= !l.plain;
	f->rec = mem_grow(f->rec, &f->cap_rec, f->nrec + 1, sizeof(l));
	f->rec[f->nrec++] = l;
	return jv_number(l.d);
}

/* The string between quotes. */
static jv
string_in(struct jq_filter *f, struct slice raw)
{
	if (memchr(raw.p, '\\', raw.n)) {
		buf_reset(&f->scratch);
		json_unescape(&f->scratch, raw);
		raw = buf_slice(&f->scratch);
	}
	return jv_string_sized(raw.p, (int)raw.n);
}

static int
too_deep(struct failure *why, int levels)
{
	return fail(why, EXIT_DATA, "nested deeper than %d levels, which libjq does not take",
		levels);
}

/* The value at token t as a jv, or -1: nested too deep. */
static int
token_in(struct jq_filter *f, const struct json_doc *doc, uint32_t t, int depth, jv *out,
	struct failure *why)
{
	struct json_iter it;
	jv whole, v;

	switch (json_type_at(doc, t)) {
	case JSON_NULL:
		*out = jv_null();
		return 0;
	case JSON_FALSE:
		*out = jv_false();
		return 0;
	case JSON_TRUE:
		*out = jv_true();
		return 0;
	case JSON_NUMBER:
		*out = number_in(f, json_text(doc, t));
		return 0;
	case JSON_STRING:
		*out = string_in(f, json_string_raw(doc, t));
		return 0;
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	if (depth == MAX_IN)
		return too_deep(why, MAX_IN);
	json_enter(doc, t, &it);
	whole = it.object ? jv_object() : jv_array();
	while (json_step(doc, &it)) {
		if (token_in(f, doc, it.value, depth + 1, &v, why)) {
			jv_free(whole);
			return -1;
		}
		if (it.object)
			whole = jv_object_set(whole,
				string_in(f, json_string_raw(doc, it.key)), v);
		else
			whole = jv_array_append(whole, v);
	}
	*out = whole;
	return 0;
}

static int
value_in(struct jq_filter *f, const struct value *v, int depth, jv *out, struct failure *why)
{
	jv whole, part;
	size_t i;

	switch ((enum value_kind)v->kind) {
	case VALUE_TOKEN:
		return token_in(f, v->u.doc, v->t, depth, out, why);
	case VALUE_NULL:
		*out = jv_null();
		return 0;
	case VALUE_FALSE:
		*out = jv_false();
		return 0;
	case VALUE_TRUE:
		*out = jv_true();
		return 0;
	case VALUE_DOUBLE:
		*out = jv_number(v->u.number);
		return 0;
	case VALUE_LITERAL:
		*out = number_in(f, v->u.text);
		return 0;
	case VALUE_STRING:
		*out = jv_string_sized(v->u.text.p ? v->u.text.p : "", (int)v->u.text.n);
		return 0;
	case VALUE_ARRAY:
	case VALUE_OBJECT:
		break;
	}
	if (depth == MAX_IN)
		return too_deep(why, MAX_IN);
	if (v->kind == VALUE_ARRAY) {
		whole = jv_array();
		for (i = 0; i < v->u.array.n; i++) {
			if (value_in(f, &v->u.array.item[i], depth + 1, &part, why))
				goto deep;
			whole = jv_array_append(whole, part);
		}
	} else {
		whole = jv_object();
		for (i = 0; i < v->u.object.n; i++) {
			const struct value_member *m = &v->u.object.member[i];

			if (value_in(f, &m->value, depth + 1, &part, why))
				goto deep;
			whole = jv_object_set(whole,
				jv_string_sized(m->name.p, (int)m->name.n), part);
		}
	}
	*out = whole;
	return 0;
deep:
	jv_free(whole);
	return -1;
}

/* ---- the table of literals --------------------------------------------------------- */

static struct shared *
find_shared(const struct jq_filter *f, double d)
{
	uint64_t bits;
	size_t i;

	if (d == 0)
		d = 0; /* -0, which equals it */
	memcpy(&bits, &d, sizeof(bits));
	bits *= 0x9E3779B97F4A7C15u;
	for (i = (size_t)(bits >> 32) & (f->slots - 1); f->table[i].text.p;
			i = (i + 1) & (f->slots - 1))
		if (f->table[i].d == d)
			break;
	return &f->table[i];
}

/* Enter a literal. -1: another of different value has its double. */
static int
share(struct jq_filter *f, const struct literal *l, bool program, struct failure *why)
{
	struct shared *s = find_shared(f, l->d);

	if (!s->text.p) {
		/* A filter may calculate with a literal of its own that does not fit: then
		 * its text says nothing about a result. */
		*s = (struct shared){l->text, l->d, program,
			program && f->computes && is_unfit(l)};
		return 0;
	}
	if (slice_eq(s->text, l->text))
		return 0;
	if (json_number_cmp(s->text, l->text) != 0 && !f->numbers_double) {
		fail(why, EXIT_DATA, "numbers %.*s and %.*s share a double, so that libjq "
			"cannot tell them apart", (int)(s->text.n < 100 ? s->text.n : 100),
			s->text.p, (int)(l->text.n < 100 ? l->text.n : 100), l->text.p);
		fail_hint(why, "--numbers=double lets numbers change");
		return -1;
	}
	/* A record's own text goes before one of the program. */
	if (program == s->program)
		s->several = true;
	return 0;
}

static int
build_table(struct jq_filter *f, struct failure *why)
{
	size_t need = 8, i;

	f->slots = 0;
	if (!f->rec_odd && !f->lit_odd)
		return 0;
	while (need < 2 * (f->nrec + f->nlit))
		need *= 2;
	f->table = mem_grow(f->table, &f->cap_table, need, sizeof(*f->table));
	f->slots = need;
	memset(f->table, 0, need * sizeof(*f->table));
	for (i = 0; i < f->nrec; i++)
		if (share(f, &f->rec[i], false, why))
			return -1;
	for (i = 0; i < f->nlit; i++)
		if (share(f, &f->lit[i], true, why))
			return -1;
	return 0;
}

static int
refuse_unfit(const struct literal *l, struct failure *why)
{
	fail(why, EXIT_DATA, "number %.*s does not fit a double",
		(int)(l->text.n < 100 ? l->text.n : 100), l->text.p);
	fail_hint(why, "--numbers=double lets numbers change");
	return -1;
}

/*
 * The numbers that do not fit a double, for the guard: [[double, message, message]...].
 * -1: one is next to a whole number so small that any count or index may equal it.
 */
static int
list_unfit(const struct jq_filter *f, jv *out, struct failure *why)
{
	jv list = jv_array();

	for (size_t i = 0; i < f->nrec; i++) {
		const struct literal *l = &f->rec[i];
		int n = (int)(l->text.n < 100 ? l->text.n : 100);
		jv one;

		if (!is_unfit(l))
			continue;
		if (fabs(l->d) < 0x1p53 && floor(l->d) == l->d) {
			jv_free(list);
			return refuse_unfit(l, why);
		}
		one = jv_array_append(jv_array(), jv_number(l->d));
		one = jv_array_append(one, jv_string_fmt("number %.*s does not fit a double: "
			"arithmetic would change it", n, l->text.p));
		one = jv_array_append(one, jv_string_fmt("number %.*s does not fit a double: "
			"a computed number equals its double", n, l->text.p));
		list = jv_array_append(list, one);
	}
	*out = list;
	return 0;
}

static bool
has_unfit(const struct jq_filter *f)
{
	for (size_t i = 0; f->rec_odd && i < f->nrec; i++)
		if (is_unfit(&f->rec[i]))
			return true;
	return false;
}

/* ---- jv to values ------------------------------------------------------------------ */

static struct value
number_out(const struct jq_filter *f, double d)
{
	const struct shared *s;

	if (!f->slots || isnan(d))
		return value_double(d);
	s = find_shared(f, d);
	if (!s->text.p || s->several || !signbit(s->d) != !signbit(d))
		return value_double(d);
	return (struct value){.kind = VALUE_LITERAL, .u.text = s->text};
}

/* Consumes v. */
static struct slice
string_out(jv v, struct arena *arena)
{
	struct slice s = {jv_string_value(v), (size_t)jv_string_length_bytes(jv_copy(v))};

	s = arena_copy(arena, s);
	jv_free(v);
	return s;
}

/* Consumes v. -1: nested too deep. */
static int
value_out(const struct jq_filter *f, jv v, int depth, struct arena *arena, struct value *out,
	struct failure *why)
{
	int r = 0;

	*out = value_null();
	switch (jv_get_kind(v)) {
	case JV_KIND_INVALID:
	case JV_KIND_NULL:
		break;
	case JV_KIND_FALSE:
		out->kind = VALUE_FALSE;
		break;
	case JV_KIND_TRUE:
		out->kind = VALUE_TRUE;
		break;
	case JV_KIND_NUMBER:
		*out = number_out(f, jv_number_value(v));
		return 0; /* a number holds nothing, and jv_number_value has consumed it */
	case JV_KIND_STRING:
		*out = value_string(string_out(v, arena));
		return 0;
	case JV_KIND_ARRAY: {
		int n = jv_array_length(jv_copy(v));
		struct value *item = arena_alloc(arena, (size_t)n * sizeof(*item));

		if (depth == MAX_OUT) {
			r = too_deep(why, MAX_OUT);
			break;
		}
		for (int i = 0; i < n && !r; i++)
			r = value_out(f, jv_array_get(jv_copy(v), i), depth + 1, arena,
				&item[i], why);
		out->kind = VALUE_ARRAY;
		out->u.array.item = item;
		out->u.array.n = (size_t)n;
		break;
	}
	case JV_KIND_OBJECT: {
		int n = jv_object_length(jv_copy(v)), i = 0;
		struct value_member *member = arena_alloc(arena, (size_t)n * sizeof(*member));

		if (depth == MAX_OUT) {
			r = too_deep(why, MAX_OUT);
			break;
		}
		for (int at = jv_object_iter(v); !r && jv_object_iter_valid(v, at);
				at = jv_object_iter_next(v, at), i++) {
			member[i].name = string_out(jv_object_iter_key(v, at), arena);
			r = value_out(f, jv_object_iter_value(v, at), depth + 1, arena,
				&member[i].value, why);
		}
		out->kind = VALUE_OBJECT;
		out->u.object.member = member;
		out->u.object.n = (size_t)n;
		break;
	}
	}
	jv_free(v);
	return r;
}

/* ---- running ----------------------------------------------------------------------- */

/* What jq says of an uncaught error. Consumes msg. */
static int
say_error(const struct jq_filter *f, jv msg, struct arena *arena, struct failure *why)
{
	struct value v;
	struct buf text = {0};

	if (jv_get_kind(msg) == JV_KIND_STRING) {
		/* Up to a NUL, as jq shows it. */
		fail(why, EXIT_DATA, "%s", jv_string_value(msg));
		jv_free(msg);
		return -1;
	}
	if (value_out(f, msg, 0, arena, &v, why))
		return -1;
	value_add_json(&text, &v);
	fail(why, EXIT_DATA, "error (not a string): %s", buf_cstr(&text));
	buf_release(&text);
	return -1;
}

/* The program for this record, and its input, made of in, which is consumed. */
static jq_state *
prepare(struct jq_filter *f, jv in, const struct expr_env *env, jv *input,
	struct failure *why)
{
	struct buf heard = {0};
	bool guarded;
	size_t i;
	jv v, all;

	*input = in;
	if (!f->program.nvar && !f->rec_odd && !f->lit_odd) {
		f->slots = 0;
		return f->plain;
	}
	all = jv_array_append(jv_array(), jv_copy(in));
	for (i = 0; i < f->program.nvar; i++) {
		struct value one = env->get(env->arg, f->program.var[i]);

		if (value_in(f, &one, 0, &v, why))
			goto bad;
		all = jv_array_append(all, v);
	}
	if (build_table(f, why))
		goto bad;
	guarded = !f->numbers_double && f->slots && has_unfit(f);
	if (guarded) {
		jv with = jv_array_append(jv_array(), jv_copy(in));

		if (list_unfit(f, &v, why)) {
			jv_free(with);
			goto bad;
		}
		with = jv_array_append(with, v);
		for (i = 0; i < f->program.nvar; i++)
			with = jv_array_append(with, jv_array_get(jv_copy(all), (int)i + 1));
		jv_free(all);
		all = with;
		if (!f->guarded && !(f->guarded = compile_wrapped(f, true, &heard))) {
			say_compile_error(&heard, why);
			buf_release(&heard);
			why->status = EXIT_INTERNAL;
			goto bad;
		}
		buf_release(&heard);
	}
	if (!guarded && !f->program.nvar) {
		jv_free(all);
		return f->plain;
	}
	jv_free(in);
	*input = all;
	return guarded ? f->guarded : f->plain;
bad:
	jv_free(all);
	jv_free(in);
	return NULL;
}

int
jq_filter_each(struct jq_filter *f, const struct value *input, const struct expr_env *env,
	expr_sink *sink, void *arg, struct arena *arena, struct failure *why)
{
	jv in, start, v, same;
	struct value out;
	jq_state *q;
	int r = 0;

	f->nrec = 0;
	f->rec_odd = false;
	buf_reset(&f->fired);
	if (value_in(f, input, 0, &in, why))
		return -1;
	same = jv_copy(in);
	q = prepare(f, in, env, &start, why);
	if (!q) {
		jv_free(same);
		return -1;
	}
	jq_start(q, start, 0);
	while (!r) {
		v = jq_next(q);
		if (f->fired.n) {
			jv_free(v);
			r = fail(why, EXIT_DATA, "%s", buf_cstr(&f->fired));
			fail_hint(why, "--numbers=double lets numbers change");
		} else if (!jv_is_valid(v)) {
			/* The end, or the error that ended it. */
			if (jv_invalid_has_msg(jv_copy(v)))
				r = say_error(f, jv_invalid_get_msg(v), arena, why);
			else
				jv_free(v);
			break;
		} else if (jv_identical(jv_copy(v), jv_copy(same))) {
			jv_free(v);
			r = sink(arg, input);
		} else if (value_out(f, v, 0, arena, &out, why))
			r = -1;
		else
			r = sink(arg, &out);
	}
	jv_free(same);
	/* What a stopped run still holds goes now, not with the next record. */
	jq_start(q, jv_null(), 0);
	return r;
}
