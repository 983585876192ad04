/* Where the stages of a pipeline's text are, and what their words are. */
#include "run/script.h"

#include <string.h>

#include "base/text.h"
#include "test.h"

/* A text as a title: on one line. */
static const char *
shown(const char *text)
{
	static struct buf b[4];
	static size_t next;
	struct buf *to = &b[next++ % 4];

	buf_reset(to);
	text_add_safe(to, slice_str(text), 200);
	return buf_cstr(to);
}

/* "a b|c" : stages by '|', words by ',' */
static void
parses(const char *text, const char *wanted, const char *before)
{
	struct script s;
	struct failure why;
	struct buf got = {0};
	size_t i, j;

	if (!ok(script_parse(&s, text, &why) == 0, "'%s' is a pipeline", shown(text)))
		return;
	for (i = 0; i < s.n; i++) {
		buf_adds(&got, i ? "|" : "");
		for (j = 0; j < s.stage[i].nwords; j++)
			buf_addf(&got, "%s%s", j ? "," : "", s.stage[i].word[j]);
	}
	ok(strcmp(buf_cstr(&got), wanted) == 0, "of %s (%s)", wanted, shown(got.p));
	ok(strcmp(s.before, before) == 0, "behind '%s' ('%s')", shown(before), shown(s.before));
	buf_release(&got);
	script_release(&s);
}

static void
refuses(const char *text, const char *what)
{
	struct script s;
	struct failure why;

	ok(script_parse(&s, text, &why) < 0 && why.status == EXIT_USAGE && strstr(why.text, what),
		"'%s': %s", shown(text), what);
	script_release(&s);
}

static void
of_options(void)
{
	struct script s;
	struct failure why;
	const struct stage *st;

	ok(script_parse(&s, "A=1 /opt/sk-cat -i in -oout --every=5s --name x -- --late no >f 2>g",
		&why) == 0, "a stage with options");
	st = &s.stage[0];
	ok(strcmp(st->tool, "sk-cat") == 0, "the tool is known behind an assignment and a folder");
	ok(strcmp(stage_option(st, "from", 'i'), "in") == 0, "-i VALUE");
	ok(strcmp(stage_option(st, "to", 'o'), "out") == 0, "-oVALUE");
	ok(strcmp(stage_option(st, "every", 0), "5s") == 0, "--name=VALUE");
	ok(strcmp(stage_option(st, "name", 0), "x") == 0, "--name VALUE");
	ok(!stage_option(st, "late", 0), "nothing behind --");
	ok(!stage_option(st, "nam", 0), "nothing of a longer name");
	ok(st->out && strcmp(st->out, "f") == 0 && !st->in, "> FILE; 2> is another thing");
	ok(script_is_ours(&s), "all stages are ours");
	script_release(&s);
	script_parse(&s, "sk-cat <in | jq .", &why);
	ok(!script_is_ours(&s), "jq is not");
	ok(strcmp(s.stage[0].in, "in") == 0, "< FILE");
	script_release(&s);
}

int
main(void)
{
	parses("a", "a", "");
	parses(" a b | c ", "a,b|c", "");
	parses("a 'x|y' \"p;q\" | b\\|c", "a,x|y,p;q|b|c", "");
	parses("a \"$(b | c)\" $(d | e; f) | g `h|i`", "a,$(b | c),$(d | e; f)|g,`h|i`", "");
	parses("a |& b", "a|b", "");
	parses("a >|f | b 2>&1 | c &>g", "a|b|c", "");
	parses("a <<<'x|y' | b", "a|b", "");
	parses("x=1\nexport y='2;3'; a |\n\n  # comment | with; marks\n b \\\n c\n",
		"a|b,c", "x=1\nexport y='2;3';");
	parses("f() { a | b; }\nf | c", "f|c", "f() { a | b; }\n");
	parses("a && b\nc | d", "c|d", "a && b\n");
	parses("a ${x:-a|b} | (b; c | d)", "a,${x:-a|b}|(b; c | d)", "");
	parses("a '' \"\" | b", "a,,|b", "");
	parses("a b#c | d # e", "a,b#c|d", "");
	parses("\n\na\n\n", "a", "\n\n");
	refuses("", "no pipeline");
	refuses(" # only this\n", "no pipeline");
	refuses("a && b", "more than one pipeline");
	refuses("a | b &", "more than one pipeline");
	refuses("a || b", "more than one pipeline");
	refuses("a | | b", "stage 2 of the pipeline is empty");
	refuses("a |", "stage 2 of the pipeline is empty");
	refuses("| a", "stage 1 of the pipeline is empty");
	refuses("a 'b", "never closed");
	refuses("a \"b", "never closed");
	refuses("a $(b", "never closed");
	refuses("a <<E\nx\nE", "here-document");
	of_options();
	return done();
}
