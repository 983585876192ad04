/*
 * job: what every command's main shares. A command tells its operator, its option table and
 * how to prepare; job_main parses the command line, opens source and sinks, runs the flow,
 * and returns the exit status.
 */
#ifndef SK_JOB_JOB_H
#define SK_JOB_JOB_H

#include "flow/emit.h"
#include "flow/flow.h"
#include "opt/opt.h"

struct job {
	struct flow *flow;          /* for flow_outlet(); number 0, -o, is there already */
	struct flow_options run;    /* prepare() may set serial */
	const char *to;             /* -o, "-" by default */
	bool to_given;
	const struct opt_list *allow; /* --allow: globs of names that data may choose */
	int late;                   /* outlet of --late, or -1: late records are counted */
	bool time_given;            /* --time */
	bool from_given;            /* -i */
	bool explain;               /* nothing will run */
	uint64_t max_record;        /* --max-record */
	const struct operator *op;  /* prepare() may set it: another one than the tool's */
	const struct opt_list *more;/* and that: sources beside the operands */
	bool follow;                /* prepare() may set it: files are followed */
	bool shown;                 /* and that "-" is shown to people: shown.h */
	unsigned how;               /* PRETTY_* of json/pretty.h */
};

struct job_tool {
	const char *name;           /* "sk-map" */
	const char *summary;
	const char *synopsis;
	const char *operands;       /* how they complete: opt.h */
	struct opt *options;        /* the tool's own */
	const struct opt_example *examples;
	const struct operator *op;
	void *config;               /* what the options set; handed to prepare and open */
	/* Check the options, compile expressions, declare outlets; take operands from the
	 * front: their number, or -1. The rest are sources. NULL: nothing to do. */
	int (*prepare)(struct job *, void *config, char **operands, int n,
		struct failure *why);
	void (*release)(void *config);
};

int job_main(int argc, char **argv, const struct job_tool *);

/*
 * Compile an expression under the options of the command line. more names variables beyond
 * those of every record (NULL-ended), or is NULL. Owned by the job, which explains it with
 * --explain and runs on one thread if it is not native. NULL: why says what is wrong with
 * option or operand what ("--copy").
 */
const struct expr *job_expr(struct job *, const char *what, const char *text,
	const char *const *more, struct failure *why);

#endif
