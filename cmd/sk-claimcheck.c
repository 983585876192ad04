/*
 * sk-claimcheck: large payloads in a store, references on the wire.
 *
 * put stores what is too large and sends a reference, get fetches it again, verify sees
 * whether all references are good, gc removes blobs that nothing tells of any more. What they
 * do stands in lib/claim, what a store is in lib/blob; here is the command line. Memory: the
 * payloads that are in transfer, at most as many as --jobs; gc: 32 bytes a live blob.
 */
#include "claim/claim.h"
#include "expr/extend.h"
#include "job/job.h"

#define SIZE_OVER ((uint64_t)900 << 10)

enum { PUT = 1, GET = 2, VERIFY = 4, GC = 8 };

static const struct verb {
	const char *name;
	unsigned is;
	const struct operator *op;
} verbs[] = {
	{"put", PUT, &claim_put},
	{"get", GET, &claim_get},
	{"verify", VERIFY, &claim_get},
	{"gc", GC, &claim_gc},
	{0}
};

static struct {
	struct claim_options claim;
	struct claim_name name;
	struct opt_list live;
	const char *at, *keep, *ref, *template, *encoding;
	const struct verb *verb;
} config = {
	.claim = {.over = (uint64_t)900 << 10, .blob = {.retry_us = 60000000}},
	.encoding = "zstd",
};

/* The options, and the verbs that take them: in the order of the table. */
static struct opt options[] = {
	{0, "store", OPT_STRING, &config.claim.store, "STORE", "where blobs are: file:DIR or "
		"s3://BUCKET/PREFIX"},
	{0, "over", OPT_SIZE, &config.claim.over, "SIZE", "put: store what is longer; the rest "
		"passes (900k)"},
	{0, "at", OPT_EXPR, &config.at, "PATH", "the payload is what stands at PATH; else it is "
		"the event"},
	{0, "keep", OPT_EXPR, &config.keep, "PATHS", "put: what stays beside the "
		"reference: .orderId,.userId"},
	{0, "encoding", OPT_CHOICE, &config.encoding, "HOW", "put: how blobs are stored",
		.choices = "zstd|none"},
	{0, "ref", OPT_EXPR, &config.ref, "EXPR", "a reference of another form; put: made with "
		"$url, $sha256, $size and $encoding; get, verify: EXPR finds {url, sha256, size, "
		"encoding}"},
	{0, "name", OPT_STRING, &config.template, "TEMPLATE", "how blobs are named, if not by "
		"their hash; order-{.orderId}.json"},
	{0, "live", OPT_SOURCE, &config.live, "SOURCE", "gc: what these records mention stays",
		.list = true},
	{0, "min-age", OPT_DURATION, &config.claim.min_age_us, "D", "gc: what is younger stays",
		.min = 60000000},
	{0, "yes", OPT_FLAG, &config.claim.really, NULL, "gc: do it; without, what would be "
		"removed is shown"},
	{0, "endpoint", OPT_STRING, &config.claim.blob.endpoint, "URL", "an s3 server that is not "
		"Amazon's"},
	{0, "region", OPT_STRING, &config.claim.blob.region, "NAME", "its region; else "
		"$AWS_REGION, or us-east-1"},
	{0, "credentials", OPT_FILE, &config.claim.blob.credentials, "FILE", "s3 keys; else the "
		"environment"},
	{0, "retry", OPT_DURATION, &config.claim.blob.retry_us, "D", "try an s3 request so long "
		"(1m)"},
	{0, "url", OPT_STRING, &config.claim.blob.url, "URL", "what references call the store, if "
		"not by its own name"},
	{0}
};
static const unsigned taken_by[] = {
	PUT | GET | VERIFY | GC, PUT, PUT | GET | VERIFY, PUT, PUT, PUT | GET | VERIFY,
	PUT | GET | VERIFY | GC, GC, GC, GC, PUT | GET | VERIFY | GC, PUT | GET | VERIFY | GC,
	PUT | GET | VERIFY | GC, PUT | GET | VERIFY | GC, PUT | GET | VERIFY | GC,
};

/* ---- the command line -------------------------------------------------------------- */

static int
check_options(const struct verb *verb, struct failure *why)
{
	size_t i;

	for (i = 0; options[i].name; i++)
		if (options[i].set && !(taken_by[i] & verb->is))
			return fail(why, EXIT_USAGE, "%s takes no --%s", verb->name,
				options[i].name);
	if (!config.claim.store)
		return fail(why, EXIT_USAGE, "--store is missing: file:DIR or s3://BUCKET/PREFIX");
	if (config.keep && config.at)
		return fail(why, EXIT_USAGE, "--keep is of use without --at: all but the payload "
			"stays");
	if (config.keep && config.ref)
		return fail(why, EXIT_USAGE, "--keep and --ref exclude each other");
	return 0;
}

/* Compile an option that is a path, or several. */
static int
compile(struct job *job, const char *what, const char *text, const struct expr **to,
	const char *const *vars, struct failure *why)
{
	if (text && !(*to = job_expr(job, what, text, vars, why)))
		return -1;
	return 0;
}

static const struct expr *
compile_hole(void *job, const char *text, struct failure *why)
{
	return job_expr(job, "--name", text, claim_name_vars, why);
}

static int
check_paths(struct failure *why)
{
	const struct expr *at = config.claim.at, *keep = config.claim.keep;
	size_t i;

	if (at && (!expr_is_path(at) || strcmp(expr_text(at), ".") == 0))
		return fail(why, EXIT_USAGE, "--at: '%s' is no path such as .payload",
			expr_text(at));
	if (at && !expr_is_native(at))
		return fail(why, EXIT_USAGE, "--at: a path runs natively, and SK_EXPR=libjq says "
			"that it shall not");
	if (keep && expr_check_names(keep, 64, why) < 0)
		return fail_within(why, "--keep: ");
	for (i = 0; keep && i < expr_paths(keep); i++)
		if (slice_eq(expr_path_name(keep, i), CLAIM_CHECK))
			return fail(why, EXIT_USAGE, "--keep: a claimCheck would stand beside the "
				"reference");
	return 0;
}

/* Nothing may be missed of what is live. */
static int
prepare_gc(struct job *job, struct failure *why)
{
	size_t i;

	if (!config.live.n)
		return fail(why, EXIT_USAGE, "--live is missing: what nothing mentions is removed");
	if (!config.claim.min_age_us)
		return fail(why, EXIT_USAGE, "--min-age is missing: longer than references are "
			"kept, and than a put takes");
	if (job->run.on_error != ON_ERROR_FAIL)
		return fail(why, EXIT_USAGE, "gc skips no record: it may mention what is live");
	for (i = 0; i < config.live.n; i++)
		if (strncmp(config.live.v[i], "kafka:", 6) == 0 && !strstr(config.live.v[i], "until="))
			return fail(why, EXIT_USAGE, "--live %s has no end: ?until=end",
				config.live.v[i]);
	job->more = &config.live;
	job->run.serial = true;
	return 0;
}

static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	struct claim_options *c = &config.claim;
	const struct verb *verb;

	(void)unused;
	for (verb = verbs; n && verb->name && strcmp(verb->name, operands[0]) != 0; verb++)
		;
	if (!n || !verb->name)
		return fail(why, EXIT_USAGE, n ? "'%s' is neither put, get, verify nor gc" :
			"a verb is missing: put, get, verify or gc%s", n ? operands[0] : "");
	config.verb = verb;
	job->op = verb->op;
	if (check_options(verb, why) < 0 ||
		compile(job, "--at", config.at, &c->at, NULL, why) < 0 ||
		compile(job, "--keep", config.keep, &c->keep, NULL, why) < 0 ||
		compile(job, "--ref", config.ref, &c->ref,
			verb->is == PUT ? claim_ref_vars : NULL, why) < 0 ||
		check_paths(why) < 0)
		return -1;
	if (config.template) {
		c->name = &config.name;
		if (name_init(&config.name, config.template, compile_hole, job, why) < 0)
			return fail_within(why, "--name: ");
	}
	c->packed = strcmp(config.encoding, "zstd") == 0;
	c->blob.create = verb->is == PUT;
	c->max_content = job->max_record;
	c->trust = job->run.trust;
	c->check_only = verb->is == VERIFY;
	c->jobs = job->run.jobs;
	/* A reference is short, what it tells of is long: one thread works on a block, and has
	 * others fetch. */
	if (verb->is & (GET | VERIFY))
		job->run.serial = true;
	return verb->is == GC && prepare_gc(job, why) < 0 ? -1 : 1;
}

static void
release(void *unused)
{
	(void)unused;
	name_release(&config.name);
	opt_list_release(&config.live);
}

/* What gc has found, where a person looks. */
static void
say_found(void)
{
	const struct claim_options *c = &config.claim;
	struct failure text;

	fail(&text, EXIT_OK, "%llu blob%s of %llu bytes and %llu leftover%s %s",
		(unsigned long long)c->blobs, c->blobs == 1 ? "" : "s",
		(unsigned long long)c->bytes, (unsigned long long)c->leftovers,
		c->leftovers == 1 ? "" : "s",
		c->really ? "removed" : "could go: --yes removes them");
	flow_say("sk-claimcheck", &text);
}

static const struct opt_example examples[] = {
	{"Large orders into a folder, references on",
	 "sk-claimcheck put --store file:blobs --keep .orderId orders.ndjson"},
	{"And back", "sk-claimcheck get --store file:blobs refs.ndjson"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct job_tool tool = {
		.name = "sk-claimcheck",
		.summary = "puts large payloads into a store, sends a reference, gets them back",
		.synopsis = "[OPTION]... put|get|verify --store STORE [SOURCE]...\n"
			"[OPTION]... gc --store STORE --min-age D --live SOURCE",
		.operands = "none file",
		.options = options,
		.examples = examples,
		.op = &claim_put,
		.config = &config.claim,
		.prepare = prepare,
		.release = release,
	};
	int status = job_main(argc, argv, &tool);

	if (status == EXIT_OK && config.verb && config.verb->is == GC)
		say_found();
	return status;
}
