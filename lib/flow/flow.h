/*
 * flow: READ FIRST. What a record, an operator, a source and a sink are, and the driver
 * that moves one to the next.
 *
 *	source ──▶ block of lines ──▶ scan ──▶ [record | control] ──▶ operator
 *	       ──▶ emissions, by port ──▶ sinks
 *
 * The driver takes a block of whole lines from the source, scans and validates it, tells
 * control records from data, applies --where, hands each record to the operator, collects
 * what that emits, and delivers it in order. It owns reading, batching, errors, dead
 * letters, the balance, signals, flushing and metrics, so no operator does any of it. It
 * knows no source, operator or sink by name.
 *
 * With --jobs N, N threads each take a block, work on it, and deliver in the order in which
 * the blocks were read: same bytes, whatever N.
 *
 * Every record ends in exactly one place: output, dead letter, late, skipped, dropped by a
 * stated rule, or held in the operator's state. The driver counts them; a sum that is off
 * is an internal error.
 */
#ifndef SK_FLOW_FLOW_H
#define SK_FLOW_FLOW_H

#include <sys/uio.h>

#include "base/failure.h"
#include "expr/expr.h"
#include "json/json.h"
#include "time/time.h"

/* ---- records ----------------------------------------------------------------------- */

/* An input that has a name of its own: a file, a topic partition. Lives as long as the run. */
struct input {
	const char *name;   /* path as given, "-" for stdin, or a topic */
	int32_t partition;  /* 0 for anything but Kafka */
	bool kafka;         /* said as name[partition]@offset; else name:line */
	uint64_t ended;     /* the source's: nothing more will come of it, as the read of this
				number has found; 0: something may */
	bool at_end;        /* the source's: there was nothing more of it, and there may be yet */
	uint64_t unread;    /* the source's: the number of the read at which it was last counted
				as one that has given no record; 0: it never was */
	uint64_t lines;     /* the driver's: lines delivered so far */
	int64_t newest_us;  /* the driver's: newest event time; 0 with seen unset */
	int64_t rest_ns;    /* the driver's: at its end since then; 0: it is not */
	bool idle;          /* the driver's: for longer than --idle */
	bool seen;          /* the driver's: a record of it had an event time */
};

struct header {
	struct slice name;
	struct slice value; /* p == NULL: null */
};

/* What an envelope or Kafka knows of a record. A plain line has none. */
struct meta {
	struct slice topic;  /* p == NULL: none */
	int32_t partition;
	int64_t offset;
	int64_t ts_ms;       /* Kafka's timestamp; TIME_NONE: none */
	int64_t time_us;     /* event time; TIME_NONE: none */
	struct slice key;    /* bytes; p == NULL: null */
	const struct header *header;
	size_t nheaders;
	struct slice prefix; /* the envelope's text up to its value; p == NULL: did not come
				in an envelope */
	bool in_place;       /* with prefix: all of this points into the line, and stays there
				as long as the block does */
	/* A value that cannot stand in a line as it is (it holds a line feed, is empty or
	 * not there): the block's line is "null", and this is the value; tombstone: there is
	 * none. odd.p == NULL: the line is the value. */
	struct slice odd;
	bool tombstone;
};

/* Where a line of a merged block came from. */
struct line_origin {
	struct input *input;
	uint64_t offset;    /* of its first byte, or of the message */
	uint64_t line;      /* its number, from 1 */
};

/*
 * A block: whole lines of one input, or of several with origins told line by line.
 * p[0..n) and JSON_PADDING readable bytes after it. The source fills it; its memory is the
 * block's and is used again for the next one.
 */
struct block {
	char *p;
	size_t n, cap;          /* cap: allocated bytes, padding included */
	char *own;              /* what was allocated; p is aligned in it */
	struct input *input;    /* NULL where origin is used */
	uint64_t offset;        /* of p[0] in the (unpacked) input */
	const struct line_origin *origin; /* one for each record line, or NULL */
	const struct meta *meta;          /* one for each record line, or NULL */
	size_t used;            /* the driver's: how many of its records it has taken */
	uint64_t too_long;      /* not 0: p is the beginning of one line of this many bytes,
				   which is over --max-record; a bad record */
	int64_t read_ns;        /* the driver's: monotonic time of the read */
	struct buf notes;       /* what the operator's note() told of its lines */
	struct piece_file *file;/* p[0..left), which is there from left_at on, is still to be
				   read by the source's fetch(); or NULL */
	size_t left;
	off_t left_at;
	uint64_t number;        /* the driver's: in the order of reading */
};

/* Make room for n bytes and the padding; what is in p[0..b->n) stays. */
void block_reserve(struct block *, size_t n);
void block_release(struct block *);

struct record {
	struct slice line;          /* its bytes as they came, without line end */
	struct json_doc *doc;       /* tokens: made by record_value(), or by the driver */
	uint32_t root;              /* token of "."; JSON_NONE: bytes that are not JSON */
	struct slice bytes;         /* what "." stands for, as bytes */
	const struct meta *meta;    /* NULL for a plain line */
	const struct block *block;
	uint32_t index;             /* of the line among the records of the block */
	uint64_t offset;            /* in its input */
	uint32_t task;              /* the partition whose state it belongs to; 0 */
	int64_t time_us;            /* event time; TIME_NONE where no --time was given */
};

/* The input that a record came from. */
struct input *record_input(const struct record *);

/* Append what tells this record from all others, and is the same on a replay: the place in
 * its topic (orders-3-1234) or file (orders.ndjson@5678), and for stdin, which has no places,
 * a hash of its canonical content. */
void record_add_identity(const struct record *, struct buf *);

/* "." as a value. Only where root is not JSON_NONE (the driver sees to it for operators
 * that do not say OP_BYTES). */
static inline struct value
record_value(const struct record *r)
{
	if (!r->doc->pos)
		json_doc_tokens(r->doc);
	return value_token(r->doc, r->root);
}

/* The variables that every expression may use, in the order of flow_vars:
 * $topic $key $partition $offset $ts $time $headers $name. */
extern const char *const flow_vars[];
enum { FLOW_NVARS = 8 };

/* An expr_env for a record: &(struct expr_env){record_var, &vars}. More variables (sk-split's
 * $root) are counted from FLOW_NVARS on, in more(). */
struct record_vars {
	const struct record *record;
	struct arena *arena;
	const char *stage;          /* $name */
	struct value (*more)(void *arg, unsigned index);
	void *arg;
};
struct value record_var(void *record_vars, unsigned index);

/* ---- operators --------------------------------------------------------------------- */

struct emit; /* what a record becomes: emit.h */

enum op_flags {
	OP_EFFECTFUL = 1, /* its journal only moves forward; else state rolls back */
	OP_BYTES = 2,     /* takes values that are not JSON, as bytes (sk-cat) */
	OP_STATE = 4,     /* remembers: it has a folder, bounds, and one thread */
	OP_TIMED = 8,     /* may use event time: flow_options.timed says whether it does */
	OP_SINGLE = 16,   /* of one record it makes one at the most */
	OP_LAZY = 32,     /* looks at tokens only after record_value(), and not of each record */
	OP_NOTES = 128,   /* note() changes nothing of its own: several threads may be at it */
	OP_LARGE = 64,    /* makes much of little: on one thread, output goes out within a block */
};

/* Where a line goes that an operator was asked about at a glance: the number of an outlet,
 * below these, or */
enum { GLANCE_DROP = 254, GLANCE_RECORD = 255 };

/* Of n lines that go where to says, those of which a condition is true (expr_answers) go to
 * yes, those of which it isn't to no; GLANCE_STAYS: where they went. What is not sure becomes a
 * record. */
enum { GLANCE_STAYS = -1 };
void glance_by(uint8_t *to, const int8_t *is, size_t n, int yes, int no);

enum { OP_OK = 0, OP_ENOUGH = 1 }; /* OP_ENOUGH: no further record is wanted */

#define EPOCH_NEWEST UINT64_MAX       /* rollback: whatever was committed last */
#define EPOCH_OWN (UINT64_MAX - 1)    /* barrier: the next one, committed by itself */

/*
 * Where a process stands in its job, and what its state needs to know. The driver's; state
 * (lib/state) reads it at assign, rollback and barrier, and keeps mark in its marks.
 */
struct flow_place {
	const char *state;      /* --state DIR; NULL: memory only */
	const char *name;       /* of the stage's folder there: --name, or K-TOOL with K the
				   stage's place in the pipe. Known before the first assign */
	const char *app;        /* "" without one */
	uint64_t committed;     /* newest epoch known to be committed, as of this callback */
	uint64_t max_memory;    /* bytes that state may take */
	uint64_t max_keys;      /* 0: as many as memory holds */
	bool evict;             /* beyond a bound the oldest go; else it is an error */
	struct buf mark;        /* the driver's own bytes in each mark: what event time knows */
};
struct flow_time;
enum op_peek { PEEK_RECORD, PEEK_DROP, PEEK_SAME };

/* Records of a block that can be taken by their notes alone. */
struct noted {
	const struct block *block;
	const struct json_scan *scan;
	size_t i;               /* the next one */
	uint64_t held, output;  /* what became of those that were taken */
};
/* Record i, without its value. */
struct record noted_record(const struct noted *);

/* Records that follow one another: n of them, of which some are held and the others dropped; the
 * event time of the first one, and the newest of all. */
struct op_run {
	size_t n, held;
	int64_t first_us, newest_us;
};

enum op_coming { COMING_NOTHING, COMING_VALUE, COMING_FULL };

/* What an operator is opened with; later fields add to it. */
struct op_context {
	const void *config;     /* the command's own */
	const char *app;        /* "" without one */
	const char *stage;      /* --name, or the program's name */
	unsigned worker;        /* each of those that a run opens has a number, from 0 */
	struct flow_place *place; /* lives as long as the run */
	const struct flow_time *time; /* how records get their event time */
};

/*
 * An operator is a struct of callbacks. Each worker opens its own, which is in the hands of
 * one thread at a time, though not of the same one for each block. Callbacks return OP_OK, or
 * -1 with why filled: status EXIT_DATA from record() is a bad record, whose emissions are
 * undone; anything else ends the run. Only open and record are compulsory.
 *
 * Order on a checkpointed stream: when a start comes, revoke(task) for tasks that it no longer
 * lists, assign(task) for new ones and rollback(epoch); then records, watermarks and barriers
 * as they stand in the stream; end(complete) if the source came to its end, and with complete
 * a last barrier. A plain stream is one with one task, 0, without barriers: assign(0) and
 * rollback (EPOCH_NEWEST with a folder for state, else 0) come before its first record, and
 * where there is such a folder barrier(EPOCH_OWN) after its complete end, once the output is
 * out of the process's hands.
 *
 * watermark(us) comes before the record that moved time on to there, so what is due before a
 * record happens before it.
 */
struct operator {
	const char *name;
	unsigned flags;
	void *(*open)(const struct op_context *, struct failure *why);
	int (*record)(void *self, const struct record *, struct emit *, struct failure *why);
	/* Of OP_LAZY, or NULL: where the lines of a block go, as they are, that has no tokens
	 * yet: a byte each, of all nlines of them, whether valid or not. A line for which
	 * that can't be told is GLANCE_RECORD: record() gets it. False: for none it can. A
	 * line of which something was noticed (its flags) may go to record() in any case. Not
	 * asked under --where if the operator remembers (OP_STATE). */
	bool (*glance)(void *self, struct json_scan *, const struct buf *notes, uint8_t *to);
	/* Of OP_LAZY, or NULL: where a line that has no tokens yet goes as it is, if that can be
	 * told so; else record() gets it. May be asked of any line, in order, or not; asked once,
	 * and what it says is done. */
	enum op_peek (*peek)(void *self, const struct json_doc *, unsigned *outlet);
	/* Or NULL: look at the lines of a block, "." being the whole line, before their turn
	 * comes, maybe on another thread than all else, and note what will help record(),
	 * which finds it in its block. A line may not be valid. No two at a time, without
	 * OP_NOTES. */
	void (*note)(void *self, const struct json_scan *, struct buf *notes);
	/* Or NULL: take record i and those behind it as record() would, as far as what was noted
	 * of them will do, and move i on. Every one is held or put out (emit_record first).
	 * -1: record i has failed, and the run ends. Not asked where a record needs more than
	 * that: --where, event time, envelopes, checkpoints. */
	int (*noted)(void *self, struct noted *, struct emit *, struct failure *why);
	/* Or NULL: the event time of a plain record, where the operator, who looks at it anyway,
	 * can tell what --time says: true. */
	bool (*when)(void *self, const struct record *, int64_t *us);
	/*
	 * Or NULL: of plain records that follow one another note() may have told all, so that they
	 * can be taken together. run: do such begin at a line of the block? take_run: take them,
	 * the watermark being watermark_us behind the last of them, to which watermark() moves it
	 * next: 1, and no more happens then than would have between them; 0: they go to record();
	 * or -1.
	 */
	bool (*run)(void *self, const struct block *, size_t line, struct op_run *);
	int (*take_run)(void *self, const struct block *, size_t line, int64_t watermark_us,
		struct failure *why);
	/*
	 * Of an operator whose records take long, or NULL. On one thread, records that record()
	 * will get later, of this block and of --jobs blocks that are read ahead, are shown, in
	 * order, so that their work can begin: first the line alone (doc is NULL), and if
	 * COMING_VALUE is returned, the same one with its value. COMING_FULL: no more for now;
	 * it is shown again. A record is known again by its block's number and its index. One
	 * that was shown may still turn out to be a bad one, or not come at all. A record
	 * without a line (line.p is NULL): its block ends, and no byte of it may be looked at
	 * any more. NULL: that goes for all of them.
	 */
	enum op_coming (*coming)(void *self, const struct record *);
	/* No record older than us will follow on this task. */
	int (*watermark)(void *self, uint32_t task, int64_t us, struct emit *,
		struct failure *why);
	/* Everything so far belongs to epoch. */
	int (*barrier)(void *self, uint64_t epoch, struct emit *, struct failure *why);
	/* State of a later epoch than this is void. */
	int (*rollback)(void *self, uint64_t epoch, struct failure *why);
	int (*assign)(void *self, uint32_t task, struct failure *why);
	int (*revoke)(void *self, uint32_t task, struct failure *why);
	/* complete: bounded input was read to its end, so what is open closes. Else the run
	 * was drained: nothing closes. EXIT_SOME_BAD: why is said, and the run is done with
	 * that status. */
	int (*end)(void *self, bool complete, struct emit *, struct failure *why);
	void (*close)(void *self);
};

/* ---- sources and sinks: classes are made in lib/source and lib/sink ---------------- */

/* An epoch that a job has committed, as the consumer group of its source knows it. */
struct source_commit {
	uint64_t epoch;     /* the newest; 0: none */
	char run[65];       /* of the stream that committed it; "" with 0 */
	bool done;          /* and that came to its complete end there */
	struct buf clock;   /* what event time knew then, as JSON text: {"watermark":US or null,
			       "newest":[[TOPIC,PARTITION,US],...]}; empty: nothing. The group
			       keeps it with the offsets, each partition its own time and all
			       of them the watermark. Owned by the struct's owner. */
};

/* Where a source stands behind a block, for its position(). */
struct source_place {
	size_t next;        /* inputs that were begun */
	uint64_t offset;    /* in the last of them, */
	bool reading;       /* if that is not done */
};

struct source {
	/* Fill b with the next block: 1; 0 at the end; -1. Returns what there is rather than
	 * wait for more; waits only where there is nothing. Interrupted by a signal that asks
	 * to drain: 0. */
	int (*read)(struct source *, struct block *b, struct failure *why);
	/*
	 * Of a source whose blocks may be read beside each other (files); NULL for others.
	 * Where flow has set leaves, read() may leave the bytes of a block, and set its file:
	 * then fetch() is called once for it, by any thread, whatever the others do. Such a
	 * block is of so many usual ones.
	 */
	int (*fetch)(struct source *, struct block *, struct failure *why);
	unsigned leaves;
	/* True if read() would have to wait now. */
	bool (*would_wait)(struct source *);
	/* The driver's: when the monotonic clock comes to here, a read that has nothing yet
	 * returns 1 with an empty block, and inputs say whether they are at their end. 0: it
	 * waits. Sources of which every input ends need not care. */
	int64_t wake_ns;
	void (*close)(struct source *);
	/*
	 * Of a source that keeps its place (a consumer group); NULL for others. done: what
	 * came of the records of this block that were used is in the sinks' hands. commit:
	 * all that is done is durable there too, so the place may be kept; where it fails
	 * with EXIT_TRY_AGAIN or EXIT_UNAVAILABLE, a later commit may do it. Where the source
	 * loses a partition or has been idle, it asks by settle(), which flow sets: make
	 * durable what is done. 0: commit; 1: what is done becomes visible at the end only.
	 */
	void (*done)(struct source *, const struct block *);
	int (*commit)(struct source *, struct failure *why);
	int (*settle)(void *flow, struct failure *why);
	/* Set by flow too: say something that the user should know while the run goes on. */
	void (*tell)(void *flow, const char *text);
	void *flow;
	bool envelopes;      /* its lines are envelopes, whatever -e says */
	bool one_block;      /* a read takes back the block before: one thread */
	size_t at_once;      /* set by flow: a block of one_block is to hold so many records, if
				they are there, however long they are; 0: as many as suits it */
	bool endless;        /* its end is not known: a named FIFO, most devices */
	bool aligns;         /* it can hold inputs that are ahead of others, */
	int64_t align_us;    /* flow's: by that much; 0: it does not */
	bool stdin_pipe;     /* its one input is stdin, and that is a pipe or a socket */
	/*
	 * Of a source that can begin where another run left off (files); NULL for others.
	 * position: append, as JSON text, where it stands behind all blocks that were read
	 * and delivered. seek: go on from a position; before the first read. An
	 * input that is not what it was is refused (EXIT_CONFIG). finished: the position is
	 * that of a job that came to its end: what is there no more is passed over, and what
	 * is new or grown is read.
	 */
	void (*position)(struct source *, const struct source_place *, struct buf *);
	struct source_place place; /* behind the block read last */
	int (*seek)(struct source *, struct slice position, bool finished, struct failure *why);
	/*
	 * Of a source whose place a consumer group keeps, under checkpoints; NULL for others,
	 * and for such a group without: done and commit are NULL then. What position() says is
	 * {"group":NAME,"metadata":HEX,"offsets":[[TOPIC,PARTITION,OFFSET],...]}: all that are
	 * assigned, each with the offset of the record that comes next. It appends nothing where
	 * the group has shut us out, or gives us nothing.
	 *
	 * begin: before the first read, and again once a read has set anew: wait for partitions,
	 * learn what is committed there and can change no more, and stand at those offsets, in
	 * partitions that were ours before as well. at, if not empty, is a position that counts
	 * instead: what the group knows of its partitions does not. Drained meanwhile:
	 * EXIT_TRY_AGAIN. committed: ask the group again, without waiting long; brokers that
	 * are away have said nothing: what was known before.
	 *
	 * anew: the partitions have been shared out anew; the block is empty, and what is not
	 * committed of those before is void. Before partitions go, settle() ends the epoch and
	 * waits for its commit, where that can be.
	 */
	int (*begin)(struct source *, struct slice at, struct source_commit *, struct failure *why);
	int (*committed)(struct source *, struct source_commit *, struct failure *why);
	/* Of the inputs that are there after begin, number i; NULL behind the last. */
	struct input *(*input)(struct source *, size_t i);
	bool anew;
	bool fence;          /* the driver's: another process commits, and the first begin()
				fences the one of before: what that left open is aborted */
	uint64_t reads;      /* the driver's: calls of read, with the one that is going on */
	size_t unread;       /* inputs that had not given a record before, and still may */
	uint64_t total_bytes;/* of all inputs as stored; 0: unknown, one is no file */
	uint64_t done_bytes; /* of those */
};

#define RESUME_AS_IS UINT64_MAX
#define RESUME_EMPTY (UINT64_MAX - 1)

struct sink {
	/* Whole lines; the bytes are the caller's and not used after return. A sink of
	 * envelopes may refuse a record for what it is: -1 with refused set; it has taken the
	 * lines before that one, taken of them, and has not looked at those behind it. */
	int (*write)(struct sink *, const struct iovec *, int n, struct failure *why);
	/*
	 * Of a sink of envelopes that can do without them, or NULL: records with what is
	 * known of them. bytes is the value, and p == NULL stands for none, a tombstone. root
	 * is JSON_NONE, or the value is JSON text without a line feed; doc is NULL, or that of
	 * the line, which may have no tokens yet (doc->pos is NULL then). Refusing is as with
	 * write: it has taken the records before that one.
	 */
	int (*put)(struct sink *, const struct record *, size_t n, struct failure *why);
	/* Nothing stays in the process's memory. */
	int (*flush)(struct sink *, struct failure *why);
	/* Nothing is lost if the machine stops now. */
	int (*sync)(struct sink *, struct failure *why);
	/* The two halves of a complete end: everything durable but not yet visible, and then
	 * visible. The driver prepares all sinks before it commits the first. */
	int (*prepare)(struct sink *, struct failure *why);
	int (*commit)(struct sink *, struct failure *why);
	/* Give the descriptor back; the next write opens it again. */
	int (*park)(struct sink *, struct failure *why);
	/*
	 * Of a sink whose output a ledger can be kept of: files; NULL for others. resume:
	 * before the first write, become a sink that outlives a kill, cut back to length
	 * bytes; RESUME_AS_IS: what is there stays, and length() tells how much; RESUME_EMPTY:
	 * what a killed run has left goes. length: bytes; all of them durable after sync().
	 * finish: the job whose output this is came to its end at length bytes: see to it
	 * that it is visible; of a sink that is not written to.
	 */
	int (*resume)(struct sink *, uint64_t length, struct failure *why);
	int (*length)(struct sink *, uint64_t *bytes, struct failure *why);
	int (*finish)(struct sink *, uint64_t length, struct failure *why);
	/* Free everything; what was not committed leaves no file, unless it was resumed. */
	void (*close)(struct sink *);
	const char *name;    /* for messages; the sink's */
	const char *identity;/* what a ledger calls it, where its URI doesn't say; or NULL */
	bool pipe;           /* a pipe or a socket: control records may be written */
	bool whole;          /* appears whole or not at all */
	bool open;           /* holds a descriptor */
	bool envelopes;      /* takes envelope lines, whatever -e says */
	bool transacts;      /* what it is given belongs to the committer's transaction */
	bool refused;        /* by the last write */
	size_t taken;        /* with refused */
};

/*
 * Who commits the place of a consumer group for a source in this process or another one, with
 * all that the run's Kafka sinks have sent since the last commit, in one transaction whose id is
 * the app. One a process; the rooms'.
 */
struct committer {
	bool refused;
	/* Fence whoever commits for the app, abort what they left open, and begin. Before any
	 * sink is written to; what sinks send from here on belongs to the transaction, unless
	 * plain: then only offsets do. every_us: about how long an epoch takes. */
	int (*begin)(struct committer *, const char *app, int64_t every_us, bool plain,
		struct failure *why);
	/* All that was sent is delivered, and with the position it is committed; the next
	 * transaction begins. -1: EXIT_FENCED: another one commits for the app. With refused
	 * set, nothing of it will ever be seen, and it goes on once a new start has come.
	 * EXIT_TRY_AGAIN without: likewise, but this process is to end. What is not known is
	 * found out before it returns. */
	int (*commit)(struct committer *, struct slice position, const struct source_commit *,
		struct failure *why);
	/* What sinks have sent since the last commit is void. */
	int (*abort)(struct committer *, struct failure *why);
};

/* How a run finds its sources and sinks: flow < source, sink, so they are handed in. */
struct flow_rooms {
	/* Opens a sink by its URI; creates nothing before the first write, except that a whole
	 * file that gets no record appears empty at commit. */
	struct sink *(*sink_open)(void *arg, const char *uri, struct failure *why);
	void *arg;
	/* The run's committer, or NULL and why. */
	struct committer *(*committer)(void *arg, struct failure *why);
	/* The key under which two URIs are one sink, appended to out. */
	void (*sink_key)(const char *uri, struct buf *out);
	/* True if two names of one key exclude each other. */
	bool (*sink_conflict)(const char *a, const char *b);
	/* True if sinks of that name take envelope lines. */
	bool (*sink_envelopes)(const char *uri);
	/* True if they have put(). */
	bool (*sink_records)(const char *uri);
	/* True if what is written there is read again at once: it would never end. */
	bool (*sink_feeds)(const char *uri, const struct source *);
};

/* ---- a run ------------------------------------------------------------------------- */

enum on_error { ON_ERROR_FAIL, ON_ERROR_SKIP, ON_ERROR_DEAD_LETTER };

/* How records get their event time. */
struct flow_time {
	const struct expr *expr;  /* --time; NULL: none is made here */
	enum time_unit unit;
	int64_t delay_us;         /* the watermark is this far behind the newest */
	int64_t idle_us;          /* 0: an input never counts as idle */
	int64_t max_future_us;    /* ahead of the record's Kafka timestamp; 0: no bound */
	bool idle_advance;        /* time goes on where all inputs are idle */
	int64_t align_us;         /* no input is read further ahead of the others; 0: as far as it is */
	bool restamp;             /* records that carry a time get another */
};

struct flow_options {
	const char *program;      /* "sk-map": in front of messages */
	const char *stage;        /* --name, or the program's name */
	const char *name;         /* --name, or NULL */
	const char *app;          /* --app; "" without one */
	const char *state;        /* --state DIR, or NULL */
	bool state_given;         /* by the option, not the environment */
	int64_t checkpoint_us;    /* an epoch's length; 0: no checkpoints */
	uint64_t max_memory, max_keys; /* 0: a quarter of what there is; no bound */
	bool evict;
	struct flow_time time;
	enum on_error on_error;
	const char *dead_letter;  /* a sink, or NULL */
	bool envelope_in, envelope_out;
	bool trust;               /* --trust */
	bool plain;               /* --plain: stdin is data only */
	bool quiet;
	int verbose;
	int64_t jobs;
	bool one_thread;          /* --jobs 1 is given: no other, for any work */
	int64_t max_sinks;
	const char *metrics;      /* a file, or NULL */
	bool commit_written;      /* --commit written: what is in a pipe counts as done */
	bool at_least_once;       /* what goes to topics is no part of a transaction */
	const char *supervised;   /* what sk-run says of its pipeline ($SK_RUN), or NULL */
	bool no_commit;           /* another branch of the pipeline commits */
	const struct expr *where; /* -w, or NULL */
	bool serial;              /* operator or expression runs on one thread only */
	bool timed;               /* the operator uses event time */
	bool counts;              /* the operator counts records, and a resumed run would
				     count anew (--limit) */
	int progress;             /* -1: as the terminal says, 0 never, 1 always */
};

struct flow;

struct flow *flow_new(const struct flow_rooms *);
void flow_free(struct flow *);

/*
 * Declare an outlet: a sink, or a template whose "{}" is filled at emission. Number 0 is
 * declared first and is the main one (-o). Outlets with one key are one port. Side outlets
 * (side: late, summary ...) travel as "to" records through a checkpointed pipe. Returns the
 * number, or -1.
 */
int flow_outlet(struct flow *, const char *uri, bool side, struct failure *why);

/* The name of an outlet as declared; NULL behind the last. */
const char *flow_outlet_uri(const struct flow *, unsigned outlet);

/* Run to the end, and say on stderr what there is to say. Returns the exit status. */
int flow_run(struct flow *, const struct flow_options *, const struct operator *,
	const void *config, struct source *);

/* Set once a first signal asked to drain; sources look at it when they wait. The
 * descriptor becomes readable then, so that a poll(2) wakes. */
bool flow_draining(void);
int flow_drain_fd(void);

/* Say a failure of the command's own before or outside of a run: "sk-map: text" and the
 * hint. Returns why->status. */
int flow_say(const char *program, const struct failure *why);

#endif
