/* The command line: what is parsed, what is refused and how, what help and pages say. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "opt/opt.h"
#include "opt/tell.h"
#include "test.h"

/* ---- a tool ------------------------------------------------------------------------ */

static bool quiet, raw;
static int64_t limit, sinks, delay;
static uint64_t record;
static const char *name, *expr, *empty, *envelope, *file, *dir, *from, *to, *secret;
static struct opt_list rules;

static struct opt own[] = {
	{.short_name = 'r',
		.name = "raw",
		.kind = OPT_FLAG,
		.to = &raw,
		.help = "write strings as they are; don't quote them: it's what jq -r "
			"does"},
	{.short_name = 'n',
		.name = "limit",
		.kind = OPT_COUNT,
		.to = &limit,
		.arg = "N",
		.help = "stop after N records"},
	{.name = "max-sinks",
		.kind = OPT_COUNT,
		.to = &sinks,
		.arg = "N",
		.min = 1,
		.max = 1000000,
		.help = "keep N files open"},
	{.name = "max-record",
		.kind = OPT_SIZE,
		.to = &record,
		.arg = "SIZE",
		.min = 1024,
		.help = "refuse longer lines. Lines are cut by \\n"},
	{.name = "delay",
		.kind = OPT_DURATION,
		.to = &delay,
		.arg = "D",
		.min = 0,
		.max = 3600000000,
		.help = "how late a record may be"},
	{.name = "empty",
		.kind = OPT_CHOICE,
		.to = &empty,
		.choices = "error|drop|pass",
		.help = "what a missing array is"},
	{.short_name = 'w',
		.name = "where",
		.kind = OPT_EXPR,
		.to = &expr,
		.arg = "EXPR",
		.help = "take only records for which EXPR is true, e.g. '.a[0]: \"x\"'"},
	{.short_name = 't',
		.name = "rule",
		.kind = OPT_STRING,
		.to = &rules,
		.list = true,
		.arg = "EXPR => SINK",
		.help = "send what EXPR matches to SINK"},
	{0},
};

static struct opt common[] = {
	{.short_name = 'i',
		.name = "from",
		.kind = OPT_SOURCE,
		.to = &from,
		.arg = "SOURCE",
		.help = "read from SOURCE"},
	{.short_name = 'o',
		.name = "to",
		.kind = OPT_SINK,
		.to = &to,
		.arg = "SINK",
		.help = "write to SINK"},
	{.short_name = 'e',
		.name = "envelope",
		.kind = OPT_CHOICE,
		.to = &envelope,
		.arg = "SIDE",
		.choices = "in|out|both",
		.optional = true,
		.help = "lines are envelopes"},
	{.short_name = 'F',
		.name = "config",
		.kind = OPT_FILE,
		.to = &file,
		.arg = "FILE",
		.help = ".properties from FILE"},
	{.name = "state",
		.kind = OPT_DIR,
		.to = &dir,
		.arg = "DIR",
		.help = "keep state in DIR"},
	{.name = "name",
		.kind = OPT_STRING,
		.to = &name,
		.arg = "NAME",
		.optional = true,
		.help = "call the stage NAME"},
	{.short_name = 'q',
		.name = "quiet",
		.kind = OPT_FLAG,
		.to = &quiet,
		.help = "say nothing"},
	{.name = "secret",
		.kind = OPT_STRING,
		.to = &secret,
		.arg = "S",
		.hidden = true,
		.help = "not shown"},
	{0},
};

static const struct opt_group groups[] = {
	{"Options", own}, {"Input and output", common}, {NULL, NULL}};
static const struct opt_example examples[] = {{"first", "sk-toy . a.ndjson"},
	{"second", "sk-toy -r .a"}, {"third", "sk-toy .c"}, {NULL, NULL}};
static const struct opt_command toy = {"sk-toy", "plays with records",
	"[OPTION]... EXPR [FILE]...", groups, examples, "expr file"};

/* ---- running it -------------------------------------------------------------------- */

static struct buf said[2]; /* what the last parse wrote: stdout, stderr */
static char **operands;
static int noperands;
static char *args[16];

static void
slurp(FILE *f, struct buf *b)
{
	char part[4096];
	size_t n;

	buf_reset(b);
	rewind(f);
	while ((n = fread(part, 1, sizeof(part), f)))
		buf_add(b, part, n);
	fclose(f);
}

/* Parse words separated by blanks; "_" in one stands for a blank. */
static int
parse_with(const struct opt_command *c, const char *line)
{
	static char copy[512];
	FILE *f[2];
	int saved[2], argc = 0, status;

	opt_list_release(&rules);
	quiet = raw = false;
	limit = sinks = delay = -7;
	record = 7;
	name = expr = empty = envelope = file = dir = from = to = secret = NULL;
	snprintf(copy, sizeof(copy), "sk-toy %s", line);
	for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
		for (char *q = p; *q; q++)
			*q = *q == '_' ? ' ' : *q;
		args[argc++] = p;
	}
	args[argc] = NULL;
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		f[i] = tmpfile();
		saved[i] = dup(i + 1);
		dup2(fileno(f[i]), i + 1);
	}
	status = opt_parse(c, argc, args, &operands, &noperands);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		dup2(saved[i], i + 1);
		close(saved[i]);
		slurp(f[i], &said[i]);
	}
	return status;
}

static int
parse(const char *line)
{
	return parse_with(&toy, line);
}

static bool
same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static bool
operands_are(const char *want)
{
	struct buf b = {0};
	bool good;

	for (int i = 0; i < noperands; i++)
		buf_addf(&b, "%s%s", i ? " " : "", operands[i]);
	good = same(buf_cstr(&b), want) && operands[noperands] == NULL;
	buf_release(&b);
	return good;
}

static bool
tells(int where, const char *text)
{
	bool good = strstr(buf_cstr(&said[where]), text) != NULL;

	if (!good)
		printf("# '%s' is not in:\n# %s\n", text, buf_cstr(&said[where]));
	return good;
}

/* ---- parsing ----------------------------------------------------------------------- */

static void
test_forms(void)
{
	ok(parse("") == -1 && noperands == 0, "nothing is nothing");
	ok(parse("-n 5") == -1 && limit == 5, "-n 5");
	ok(parse("-n5") == -1 && limit == 5, "-n5");
	ok(parse("--limit 5") == -1 && limit == 5, "--limit 5");
	ok(parse("--limit=5") == -1 && limit == 5, "--limit=5");
	ok(parse("-rqn5") == -1 && raw && quiet && limit == 5,
		"flags and a value in a bundle");
	ok(parse("-rn 5 x") == -1 && raw && limit == 5 && operands_are("x"),
		"a bundle whose last takes the next argument");
	ok(parse("-n-") == 64, "what stands behind -n is its value");
	ok(parse("-o- -i -") == -1 && same(to, "-") && same(from, "-"), "- is a value");
	ok(parse("-w -n") == -1 && same(expr, "-n") && limit == -7,
		"a value may look like an option");
	ok(parse("--where=") == -1 && same(expr, ""), "an empty expression is one");
	ok(parse("--where=a=b") == -1 && same(expr, "a=b"), "a value may have =");
	ok(parse("--lim 5") == -1 && limit == 5, "a long name may be cut");
	ok(parse("--max-s=3") == -1 && sinks == 3, "a cut name takes =");
	ok(parse("-n 1 -n 2 --limit=3") == -1 && limit == 3, "the last wins");
	ok(parse("-t a -t b --rule=c") == -1 && rules.n == 3 && same(rules.v[0], "a") &&
		same(rules.v[2], "c"), "a list collects in order");
	ok(parse("--secret x") == -1 && same(secret, "x"), "a hidden option is parsed");
}

/* A name that others begin with, and that stands behind them. */
static void
test_exact(void)
{
	static const char *partition, *party, *part;
	static struct opt own_parts[] = {
		{.name = "partition", .kind = OPT_STRING, .to = &partition, .arg = "N"},
		{.name = "party", .kind = OPT_STRING, .to = &party, .arg = "P"},
		{.name = "part", .kind = OPT_STRING, .to = &part, .arg = "EXPR"},
		{0},
	};
	static const struct opt_group parts[] = {{"Options", own_parts}, {NULL, NULL}};
	static const struct opt_command c = {"sk-toy", "plays", "", parts, examples, ""};

	ok(parse_with(&c, "--part .a --partition 3") == -1 && same(part, ".a") &&
		same(partition, "3") && !party, "a whole name is no cut one");
	ok(parse_with(&c, "--part=.b") == -1 && same(part, ".b") && !party, "nor with =");
	ok(parse_with(&c, "--par x") == 64 && tells(1, "--partition, --party, --part"),
		"a cut one is ambiguous");
}

static void
test_operands(void)
{
	ok(parse("a -r b -n 5 c") == -1 && raw && limit == 5 && operands_are("a b c"),
		"options may follow operands");
	ok(same(args[1], "-r") && same(args[2], "-n") && same(args[3], "5"),
		"argv is options, then operands");
	ok(parse("a -- -r b") == -1 && !raw && operands_are("a -r b"), "-- ends options");
	ok(parse("a -- -- b") == -1 && operands_are("a -- b"),
		"the second -- is an operand");
	ok(parse("- -r") == -1 && raw && operands_are("-"), "- is an operand");
	ok(parse("-w -- -r") == -1 && same(expr, "--") && raw, "-- may be a value");
	ok(parse("--") == -1 && operands_are(""), "-- alone");
}

static void
test_optional(void)
{
	ok(parse("--envelope") == -1 && same(envelope, "both"),
		"left out: the last choice");
	ok(parse("--envelope=in") == -1 && same(envelope, "in"), "given with =");
	ok(parse("--envelope in") == -1 && same(envelope, "both") && operands_are("in"),
		"the next argument is not the value");
	ok(parse("-er") == -1 && same(envelope, "both") && raw, "the short form bundles");
	ok(parse("--name") == -1 && same(name, ""), "without choices it is empty");
	ok(parse("--envelope=on") == 64 &&
			tells(1, "--envelope: 'on' is not one of in, out, both"),
		"a wrong choice is refused");
}

static void
test_set(void)
{
	for (struct opt *o = own; o->name; o++)
		o->set = false;
	parse("-n 5");
	ok(own[1].set && !own[0].set && !own[2].set, "set tells what was given");
}

/* ---- refusals ---------------------------------------------------------------------- */

static void
refused(const char *line, const char *text, const char *hint)
{
	struct buf want = {0};

	buf_addf(&want, "sk-toy: %s\n  hint: %s\n", text, hint);
	ok(parse(line) == 64 && said[0].n == 0 &&
			slice_eq(buf_slice(&said[1]), buf_slice(&want)),
		"refused: %s", line);
	if (!slice_eq(buf_slice(&said[1]), buf_slice(&want)))
		printf("# got %s\n# not %s\n", buf_cstr(&said[1]), buf_cstr(&want));
	buf_release(&want);
}

static void
test_refusals(void)
{
	static const char usage[] = "'sk-toy -h' shows how it is used";
	static const char dashes[] = "an operand that begins with '-' goes after '--'";

	refused("--frob", "unknown option '--frob'", "did you mean '--from'?");
	refused("--form x", "unknown option '--form'", "did you mean '--from'?");
	refused("--limits=5", "unknown option '--limits'", "did you mean '--limit'?");
	refused("--xyzzy", "unknown option '--xyzzy'", usage);
	refused("--secre=5", "unknown option '--secre'", usage);
	refused("--=5", "unknown option '--'", usage);
	refused("--\x1b[31m", "unknown option '--\\x1B[31m'", usage);
	refused("--max 5", "option '--max' is ambiguous: --max-sinks, --max-record",
		usage);
	refused("-x", "unknown option '-x'", dashes);
	refused("-rxq", "unknown option '-x' in '-rxq'", dashes);
	refused("-limit", "unknown option '-l' in '-limit'", "did you mean '--limit'?");
	refused("-limit=5", "unknown option '-l' in '-limit=5'", dashes);
	refused("-r-", "unknown option '--' in '-r-'", dashes);
	refused("-n", "option '-n' needs a value: N", usage);
	refused("--rule", "option '--rule' needs a value: 'EXPR => SINK'", usage);
	refused("--empty", "option '--empty' needs a value: error|drop|pass", usage);
	refused("--raw=yes", "option '--raw' takes no value", usage);
	refused("--raw=", "option '--raw' takes no value", usage);
	refused("-n x", "--limit: 'x' is not a whole number", usage);
	refused("-n 5x", "--limit: '5x' is not a whole number", usage);
	refused("-n +5", "--limit: '+5' is not a whole number", usage);
	refused("-n -", "--limit: '-' is not a whole number", usage);
	refused("-n _5", "--limit: ' 5' is not a whole number", usage);
	refused("--limit=", "--limit: '' is not a whole number", usage);
	refused("-n -5", "--limit: -5 is less than 0", usage);
	refused("-n 9223372036854775808", "--limit: 9223372036854775808 is too large",
		usage);
	refused("-n -99999999999999999999",
		"--limit: -99999999999999999999 is less than 0", usage);
	refused("--max-sinks 0", "--max-sinks: 0 is not in 1..1000000", usage);
	refused("--max-sinks 1000001", "--max-sinks: 1000001 is not in 1..1000000",
		usage);
	refused("--max-sinks 9999999999999999999999",
		"--max-sinks: 9999999999999999999999 is not in 1..1000000", usage);
	refused("--max-record 1", "--max-record: 1 is less than 1k", usage);
	refused("--max-record 1,5M",
		"--max-record: '1,5M' is not a size such as 4096, 512k or 64MiB", usage);
	refused("--delay 2", "--delay: '2' is not a duration such as 500ms, 10s or 1h30m",
		usage);
	refused("--delay 2h", "--delay: 2h is not in 0..1h", usage);
	refused("--empty eror", "--empty: 'eror' is not one of error, drop, pass",
		"did you mean 'error'?");
	refused("--empty quux", "--empty: 'quux' is not one of error, drop, pass", usage);
	refused("--to=", "--to: the name is empty",
		"a variable of the shell that is not set?");
	ok(parse("-r --frob --help") == 64 && !said[0].n, "the first mistake ends it");
	ok(limit == -7 && sinks == -7, "nothing refused was stored");
	ok(parse("--max-sinks=1") == -1 && sinks == 1, "the least count is taken");
	ok(parse("--max-sinks=1000000") == -1 && sinks == 1000000,
		"the largest count is taken");
	ok(parse("-n 9223372036854775807") == -1 && limit == INT64_MAX,
		"the largest number");
	ok(parse("--max-record=64MiB") == -1 && record == 64u << 20, "a size");
	ok(parse("--delay=1m30s") == -1 && delay == 90000000, "a duration");
	ok(parse("--empty=pass") == -1 && same(empty, "pass"), "a choice");
}

/* ---- help -------------------------------------------------------------------------- */

static bool
fits(const struct buf *b, size_t lines, size_t width)
{
	size_t n = 0, wide = 0, at = 0;

	for (size_t i = 0; i < b->n; i++) {
		at = b->p[i] == '\n' ? 0 : at + 1;
		n += b->p[i] == '\n';
		wide = at > wide ? at : wide;
	}
	if (n > lines || wide > width)
		printf("# %zu lines, %zu wide\n", n, wide);
	return n <= lines && wide <= width && !at;
}

/* A command with as many options as asked for. */
static bool
many_fit(size_t n, bool wordy)
{
	static struct opt many[41];
	static char names[40][32];
	static bool flag;
	struct opt_group g[] = {{"Options", many}, {NULL, NULL}};
	struct opt_command c = toy;

	memset(many, 0, sizeof(many));
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "opt%zu", i);
		many[i] = (struct opt){.name = names[i],
			.kind = OPT_FLAG,
			.to = &flag,
			.help = wordy ? "a long text that goes on and on until it can't "
					"stand in a "
					"line of a terminal any more, and then on"
				      : "short"};
	}
	c.groups = g;
	return parse_with(&c, "-h") == 0 && fits(&said[0], 24, 80) &&
		tells(0, "sk-toy --help shows all options, man sk-toy the rest.\n") &&
		tells(0, "sk-toy . a.ndjson\n") && tells(0, "--opt0 ") &&
		(n > 17 ? tells(0, " more\n") : tells(0, names[n - 1]));
}

static void
test_help(void)
{
	size_t wrong = 0;

	ok(parse("-h") == 0 && !said[1].n && fits(&said[0], 24, 80), "-h fits a screen");
	ok(tells(0, "Usage: sk-toy [OPTION]... EXPR [FILE]...\nPlays with records.\n") &&
			tells(0, "  # first\n  sk-toy . a.ndjson\n  # second\n  sk-toy "
				 "-r .a\n") &&
			tells(0, "sk-toy --help shows all options, man sk-toy the "
				 "rest.\n"),
		"-h has usage, summary, two examples and the way on");
	ok(tells(0, "  -r, --raw ") && tells(0, "write strings as they are\n") &&
		tells(0, "refuse longer lines\n"), "-h shows the beginning of each help");
	ok(!strstr(buf_cstr(&said[0]), "--from") && !strstr(buf_cstr(&said[0]), "third"),
		"-h shows the first group and two examples only");
	for (size_t n = 1; n <= 40; n++)
		wrong += !many_fit(n, false) || !many_fit(n, true);
	ok(!wrong, "-h fits with 1 to 40 options, of few or of many words");

	/* Only a terminal has that many columns. */
	setenv("COLUMNS", "50", 1);
	ok(parse("--help") == 0 && fits(&said[0], 99, 80), "--help fits 80 columns");
	ok(tells(0, "it's\n                            what jq -r does\n") &&
			tells(0, "--envelope[=SIDE]") && tells(0, "(in, out, both)") &&
			tells(0, "--empty error|drop|pass") &&
			tells(0, "\nInput and output:\n") &&
			tells(0, "\nHelp:\n  -h, --help ") && tells(0, "third") &&
			tells(0, "--rule 'EXPR => SINK'"),
		"--help shows everything");
	ok(!strstr(buf_cstr(&said[0]), "secret") &&
			!strstr(buf_cstr(&said[0]), "generate"),
		"--help hides what is hidden");
	ok(parse("--help") == 0 && parse("x --hel") == 0 && tells(0, "Usage:"),
		"--help may be cut and follow an operand");
	for (size_t width = 40; width <= 80; width++) {
		struct buf b = {0};

		opt_long_help(&toy, &b, width);
		/* Names and examples are not cut in two. */
		ok(fits(&b, 999, width < 45 ? 45 : width), "--help fits %zu columns",
			width);
		buf_release(&b);
	}
	ok(parse("--version") == 0 && tells(0, "sk-toy (streamkit) ") &&
			same(buf_cstr(&said[0]) + 19, streamkit_version) == false &&
			!strncmp(buf_cstr(&said[0]) + 19, streamkit_version,
				strlen(streamkit_version)),
		"--version");
}

static void
test_table(void)
{
	static bool flag;
	static const char *text;
	struct opt_group g[] = {{"Options", NULL}, {NULL, NULL}};
	struct opt_command c = toy;
	struct failure why;
	struct {
		const char *title;
		struct opt opts[3];
	} bad[] = {
		{"no help", {{.name = "a", .kind = OPT_FLAG, .to = &flag}}},
		{"a full stop",
			{{.name = "a", .kind = OPT_FLAG, .to = &flag, .help = "x."}}},
		{"a flag with a value", {{.name = "a",
						.kind = OPT_FLAG,
						.to = &flag,
						.help = "x",
						.arg = "N"}}},
		{"a value without a name",
			{{.name = "a", .kind = OPT_FILE, .to = &text, .help = "x"}}},
		{"a choice without choices", {{.name = "a",
						     .kind = OPT_CHOICE,
						     .to = &text,
						     .help = "x",
						     .arg = "N"}}},
		{"a name twice",
			{{.name = "a", .kind = OPT_FLAG, .to = &flag, .help = "x"},
				{.name = "a",
					.kind = OPT_FLAG,
					.to = &flag,
					.help = "x"}}},
		{"a letter twice", {{.short_name = 'h',
					   .name = "a",
					   .kind = OPT_FLAG,
					   .to = &flag,
					   .help = "x"}}},
	};

	ok(opt_check(&toy, &why) == 0, "the toy's table is sound");
	c.groups = g;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		g[0].opts = bad[i].opts;
		ok(opt_check(&c, &why) == -1 && why.status == 70 &&
				parse_with(&c, "--generate=man") == 70,
			"a table with %s is noticed", bad[i].title);
	}
}

/* ---- what is generated ------------------------------------------------------------- */

static void
test_man(void)
{
	ok(parse("--generate=man") == 0, "--generate=man");
	ok(tells(0, ".It Fl n , Fl \\-limit Ns = Ns Ar \\&N\nStop after \\fIN\\fR "
		    "records.\n"),
		"an option with a value");
	ok(tells(0, ".It Fl \\-empty Ns = Ns Cm error Ns | Ns Cm drop Ns | Ns Cm pass\n"),
		"choices");
	ok(tells(0, ".It Fl e , Fl \\-envelope Ns Oo Ns = Ns Ar SIDE Oc\n"),
		"an optional value");
	ok(tells(0, " Ar \"\\(aqEXPR => SINK\\(aq\"\n"), "a value of several words");
	ok(tells(0, "longer lines.\nLines are cut by \\en.\n"),
		"a sentence begins a line, a backslash is escaped");
	ok(tells(0, "\n\\&.properties from \\fIFILE\\fR.\n"), "a leading dot is escaped");
	ok(tells(0, "don\\(aqt") && tells(0, "\\(dqx\\(dq"),
		"apostrophes and quotes are escaped");
	ok(tells(0, "what jq \\fB\\-r\\fR\ndoes.\n"), "an option in the text is bold");
	ok(tells(0, ".Ss Input and output\n") &&
			!strstr(buf_cstr(&said[0]), ".Ss Options"),
		"groups after the first have a title");
	ok(!strstr(buf_cstr(&said[0]), "secret") &&
			!strstr(buf_cstr(&said[0]), "generate"),
		"what is hidden is not there");
	ok(parse("--generate=csh") == 64 &&
			tells(1, "'csh' is not one of man, bash, zsh, fish"),
		"an unknown kind is refused");
}

/* Run a shell on the toy's completions and a script; compare what it prints. */
static void
shell(const char *kind, const char *command, const char *script, const char *want,
	const char *title)
{
	char path[] = "/tmp/opt-test-XXXXXX";
	struct buf line = {0}, got = {0};
	char part[1024];
	int fd = mkstemp(path);
	size_t n;
	FILE *f;

	snprintf(part, sizeof(part), "--generate=%s", kind);
	parse(part);
	buf_adds(&said[0], script);
	if (fd < 0 || write(fd, said[0].p, said[0].n) != (ssize_t)said[0].n) {
		ok(false, "%s: cannot write %s", kind, path);
		return;
	}
	close(fd);
	buf_addf(&line,
		"cd /tmp && command -v %s >/dev/null || { echo skipped; exit; }; ", kind);
	buf_addf(&line, command, path);
	buf_adds(&line, " 2>&1");
	f = popen(buf_cstr(&line), "r");
	while (f && (n = fread(part, 1, sizeof(part), f)))
		buf_add(&got, part, n);
	if (f && pclose(f) != 0)
		buf_adds(&got, "(status not 0)");
	if (same(buf_cstr(&got), "skipped\n"))
		ok(true, "%s: %s # skip no %s here", kind, title, kind);
	else if (!ok(same(buf_cstr(&got), want), "%s: %s", kind, title))
		printf("# got '%s'\n# not '%s'\n", buf_cstr(&got), want);
	unlink(path);
	buf_release(&line);
	buf_release(&got);
}

static void
bash_completes(const char *words, const char *want)
{
	struct buf script = {0};

	buf_addf(&script,
		"cd $(mktemp -d) && mkdir sub && : >one.ndjson >'two words' || exit\n"
		"COMP_WORDS=(sk-toy %s) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
		"_sk_toy\nmapfile -t COMPREPLY < <(printf '%%s\\n' \"${COMPREPLY[@]}\" | "
		"sort)\n"
		"(IFS='|'; echo \"${COMPREPLY[*]}\")\nrm -r \"$PWD\"\n",
		words);
	shell("bash", "bash %s", buf_cstr(&script), want, words);
	buf_release(&script);
}

static void
test_completions(void)
{
	shell("bash", "bash -n %s", "", "", "the syntax is right");
	shell("zsh", "zsh -n %s", "", "", "the syntax is right");
	shell("fish", "fish -n %s", "", "", "the syntax is right");
	bash_completes("--li", "--limit\n");
	bash_completes("--max", "--max-record|--max-sinks\n");
	bash_completes("-", "--config|--delay|--empty|--envelope|--from|--help|--limit|"
			    "--max-record|--max-sinks|--name|--quiet|--raw|--rule|--"
			    "state|--to|--version|"
			    "--where|-F|-e|-h|-i|-n|-o|-q|-r|-t|-w\n");
	bash_completes("--empty ''", "drop|error|pass\n");
	bash_completes("--empty d", "drop\n");
	bash_completes("--empty = p", "pass\n");
	bash_completes("--empty =", "drop|error|pass\n");
	bash_completes("--empty=p", "--empty=pass\n");
	bash_completes("--envelope = i", "in\n");
	bash_completes("-n ''", "\n");
	bash_completes("''", "\n");
	bash_completes(".a ''", "one.ndjson|sub|two words\n");
	bash_completes(".a -r o", "one.ndjson\n");
	bash_completes("-n 5 .a o", "one.ndjson\n");
	bash_completes("-n5 ''", "\n");
	bash_completes("-rn 5 ''", "\n");
	bash_completes("--limit = 5 ''", "\n");
	bash_completes("--state ''", "sub\n");
	bash_completes("-o ''", "one.ndjson|sub|two words\n");
	bash_completes("-o append : o", "one.ndjson\n");
	bash_completes("-o append :", "one.ndjson|sub|two words\n");
	bash_completes("-o append : x .a o", "one.ndjson\n");
	bash_completes("--to = append : o", "one.ndjson\n");
	bash_completes("-qo o", "one.ndjson\n");
	bash_completes(".a -- -", "\n");
	bash_completes("-- .a o", "one.ndjson\n");
	shell("fish", "fish %s", "complete -C 'sk-toy --li'\n",
		"--limit\tstop after N records\n", "--li");
	shell("fish", "fish %s", "complete -C 'sk-toy --empty '\n",
		"drop\twhat a missing array is\nerror\twhat a missing array is\n"
		"pass\twhat a missing array is\n", "choices");
	shell("fish", "fish %s", "complete -C 'sk-toy --wh'\n",
		"--where\ttake only records for which EXPR is true, e.g. '.a[0]: "
		"\"x\"'\n",
		"apostrophes survive");
	/* _arguments works in a completion only: see what it would be told. */
	shell("zsh",
		"zsh -fc '_arguments() { print -rl -- \"$@\" }; . %s' | grep -e where -e "
		"EXPR",
		"",
		"(-w --where)-w+[take only records for which EXPR is true, e.g. "
		"'.a\\[0\\]\\: \"x\"']:EXPR: \n"
		"(-w --where)--where=[take only records for which EXPR is true, e.g. "
		"'.a\\[0\\]\\: \"x\"']:EXPR: \n"
		"*-t+[send what EXPR matches to SINK]:EXPR => SINK: \n"
		"*--rule=[send what EXPR matches to SINK]:EXPR => SINK: \n",
		"quotes survive");
}

int
main(void)
{
	test_forms();
	test_exact();
	test_operands();
	test_optional();
	test_set();
	test_refusals();
	test_help();
	test_table();
	test_man();
	test_completions();
	opt_list_release(&rules);
	buf_release(&said[0]);
	buf_release(&said[1]);
	return done();
}
