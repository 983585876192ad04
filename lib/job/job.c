/* The paragraph that every main is. */
#include "job/job.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "sink/kafka.h"
#include "sink/shown.h"
#include "sink/sink.h"
#include "source/source.h"

/* The options that all tools share. */
struct common {
	struct opt_list from, properties, property_files, allow;
	const char *brokers, *commit, *create_topics;
	const char *to, *envelope, *merge_by, *on_error, *dead_letter, *where, *numbers;
	const char *metrics, *name, *progress;
	const char *app, *state, *on_full, *time, *time_unit, *late;
	uint64_t max_record, max_unpacked, max_memory;
	int64_t jobs, max_sinks, max_keys, checkpoint_us;
	struct flow_time when;
	bool trust, plain, explain, allow_env, quiet, verbose;
	bool exactly_once, at_least_once, no_commit;
};

#define EPOCH_US 5000000

struct compiled {
	const char *what;
	struct expr *expr;
	const char **vars; /* owned; the expression borrows the names */
};

struct whole_job {
	struct job job; /* first: a struct job * is a struct whole_job * */
	struct common opt;
	struct compiled *expr;
	size_t nexprs, cap_exprs;
	struct kafka_config *kafka;   /* NULL before the first kafka: */
	struct kafka_output *output;
	struct kafka_new_topic create;
	struct flow_rooms rooms;
};

const struct expr *
job_expr(struct job *job, const char *what, const char *text, const char *const *more,
	struct failure *why)
{
	struct whole_job *w = (struct whole_job *)job;
	struct expr_options options = {
		.allow_env = w->opt.allow_env,
		.numbers_double = strcmp(w->opt.numbers, "double") == 0,
	};
	struct compiled *c;
	size_t n = 0, i;
	const char **vars;

	while (more && more[n])
		n++;
	vars = mem_array(FLOW_NVARS + n + 1, sizeof(*vars));
	for (i = 0; i < FLOW_NVARS; i++)
		vars[i] = flow_vars[i];
	for (i = 0; i < n; i++)
		vars[FLOW_NVARS + i] = more[i];
	options.vars = vars;
	w->expr = mem_grow(w->expr, &w->cap_exprs, w->nexprs + 1, sizeof(*w->expr));
	c = &w->expr[w->nexprs];
	*c = (struct compiled){what, expr_compile(text, &options, why), vars};
	if (!c->expr) {
		free(vars);
		why->status = EXIT_USAGE;
		fail_within(why, "%s: ", what);
		return NULL;
	}
	w->nexprs++;
	if (!expr_is_native(c->expr))
		job->run.serial = true;
	return c->expr;
}

static int
explain(const struct whole_job *w, const char *program)
{
	struct buf b = {0};
	struct failure why;
	size_t i;
	ssize_t n;
	int status = EXIT_OK;

	for (i = 0; i < w->nexprs; i++) {
		if (w->nexprs > 1)
			buf_addf(&b, "%s: ", w->expr[i].what);
		expr_explain(w->expr[i].expr, &b);
		buf_addc(&b, '\n');
	}
	if (!w->nexprs)
		buf_adds(&b, "no expression\n");
	for (i = 0; i < b.n; i += (size_t)n) {
		n = write(STDOUT_FILENO, b.p + i, b.n - i);
		if (n < 0) {
			fail(&why, EXIT_IO, "stdout: cannot write");
			status = flow_say(program, &why);
			break;
		}
	}
	buf_release(&b);
	return status;
}

static const char *
from_environment(const char *name)
{
	const char *text = getenv(name);

	return text && *text ? text : NULL;
}

/* What names the job, and what outlives a run. */
static int
take_job_options(struct whole_job *w, const struct job_tool *tool, struct failure *why)
{
	struct flow_options *run = &w->job.run;
	struct common *o = &w->opt;

	run->name = o->name;
	run->app = o->app ? o->app : from_environment("SK_APP");
	if (!run->app)
		run->app = "";
	if (*run->app && !text_is_component(slice_str(run->app)))
		return fail(why, EXIT_USAGE, "--app '%s': the name of a job is made of "
			"A-Z a-z 0-9 . _ and -, and begins with no dot", run->app);
	run->state = o->state ? o->state : from_environment("SK_STATE");
	run->state_given = o->state != NULL;
	if (o->name && run->state && !text_is_component(slice_str(o->name)))
		return fail(why, EXIT_USAGE, "--name '%s' names a folder in --state: it is made "
			"of A-Z a-z 0-9 . _ and -, and begins with no dot", o->name);
	if (o->exactly_once && (o->at_least_once || o->no_commit))
		return fail(why, EXIT_USAGE, "--exactly-once excludes --at-least-once and "
			"--no-commit");
	run->checkpoint_us = o->checkpoint_us;
	if (o->exactly_once && !run->checkpoint_us)
		run->checkpoint_us = EPOCH_US;
	run->supervised = from_environment("SK_RUN");
	run->at_least_once = o->at_least_once;
	run->no_commit = o->no_commit;
	run->max_memory = o->max_memory;
	run->max_keys = (uint64_t)o->max_keys;
	run->evict = strcmp(o->on_full, "evict") == 0;
	run->time = o->when;
	run->time.unit = strcmp(o->time_unit, "s") == 0 ? TIME_UNIT_S :
		strcmp(o->time_unit, "ms") == 0 ? TIME_UNIT_MS :
		strcmp(o->time_unit, "us") == 0 ? TIME_UNIT_US : TIME_UNIT_AUTO;
	if (run->time.idle_advance && !run->time.idle_us)
		return fail(why, EXIT_USAGE, "--idle-advance needs --idle D: how long nothing must "
			"have come");
	run->serial |= (tool->op->flags & OP_STATE) != 0;
	w->job.late = -1;
	if (o->late)
		w->job.late = flow_outlet(w->job.flow, o->late, true, why);
	return o->late && w->job.late < 0 ? -1 : 0;
}

static int
take_options(struct whole_job *w, const struct job_tool *tool, struct failure *why)
{
	struct flow_options *run = &w->job.run;
	struct common *o = &w->opt;

	run->program = tool->name;
	run->stage = o->name ? o->name : tool->name;
	run->on_error = ON_ERROR_FAIL;
	if (o->on_error && strcmp(o->on_error, "skip") == 0)
		run->on_error = ON_ERROR_SKIP;
	if (o->dead_letter) {
		if (o->on_error && strcmp(o->on_error, "dead-letter") != 0)
			return fail(why, EXIT_USAGE, "--dead-letter and --on-error %s exclude "
				"each other", o->on_error);
		run->on_error = ON_ERROR_DEAD_LETTER;
		run->dead_letter = o->dead_letter;
	} else if (o->on_error && strcmp(o->on_error, "dead-letter") == 0) {
		return fail(why, EXIT_USAGE, "--on-error dead-letter needs --dead-letter SINK");
	}
	run->envelope_in = o->envelope && strcmp(o->envelope, "out") != 0;
	run->envelope_out = o->envelope && strcmp(o->envelope, "in") != 0;
	run->trust = o->trust;
	run->plain = o->plain;
	run->quiet = o->quiet;
	run->verbose = o->verbose;
	run->jobs = o->jobs ? o->jobs : 1;
	run->one_thread = o->jobs == 1;
	run->max_sinks = o->max_sinks;
	run->metrics = o->metrics;
	run->progress = strcmp(o->progress, "always") == 0 ? 1 :
		strcmp(o->progress, "never") == 0 ? 0 : -1;
	w->job.to_given = o->to != NULL;
	w->job.time_given = o->time != NULL;
	w->job.from_given = o->from.n > 0;
	w->job.explain = o->explain;
	w->job.max_record = o->max_record;
	w->job.allow = &o->allow;
	run->commit_written = strcmp(o->commit, "written") == 0;
	return take_job_options(w, tool, why);
}

/* ---- brokers ----------------------------------------------------------------------- */

static int
brokers(struct whole_job *w, struct failure *why)
{
	struct common *o = &w->opt;
	size_t i;

	if (w->kafka)
		return 0;
	w->kafka = kafka_config_new();
	for (i = 0; i < o->property_files.n; i++)
		if (kafka_config_file(w->kafka, o->property_files.v[i], why) < 0)
			return -1;
	for (i = 0; i < o->properties.n; i++)
		if (kafka_config_set(w->kafka, o->properties.v[i], why) < 0)
			return -1;
	if (o->brokers && kafka_config_brokers(w->kafka, o->brokers, why) < 0)
		return -1;
	if (kafka_config_environment(w->kafka, why) < 0)
		return -1;
	return kafka_config_check(w->kafka, why);
}

static bool
is_kafka(const char *uri)
{
	return strncmp(uri, "kafka:", 6) == 0;
}

/* What all Kafka sinks share, and who commits. */
static struct kafka_output *
output(struct whole_job *w, struct failure *why)
{
	struct kafka_output_options options = {
		.allow = w->opt.allow.v, .nallow = w->opt.allow.n,
	};

	if (w->output)
		return w->output;
	if (brokers(w, why) < 0)
		return NULL;
	options.config = w->kafka;
	if (w->opt.create_topics) {
		if (kafka_new_topic_parse(w->opt.create_topics, &w->create, why) < 0)
			return NULL;
		options.create = &w->create;
	}
	w->output = kafka_output_new(&options);
	return w->output;
}

static struct committer *
committer(void *arg, struct failure *why)
{
	struct kafka_output *out = output(arg, why);

	return out ? kafka_output_committer(out) : NULL;
}

static struct sink *
open_sink(void *arg, const char *uri, struct failure *why)
{
	struct whole_job *w = arg;
	struct sink *sink;

	if (!is_kafka(uri)) {
		sink = sink_open(uri, why);
		return sink && w->job.shown && strcmp(uri, "-") == 0 ?
			shown_open(sink, w->job.how) : sink;
	}
	return output(w, why) ? kafka_sink_open(w->output, uri, why) : NULL;
}

/* Topics are what their names say; files may have several. */
static void
key_of_sink(const char *uri, struct buf *out)
{
	if (is_kafka(uri))
		buf_adds(out, uri);
	else
		sink_key(uri, out);
}

static bool
sinks_conflict(const char *a, const char *b)
{
	return !is_kafka(a) && !is_kafka(b) && sink_conflict(a, b);
}

static bool
feeds_source(const char *uri, const struct source *source)
{
	return !is_kafka(uri) && sink_feeds(uri, source);
}

/* ---- running ----------------------------------------------------------------------- */

static struct source *
open_source(struct whole_job *w, const struct job_tool *tool, char **operands, int n,
	struct failure *why)
{
	struct source_options options = {
		.max_record = w->opt.max_record,
		.max_unpacked = w->opt.max_unpacked,
		.merge_by = w->opt.merge_by,
		.follow = w->job.follow,
	};
	const char **uris, **sinks = NULL;
	struct source *s;
	size_t i, all = 0, more = w->job.more ? w->job.more->n : 0, cap = 0;

	uris = mem_array(w->opt.from.n + more + (size_t)n + 1, sizeof(*uris));
	for (i = 0; i < w->opt.from.n; i++)
		uris[all++] = w->opt.from.v[i];
	for (i = 0; i < more; i++)
		uris[all++] = w->job.more->v[i];
	for (i = 0; i < (size_t)n; i++)
		uris[all++] = operands[i];
	for (i = 0; i < all; i++)
		if (is_kafka(uris[i]) && !w->job.follow && brokers(w, why) < 0) {
			free(uris);
			return NULL;
		}
	options.kafka = w->kafka;
	options.app = w->job.run.app;
	options.checkpoints = w->job.run.checkpoint_us > 0;
	for (i = 0; i == 0 || sinks[i - 1]; i++) {
		sinks = mem_grow(sinks, &cap, i + 2, sizeof(*sinks));
		sinks[i] = flow_outlet_uri(w->job.flow, (unsigned)i);
	}
	sinks[i - 1] = w->job.run.dead_letter;
	sinks[i] = NULL;
	options.sinks = sinks;
	options.single = tool->op->flags & OP_SINGLE;
	options.stateful = tool->op->flags & OP_STATE;
	s = source_open(uris, all, &options, why);
	free(uris);
	free(sinks);
	if (s && w->job.run.time.align_us && !s->aligns) {
		fail(why, EXIT_USAGE, "--align is for the partitions of a kafka: source");
		s->close(s);
		return NULL;
	}
	return s;
}

static int
prepare_and_run(struct whole_job *w, const struct job_tool *tool, char **operands, int n)
{
	const struct flow_rooms rooms = {
		.sink_open = open_sink, .arg = w, .committer = committer, .sink_key = key_of_sink,
		.sink_conflict = sinks_conflict, .sink_envelopes = sink_envelopes,
		.sink_records = sink_records, .sink_feeds = feeds_source,
	};
	struct source *source = NULL;
	struct failure why;
	int used = 0, status;

	w->rooms = rooms;
	w->job.flow = flow_new(&w->rooms);
	w->job.to = w->opt.to ? w->opt.to : "-";
	if (flow_outlet(w->job.flow, w->job.to, false, &why) < 0 ||
		take_options(w, tool, &why) < 0)
		goto fail;
	if (tool->prepare) {
		used = tool->prepare(&w->job, tool->config, operands, n, &why);
		if (used < 0)
			goto fail;
	}
	if (w->opt.where) {
		w->job.run.where = job_expr(&w->job, "--where", w->opt.where, NULL, &why);
		if (!w->job.run.where)
			goto fail;
	}
	if (w->opt.time) {
		w->job.run.time.expr = job_expr(&w->job, "--time", w->opt.time, NULL, &why);
		if (!w->job.run.time.expr)
			goto fail;
	}
	if (w->opt.explain)
		return explain(w, tool->name);
	source = open_source(w, tool, operands + used, n - used, &why);
	if (!source)
		goto fail;
	w->job.run.serial |= w->job.follow;
	status = flow_run(w->job.flow, &w->job.run, w->job.op ? w->job.op : tool->op,
		tool->config, source);
	source->close(source);
	return status;
fail:
	return flow_say(tool->name, &why);
}

static bool
has_option(const struct job_tool *tool, const char *name)
{
	const struct opt *o;

	for (o = tool->options; o->name; o++)
		if (strcmp(o->name, name) == 0)
			return true;
	return false;
}

int
job_main(int argc, char **argv, const struct job_tool *tool)
{
	struct whole_job w = {.opt = {
		.max_record = (uint64_t)64 << 20, .max_sinks = 512,
		.numbers = "exact", .progress = "auto",
		.commit = "delivered", .time_unit = "auto", .on_full = "error",
	}};
	struct common *o = &w.opt;
	struct opt io[] = {
		{'i', "from", OPT_SOURCE, &o->from, "SOURCE", "read from SOURCE instead of "
			"stdin; operands are sources too", .list = true},
		{'o', "to", OPT_SINK, &o->to, "SINK", "write to SINK instead of stdout"},
		{'e', "envelope", OPT_CHOICE, &o->envelope, "WHICH", "lines are envelopes, "
			"which carry key, headers and origin: on input, on output or both",
			.choices = "in|out|both", .optional = true},
		{0, "merge-by", OPT_EXPR, &o->merge_by, "EXPR", "merge inputs that are each "
			"sorted by EXPR"},
		{0, "max-record", OPT_SIZE, &o->max_record, "SIZE", "a longer line is a bad "
			"record (64MiB)"},
		{0, "max-unpacked", OPT_SIZE, &o->max_unpacked, "SIZE", "how much one "
			"compressed input may unpack to (1TiB)"},
		{0, "trust", OPT_FLAG, &o->trust, NULL, "take it that the input is valid JSON: "
			"faster, for what streamkit itself has written"},
		{0, "plain", OPT_FLAG, &o->plain, NULL, "stdin is data only, whatever its "
			"first line looks like"},
		{0, "allow", OPT_STRING, &o->allow, "GLOB", "of the names that data choose, only "
			"those that match; compulsory for topics", .list = true},
		{0, "max-sinks", OPT_COUNT, &o->max_sinks, "N", "keep at most N files open (512)",
			.min = 1, .max = 1000000},
		{0}
	};
	struct opt errors[] = {
		{0, "on-error", OPT_CHOICE, &o->on_error, "POLICY", "what a bad record leads to: "
			"the end of the run (the default), skip it, or dead-letter",
			.choices = "fail|skip|dead-letter"},
		{0, "dead-letter", OPT_SINK, &o->dead_letter, "SINK", "append bad records to "
			"SINK, with error and origin, and go on"},
		{0}
	};
	struct opt expressions[] = {
		{'w', "where", OPT_EXPR, &o->where, "EXPR", "only records for which EXPR is "
			"true; others are dropped"},
		{0, "explain", OPT_FLAG, &o->explain, NULL, "say how each expression would run, "
			"natively or in libjq, and stop"},
		{0, "numbers", OPT_CHOICE, &o->numbers, "HOW", "exact: a number that a double "
			"would change makes a bad record (the default); double: it may change",
			.choices = "exact|double"},
		{0, "allow-env", OPT_FLAG, &o->allow_env, NULL, "let expressions see the "
			"environment as $ENV"},
		{0}
	};
	struct opt running[] = {
		{0, "jobs", OPT_COUNT, &o->jobs, "N", "work on N threads; the output is the same",
			.min = 1, .max = 256},
		{0, has_option(tool, "name") ? "stage-name" : "name", OPT_STRING, &o->name,
			"NAME", "name of this stage in metrics and as $name"},
		{0, "metrics", OPT_FILE, &o->metrics, "FILE", "write Prometheus metrics to FILE "
			"every 5 seconds and at the end"},
		{0, "progress", OPT_CHOICE, &o->progress, "WHEN", "show progress on stderr; auto: "
			"where it is a terminal", .choices = "auto|always|never"},
		{'q', "quiet", OPT_FLAG, &o->quiet, NULL, "do not say which records were bad"},
		{'v', "verbose", OPT_FLAG, &o->verbose, NULL, "say at the end what became of "
			"the records"},
		{0}
	};
	struct opt event_time[] = {
		{0, "time", OPT_EXPR, &o->time, "EXPR", "event time of a record: RFC 3339 or an "
			"epoch"},
		{0, "time-unit", OPT_CHOICE, &o->time_unit, "UNIT", "unit of an epoch; auto tells "
			"seconds, milliseconds and microseconds apart by size",
			.choices = "auto|s|ms|us"},
		{0, "delay", OPT_DURATION, &o->when.delay_us, "D", "how much later than a newer one "
			"a record may come (0)"},
		{0, "idle", OPT_DURATION, &o->when.idle_us, "D", "an input that is read to its end "
			"and gives nothing for D does not hold time back"},
		{0, "idle-advance", OPT_FLAG, &o->when.idle_advance, NULL, "where all inputs are "
			"idle, time goes on by the clock"},
		{0, "align", OPT_DURATION, &o->when.align_us, "D", "read no partition further than "
			"D ahead of the others"},
		{0, "max-future", OPT_DURATION, &o->when.max_future_us, "D", "a time that is more "
			"than D after the record's Kafka timestamp makes a bad record"},
		{0, "restamp", OPT_FLAG, &o->when.restamp, NULL, "give records that have an event "
			"time another"},
		{0, "late", OPT_SINK, &o->late, "SINK", "write records that come too late to SINK; "
			"else they are counted", .hidden = !(tool->op->flags & OP_TIMED)},
		{0}
	};
	struct opt lasting[] = {
		{0, "app", OPT_STRING, &o->app, "NAME", "name of the job; else $SK_APP"},
		{0, "state", OPT_DIR, &o->state, "DIR", "keep what must outlive a kill in DIR; else "
			"in $SK_STATE"},
		{0, "checkpoint", OPT_DURATION, &o->checkpoint_us, "D", "commit every D: a run that "
			"is killed goes on from there", .min = 1000},
		{0, "exactly-once", OPT_FLAG, &o->exactly_once, NULL, "from topics to topics: commit "
			"the group's place in the producer's transaction, every 5 s or "
			"--checkpoint"},
		{0, "at-least-once", OPT_FLAG, &o->at_least_once, NULL, "of a checkpointed stream: "
			"write to topics without a transaction"},
		{0, "no-commit", OPT_FLAG, &o->no_commit, NULL, "of a checkpointed stream: another "
			"branch of the pipeline commits"},
		{0, "max-memory", OPT_SIZE, &o->max_memory, "SIZE", "memory that state may take; "
			"a quarter of what there is by default", .min = 1 << 20,
			.hidden = !(tool->op->flags & OP_STATE)},
		{0, "max-keys", OPT_COUNT, &o->max_keys, "N", "keys that state may hold", .min = 1,
			.hidden = !(tool->op->flags & OP_STATE)},
		{0, "on-full", OPT_CHOICE, &o->on_full, "POLICY", "beyond these bounds: an error, or "
			"evict the oldest keys", .choices = "error|evict",
			.hidden = !(tool->op->flags & OP_STATE)},
		{0}
	};
	struct opt kafka[] = {
		{'b', "brokers", OPT_STRING, &o->brokers, "HOST:PORT", "brokers to begin with; else "
			"$SK_BROKERS"},
		{'X', "property", OPT_STRING, &o->properties, "NAME=VALUE", "set a property of "
			"librdkafka", .list = true},
		{'F', "property-file", OPT_FILE, &o->property_files, "FILE", "read properties from "
			"FILE, one a line", .list = true},
		{0, "create-topics", OPT_STRING, &o->create_topics, "HOW", "make topics that are "
			"missing: partitions=N,replication=M"},
		{0, "commit", OPT_CHOICE, &o->commit, "WHEN", "keep a group's place once its "
			"records are delivered (the default), or as soon as they are written "
			"into a pipe", .choices = "delivered|written"},
		{0}
	};
	const struct opt_group groups[] = {
		{"Options", tool->options},
		{"Input and output", io},
		{"Expressions", expressions},
		{"Event time", event_time},
		{"State and checkpoints", lasting},
		{"Kafka", kafka},
		{"Errors", errors},
		{"Running", running},
		{0}
	};
	const struct opt_command command = {
		.name = tool->name, .summary = tool->summary, .synopsis = tool->synopsis,
		.groups = groups, .examples = tool->examples, .operands = tool->operands,
	};
	char **operands;
	size_t i;
	int n, status;

	status = opt_parse(&command, argc, argv, &operands, &n);
	if (status < 0)
		status = prepare_and_run(&w, tool, operands, n);
	if (tool->release)
		tool->release(tool->config);
	flow_free(w.job.flow);
	for (i = 0; i < w.nexprs; i++) {
		expr_free(w.expr[i].expr);
		free(w.expr[i].vars);
	}
	free(w.expr);
	kafka_output_free(w.output);
	kafka_config_free(w.kafka);
	opt_list_release(&o->from);
	opt_list_release(&o->properties);
	opt_list_release(&o->property_files);
	opt_list_release(&o->allow);
	return status;
}
