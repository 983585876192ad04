/*
 * The grammar of jq 1.6, as far as it is native, read by precedence climbing.
 *
 * Operators from loose to tight: | (right), `,`, // (right), = |= += ... (none), or, and,
 * == ... (none), + -, * / %, then the suffix ?, then try and catch. `if` and `try` are not
 * terms in jq 1.6, nor are operators other than | and - allowed in the values of an object:
 * such filters must fail here, or they would fail only where they fall back to libjq.
 *
 * What is valid jq but not native ends the parse with a reason. Functions that jq defines in
 * jq are parsed from their definition, with their arguments in place of its parameters; no
 * definition here uses a parameter twice, or under a variable of its own.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "expr/node.h"

enum token {
	T_END = 256, T_FIELD, T_IDENT, T_NUMBER, T_FORMAT, T_BAD,
	T_EQ, T_NE, T_LE, T_GE, T_ALT, T_UPDATE, T_ADD_SET, T_SUB_SET, T_MUL_SET, T_DIV_SET,
	T_MOD_SET, T_ALT_SET, T_REC, T_ALTERNATION,
	T_AS, T_DEF, T_MODULE, T_IMPORT, T_INCLUDE, T_IF, T_THEN, T_ELSE, T_ELIF, T_END_WORD,
	T_AND, T_OR, T_REDUCE, T_FOREACH, T_TRY, T_CATCH, T_LABEL, T_BREAK, T_LOC,
};

static const struct {
	const char *word;
	enum token token;
} keywords[] = {
	{"as", T_AS}, {"def", T_DEF}, {"module", T_MODULE}, {"import", T_IMPORT},
	{"include", T_INCLUDE}, {"if", T_IF}, {"then", T_THEN}, {"else", T_ELSE},
	{"elif", T_ELIF}, {"end", T_END_WORD}, {"and", T_AND}, {"or", T_OR},
	{"reduce", T_REDUCE}, {"foreach", T_FOREACH}, {"try", T_TRY}, {"catch", T_CATCH},
	{"label", T_LABEL}, {"break", T_BREAK}, {"__loc__", T_LOC},
};

static const struct {
	const char *sign;
	enum token token;
} signs[] = { /* the longer first */
	{"?//", T_ALTERNATION}, {"//=", T_ALT_SET}, {"==", T_EQ}, {"!=", T_NE}, {"<=", T_LE},
	{">=", T_GE}, {"//", T_ALT}, {"|=", T_UPDATE}, {"+=", T_ADD_SET}, {"-=", T_SUB_SET},
	{"*=", T_MUL_SET}, {"/=", T_DIV_SET}, {"%=", T_MOD_SET}, {"..", T_REC},
};

/* Precedence; a suffix or operator below the level asked for belongs to somebody else. */
enum {
	P_PIPE = 1, P_COMMA, P_ALT, P_ASSIGN, P_OR, P_AND, P_COMPARE, P_SUM, P_PRODUCT,
	P_OPTION, P_TRY, P_CATCH, P_NONE,
};

struct scope {
	struct slice name;
	uint32_t slot;
};

struct parser {
	struct expr *x;
	const struct expr_options *options;
	const char *text, *end, *at; /* at: behind the token in hand */
	const char *tok;             /* its first byte */
	int type;                    /* enum token, or a character */
	unsigned nesting;
	struct scope *scope;
	size_t nscopes, cap_scopes;
	struct node **arg;           /* of the definition that is being parsed: f, g */
	size_t nargs;
	bool foreign;                /* not native: x->reason */
	bool deep;                   /* nested too deep */
	struct failure *why;
};

/* A pair of parentheses is an expression and a term. */
#define MAX_PARSE (2 * MAX_NESTING)

static struct node *parse(struct parser *, int level);
static struct node *parse_string(struct parser *, enum format);
static struct node *expand(struct parser *, const char *definition, struct node **, size_t);

/* ---- failing ----------------------------------------------------------------------- */

/* " at column 7", or " at line 2, column 3" in a text of several lines. */
static const char *
place(const struct parser *p, const char *at, char out[64])
{
	const char *line = p->text, *q;
	unsigned n = 1;

	for (q = p->text; q < at; q++)
		if (*q == '\n') {
			line = q + 1;
			n++;
		}
	if (memchr(p->text, '\n', (size_t)(p->end - p->text)))
		snprintf(out, 64, "at line %u, column %zu", n, (size_t)(at - line) + 1);
	else
		snprintf(out, 64, "at column %zu", (size_t)(at - line) + 1);
	return out;
}

static struct node *
unexpected(struct parser *p)
{
	char where[64];

	if (p->foreign || p->why->status)
		return NULL;
	place(p, p->tok, where);
	if (p->type == T_END)
		fail(p->why, EXIT_USAGE, "unexpected end of the filter %s", where);
	else
		fail(p->why, EXIT_USAGE, "unexpected '%.*s' %s",
			p->at - p->tok > 40 ? 40 : (int)(p->at - p->tok), p->tok, where);
	return NULL;
}

static struct node *
bad(struct parser *p, const char *what, const char *at)
{
	char where[64];

	if (!p->foreign && !p->why->status)
		fail(p->why, EXIT_USAGE, "%s %s", what, place(p, at, where));
	return NULL;
}

static struct node *
too_deep(struct parser *p)
{
	p->deep = true;
	return bad(p, "the filter is nested too deep", p->tok);
}

__attribute__((format(printf, 2, 3))) static struct node *
foreign(struct parser *p, const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	if (p->foreign || p->why->status)
		return NULL;
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	buf_addc(&b, '\0');
	p->foreign = true;
	p->x->reason = arena_copy(&p->x->arena, buf_slice(&b)).p;
	buf_release(&b);
	return NULL;
}

/* ---- words ------------------------------------------------------------------------- */

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *
word_end(const char *s, const char *end)
{
	while (s < end && (is_letter(*s) || is_digit(*s)))
		s++;
	return s;
}

static int
take_word(struct parser *p)
{
	size_t i, n;

	p->at = word_end(p->at, p->end);
	while (p->end - p->at > 2 && p->at[0] == ':' && p->at[1] == ':' &&
	       is_letter(p->at[2]))
		p->at = word_end(p->at + 2, p->end);
	n = (size_t)(p->at - p->tok);
	for (i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
		if (strlen(keywords[i].word) == n && memcmp(keywords[i].word, p->tok, n) == 0)
			return (int)keywords[i].token;
	return T_IDENT;
}

static void
advance(struct parser *p)
{
	const char *q, *end = p->end;
	size_t i, n;

	q = p->at;
	while (q < end && (*q == ' ' || *q == '\n' || *q == '\t' || *q == '#')) {
		if (*q == '#')
			while (q < end && *q != '\n' && *q != '\r')
				q++;
		else
			q++;
	}
	p->tok = p->at = q;
	if (q == end) {
		p->type = T_END;
		return;
	}
	p->at = q + 1;
	if (is_letter(*q)) {
		p->type = take_word(p);
		return;
	}
	if (*q == '.' && end - q > 1 && is_letter(q[1])) {
		p->at = word_end(q + 1, end);
		p->type = T_FIELD;
		return;
	}
	if (is_digit(*q) || (*q == '.' && end - q > 1 && is_digit(q[1]))) {
		while (p->at < end && (is_digit(*p->at) || *p->at == '.'))
			p->at++;
		q = p->at;
		if (q < end && (*q | 0x20) == 'e') {
			q++;
			if (q < end && (*q == '+' || *q == '-'))
				q++;
			if (q < end && is_digit(*q))
				for (p->at = q; p->at < end && is_digit(*p->at);)
					p->at++;
		}
		p->type = T_NUMBER;
		return;
	}
	if (*q == '@') {
		p->at = word_end(q + 1, end);
		p->type = p->at > q + 1 ? T_FORMAT : T_BAD;
		return;
	}
	for (i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		n = strlen(signs[i].sign);
		if ((size_t)(end - q) >= n && memcmp(q, signs[i].sign, n) == 0) {
			p->at = q + n;
			p->type = (int)signs[i].token;
			return;
		}
	}
	p->type = strchr(".?=;,:|+-*/%$<>[]{}()\"", *q) && *q ? *q : T_BAD;
	while (p->type == T_BAD && p->at < end && ((unsigned char)*p->at & 0xC0) == 0x80)
		p->at++;
}

static bool
take(struct parser *p, int type)
{
	if (p->type != type) {
		unexpected(p);
		return false;
	}
	advance(p);
	return true;
}

static struct slice
word(const struct parser *p)
{
	return slice_of(p->tok, (size_t)(p->at - p->tok));
}

/* ---- nodes ------------------------------------------------------------------------- */

static struct node *
node(struct parser *p, enum node_kind kind, struct node *a, struct node *b)
{
	struct node *n = arena_alloc(&p->x->arena, sizeof(*n));

	*n = (struct node){.kind = kind, .a = a, .b = b};
	return n;
}

/* Whether an open try in a child is still open when this node's output goes on. */
static bool
closes(const struct node *n, const struct node *child)
{
	switch ((enum node_kind)n->kind) {
	case N_ARRAY:
	case N_ANY:
	case N_ALL:
	case N_LAST:
	case N_UPDATE:
	case N_DEL:
	case N_BY:
		return true;
	case N_ASSIGN:
		return child == n->a;
	default:
		return false;
	}
}

static void
count_child(struct node *n, const struct node *child, bool *single)
{
	if (!child)
		return;
	if (child->depth >= n->depth)
		n->depth = (uint16_t)(child->depth + 1);
	if (child->leaky && !closes(n, child))
		n->leaky = true;
	if (!child->single)
		*single = false;
}

/* Work out what is known of n from what is known of its children. */
static struct node *
finish(struct parser *p, struct node *n)
{
	bool single = true;
	size_t i;

	if (!n)
		return NULL;
	n->depth = 1;
	count_child(n, n->a, &single);
	count_child(n, n->b, &single);
	count_child(n, n->c, &single);
	for (i = 0; i < n->n; i++) {
		if (n->kind == N_TEXT)
			count_child(n, n->u.part[i], &single);
		if (n->kind == N_OBJECT) {
			count_child(n, n->u.field[i].key, &single);
			count_child(n, n->u.field[i].value, &single);
		}
	}
	switch ((enum node_kind)n->kind) {
	case N_EACH:
	case N_COMMA:
	case N_RANGE:
		single = false;
		break;
	case N_ARRAY:
	case N_BY:
	case N_FIRST:
	case N_LAST:
	case N_ANY:
	case N_ALL:
	case N_UPDATE:
	case N_DEL:
		single = true;
		break;
	case N_ASSIGN:
		single = n->b->single;
		break;
	case N_TRY:
		n->leaky = true;
		break;
	default:
		break;
	}
	n->single = single;
	n->one = single && !n->leaky;
	if (n->depth > MAX_NESTING)
		return too_deep(p);
	return n;
}

static struct node *
make(struct parser *p, enum node_kind kind, struct node *a, struct node *b)
{
	return finish(p, node(p, kind, a, b));
}

static struct node *
make_op(struct parser *p, enum node_kind kind, enum op op, struct node *a, struct node *b)
{
	struct node *n = node(p, kind, a, b);

	n->op = (uint8_t)op;
	return finish(p, n);
}

static struct node *
constant(struct parser *p, struct value v)
{
	struct node *n = node(p, N_CONST, NULL, NULL);

	n->value = v;
	return finish(p, n);
}

static bool
is_const(const struct node *n, enum value_kind kind)
{
	return n->kind == N_CONST && n->value.kind == kind;
}

static bool
is_plain(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\' ||
		    s.p[i] == 0x7F)
			return false;
	return true;
}

static struct node *
const_string(struct parser *p, struct slice s)
{
	struct value v = value_string(arena_copy(&p->x->arena, s));

	if (is_plain(s))
		v.flags = VALUE_PLAIN;
	return constant(p, v);
}

/* base, and one step more. A base with several outputs gets a node of its own. */
static struct node *
with_step(struct parser *p, struct node *base, struct node *key, bool opt)
{
	struct node *n, *from = base;
	struct step *step;
	size_t old = 0;

	if (!base->one || !(is_const(key, VALUE_STRING) || is_const(key, VALUE_DOUBLE))) {
		n = node(p, N_INDEX, base, key);
		n->opt = opt;
		return finish(p, n);
	}
	if (base->kind == N_PATH) {
		old = base->n;
		from = base->a;
	} else if (base->kind == N_SELF) {
		from = NULL;
	}
	step = arena_alloc(&p->x->arena, (old + 1) * sizeof(*step));
	if (old)
		memcpy(step, base->u.step, old * sizeof(*step));
	step[old] = (struct step){.field = key->value.kind == VALUE_STRING, .opt = opt};
	if (step[old].field)
		step[old].name = json_name_of(key->value.u.text);
	else
		step[old].index = key->value.u.number;
	n = node(p, N_PATH, from, NULL);
	n->u.step = step;
	n->n = old + 1;
	n->paren = base->paren || key->paren;
	return finish(p, n);
}

/* ---- numbers ----------------------------------------------------------------------- */

/* "1.", ".5" and "007" are numbers of jq, but not of JSON. */
static bool
number_text(struct parser *p, struct slice s, struct slice *out)
{
	const char *dot = memchr(s.p, '.', s.n), *end = s.p + s.n, *q;
	struct buf b = {0};

	for (q = s.p; q < end && (is_digit(*q) || q == dot); q++)
		;
	if (q < end && *q == '.')
		return false;
	if (dot == s.p && s.n == 1)
		return false;
	for (q = s.p; end - q > 1 && *q == '0' && is_digit(q[1]);)
		q++;
	if (q == dot)
		buf_addc(&b, '0');
	for (; q < end; q++) {
		if (q == dot && (q + 1 == end || !is_digit(q[1])))
			continue;
		buf_addc(&b, *q);
	}
	*out = arena_copy(&p->x->arena, buf_slice(&b));
	buf_release(&b);
	return true;
}

static struct node *
parse_number(struct parser *p)
{
	struct value v = {.kind = VALUE_LITERAL, .flags = VALUE_OWN};

	if (!number_text(p, word(p), &v.u.text))
		return bad(p, "invalid number", p->tok);
	if (json_number_fits_double(v.u.text))
		v = value_double(json_number_double(v.u.text));
	advance(p);
	return constant(p, v);
}

/* ---- strings ----------------------------------------------------------------------- */

static bool
hex4(const char *q, const char *end, unsigned *u)
{
	size_t i;

	*u = 0;
	if (end - q < 6 || q[0] != '\\' || q[1] != 'u')
		return false;
	for (i = 2; i < 6; i++) {
		char c = q[i];

		if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'f'))
			return false;
		*u = *u << 4 | (unsigned)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return true;
}

static bool
is_escape(const char *q, const char *end, size_t *n)
{
	unsigned u, low;

	if (end - q < 2 || !q[1] || !strchr("\"\\/bfnrtu", q[1]))
		return false;
	*n = 2;
	if (q[1] != 'u')
		return true;
	*n = 6;
	if (!hex4(q, end, &u) || (u & ~0x3FFu) == 0xDC00)
		return false;
	if ((u & ~0x3FFu) != 0xD800)
		return true;
	*n = 12;
	return hex4(q + 6, end, &low) && (low & ~0x3FFu) == 0xDC00;
}

/* The quote is the token in hand. The text is raw until a quote or \( ends it. */
static struct node *
parse_string(struct parser *p, enum format format)
{
	struct node **parts = NULL, *n, *e;
	size_t nparts = 0, cap = 0, len;
	const char *open = p->tok, *q = p->at, *from = q;
	struct buf text = {0};
	struct node *result = NULL;

	for (;;) {
		if (q == p->end) {
			bad(p, "unterminated string", open);
			goto out;
		}
		if (*q != '"' && !(*q == '\\' && p->end - q > 1 && q[1] == '(')) {
			if (*q != '\\') {
				q++;
				continue;
			}
			if (!is_escape(q, p->end, &len)) {
				bad(p, "invalid escape", q);
				goto out;
			}
			q += len;
			continue;
		}
		if (q > from || (*q == '"' && !nparts)) {
			buf_reset(&text);
			json_unescape(&text, slice_of(from, (size_t)(q - from)));
			n = const_string(p, buf_slice(&text));
			parts = mem_grow(parts, &cap, nparts + 1, sizeof(*parts));
			parts[nparts++] = n;
		}
		if (*q == '"')
			break;
		p->at = q + 2;
		advance(p);
		e = parse(p, P_PIPE);
		if (!e)
			goto out;
		if (p->type != ')') {
			unexpected(p);
			goto out;
		}
		/* In N_TEXT, a constant string is text, anything else is formatted. */
		n = node(p, N_PIPE, e, node(p, N_SELF, NULL, NULL));
		finish(p, n->b);
		if (!finish(p, n))
			goto out;
		parts = mem_grow(parts, &cap, nparts + 1, sizeof(*parts));
		parts[nparts++] = e->kind == N_CONST ? n : e;
		q = from = p->at;
	}
	p->at = q + 1;
	advance(p);
	if (nparts == 1 && is_const(parts[0], VALUE_STRING)) {
		result = parts[0];
		goto out;
	}
	n = node(p, N_TEXT, NULL, NULL);
	n->op = (uint8_t)format;
	n->u.part = arena_alloc(&p->x->arena, nparts * sizeof(*parts));
	memcpy(n->u.part, parts, nparts * sizeof(*parts));
	n->n = nparts;
	result = finish(p, n);
out:
	buf_release(&text);
	free(parts);
	return result;
}

static struct node *
parse_format(struct parser *p)
{
	struct slice name = word(p);
	enum format format;
	struct node *n;

	if (slice_eq(name, SLICE("@text")))
		format = FORMAT_TEXT;
	else if (slice_eq(name, SLICE("@json")))
		format = FORMAT_JSON;
	else
		return foreign(p, "%.*s is not native", name.n > 40 ? 40 : (int)name.n,
			name.p);
	advance(p);
	if (p->type == '"')
		return parse_string(p, format);
	n = node(p, N_CALL, NULL, NULL);
	n->op = format == FORMAT_TEXT ? F_TOSTRING : F_TOJSON;
	return finish(p, n);
}

/* ---- calls ------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t nargs, kind, op;
} functions[] = {
	{"not", 0, N_CALL, F_NOT}, {"length", 0, N_CALL, F_LENGTH},
	{"keys", 0, N_CALL, F_KEYS},
	{"keys_unsorted", 0, N_CALL, F_KEYS_UNSORTED}, {"type", 0, N_CALL, F_TYPE},
	{"tostring", 0, N_CALL, F_TOSTRING}, {"tonumber", 0, N_CALL, F_TONUMBER},
	{"tojson", 0, N_CALL, F_TOJSON}, {"fromjson", 0, N_CALL, F_FROMJSON},
	{"ascii_downcase", 0, N_CALL, F_DOWNCASE}, {"ascii_upcase", 0, N_CALL, F_UPCASE},
	{"add", 0, N_CALL, F_ADD}, {"min", 0, N_CALL, F_MIN}, {"max", 0, N_CALL, F_MAX},
	{"floor", 0, N_CALL, F_FLOOR}, {"reverse", 0, N_CALL, F_REVERSE},
	{"sort", 0, N_CALL, F_SORT}, {"unique", 0, N_CALL, F_UNIQUE},
	{"to_entries", 0, N_CALL, F_TO_ENTRIES}, {"error", 0, N_CALL, F_ERROR},
	{"empty", 0, N_EMPTY, 0}, {"error", 1, N_CALL, F_ERROR}, {"has", 1, N_CALL, F_HAS},
	{"startswith", 1, N_CALL, F_STARTSWITH}, {"endswith", 1, N_CALL, F_ENDSWITH},
	{"contains", 1, N_CALL, F_CONTAINS}, {"ltrimstr", 1, N_CALL, F_LTRIMSTR},
	{"rtrimstr", 1, N_CALL, F_RTRIMSTR}, {"split", 1, N_CALL, F_SPLIT},
	{"join", 1, N_CALL, F_JOIN}, {"sort_by", 1, N_BY, F_SORT_BY},
	{"group_by", 1, N_BY, F_GROUP_BY}, {"unique_by", 1, N_BY, F_UNIQUE_BY},
	{"min_by", 1, N_BY, F_MIN_BY}, {"max_by", 1, N_BY, F_MAX_BY},
	{"select", 1, N_SELECT, 0}, {"first", 1, N_FIRST, 0}, {"last", 1, N_LAST, 0},
	{"any", 2, N_ANY, 0}, {"all", 2, N_ALL, 0}, {"range", 2, N_RANGE, 0},
	{"del", 1, N_DEL, 0},
};

static const struct {
	const char *name;
	size_t nargs;
	const char *means;
} definitions[] = {
	{"map", 1, "[.[] | f]"},
	{"map_values", 1, ".[] |= f"},
	{"first", 0, ".[0]"},
	{"last", 0, ".[-1]"},
	{"any", 0, "any(.[]; .)"},
	{"any", 1, "any(.[]; f)"},
	{"all", 0, "all(.[]; .)"},
	{"all", 1, "all(.[]; f)"},
	{"range", 1, "range(0; f)"},
	{"from_entries", 0, "map({(.key // .Key // .name // .Name): "
		"(if has(\"value\") then .value else .Value end)}) | add // {}"},
	{"with_entries", 1, "to_entries | map(f) | from_entries"},
	{"values", 0, "select(. != null)"},
	{"nulls", 0, "select(. == null)"},
	{"booleans", 0, "select(type == \"boolean\")"},
	{"numbers", 0, "select(type == \"number\")"},
	{"strings", 0, "select(type == \"string\")"},
	{"arrays", 0, "select(type == \"array\")"},
	{"objects", 0, "select(type == \"object\")"},
	{"iterables", 0, "select(type == \"array\" or type == \"object\")"},
	{"scalars", 0, "select(type != \"array\" and type != \"object\")"},
};

static bool
is_named(struct slice s, const char *name)
{
	return strlen(name) == s.n && memcmp(name, s.p, s.n) == 0;
}

static struct node *
not_a_path(struct parser *p, const char *what)
{
	return foreign(p, "%s as a path is not native", what);
}

static struct node *
call_of(struct parser *p, struct slice name, struct node **arg, size_t nargs)
{
	const char *what;
	struct node *n;
	size_t i;

	if (nargs == 0) {
		for (i = 0; i < p->nargs; i++)
			if (name.n == 1 && name.p[0] == (char)('f' + i))
				return p->arg[i];
		if (is_named(name, "true"))
			return constant(p, (struct value){.kind = VALUE_TRUE});
		if (is_named(name, "false"))
			return constant(p, (struct value){.kind = VALUE_FALSE});
		if (is_named(name, "null"))
			return constant(p, value_null());
	}
	for (i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		if (functions[i].nargs != nargs || !is_named(name, functions[i].name))
			continue;
		n = node(p, functions[i].kind, nargs ? arg[0] : NULL,
			nargs > 1 ? arg[1] : NULL);
		n->op = functions[i].op;
		if (n->kind == N_DEL && !is_path_node(n->a, &what))
			return not_a_path(p, what);
		if (n->a && n->a->leaky &&
		    (n->kind == N_FIRST || n->kind == N_ANY || n->kind == N_ALL))
			return foreign(p, "try within %s is not native", functions[i].name);
		return finish(p, n);
	}
	for (i = 0; i < sizeof(definitions) / sizeof(*definitions); i++)
		if (definitions[i].nargs == nargs && is_named(name, definitions[i].name))
			return expand(p, definitions[i].means, arg, nargs);
	return foreign(p, "%.*s/%zu is not native", name.n > 60 ? 60 : (int)name.n, name.p,
		nargs);
}

static struct node *
parse_call(struct parser *p)
{
	struct slice name = word(p);
	struct node *arg[8];
	size_t n = 0;

	advance(p);
	if (p->type == '(') {
		do {
			advance(p);
			if (n == sizeof(arg) / sizeof(*arg))
				return foreign(p, "so many arguments are not native");
			if (!(arg[n++] = parse(p, P_PIPE)))
				return NULL;
		} while (p->type == ';');
		if (!take(p, ')'))
			return NULL;
	}
	return call_of(p, name, arg, n);
}

/* Parse a definition with the arguments in place of f and g. */
static struct node *
expand(struct parser *p, const char *definition, struct node **arg, size_t nargs)
{
	struct parser q = {
		.x = p->x, .options = p->options, .text = definition,
		.end = definition + strlen(definition), .at = definition,
		.nesting = p->nesting, .arg = arg, .nargs = nargs, .why = p->why,
	};
	struct node *n;

	advance(&q);
	n = parse(&q, P_PIPE);
	p->foreign |= q.foreign;
	p->deep |= q.deep;
	free(q.scope);
	if (n)
		n->paren = true; /* no bare path, however it is defined */
	return n;
}

/* ---- terms ------------------------------------------------------------------------- */

static struct node *
parse_variable(struct parser *p)
{
	const char *at = p->tok, *const *var;
	char where[64];
	struct slice name;
	struct node *n;
	size_t i;

	advance(p);
	if (p->type == T_LOC)
		return foreign(p, "$__loc__ is not native");
	if (p->type != T_IDENT)
		return unexpected(p);
	name = word(p);
	advance(p);
	for (i = p->nscopes; i-- > 0;)
		if (slice_eq(p->scope[i].name, name)) {
			n = node(p, N_VAR, NULL, NULL);
			n->slot = p->scope[i].slot;
			return finish(p, n);
		}
	for (i = 0, var = p->options ? p->options->vars : NULL; var && var[i]; i++)
		if (is_named(name, var[i])) {
			n = node(p, N_ENV, NULL, NULL);
			n->slot = (uint32_t)i;
			return finish(p, n);
		}
	if (is_named(name, "ENV") || is_named(name, "__prog_args"))
		return foreign(p, "$%.*s is not native", (int)name.n, name.p);
	if (!p->why->status && !p->foreign)
		fail(p->why, EXIT_USAGE, "$%.*s is not defined, %s",
			name.n > 60 ? 60 : (int)name.n, name.p, place(p, at, where));
	return NULL;
}

/* What an object's member may be: a term, -, and | between them. */
static struct node *parse_term(struct parser *);

static struct node *
negate(struct parser *p, struct node *n)
{
	if (!n)
		return NULL;
	if (is_const(n, VALUE_DOUBLE))
		return constant(p, value_double(-n->value.u.number));
	return make(p, N_NEG, n, NULL);
}

static struct node *
parse_member(struct parser *p)
{
	struct node *n, *rest;

	if (++p->nesting > MAX_PARSE)
		return too_deep(p);
	if (p->type == '-') {
		unsigned minus = 0;

		for (; p->type == '-' && minus < MAX_NESTING; minus++)
			advance(p);
		n = parse_term(p);
		while (n && minus-- > 0)
			n = negate(p, n);
	} else {
		n = parse_term(p);
	}
	if (n && p->type == '|') {
		advance(p);
		rest = parse_member(p);
		n = rest ? make(p, N_PIPE, n, rest) : NULL;
	}
	p->nesting--;
	return n;
}

static struct node *
parse_field(struct parser *p, struct field *f)
{
	struct node *self = make(p, N_SELF, NULL, NULL), *key = NULL;
	bool keyword = p->type >= T_AS && p->type <= T_LOC;
	const char *at = p->tok;

	*f = (struct field){.want = -1};
	if (p->type == '$') {
		f->value = parse_variable(p);
		if (!f->value)
			return NULL;
		for (at++; !is_letter(*at);)
			at++;
		key = const_string(p, slice_of(at, (size_t)(word_end(at, p->end) - at)));
	} else if (p->type == T_IDENT || keyword) {
		if (memchr(p->tok, ':', (size_t)(p->at - p->tok)))
			return unexpected(p);
		key = const_string(p, word(p));
		advance(p);
		if (p->type != ':' && keyword)
			return unexpected(p);
		if (p->type != ':' && !(f->value = with_step(p, self, key, false)))
			return NULL;
	} else if (p->type == '"') {
		key = parse_string(p, FORMAT_TEXT);
		if (!key)
			return NULL;
		if (p->type != ':' && key->kind == N_CONST)
			f->value = with_step(p, self, key, false);
	} else if (p->type == T_FORMAT) {
		key = parse_format(p);
		if (!key)
			return NULL;
		if (key->kind == N_CALL)
			return unexpected(p);
		if (p->type != ':' && key->kind == N_CONST)
			f->value = with_step(p, self, key, false);
	} else if (p->type == '(') {
		advance(p);
		key = parse(p, P_PIPE);
		if (!key || !take(p, ')'))
			return NULL;
		if (key->kind == N_CONST && key->value.kind != VALUE_STRING)
			return foreign(p, "a constant key that is no string is not native");
		if (p->type != ':')
			return unexpected(p);
	} else {
		return unexpected(p);
	}
	if (p->type == ':' && !f->value) {
		advance(p);
		if (!(f->value = parse_member(p)))
			return NULL;
	}
	if (is_const(key, VALUE_STRING)) {
		f->name = key->value.u.text;
		f->plain = key->value.flags & VALUE_PLAIN;
	} else {
		f->key = key;
	}
	return key;
}

/* Fields that are paths from . are looked up in one walk over its members. */
static void
find_wants(struct parser *p, struct node *n)
{
	struct json_name want[MAX_WANTS];
	unsigned nwants = 0, w;
	const struct node *v;
	size_t i, j;

	n->distinct = true;
	for (i = 0; i < n->n; i++) {
		struct field *f = &n->u.field[i];

		for (j = 0; j < i; j++)
			if (f->key || n->u.field[j].key ||
			    slice_eq(f->name, n->u.field[j].name))
				n->distinct = false;
		if (f->key)
			n->distinct = false;
		v = f->value;
		if (v && v->kind == N_SLICE && !v->opt && (!v->b || v->b->kind == N_CONST) &&
		    (!v->c || v->c->kind == N_CONST)) {
			f->slice = v;
			v = v->a;
		}
		if (!v || v->kind != N_PATH || v->a || !v->u.step[0].field ||
		    !v->u.step[0].name.plain)
			continue;
		for (w = 0; w < nwants; w++)
			if (slice_eq(want[w].key, v->u.step[0].name.key))
				break;
		if (w == MAX_WANTS)
			continue;
		if (w == nwants)
			want[nwants++] = v->u.step[0].name;
		f->path = v;
		f->want = (int)w;
	}
	if (n->n == 0)
		n->distinct = true;
	n->nwants = nwants;
	n->want = arena_alloc(&p->x->arena, nwants * sizeof(*want));
	memcpy(n->want, want, nwants * sizeof(*want));
}

static struct node *
parse_object(struct parser *p)
{
	struct field *field = NULL;
	size_t n = 0, cap = 0;
	struct node *o = NULL;

	advance(p);
	while (p->type != '}') {
		field = mem_grow(field, &cap, n + 1, sizeof(*field));
		if (!parse_field(p, &field[n++]))
			goto out;
		if (p->type != ',' && p->type != '}') {
			unexpected(p);
			goto out;
		}
		if (p->type == ',')
			advance(p);
	}
	advance(p);
	o = node(p, N_OBJECT, NULL, NULL);
	o->u.field = arena_alloc(&p->x->arena, n * sizeof(*field));
	if (n)
		memcpy(o->u.field, field, n * sizeof(*field));
	o->n = n;
	find_wants(p, o);
	o = finish(p, o);
out:
	free(field);
	return o;
}

static bool
option(struct parser *p)
{
	if (p->type != '?')
		return false;
	advance(p);
	return true;
}

/* What stands in brackets behind base; the bracket is the token in hand. */
static struct node *
parse_brackets(struct parser *p, struct node *base)
{
	struct node *n, *from = NULL, *to = NULL;

	advance(p);
	if (p->type == ']') {
		advance(p);
		n = node(p, N_EACH, base, NULL);
		n->opt = option(p);
		return finish(p, n);
	}
	if (p->type != ':' && !(from = parse(p, P_PIPE)))
		return NULL;
	if (p->type == ']') {
		advance(p);
		return with_step(p, base, from, option(p));
	}
	if (!take(p, ':'))
		return NULL;
	if (p->type != ']' || !from) {
		to = parse(p, P_PIPE);
		if (!to)
			return NULL;
	}
	if (!take(p, ']'))
		return NULL;
	n = node(p, N_SLICE, base, from);
	n->c = to;
	n->opt = option(p);
	return finish(p, n);
}

static struct node *
parse_key(struct parser *p, struct node *base)
{
	struct node *key;
	struct slice s;

	if (p->type == T_FIELD) {
		s = word(p);
		key = const_string(p, slice_of(s.p + 1, s.n - 1));
		advance(p);
	} else {
		key = p->type == '"' ? parse_string(p, FORMAT_TEXT) : parse_format(p);
		if (!key)
			return NULL;
	}
	return with_step(p, base, key, option(p));
}

static struct node *
parse_head(struct parser *p)
{
	struct node *n;

	switch (p->type) {
	case '.':
		advance(p);
		n = make(p, N_SELF, NULL, NULL);
		return p->type == '"' || p->type == T_FORMAT ? parse_key(p, n) : n;
	case T_FIELD:
		return parse_key(p, make(p, N_SELF, NULL, NULL));
	case T_NUMBER:
		return parse_number(p);
	case '"':
		return parse_string(p, FORMAT_TEXT);
	case T_FORMAT:
		return parse_format(p);
	case '(':
		advance(p);
		n = parse(p, P_PIPE);
		if (!n || !take(p, ')'))
			return NULL;
		n->paren = true;
		return n;
	case '[':
		advance(p);
		if (p->type == ']') {
			advance(p);
			return constant(p, (struct value){.kind = VALUE_ARRAY});
		}
		n = parse(p, P_PIPE);
		return n && take(p, ']') ? make(p, N_ARRAY, n, NULL) : NULL;
	case '{':
		return parse_object(p);
	case '$':
		return parse_variable(p);
	case T_IDENT:
		return parse_call(p);
	case T_REC:
		return foreign(p, ".. is not native");
	case T_BREAK:
		return foreign(p, "break is not native");
	default:
		return unexpected(p);
	}
}

static struct node *
parse_term(struct parser *p)
{
	struct node *n;

	if (++p->nesting > MAX_PARSE)
		return too_deep(p);
	n = parse_head(p);
	while (n) {
		if (p->type == '[') {
			n = parse_brackets(p, n);
		} else if (p->type == T_FIELD) {
			n = parse_key(p, n);
		} else if (p->type == '.') {
			advance(p);
			n = p->type == '"' || p->type == T_FORMAT ? parse_key(p, n) :
				unexpected(p);
		} else {
			break;
		}
	}
	p->nesting--;
	return n;
}

/* ---- expressions ------------------------------------------------------------------- */

/* The token in hand is `if` or `elif`. */
static struct node *
parse_if(struct parser *p)
{
	struct node *n, *test, *then, *other;

	if (++p->nesting > MAX_PARSE)
		return too_deep(p);
	advance(p);
	if (!(test = parse(p, P_PIPE)) || !take(p, T_THEN) || !(then = parse(p, P_PIPE)))
		return NULL;
	if (p->type == T_ELIF) {
		other = parse_if(p);
	} else if (p->type == T_ELSE) {
		advance(p);
		other = parse(p, P_PIPE);
		if (other && !take(p, T_END_WORD))
			return NULL;
	} else {
		return unexpected(p);
	}
	p->nesting--;
	if (!other)
		return NULL;
	n = node(p, N_IF, test, then);
	n->c = other;
	return finish(p, n);
}

static struct node *
parse_binding(struct parser *p, struct node *source)
{
	struct node *n, *body;
	struct slice name;

	advance(p);
	if (p->type == '[' || p->type == '{')
		return foreign(p, "destructuring is not native");
	if (!take(p, '$'))
		return NULL;
	if (p->type != T_IDENT)
		return unexpected(p);
	name = word(p);
	advance(p);
	if (p->type == T_ALTERNATION)
		return foreign(p, "destructuring is not native");
	if (!take(p, '|'))
		return NULL;
	p->scope = mem_grow(p->scope, &p->cap_scopes, p->nscopes + 1, sizeof(*p->scope));
	p->scope[p->nscopes++] = (struct scope){name, p->x->slots};
	n = node(p, N_AS, source, NULL);
	n->slot = p->x->slots++;
	body = parse(p, P_PIPE);
	p->nscopes--;
	if (!body)
		return NULL;
	n->b = body;
	return finish(p, n);
}

static struct node *
parse_prefix(struct parser *p)
{
	struct node *n, *handler = NULL;

	switch (p->type) {
	case '-':
		advance(p);
		return negate(p, parse(p, P_PRODUCT));
	case T_IF:
		return parse_if(p);
	case T_TRY:
		advance(p);
		if (!(n = parse(p, P_CATCH)))
			return NULL;
		if (p->type == T_CATCH) {
			advance(p);
			if (!(handler = parse(p, P_NONE)))
				return NULL;
		}
		return make(p, N_TRY, n, handler);
	case T_REDUCE:
	case T_FOREACH:
	case T_DEF:
	case T_LABEL:
	case T_IMPORT:
	case T_INCLUDE:
	case T_MODULE:
		return foreign(p, "%.*s is not native", (int)(p->at - p->tok), p->tok);
	default:
		n = parse_term(p);
		return n && p->type == T_AS ? parse_binding(p, n) : n;
	}
}

static int
level_of(int type)
{
	switch (type) {
	case '|':
		return P_PIPE;
	case ',':
		return P_COMMA;
	case T_ALT:
		return P_ALT;
	case '=':
	case T_UPDATE:
	case T_ADD_SET:
	case T_SUB_SET:
	case T_MUL_SET:
	case T_DIV_SET:
	case T_MOD_SET:
	case T_ALT_SET:
		return P_ASSIGN;
	case T_OR:
		return P_OR;
	case T_AND:
		return P_AND;
	case T_EQ:
	case T_NE:
	case '<':
	case '>':
	case T_LE:
	case T_GE:
		return P_COMPARE;
	case '+':
	case '-':
		return P_SUM;
	case '*':
	case '/':
	case '%':
		return P_PRODUCT;
	case '?':
		return P_OPTION;
	default:
		return 0;
	}
}

/* jq calculates constants when it compiles, and refuses to divide by zero there. */
static struct node *
calculate(struct parser *p, enum op op, struct node *a, struct node *b)
{
	double x, y;

	if (!is_const(a, VALUE_DOUBLE) || !is_const(b, VALUE_DOUBLE) || op == OP_MOD)
		return make_op(p, N_ARITH, op, a, b);
	x = a->value.u.number;
	y = b->value.u.number;
	if (op == OP_DIV && y == 0)
		return foreign(p, "a division by zero is not native");
	return constant(p, value_double(op == OP_ADD ? x + y : op == OP_SUB ? x - y :
		op == OP_MUL ? x * y : x / y));
}

static struct node *
binary(struct parser *p, int type, struct node *a, struct node *b)
{
	const char *what;

	if (level_of(type) == P_ASSIGN && !is_path_node(a, &what))
		return not_a_path(p, what);
	switch (type) {
	case '|':
		return make(p, N_PIPE, a, b);
	case ',':
		return make(p, N_COMMA, a, b);
	case T_ALT:
		return make(p, N_ALT, a, b);
	case '=':
		return make_op(p, N_ASSIGN, OP_NONE, a, b);
	case T_UPDATE:
		if (b->leaky)
			return foreign(p, "try within |= is not native");
		return make(p, N_UPDATE, a, b);
	case T_ADD_SET:
		return make_op(p, N_ASSIGN, OP_ADD, a, b);
	case T_SUB_SET:
		return make_op(p, N_ASSIGN, OP_SUB, a, b);
	case T_MUL_SET:
		return make_op(p, N_ASSIGN, OP_MUL, a, b);
	case T_DIV_SET:
		return make_op(p, N_ASSIGN, OP_DIV, a, b);
	case T_MOD_SET:
		return make_op(p, N_ASSIGN, OP_MOD, a, b);
	case T_ALT_SET:
		return make_op(p, N_ASSIGN, OP_ALT, a, b);
	case T_OR:
		return make(p, N_OR, a, b);
	case T_AND:
		return make(p, N_AND, a, b);
	case T_EQ:
		return make_op(p, N_CMP, OP_EQ, a, b);
	case T_NE:
		return make_op(p, N_CMP, OP_NE, a, b);
	case '<':
		return make_op(p, N_CMP, OP_LT, a, b);
	case '>':
		return make_op(p, N_CMP, OP_GT, a, b);
	case T_LE:
		return make_op(p, N_CMP, OP_LE, a, b);
	case T_GE:
		return make_op(p, N_CMP, OP_GE, a, b);
	case '+':
		return calculate(p, OP_ADD, a, b);
	case '-':
		return calculate(p, OP_SUB, a, b);
	case '*':
		return calculate(p, OP_MUL, a, b);
	case '/':
		return calculate(p, OP_DIV, a, b);
	default:
		return calculate(p, OP_MOD, a, b);
	}
}

/* An expression of operators that bind at least as tight as level. */
static struct node *
parse(struct parser *p, int level)
{
	struct node *n, *right;
	int type, l;

	if (++p->nesting > MAX_PARSE)
		return too_deep(p);
	n = parse_prefix(p);
	while (n && (l = level_of(type = p->type)) != 0 && l >= level) {
		advance(p);
		if (l == P_OPTION) {
			n = make(p, N_TRY, n, NULL);
			continue;
		}
		right = parse(p, l == P_PIPE || l == P_ALT ? l : l + 1);
		n = right ? binary(p, type, n, right) : NULL;
		if (n && (l == P_ASSIGN || l == P_COMPARE) && level_of(p->type) == l)
			return unexpected(p);
	}
	if (n && p->type == T_ALTERNATION)
		return foreign(p, "?// is not native");
	p->nesting--;
	return n;
}

/* ---- the whole --------------------------------------------------------------------- */

static bool
is_bare(const struct node *n)
{
	size_t i;

	if (n->paren)
		return false;
	if (n->kind == N_SELF)
		return true;
	if (n->kind != N_PATH || n->a)
		return false;
	for (i = 0; i < n->n; i++)
		if (n->u.step[i].opt)
			return false;
	return true;
}

static bool
add_paths(struct expr *x, const struct node *n, size_t *cap)
{
	if (n->kind == N_COMMA && !n->paren)
		return add_paths(x, n->a, cap) && add_paths(x, n->b, cap);
	if (!is_bare(n))
		return false;
	x->path = mem_grow(x->path, cap, x->npaths + 1, sizeof(*x->path));
	x->path[x->npaths++] = n;
	return true;
}

int
expr_parse(struct expr *x, const struct expr_options *options, struct failure *why)
{
	struct parser p = {
		.x = x, .options = options, .text = x->text, .end = x->text + strlen(x->text),
		.at = x->text, .why = why,
	};
	struct node *n;
	size_t cap = 0;

	why->status = 0;
	advance(&p);
	if (p.type == T_END) {
		n = make(&p, N_SELF, NULL, NULL); /* as in jq; but no path is meant by it */
		n->paren = true;
	} else {
		n = parse(&p, P_PIPE);
	}
	if (n && p.type != T_END)
		n = unexpected(&p);
	free(p.scope);
	if (!n)
		return p.deep ? -2 : p.foreign ? 1 : -1;
	if (!add_paths(x, n, &cap))
		x->npaths = 0;
	x->root = n;
	return 0;
}
