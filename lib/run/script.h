/*
 * script: what the text of a pipeline says, as far as a supervisor must know it.
 *
 * bash runs the text; this only finds where the stages begin and end, and what the words of
 * each are, so that a stage can be named, and a plan be told, before anything runs. Quotes,
 * substitutions and groups are passed over as a whole, nothing is expanded: "$X" stays "$X".
 * The text may be a file's: comments, lines that end in "|", commands before the pipeline,
 * which is the last command. Here-documents are refused, and so is a last command that is
 * more than one pipeline ("a && b", "a &").
 */
#ifndef SK_RUN_SCRIPT_H
#define SK_RUN_SCRIPT_H

#include "base/failure.h"

struct stage {
	char *text;        /* as it stands, without the space around it */
	char **word;       /* quotes removed, redirections left out; NULL-ended */
	size_t nwords;
	size_t first;      /* the word that is the command: assignments stand before it */
	const char *tool;  /* "sk-cat"; NULL: none of streamkit's */
	char *in, *out;    /* what < and > name, or NULL */
};

struct script {
	char *before;      /* the commands before the pipeline; "" */
	char *pipeline;
	struct stage *stage;
	size_t n, cap;
};

/* {0} is empty. -1: EXIT_USAGE. */
int script_parse(struct script *, const char *text, struct failure *why);
void script_release(struct script *);

/* Every stage is one of streamkit's. */
bool script_is_ours(const struct script *);
/* And each reads what the one before writes, through stdin and stdout, as records and nothing
 * else: the stream between them can have a start and an end. */
bool script_is_chain(const struct script *);

/* The value of an option as --name VALUE, --name=VALUE, -x VALUE or -xVALUE, "" for one that
 * stands alone at the end; NULL where it isn't given. short_name 0: there is none. */
const char *stage_option(const struct stage *, const char *name, char short_name);

#endif
