/* Control records: what is one, what it says, what is passed on. */
#include <string.h>

#include "flow/control.h"
#include "test.h"

#define RUN "0123456789abcdef"
#define HEAD(kind) "{\"$sk\":\"" kind "\",\"run\":\"" RUN "\""

static struct json_scan scratch;

static void
told_from_data(void)
{
	struct slice run = SLICE(RUN), other = SLICE("fedcba9876543210");

	ok(control_is(SLICE(HEAD("end") ",\"complete\":true}"), run), "a control line of the run");
	ok(control_is(SLICE(HEAD("end") ",\"complete\":true}"), (struct slice){0}),
		"a control line of any run");
	ok(!control_is(SLICE(HEAD("end") ",\"complete\":true}"), other),
		"one of another run is data");
	ok(!control_is(SLICE(HEAD("finish") "}"), run), "an unknown kind is data");
	ok(!control_is(SLICE("{ \"$sk\":\"end\",\"run\":\"" RUN "\"}"), run),
		"another spelling is data");
	ok(!control_is(SLICE("{\"$sk\":\"end\",\"run\":\"short\"}"), (struct slice){0}),
		"a short run id is data");
	ok(!control_is(SLICE("{\"$sk\":\"end\",\"run\":\"0123456789abcde!\"}"),
		(struct slice){0}), "a run id of other characters is data");
	ok(!control_is(SLICE(HEAD("end")), run), "a line that stops after its run is data");
	ok(!control_is(SLICE(""), run), "an empty line is data");
	ok(slice_eq(control_run(SLICE(HEAD("end") "}")), run), "the run id is found");
}

static bool
reads(const char *line, struct control *c)
{
	struct failure why;

	return control_parse(slice_str(line), &scratch, c, &why) == 0;
}

static void
read_kinds(void)
{
	struct control c;

	ok(reads(HEAD("start") ",\"app\":\"orders\",\"epoch\":7,\"stage\":2,\"format\":"
		"\"envelope\",\"timed\":true,\"tasks\":[0,2],\"sinks\":[\"late.ndjson\"]}", &c) &&
		c.kind == CONTROL_START && c.epoch == 7 && c.stage == 2 && c.envelope && c.timed &&
		slice_eq(c.tasks, SLICE("[0,2]")) &&
		slice_eq(c.sinks, SLICE("[\"late.ndjson\"]")), "start");
	ok(reads(HEAD("start") ",\"epoch\":0}", &c) && !c.envelope && !c.tasks.p &&
		c.stage == 0, "start with the least");
	ok(reads(HEAD("watermark") ",\"ts\":-5,\"task\":3}", &c) &&
		c.kind == CONTROL_WATERMARK && c.us == -5 && c.task == 3, "watermark");
	ok(reads(HEAD("watermark") ",\"ts\":-1767344399978000}", &c) &&
		c.us == -1767344399978000 && c.task == 0, "a watermark as it is written");
	ok(reads(HEAD("watermark") ",\"ts\":5,\"ts\":6 }", &c) && c.us == 6 &&
		reads(HEAD("watermark") ",\"at\":1,\"ts\":999999999999999999}", &c) &&
		c.us == 999999999999999999, "and as nobody writes it");
	ok(reads(HEAD("barrier") ",\"epoch\":8,\"committed\":6,\"lines\":4}", &c) &&
		c.epoch == 8 && c.committed == 6 && c.lines == 4, "barrier");
	ok(reads(HEAD("to") ",\"sink\":1,\"value\":{\"a\": 1}}", &c) && c.sink == 1 &&
		slice_eq(c.value, SLICE("{\"a\": 1}")), "to");
	ok(reads(HEAD("state") ",\"log\":not looked into}", &c) && c.kind == CONTROL_STATE,
		"state passes unparsed");
	ok(reads(HEAD("fail") ",\"stage\":2,\"status\":65,\"message\":\"x\"}", &c) &&
		c.status == 65 && c.stage == 2, "fail");
	ok(reads(HEAD("end") ",\"complete\":false}", &c) && !c.complete, "end");
	ok(reads(HEAD("end") ",\"complete\":true,\"later\":[1]}", &c) && c.complete,
		"members of a later version are let be");
}

/* What is read in a moment is read the same in the long way. */
static void
read_watermarks(void)
{
	static const struct {
		const char *line;
		bool quick;
	} of[] = {
		{HEAD("watermark") ",\"ts\":1767344399978000}", true},
		{HEAD("watermark") ",\"ts\":-1767344399978000}", true},
		{HEAD("watermark") ",\"ts\":0}", true},
		{HEAD("watermark") ",\"ts\":-0}", true},
		{HEAD("watermark") ",\"ts\":999999999999999999}", true},
		{HEAD("watermark") ",\"ts\":1000000000000000000}", false},
		{HEAD("watermark") ",\"ts\":01}", false},
		{HEAD("watermark") ",\"ts\":-}", false},
		{HEAD("watermark") ",\"ts\":}", false},
		{HEAD("watermark") ",\"ts\":", false},
		{HEAD("watermark") ",\"ts\":5", false},
		{HEAD("watermark") ",\"ts\":1e3}", false},
		{HEAD("watermark") ",\"ts\":5 }", false},
		{HEAD("watermark") ",\"ts\":5,\"task\":1}", false},
		{HEAD("watermark") "}", false},
		{"{\"$sk\":\"watermark\",\"run\":\"0123456789abcdee\",\"ts\":5}", false},
		{HEAD("end") ",\"complete\":true}", false},
		{"", false},
	};
	struct control c;
	int64_t us = 0;
	size_t i;

	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		ok(control_is_watermark(slice_str(of[i].line), SLICE(RUN), &us) == of[i].quick &&
			(!of[i].quick || (reads(of[i].line, &c) && c.us == us && c.task == 0)),
			"%s", of[i].line);
}

static void
refused(void)
{
	struct control c = {.epoch = 99};

	ok(!reads(HEAD("start") "}", &c), "start without epoch");
	ok(!reads(HEAD("start") ",\"epoch\":-1}", &c), "a negative epoch");
	ok(!reads(HEAD("start") ",\"epoch\":1.5}", &c), "half an epoch");
	ok(!reads(HEAD("start") ",\"epoch\":99999999999999999999}", &c), "too large an epoch");
	ok(!reads(HEAD("start") ",\"epoch\":1,\"format\":\"cbor\"}", &c), "an unknown format");
	ok(!reads(HEAD("barrier") ",\"epoch\":1}", &c), "barrier without lines");
	ok(!reads(HEAD("watermark") ",\"ts\":\"now\"}", &c), "watermark whose ts is no number");
	ok(!reads(HEAD("watermark") ",\"ts\":}", &c) && !reads(HEAD("watermark") ",\"ts\":-}", &c) &&
		!reads(HEAD("watermark") ",\"ts\":01}", &c) &&
		!reads(HEAD("watermark") ",\"ts\":1e3}", &c) &&
		!reads(HEAD("watermark") ",\"ts\":99999999999999999999}", &c) &&
		!reads(HEAD("watermark") ",\"ts\":5", &c), "one whose ts is none that we know");
	ok(!reads(HEAD("to") ",\"sink\":0}", &c), "to without value");
	ok(!reads(HEAD("fail") ",\"status\":0}", &c), "fail with status 0");
	ok(!reads(HEAD("end") ",\"complete\":1}", &c), "end whose complete is no boolean");
	ok(!reads(HEAD("end") ",\"complete\":true", &c), "a line cut short");
	ok(c.epoch == 99, "a failure leaves the output alone");
}

static bool
is(struct buf *b, const char *expected)
{
	bool same = slice_eq(buf_slice(b), slice_str(expected));

	if (!same)
		printf("# got %s# for %s", buf_cstr(b), expected);
	buf_reset(b);
	return same;
}

static void
passed_on(void)
{
	struct slice start = SLICE(HEAD("start") ",\"epoch\":7,\"stage\":1,\"sinks\":[\"a\"],"
		"\"app\":\"o\"}");
	struct slice barrier = SLICE(HEAD("barrier") ",\"epoch\":8,\"lines\":4,\"meta\":\"ff\"}");
	struct slice sinks[] = {SLICE("b\"c"), SLICE("d")};
	struct failure why;
	struct buf b = {0};
	struct control c;

	control_parse(start, &scratch, &c, &why);
	control_add_start(&b, start, &c, false, sinks, 2);
	ok(is(&b, HEAD("start") ",\"epoch\":7,\"app\":\"o\",\"stage\":2,"
		"\"sinks\":[\"a\",\"b\\\"c\",\"d\"]}\n"), "start: a stage more, sinks added");
	control_parse(barrier, &scratch, &c, &why);
	control_add_barrier(&b, barrier, &c, 4);
	ok(is(&b, HEAD("barrier") ",\"epoch\":8,\"lines\":4,\"meta\":\"ff\"}\n"),
		"barrier: as it was while the count is");
	control_add_barrier(&b, barrier, &c, 6);
	ok(is(&b, HEAD("barrier") ",\"epoch\":8,\"meta\":\"ff\",\"lines\":6}\n"),
		"barrier: counted again");
	control_add_to(&b, SLICE(RUN), 2, SLICE("{\"x\":1}"));
	ok(is(&b, HEAD("to") ",\"sink\":2,\"value\":{\"x\":1}}\n"), "to");
	control_add_fail(&b, SLICE(RUN), 3, 65, "bad \"x\"\n");
	ok(is(&b, HEAD("fail") ",\"stage\":3,\"status\":65,\"message\":\"bad \\\"x\\\"\\n\"}\n"),
		"fail");
	control_add_watermark(&b, SLICE(RUN), -1767344399978000);
	ok(is(&b, HEAD("watermark") ",\"ts\":-1767344399978000}\n"), "watermark");
	control_add_end(&b, SLICE(RUN), true);
	ok(is(&b, HEAD("end") ",\"complete\":true}\n"), "end");
	buf_release(&b);
}

int
main(void)
{
	told_from_data();
	read_kinds();
	read_watermarks();
	refused();
	passed_on();
	json_scan_release(&scratch);
	return done();
}
