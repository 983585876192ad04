/*
 * sk-state: what a folder of states holds, whether it is whole, the same as lines of JSON and
 * back, and how to begin anew.
 *
 * A verb goes over the stages of DIR. ls reads the marks alone; dump and check read what a run
 * would, into memory; load writes as it reads; reset changes nothing without --yes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow/flow.h"
#include "opt/opt.h"
#include "state/check.h"
#include "state/reset.h"
#include "state/stages.h"

static struct {
	const char *name;
	bool yes, json;
} opt;

static const char *dir;

static int
write_out(void *unused, struct buf *lines, struct failure *why)
{
	size_t at;
	ssize_t n;

	(void)unused;
	for (at = 0; at < lines->n; at += (size_t)n) {
		n = write(STDOUT_FILENO, lines->p + at, lines->n - at);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return fail(why, EXIT_IO, "stdout: %s", strerror(errno));
	}
	buf_reset(lines);
	return 0;
}

/* Print a grid, in the form that was asked for, and release it. */
static int
print(struct grid *g, struct failure *why)
{
	struct buf out = {0};
	int rc;

	if (opt.json)
		grid_add_json(g, &out);
	else if (g->n)
		grid_add_table(g, &out);
	rc = write_out(NULL, &out, why);
	buf_release(&out);
	grid_release(g);
	return rc;
}

/* ---- all stages, or the one that was named ----------------------------------------- */

/* A ledger that can't be read is told at once, and the status kept. */
static int
find(struct stages *s, int *status, struct failure *why)
{
	struct failure broken;
	int rc = stages_find(s, dir, opt.name, &broken, why);

	if (broken.status)
		*status = flow_say("sk-state", &broken);
	return rc;
}

/* What is wrong with one stage is said, and the others are looked at all the same. */
static int
each_stage(const struct stages *s, struct grid *g, int *status,
	int (*visit)(struct grid *, struct look *, const struct ledger *, struct failure *),
	void (*broken)(struct grid *, const char *name))
{
	struct failure why;
	struct look l;
	size_t i;
	int rc;

	for (i = 0; i < s->n; i++) {
		rc = look_open(&l, dir, s->name[i], &why);
		if (rc == 0)
			rc = visit(g, &l, &s->ledger, &why);
		if (rc < 0) {
			*status = flow_say("sk-state", &why);
			if (!l.name)
				broken(g, s->name[i]);
		}
		look_close(&l);
	}
	return 0;
}

/* ---- verbs ------------------------------------------------------------------------- */

static int
ls_stage(struct grid *g, struct look *l, const struct ledger *ledger, struct failure *why)
{
	if (look_tasks(l, LOOK_LAST, why) < 0) {
		show_broken(g, l->name);
		return -1;
	}
	show_stage(g, l, ledger);
	return 0;
}

static int
do_ls(int *status, struct failure *why)
{
	struct grid g = show_stages();
	struct stages s;
	int rc = find(&s, status, why);

	if (rc == 0 && s.ledger.there && !opt.name)
		show_ledger(&g, &s.ledger);
	if (rc == 0) {
		each_stage(&s, &g, status, ls_stage, show_broken);
		rc = print(&g, why);
	}
	stages_release(&s);
	return rc;
}

static int
check_held(struct grid *g, struct look *l, const struct ledger *ledger, struct failure *why)
{
	return look_hold(l, why) < 0 ? -1 : check_stage(g, l, ledger, why);
}

static void
check_broken(struct grid *g, const char *name)
{
	show_file(g, name, -1, false, "a run refuses it");
}

static int
do_check(int *status, struct failure *why)
{
	struct grid g = show_files();
	struct stages s;
	int rc = find(&s, status, why);

	if (rc == 0) {
		if (!opt.name)
			check_ledger(&g, &s.ledger);
		each_stage(&s, &g, status, check_held, check_broken);
		rc = print(&g, why);
	}
	stages_release(&s);
	return rc;
}

static int
dump_stage(const char *name, const struct ledger *ledger, struct failure *why)
{
	struct look l;
	int rc;

	if (look_open(&l, dir, name, why) < 0)
		return -1;
	rc = look_hold(&l, why);
	if (rc == 0)
		rc = look_read(&l, look_epoch(&l, ledger), true, why);
	if (rc == 0)
		rc = look_dump(&l, write_out, NULL, why);
	look_close(&l);
	return rc;
}

static int
do_dump(int *status, struct failure *why)
{
	struct buf line = {0};
	struct stages s;
	int rc = find(&s, status, why);
	size_t i;

	if (rc == 0 && s.ledger.there && !opt.name) {
		buf_adds(&line, "{\"commit\":");
		ledger_say(&s.ledger, &line);
		buf_adds(&line, "}\n");
		rc = write_out(NULL, &line, why);
	}
	for (i = 0; i < s.n && rc == 0 && !*status; i++)
		rc = dump_stage(s.name[i], &s.ledger, why);
	buf_release(&line);
	stages_release(&s);
	return rc;
}

static int
do_load(int *status, struct failure *why)
{
	struct load *load = load_new(dir, opt.name);
	char *line = NULL;
	size_t cap = 0, number = 0;
	ssize_t n;
	int rc = 0;

	(void)status;
	while (rc == 0 && (n = getline(&line, &cap, stdin)) >= 0) {
		number++;
		rc = load_line(load, slice_of(line, (size_t)n), why);
		if (rc < 0 && why->status == EXIT_DATA)
			fail_within(why, "stdin:%zu: ", number);
	}
	if (rc == 0 && ferror(stdin))
		rc = fail(why, EXIT_IO, "stdin: %s", strerror(errno));
	if (rc == 0)
		rc = load_end(load, why);
	load_free(load);
	free(line);
	return rc;
}

static int
do_reset(int *status, struct failure *why)
{
	struct grid g = show_files();
	struct failure broken;
	struct stages s;
	int rc = find(&s, status, &broken);
	size_t i;

	if (rc < 0)
		*why = broken;
	*status = EXIT_OK; /* what is damaged goes too */
	if (rc == 0 && !opt.name)
		rc = reset_lock(&s.ledger, dir, opt.yes, why);
	for (i = 0; i < s.n && rc == 0; i++)
		rc = reset_stage(&g, dir, s.name[i], opt.yes, why);
	if (rc == 0 && !opt.name)
		rc = reset_ledger(&g, dir, opt.yes, why);
	if (rc == 0)
		rc = print(&g, why);
	if (rc == 0 && !opt.yes)
		flow_say("sk-state", &(struct failure){
			.text = "nothing is changed without --yes"});
	stages_release(&s);
	return rc;
}

/* ---- the command line -------------------------------------------------------------- */

static const struct verb {
	const char *name;
	int (*run)(int *status, struct failure *);
} verbs[] = {
	{"ls", do_ls},
	{"dump", do_dump},
	{"load", do_load},
	{"check", do_check},
	{"reset", do_reset},
};

static const struct verb *
verb_named(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static struct opt options[] = {
	{0, "name", OPT_STRING, &opt.name, "NAME", "one stage alone; as ls calls it"},
	{0, "yes", OPT_FLAG, &opt.yes, NULL, "reset: do it; without, what would go is shown"},
	{0, "json", OPT_FLAG, &opt.json, NULL, "ls, check, reset: a line of JSON for each row, "
		"not a table"},
	{0}
};

static const struct opt_group groups[] = {{"Options", options}, {0}};

static const struct opt_example examples[] = {
	{"Which stages, how far, and how much?", "sk-state ls state"},
	{"Begin anew: look first, then do it", "sk-state reset state --yes"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct opt_command command = {
		.name = "sk-state",
		.summary = "lists, dumps, loads, checks and resets state folders",
		.synopsis = "[OPTION]... ls [DIR]\n[OPTION]... dump [DIR]\n"
			"[OPTION]... load [DIR]\n[OPTION]... check [DIR]\n"
			"[OPTION]... reset [DIR]",
		.groups = groups,
		.examples = examples,
		.operands = "dir",
	};
	const struct verb *verb;
	struct failure why = {0};
	char **operands;
	int n, status;

	status = opt_parse(&command, argc, argv, &operands, &n);
	if (status >= 0)
		return status;
	verb = n ? verb_named(operands[0]) : NULL;
	dir = n > 1 ? operands[1] : getenv("SK_STATE");
	if (!verb)
		return opt_refuse(&command, "it is ls, dump, load, check or reset",
			n ? "unknown verb '%s'" : "a verb is missing%s", n ? operands[0] : "");
	if (!dir || !*dir)
		return opt_refuse(&command, "the folder that --state names, or $SK_STATE",
			"%s needs a folder", verb->name);
	if (n > 2)
		return opt_refuse(&command, "one stage is told by --name", "one folder at a "
			"time, and '%s' is a second", operands[2]);
	if (opt.yes && verb->run != do_reset)
		return opt_refuse(&command, NULL, "--yes is for reset");
	status = EXIT_OK;
	if (verb->run(&status, &why) < 0)
		status = flow_say("sk-state", &why);
	return status;
}
