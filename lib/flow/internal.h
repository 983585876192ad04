/* What the files of the driver share; nobody else includes it. */
#ifndef SK_FLOW_INTERNAL_H
#define SK_FLOW_INTERNAL_H

#include <pthread.h>

#include "base/table.h"
#include "flow/control.h"
#include "flow/emit.h"
#include "flow/envelope.h"

/* ---- ports and outlets: flow.c ----------------------------------------------------- */

/* A sink that is used, opened at its first delivery. */
struct port {
	char *uri;
	struct sink *sink;   /* NULL before the first delivery */
	uint64_t used;       /* number of the delivery that last wrote to it */
	uint64_t records;    /* written to it */
	bool conflict;       /* named in two ways that exclude each other */
	bool dirty;          /* written to since its last flush */
	bool unsynced;       /* written to since its last sync */
	bool envelopes;      /* its sink takes envelope lines */
	bool ready;          /* port_ready was here */
	bool spoilt;         /* and failed: nothing is written any more */
	bool logged;         /* the ledger knows its length */
	bool takes_records;  /* and records without them */
	bool declared;       /* named by the user: exists at a complete end even if empty */
};

#define NO_HOLE SIZE_MAX
#define PORT_NONE UINT32_MAX

struct outlet {
	char *uri;
	bool template;       /* holds "{}" */
	bool side;
	unsigned port;       /* where it is no template */
};

/* ---- one record's way: emit.c ------------------------------------------------------ */

/* A run of output: input bytes (p) or own bytes (p NULL: from own.p + at). */
struct piece {
	const char *p;
	size_t at, n;
};

/* A line for a sink that may refuse a record. */
struct told {
	uint32_t record;     /* whose line it is: the index in its block, or NO_RECORD */
	enum told_as {
		TOLD_ENVELOPE,
		TOLD_VALUE,  /* JSON text, of which null is no value */
		TOLD_TEXT,   /* JSON text, null as well */
		TOLD_BYTES,
		TOLD_LINE,   /* an envelope as it came, whose meta is kept */
	} as;
	uint32_t root;       /* of TOLD_LINE: the token of its value */
	size_t n;            /* its bytes, with the line feed */
	int64_t time_us;     /* event time; not of an envelope */
};

/* What one batch has for one port. */
struct port_out {
	struct buf own;
	struct piece *piece;
	size_t npieces, cap;
	const char *run;     /* input bytes emitted last, while they are contiguous */
	size_t run_n;
	uint64_t records;
	uint64_t stamp;      /* of the record that last touched it */
	bool touched;        /* in this batch */
	bool envelope;       /* its lines are envelopes */
	bool takes_records;  /* its sink takes values, with the records that they are of */
	bool tells;          /* its sink may refuse a record: told has each line */
	struct told *told;
	struct meta *meta;   /* beside those that are TOLD_LINE */
	size_t nlines, cap_told, cap_meta;
};

#define NO_RECORD UINT32_MAX

/* How a port_out was before the current record. */
struct saved {
	unsigned port;
	size_t own_n, npieces, last_n;
	const char *run;
	size_t run_n, nlines;
	uint64_t records;
};

enum fate { FATE_NONE, FATE_OUTPUT, FATE_DROPPED, FATE_HELD, FATE_LATE };

struct emit {
	struct flow *flow;
	struct port_out **out;     /* by port */
	size_t nout;
	unsigned *touched;         /* ports of this batch, in order of first touch */
	size_t ntouched, cap_touched;
	size_t made;               /* bytes, since emit_relieve looked at what came together */
	struct saved *saved;
	size_t nsaved, cap_saved;
	uint64_t stamp;
	enum fate fate;
	const struct record *hand; /* the record in hand, or NULL */
	struct table names;        /* (outlet, name) -> port + 1 */
	struct buf scratch;
	struct envelope_writer writer;
	/* Between emit_begin and emit_end: */
	struct port_out *now;
	size_t now_at;             /* where the line begins in now->own */
	bool now_to;               /* wrapped as a "to" record */
	bool now_envelope;         /* the line is an envelope */
	struct port_out *again;    /* now, if another line for now_outlet is like this one: as it */
	unsigned now_outlet;       /* is, and nobody is told of it; or NULL */
	bool envelope;             /* lines leave as envelopes; ports may ask for it */
	bool side_envelope;        /* so do those for side sinks, by -e */
	enum told_as now_as;
	/* On a checkpointed stream into a pipe: */
	struct slice carry_run;    /* p != NULL: side outlets travel */
	uint64_t carry_base;       /* number of the first of our side sinks */
	uint64_t control_lines;    /* written since the last barrier */
};

void emit_init(struct emit *, struct flow *);
void emit_release(struct emit *);
void emit_batch_begin(struct emit *);
void emit_record_begin(struct emit *);
void emit_forget(struct emit *); /* what came of the record so far is not taken back */
void emit_record_undo(struct emit *);
/* Raw lines (with line feed) into a port: control records. */
struct buf *emit_raw(struct emit *, unsigned port);
void emit_raw_end(struct emit *);
/* Lines i .. j-1 of the block to an outlet that has had one of this batch, as they are, each
 * with its line feed; false: they have to go the long way, nothing was emitted. It can't be
 * undone. */
bool emit_lines(struct emit *, unsigned outlet, const struct json_scan *, size_t i, size_t j);
/* Settle what is pending of a port; its pieces are complete. */
void emit_settle(struct port_out *);

/* The port of an outlet filled with a name. Thread-safe. */
unsigned flow_port(struct flow *, unsigned outlet, struct slice name);
unsigned flow_port_of_uri(struct flow *, const char *uri);
/* What the port's sink takes beside plain lines. */
void flow_port_takes(struct flow *, unsigned port, bool *envelopes, bool *records);
const struct outlet *flow_outlet_at(const struct flow *, unsigned outlet);

/* ---- the balance, messages, dead letters: report.c --------------------------------- */

struct balance {
	uint64_t in, output, dropped, dead, skipped, late, held;
	uint64_t control;
};

void balance_add(struct balance *, const struct balance *);
/* "3 in = 2 output + 1 dead-lettered", into b. */
void balance_text(const struct balance *, struct buf *b);
bool balance_holds(const struct balance *);

/* A bad record, rendered at once (what it came from moves on) but for its line number, which
 * only the delivery knows. */
struct bad {
	struct input *input;
	uint64_t line;     /* its number; from 0 within its block if relative */
	bool relative;
	uint64_t offset;
	uint32_t column;
	const char *type;  /* static */
	int status;
	char *text, *hint; /* owned */
	char *place;       /* owned: "orders[3]@17", where an envelope in a checkpointed stream
			      says so, whose lines have no numbers that mean anything; or NULL */
	uint32_t record;   /* its index in the block, or NO_RECORD */
	struct buf head, tail; /* of the dead letter: before and after the line number */
};

void bad_release(struct bad *);
/* Render the dead letter of bytes into bad->head and bad->tail. full_size: of a line that
 * was too long and is cut, else 0. */
void bad_render(struct bad *, const struct meta *, struct slice bytes, bool is_json,
	uint64_t full_size, struct json_scan *scratch);
void bad_where(const struct bad *, struct buf *);  /* "orders.ndjson:3:17" */
void bad_add_dead_letter(const struct bad *, struct buf *);
void say(const char *program, const char *where, const char *text, const char *hint);

/* ---- metrics: metrics.c ------------------------------------------------------------ */

#define LATENCY_BUCKETS 13

struct input_metrics {
	const struct input *input;
	uint64_t processed;
	uint64_t latency[LATENCY_BUCKETS + 1]; /* the last: +Inf */
	double latency_sum_ms;
};

struct failed_metrics {
	const struct input *input;
	const char *type;
	uint64_t n;
};

struct metrics {
	struct input_metrics *input;
	size_t ninputs, cap_inputs;
	struct failed_metrics *failed;
	size_t nfailed, cap_failed;
	int64_t written_ns;
};

void metrics_count(struct metrics *, const struct input *, uint64_t n, int64_t latency_ns);
void metrics_failed(struct metrics *, const struct input *, const char *type);
int metrics_write(struct metrics *, const char *path, const char *stage,
	const struct balance *, struct failure *why);
void metrics_release(struct metrics *);

/* ---- signals and progress: signals.c ----------------------------------------------- */

struct signals_config {
	bool stdin_stage;              /* a pipe on stdin: a first signal does not drain */
	bool progress;
	void (*tick)(void *arg);       /* every 200 ms, only with progress */
	void (*report)(void *arg);     /* SIGUSR1 */
	void *arg;
};

int signals_start(const struct signals_config *, struct failure *why);
void signals_stop(void);

#endif
