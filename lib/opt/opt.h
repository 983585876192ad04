/*
 * opt: the command line of a tool, told once.
 *
 * A tool has tables of options, the tool's own beside the variables that they set, and
 * the shared ones of its kind. From them come parsing, range messages, -h, --help, the
 * OPTIONS list of the man page and the completions of bash, zsh and fish (the hidden
 * option --generate=man|bash|zsh|fish).
 *
 *	static struct opt options[] = {
 *		{'n', "limit", OPT_COUNT, &limit, "N", "stop after N records"},
 *		{0}
 *	};
 *
 * Syntax: as getopt_long(3): -xVALUE, -x VALUE, --long=VALUE, --long VALUE, bundled short
 * flags, "--" ends options, "-" is an operand; options may follow operands; a long name
 * may be cut where it stays unique. A value that may be left out is given as --long=VALUE
 * only, so that -x can stand in a bundle. An option given twice: the last wins, a list
 * collects. opt prints help and usage errors; it is one of two rooms of lib that may.
 *
 * -h, --help, --version and --generate are opt's own and stand in no table.
 */
#ifndef SK_OPT_OPT_H
#define SK_OPT_OPT_H

#include "base/failure.h"

enum opt_kind {
	OPT_FLAG,     /* bool *: true */
	OPT_COUNT,    /* int64_t *: a whole number */
	OPT_SIZE,     /* uint64_t *: bytes, "64MiB", "10k" */
	OPT_DURATION, /* int64_t *: microseconds, "1h30m" */
	OPT_STRING,   /* const char ** */
	OPT_EXPR,     /* const char **: a jq expression */
	OPT_CHOICE,   /* const char **: one of choices, "error|drop|pass" */
	OPT_FILE,     /* const char **: completed as a file name */
	OPT_DIR,      /* const char **: completed as a folder */
	OPT_SOURCE,   /* const char **: a source */
	OPT_SINK,     /* const char **: a sink */
};

struct opt_list {
	const char **v; /* owned; the strings are argv's */
	size_t n, cap;
};

struct opt {
	char short_name;    /* 0: none */
	const char *name;   /* long, without "--"; NULL ends a table */
	enum opt_kind kind;
	void *to;
	const char *arg;    /* name of the value in help, "N"; NULL for a flag. NULL for a
			       choice: the choices themselves */
	const char *help;   /* what it does, lower case, no full stop; may be a few
			       sentences. -h and completions show it up to the first
			       "; " or ". " */
	const char *choices;/* OPT_CHOICE */
	int64_t min, max;   /* OPT_COUNT, OPT_SIZE, OPT_DURATION; max 0: no upper bound */
	bool list;          /* to is a struct opt_list *: may be given again; for kinds
			       whose value is a string */
	bool optional;      /* the value may be left out: --envelope, --envelope=in. *to
			       is then the text after the last '|' of choices, or "" */
	bool hidden;        /* parsed, but in no help */
	bool set;           /* OUT: it was given */
};

struct opt_group {
	const char *title;  /* "Options", the tool's own; "Input and output", ... */
	struct opt *opts;   /* ended by {0} */
};

struct opt_example {
	const char *says;   /* one line */
	const char *runs;   /* a command line; tests run those of man pages, not these */
};

struct opt_command {
	const char *name;      /* "sk-map" */
	const char *summary;   /* "filters and reshapes records by a jq expression" */
	const char *synopsis;  /* "[OPTION]... EXPR [FILE]..."; a form per line */
	const struct opt_group *groups;     /* ended by {0} */
	const struct opt_example *examples; /* ended by {0}; -h shows the first two */
	const char *operands;  /* how operands complete, in order, the last one repeated:
				  "file", "expr file", "dir", "none" */
};

/*
 * Parse argv. *operands points to the operands, *n of them, inside argv (reordered).
 * Returns -1 to go on, else the status to exit with: help, version and --generate have
 * been printed (0), or a usage error (64) said on stderr as
 *	sk-map: unknown option '--frob'
 *	  hint: did you mean '--from'?
 */
int opt_parse(const struct opt_command *, int argc, char **argv, char ***operands,
	int *n);

/* The short help. At most 24 lines by 80. */
void opt_usage(const struct opt_command *, bool to_stderr);

/* A usage error that a command finds itself, said as opt_parse says one, with a hint at
 * -h unless hint says something better (NULL: it does not). Returns 64. */
int opt_refuse(const struct opt_command *, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void opt_list_release(struct opt_list *);

/* "1.0.0": what --version says after the name. */
extern const char streamkit_version[];

#endif
