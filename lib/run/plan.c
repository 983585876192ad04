/* What a chain guarantees: the table of streamkit-delivery(7), asked of the words of a script. */
#include "run/plan.h"

#include <stdlib.h>

enum end {
	END_NONE,      /* stdin, stdout */
	END_FILE,      /* files; a file that appears whole */
	END_APPEND,
	END_CAPTURE,
	END_GROUP,     /* topics, and a consumer group keeps the place */
	END_TOPIC,
	END_STREAM,    /* a device, a FIFO */
	END_UNKNOWN,   /* stands in a variable, or in a tool that is not ours */
};

struct chain {
	enum end from, to;
	const char *source, *sink; /* as the words have them, or NULL */
	const char *every;         /* --checkpoint, or NULL */
	bool written;              /* --commit written */
	bool repeats, elsewhere;   /* --at-least-once, --no-commit */
	bool ours;
};

static bool
keeps_state(const char *tool)
{
	static const char *const all[] = {"sk-dedup", "sk-aggregate", "sk-window", "sk-join"};
	size_t i;

	for (i = 0; tool && i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(tool, all[i]) == 0)
			return true;
	return false;
}

static bool
starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static enum end
kind_of(const char *uri)
{
	if (!uri || strcmp(uri, "-") == 0)
		return END_NONE;
	if (uri[0] == '$')
		return END_UNKNOWN;
	if (starts(uri, "kafka:"))
		return strstr(uri, "?group=") || strstr(uri, "&group=") ? END_GROUP : END_TOPIC;
	if (starts(uri, "capture:"))
		return END_CAPTURE;
	if (starts(uri, "append:"))
		return END_APPEND;
	return starts(uri, "/dev/") ? END_STREAM : END_FILE;
}

/* Options that take no value; the word behind any other is one. */
static bool
is_flag(const char *w)
{
	static const char *const all[] = {"-e", "-q", "-v", "-J", "--trust", "--follow", "--plain",
		"--allow-env", "--envelope", "--restamp", "--idle-advance", "--quiet", "--verbose",
		"--exactly-once", "--at-least-once", "--no-commit"};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(w, all[i]) == 0)
			return true;
	return strchr(w, '=') || (w[1] != '-' && w[2]);
}

/* The source among the words: -i, a URI that stands alone, a redirection; of sk-cat also the
 * first file. */
static const char *
source_of(const struct stage *s)
{
	const char *from = stage_option(s, "from", 'i'), *file = NULL, *w;
	size_t i;

	for (i = s->first + 1; !from && i < s->nwords; i++) {
		w = s->word[i];
		if (w[0] == '-' && w[1]) {
			i += !is_flag(w);
			continue;
		}
		if (starts(w, "kafka:") || starts(w, "capture:"))
			from = w;
		else if (!file)
			file = w;
	}
	if (from || s->in)
		return from ? from : s->in;
	return s->tool && strcmp(s->tool, "sk-cat") == 0 ? file : NULL;
}

static void
look(const struct script *s, struct chain *c)
{
	const struct stage *first = &s->stage[0], *last = &s->stage[s->n - 1];
	const char *commit = stage_option(first, "commit", 0);

	*c = (struct chain){.ours = script_is_ours(s)};
	c->source = source_of(first);
	c->from = first->tool ? kind_of(c->source) : END_UNKNOWN;
	c->sink = stage_option(last, "to", 'o');
	if (!c->sink)
		c->sink = last->out;
	c->to = last->tool ? kind_of(c->sink) : END_UNKNOWN;
	if (c->to == END_GROUP)
		c->to = END_TOPIC;
	c->every = stage_option(first, "checkpoint", 0);
	if (!c->every && stage_option(first, "exactly-once", 0))
		c->every = "5s";
	c->repeats = stage_option(last, "at-least-once", 0) != NULL;
	c->elsewhere = stage_option(last, "no-commit", 0) != NULL;
	c->written = commit && strcmp(commit, "written") == 0;
}

/* ---- what it comes to -------------------------------------------------------------- */

static void
say(struct buf *b, const char *guarantee, const char *because)
{
	buf_addf(b, "guarantee: %s\n", guarantee);
	if (because)
		buf_addf(b, "not more:  %s\n", because);
}

static void
of_files(const struct script *s, const struct chain *c, const char *state, struct buf *b)
{
	bool lasting = c->to == END_FILE || c->to == END_APPEND;

	if (c->every && state && lasting)
		say(b, "exactly once: killed anywhere and started again, the same bytes", NULL);
	else if (c->every && lasting)
		say(b, "none: --checkpoint needs a folder that remembers (--state, SK_STATE)", NULL);
	else if (c->to == END_FILE)
		say(b, "the output is whole or absent; a run that fails begins anew",
			"--checkpoint D on the first stage, and --state, let it go on");
	else if (c->to == END_TOPIC || c->to == END_APPEND)
		say(b, "at least once: a run that is started again writes it all again",
			c->to == END_APPEND ? "--checkpoint D on the first stage, and --state, let it go on" :
			"a topic has no length that it could be cut back to");
	else if (c->to == END_CAPTURE)
		say(b, "whole segments, each record once in a run",
			"records without an offset are numbered anew by each run");
	else
		say(b, "what was written to stdout is out",
			s->n > 1 ? "only a sink of its own (-o) can be whole or absent" : NULL);
}

static void
of_group(const struct script *s, const struct chain *c, struct buf *b)
{
	if (s->n == 1 && c->to == END_CAPTURE)
		say(b, "exactly once: the files say where to go on", NULL);
	else if (s->n == 1)
		say(b, "at least once: offsets are committed after delivery",
			c->to == END_TOPIC ? "--exactly-once commits them with what is written" :
			"a run that is killed repeats what it had not committed yet");
	else if (c->written)
		say(b, "at most once past the first pipe: what is in it counts as delivered",
			"--commit written");
	else
		say(b, "none: a group whose records go into a pipe is refused",
			"--checkpoint D on the first stage lets the last one commit");
}

/* Topics, and an epoch is committed every so often. */
static void
of_epochs(const struct chain *c, const char *app, const char *state, struct buf *b)
{
	if (!app)
		say(b, "none: --checkpoint of topics is refused without a name for the job",
			"--app NAME, or SK_APP");
	else if (c->elsewhere)
		say(b, "at least once here: another branch of the pipeline commits", "--no-commit");
	else if (c->to == END_TOPIC && c->repeats)
		say(b, "at least once: offsets are committed once all is delivered",
			"--at-least-once: the records are in no transaction");
	else if (c->to == END_TOPIC)
		say(b, "exactly once, for readers of committed records: the last process commits the "
			"source's offsets with what it writes", NULL);
	else if (c->to == END_NONE || c->to == END_STREAM)
		say(b, "none: what is committed needs a sink that can be cut back, or a transaction",
			"-o with a topic, append:, capture: or a file on the last stage");
	else if (!state)
		say(b, "none: --checkpoint into files needs a folder that remembers",
			"--state, or SK_STATE");
	else
		say(b, "exactly once: killed anywhere and started again, outputs are cut back to "
			"what is committed", NULL);
}

static void
guarantee(const struct script *s, const struct chain *c, const char *app, const char *state,
	struct buf *b)
{
	if (!c->ours)
		say(b, "what the first stage reads is not known to have been delivered, and a stage "
			"that is killed looks like the end of its output",
			"a stage is no streamkit tool, and passes no control records on for certain");
	else if (c->from == END_UNKNOWN || c->to == END_UNKNOWN)
		say(b, "not known: source or sink stand in a variable", NULL);
	else if ((c->from == END_GROUP || c->from == END_TOPIC) && c->every)
		of_epochs(c, app, state, b);
	else if (c->from == END_GROUP)
		of_group(s, c, b);
	else if (c->from == END_TOPIC)
		say(b, "reads, and keeps no place: every run begins where offset= says",
			"without group= nothing is committed");
	else
		of_files(s, c, state, b);
}

void
plan_explain(const struct script *s, const char *app, const char *state, struct buf *b)
{
	const struct stage *st;
	struct chain c;
	size_t i;

	look(s, &c);
	buf_addf(b, "job:       %s, state in %s\n", app ? app : "without a name",
		state ? state : "memory alone");
	for (i = 0; i < s->n; i++) {
		st = &s->stage[i];
		buf_addf(b, "stage %zu:   %s", i + 1, st->tool ? st->tool : st->text);
		if (i == 0 && c.source)
			buf_addf(b, ", reads %s", c.source);
		if (i == 0 && c.every)
			buf_addf(b, ", ends an epoch every %s", c.every);
		if (keeps_state(st->tool) && state && stage_option(st, "name", 0))
			buf_addf(b, ", state in %s/%s", state, stage_option(st, "name", 0));
		else if (keeps_state(st->tool) && state)
			buf_addf(b, ", state in %s/%zu-%s", state, c.every ? i + 1 : 1, st->tool);
		else if (keeps_state(st->tool))
			buf_adds(b, ", state in memory alone");
		if (i + 1 == s->n && c.sink)
			buf_addf(b, ", writes %s", c.sink);
		buf_addc(b, '\n');
	}
	guarantee(s, &c, app, state, b);
}
