/* kafka: positions and notes: what is written is read back, and anything else is refused. */
#include <stdlib.h>

#include "kafka/position.h"
#include "test.h"

static struct failure why;

static bool
refused(const char *text)
{
	struct kafka_position p = {0};
	bool bad = kafka_position_read(&p, slice_str(text), &why) < 0 &&
		why.status == EXIT_DATA;

	kafka_position_release(&p);
	return bad;
}

static void
test_position(void)
{
	static const char metadata[] = {'C', 0, '\xff', 'x'};
	struct kafka_position p = {0};
	struct buf b = {0};

	kafka_position_begin(&b, "app", slice_of(metadata, sizeof(metadata)));
	kafka_position_add(&b, "orders", 0, 7);
	kafka_position_add(&b, "orders", 11, INT64_MAX);
	kafka_position_end(&b);
	ok(strcmp(buf_cstr(&b), "{\"group\":\"app\",\"metadata\":\"4300ff78\",\"offsets\":"
		"[[\"orders\",0,7],[\"orders\",11,9223372036854775807]]}") == 0, "written");
	ok(kafka_position_read(&p, buf_slice(&b), &why) == 0, "read back");
	ok(strcmp(p.group, "app") == 0 && slice_eq(buf_slice(&p.metadata),
		slice_of(metadata, sizeof(metadata))), "with group and metadata");
	ok(p.n == 2 && kafka_position_of(&p, "orders", 11) == INT64_MAX &&
		kafka_position_of(&p, "orders", 0) == 7, "and offsets");
	ok(kafka_position_of(&p, "orders", 1) == -1 && kafka_position_of(&p, "other", 0) == -1,
		"of these partitions alone");
	kafka_position_release(&p);
	buf_release(&b);
}

static void
test_hostile(void)
{
#define WITH(group, hex, offsets) \
	"{\"group\":" group ",\"metadata\":" hex ",\"offsets\":" offsets "}"
	static const char *const bad[] = {
		"", "[]", "7", "{}", "{\"group\":\"a\"", "[{\"input\":\"x\",\"offset\":1}]",
		WITH("7", "\"00\"", "[[\"t\",0,1]]"), WITH("\"\"", "\"00\"", "[[\"t\",0,1]]"),
		WITH("\"a\\u0000b\"", "\"00\"", "[[\"t\",0,1]]"),
		WITH("\"a\"", "\"\"", "[[\"t\",0,1]]"), WITH("\"a\"", "\"0\"", "[[\"t\",0,1]]"),
		WITH("\"a\"", "\"0G\"", "[[\"t\",0,1]]"), WITH("\"a\"", "\"\\u0030\"", "[[\"t\",0,1]]"),
		WITH("\"a\"", "\"00\"", "[]"), WITH("\"a\"", "\"00\"", "{}"),
		WITH("\"a\"", "\"00\"", "[[\"t\",0]]"), WITH("\"a\"", "\"00\"", "[[\"t\",0,1,2]]"),
		WITH("\"a\"", "\"00\"", "[[\"t\",-1,1]]"), WITH("\"a\"", "\"00\"", "[[\"t\",0,-1]]"),
		WITH("\"a\"", "\"00\"", "[[\"t\",0,1.5]]"), WITH("\"a\"", "\"00\"", "[[\"t\",0,1e3]]"),
		WITH("\"a\"", "\"00\"", "[[\"t\",2147483648,1]]"),
		WITH("\"a\"", "\"00\"", "[[\"t\",0,9223372036854775808]]"),
		WITH("\"a\"", "\"00\"", "[[\"t\",0,1],7]"), WITH("\"a\"", "\"00\"", "[[7,0,1]]"),
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(refused(bad[i]), "refused: %s", bad[i]);
}

/* The notes of a position, read back as a commit. */
static void
test_notes(void)
{
	static const char clock[] = "{\"watermark\":-5,\"newest\":[[\"t\",0,10],[\"t\",2,-20],"
		"[\"gone\",1,3]],\"run\":\"x\"}";
	struct source_commit c = {.epoch = 12, .run = "run", .done = true}, back = {0};
	struct kafka_position p = {0};
	struct kafka_notes notes = {0};
	size_t i;

	kafka_position_read(&p, SLICE("{\"group\":\"a\",\"metadata\":\"00\",\"offsets\":"
		"[[\"t\",0,1],[\"t\",1,1],[\"t\",2,1]]}"), &why);
	buf_adds(&c.clock, clock);
	ok(kafka_position_note(&p, &c, &why) == 0, "noted");
	ok(strcmp(p.spot[0].note, "sk1 12 run -5 10 done") == 0, "a time: %s", p.spot[0].note);
	ok(strcmp(p.spot[1].note, "sk1 12 run -5 - done") == 0, "none: %s", p.spot[1].note);
	for (i = 0; i < p.n; i++)
		kafka_notes_add(&notes, p.spot[i].topic, p.spot[i].partition,
			slice_str(p.spot[i].note));
	/* An older one, which does not count but for its time. */
	kafka_notes_add(&notes, "u", 3, SLICE("sk1 11 other 7 8"));
	kafka_notes_end(&notes, &back);
	ok(back.epoch == 12 && strcmp(back.run, "run") == 0 && back.done, "the newest epoch");
	ok(strcmp(buf_cstr(&back.clock), "{\"watermark\":-5,\"newest\":[[\"t\",0,10],"
		"[\"t\",2,-20],[\"u\",3,8]]}") == 0, "and all times: %s", buf_cstr(&back.clock));
	buf_reset(&c.clock);
	c.done = false;
	ok(kafka_position_note(&p, &c, &why) == 0, "noted anew");
	ok(strcmp(p.spot[0].note, "sk1 12 run - -") == 0, "no clock: %s", p.spot[0].note);
	buf_adds(&c.clock, "{\"watermark\":");
	ok(kafka_position_note(&p, &c, &why) < 0, "a clock that is no JSON");
	buf_release(&c.clock);
	buf_release(&back.clock);
	kafka_position_release(&p);
}

static void
test_foreign_notes(void)
{
	static const char *const foreign[] = {
		"", "sk1", "sk1 ", "sk1 0 run - -", "sk1 x run - -", "sk1 1", "sk1 1 run",
		"sk1 1 run -", "sk1 1 run 5 x", "sk1 1 run - 1x", "sk2 1 run - -",
		"sk1 99999999999999999999 run - -", "sk1 1 run - 99999999999999999999",
		"sk1 1 0123456789012345678901234567890123456789012345678901234567890123456789 - -",
	};
	struct kafka_notes notes = {0};
	struct source_commit c = {.epoch = 1};
	size_t i;

	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		kafka_notes_add(&notes, "t", 0, slice_str(foreign[i]));
	kafka_notes_end(&notes, &c);
	ok(c.epoch == 0 && !*c.run && !c.done && !c.clock.n, "somebody else's metadata");
}

int
main(void)
{
	test_position();
	test_hostile();
	test_notes();
	test_foreign_notes();
	return done();
}
