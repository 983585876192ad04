/*
 * jq_program: what libjq is given to run, made of what the user wrote. Knows the tokens of
 * jq 1.6, not jq itself.
 */
#ifndef SK_EXPR_JQ_PROGRAM_H
#define SK_EXPR_JQ_PROGRAM_H

#include "base/buf.h"

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

enum jq_token_kind {
	T_END,
	T_BAD,     /* a bracket or string that is not closed, or never was opened */
	T_IDENT,
	T_NUMBER,
	T_DOLLAR,
	T_OTHER,   /* the text of strings is no token */
};

struct jq_token {
	uint8_t kind;
	struct slice text;
};

struct jq_program {
	char *text;
	struct jq_token *token; /* the last is T_END or T_BAD; they borrow text */
	size_t ntoken, cap_token;
	unsigned *var;          /* the variables used: index into the names given */
	char **name;
	size_t nvar, cap_var, cap_name;
	bool allow_env;
	bool numbers_double;
	bool balanced;          /* brackets and strings are closed */
	const char *ending;     /* put after the text */
};

/* Read text, in which vars (names without $, NULL-ended, or NULL) may be used. */
void jq_program_init(struct jq_program *, const char *text, const char *const *vars,
	bool allow_env, bool numbers_double);
void jq_program_release(struct jq_program *);

/*
 * Append the program to compile. Its input is the record, or, if variables are used or it is
 * guarded, the array [record, numbers to guard if guarded, variables in the order of var].
 *
 * The guard: numbers are [double, message for use, message for equal result]; any of the
 * program's arithmetic, and what makes text of numbers, that meets the double tells the
 * message through debug and as an error.
 */
void jq_program_write(const struct jq_program *, struct buf *, bool guarded);

/* Might the program compute numbers? Told from its tokens. */
bool jq_program_computes(const struct jq_program *);

/* A name that is not available is called in the program as a variable of this prefix. */
#define JQ_CLOSED "$__closed_"

#endif
