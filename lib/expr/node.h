/*
 * node: a compiled filter, and what its evaluation shares. Internal to the room.
 *
 * A filter is a tree. What can have one output at most, and doesn't hold a `try` that is
 * still open when its output goes on, is `one`: it is evaluated by a plain call (eval_one).
 * Anything else hands each output to a continuation (eval), so that generators and
 * backtracking need no machinery: a failure returns through the calls that jq's would
 * backtrack through. An open `try` is therefore the one of jq 1.6, which also catches what
 * fails after it in the same pipe. (There it also catches the end of first, any, all and of
 * an update; with an open `try` inside these are left to libjq.)
 */
#ifndef SK_EXPR_NODE_H
#define SK_EXPR_NODE_H

#include "expr/expr.h"
#include "expr/jq.h"
#include "expr/object.h"

#define MAX_NESTING 1000
#define MAX_WANTS 32
#define MAX_NAMES 4 /* looked for without tokens */
#define MAX_COLUMNS 8 /* of answers that are kept at once */
#define MAX_STACK ((size_t)4 << 20) /* of the 8 MiB that each thread has */

enum node_kind {
	N_SELF,
	N_CONST,  /* value */
	N_VAR,    /* slot */
	N_ENV,    /* slot: of expr_options.vars */
	N_PATH,   /* a (or NULL for .) followed by steps */
	N_INDEX,  /* a[b], opt */
	N_SLICE,  /* a[b:c], opt; b, c may be NULL */
	N_EACH,   /* a[], opt */
	N_PIPE,
	N_COMMA,
	N_ARRAY,  /* [a] */
	N_OBJECT, /* fields */
	N_NEG,
	N_ARITH,  /* op */
	N_CMP,    /* op */
	N_AND,
	N_OR,
	N_ALT,
	N_IF,     /* a, b, c */
	N_TRY,    /* a, b or NULL */
	N_AS,     /* a as slot | b */
	N_TEXT,   /* "...": parts; op is FORMAT_* */
	N_EMPTY,
	N_SELECT,
	N_CALL,   /* op is enum builtin; a: argument or NULL */
	N_BY,     /* op is enum builtin; a: the key */
	N_FIRST,
	N_LAST,
	N_ANY,    /* a: generator, b: condition */
	N_ALL,
	N_RANGE,  /* a, b */
	N_UPDATE, /* a |= b */
	N_ASSIGN, /* a = b; op: an arithmetic operator for a += b ..., OP_ALT for //= */
	N_DEL,
};

enum op {
	OP_NONE,
	OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_ALT,
	OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE,
};

enum format { FORMAT_TEXT, FORMAT_JSON };

enum builtin {
	F_NOT, F_LENGTH, F_KEYS, F_KEYS_UNSORTED, F_TYPE, F_TOSTRING, F_TONUMBER, F_TOJSON,
	F_FROMJSON, F_DOWNCASE, F_UPCASE, F_ADD, F_MIN, F_MAX, F_FLOOR, F_REVERSE, F_SORT,
	F_UNIQUE, F_TO_ENTRIES, F_ERROR,
	/* with an argument */
	F_HAS, F_STARTSWITH, F_ENDSWITH, F_CONTAINS, F_LTRIMSTR, F_RTRIMSTR, F_SPLIT, F_JOIN,
	/* by a key */
	F_SORT_BY, F_GROUP_BY, F_UNIQUE_BY, F_MIN_BY, F_MAX_BY,
};

struct step {
	bool field, opt;
	struct json_name name; /* field */
	double index;
};

struct field {
	struct node *key;   /* NULL: name */
	struct slice name;
	bool plain;         /* the name needs no escapes */
	struct node *value; /* NULL: .[key] */
	/* Where value is a path from ., or a slice of one from and to constants: */
	const struct node *path;  /* the path, or NULL */
	const struct node *slice; /* its slice, or NULL */
	int want;                 /* of its first step: index into the node's wants, or -1 */
};

struct node {
	uint8_t kind, op;
	bool opt;
	bool one;      /* at most one output, no open try */
	bool single;   /* at most one output */
	bool leaky;    /* holds an open try */
	bool paren;    /* stood in parentheses */
	bool distinct; /* N_OBJECT: names are known and differ */
	uint16_t depth;
	uint32_t slot;
	struct node *a, *b, *c;
	struct value value;
	union {
		struct step *step;   /* N_PATH */
		struct quoted *quoted; /* N_CMP, ask.c's: the string that b is, or NULL */
		struct field *field; /* N_OBJECT */
		struct node **part;  /* N_TEXT */
	} u;
	size_t n;                    /* steps, fields, parts */
	struct json_name *want;      /* N_OBJECT */
	unsigned nwants;
};

struct expr {
	char *text;
	struct node *root;         /* NULL: libjq */
	struct jq_filter *jq;
	struct arena arena;
	const char *reason;        /* why it is not native */
	bool numbers_double;
	unsigned slots;            /* variables bound by "as" */
	const struct node **path;  /* bare paths */
	size_t npaths;
	bool asks;                 /* it has answers without tokens */
};

/* Results of evaluation besides 0 (go on). */
enum {
	R_ERROR = -1, /* run->error; run->bad: no try catches it */
	R_STOP = 1,   /* the sink said so: run->sink_rc */
	R_BREAK = 2,  /* run->breaks: first() has what it wants */
};

struct kont;

struct expr_run {
	const struct expr *expr;
	struct arena arena;
	const struct expr_env *env;
	struct value *var;
	struct value error;
	bool bad;
	bool unfit; /* bad for a number that was calculated with */
	int sink_rc;
	const void *breaks;
	const char *stack_end;  /* the stack must not grow past it */
	struct json_scan scan;  /* of fromjson */
	struct buf text;        /* scratch, for one function at a time */
	/* Of the block that was asked last: */
	const struct json_scan *asked;
	uint64_t asked_number;
	int8_t *column[MAX_COLUMNS]; /* answers, a line each; the filter's are the first */
	size_t cap_column[MAX_COLUMNS];
};

/* A continuation: embedded first in whatever it carries. */
struct kont {
	int (*go)(struct expr_run *, struct kont *, const struct value *);
};

/* ---- parse.c ----------------------------------------------------------------------- */

/* Parse the expr's text into root. 0: native; 1: expr->reason says what is not native; -1: a
 * syntax error; -2: nested too deep for anybody. Bare paths are found in any case that
 * parses. */
int expr_parse(struct expr *, const struct expr_options *, struct failure *why);

/* ---- expr.c ------------------------------------------------------------------------ */

/* As expr_compile, but what is not native fails. For tests. */
struct expr *expr_compile_native(const char *text, const struct expr_options *,
	struct failure *why);

/* ---- eval.c ------------------------------------------------------------------------ */

int eval(struct expr_run *, const struct node *, const struct value *in, struct kont *);

/* 1: *out is the output; 0: there is none; -1: it failed. For nodes that are `one`. */
int eval_one(struct expr_run *, const struct node *, const struct value *in,
	struct value *out);

/* 1, 0: the truth of the output; 2: no output; -1. For nodes that are `one`. */
int eval_truth(struct expr_run *, const struct node *, const struct value *in);

/* True, and an error is raised, if the stack is used up. */
bool stack_is_full(struct expr_run *);

/* ---- ask.c ------------------------------------------------------------------------- */

void ask_prepare(struct expr *);
void ask_close(struct expr_run *);

/* ---- builtin.c --------------------------------------------------------------------- */

/* Raise an error with a text; returns R_ERROR. */
int raise_text(struct expr_run *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int raise_about(struct expr_run *, const struct value *, const char *says);
int raise_about2(struct expr_run *, const struct value *, const struct value *,
	const char *says);
int raise_not_iterable(struct expr_run *, const struct value *);
int raise_key(struct expr_run *, const struct value *);
const char *type_name(const struct value *);

/* All of these: 1 and *out, 0 for no output, R_ERROR. out may be one of the inputs. */
int call(struct expr_run *, enum builtin, const struct value *in, const struct value *arg,
	struct value *out);
int call_by(struct expr_run *, enum builtin, const struct value *in,
	const struct value *keys, struct value *out);
int arith(struct expr_run *, enum op, const struct value *, const struct value *,
	struct value *out);
bool compare(struct expr_run *, enum op, const struct value *, const struct value *);
int index_value(struct expr_run *, const struct value *, const struct value *key,
	struct value *out);
int slice_value(struct expr_run *, const struct value *, const struct value *from,
	const struct value *to, struct value *out);

/* The double of a number that may be calculated with. */
int number_of(struct expr_run *, const struct value *, double *);

/* First and last index of a slice of n; false: from and to are not numbers. */
bool slice_bounds(const struct value *from, const struct value *to, size_t n, size_t *first,
	size_t *end);

/* What tostring (or, for json, tojson) makes of v. */
struct value text_of(struct expr_run *, const struct value *v, bool json);

/* Is the double an array index, that is a whole number of 32 bits? */
bool index_of_double(double, int64_t *);

/* ---- path.c ------------------------------------------------------------------------ */

/* Can the node stand where a path is wanted? Else *what names what cannot. */
bool is_path_node(const struct node *, const char **what);

int eval_update(struct expr_run *, const struct node *, const struct value *in,
	struct value *out);
int eval_assign(struct expr_run *, const struct node *, const struct value *in,
	struct kont *);
int eval_del(struct expr_run *, const struct node *, const struct value *in,
	struct value *out);

#endif
