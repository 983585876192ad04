/*
 * reading: what a record tells its windows: the key, and what each function is to be given.
 *
 * All expressions are evaluated, and all that they give is checked, before anything is added
 * to a window, so a bad record leaves no trace. Expressions that are a member of "." are not
 * run: what they are, and the event time, was noted ahead of the record's turn (seen.h).
 */
#ifndef SK_WINDOW_READING_H
#define SK_WINDOW_READING_H

#include "window/seen.h"
#include "window/spec.h"

/* The command line's. */
struct reading_plan {
	const struct spec *spec;
	size_t nspecs;
	const struct expr *key;   /* NULL: there is one key, for all */
	bool null_key;
	const char *stage;
	const struct flow_time *time; /* NULL: it is not to be told */
};

struct reading_input {
	unsigned fold;
	struct fold_input in;
};

struct reading {
	/* Of the record in hand: */
	int64_t us;
	struct slice key;         /* JSON text; "" without -k */
	struct slice identity;    /* the form that equal keys share; the same bytes as key: */
	bool plain;
	struct key128 owner;      /* cells_owner of it */
	struct reading_input *input;
	size_t n;
	struct fold_work work;
	struct reading_rest *rest;
};

void reading_init(struct reading *, const struct reading_plan *, const struct cell_keys *);
void reading_release(struct reading *);

/* operator.note: look at a block ahead of its records. */
void reading_note(const struct reading *, const struct json_scan *, struct buf *notes);
/* Of each spec, which value of a line (seen.h) it is given, -1: none; true if that is all that
 * there is to it, and to the key. */
bool reading_fields(const struct reading *, int *value);
const struct seen_plan *reading_seen(const struct reading *);
/* The event time, where that was noted: true. */
bool reading_when(const struct reading *, const struct record *, int64_t *us);

/* -1: a bad record. What is read lives until the next call. */
int reading_take(struct reading *, const struct record *, struct failure *why);

#endif
