/* A run: what the driver's files share. */
#ifndef SK_FLOW_RUN_H
#define SK_FLOW_RUN_H

#include <stdatomic.h>

#include "flow/clock.h"
#include "flow/internal.h"
#include "flow/ledger.h"

struct ahead;  /* ahead.h */
struct coming; /* coming.h */

/* What the source said when it was read. */
struct taken {
	uint64_t number;             /* of the block */
	uint64_t reads;
	size_t unread;
	struct source_place place;
};

struct flow {
	const struct flow_rooms *rooms;
	const struct flow_options *opt;
	const struct operator *op;
	struct source *source;

	struct outlet *outlet;
	size_t noutlets, cap_outlets;
	struct port **port;          /* the pointers stay; guarded by ports_lock */
	size_t nports, cap_ports;
	struct table port_of;        /* key -> number; guarded by ports_lock */
	pthread_mutex_t ports_lock;
	uint64_t deliveries, open_sinks;

	struct ahead *ahead;         /* reads and scans, or NULL */
	size_t ahead_threads;        /* that it may have */
	struct coming *coming;       /* shows the operator what is to come, or NULL */
	size_t coming_blocks;        /* that it may read ahead for that */
	pthread_mutex_t read_lock;   /* guards the source, next and at_end */
	uint64_t next;               /* number of the next block */
	bool at_end;

	pthread_mutex_t turn_lock;   /* guards turn, delivering and the states of workers */
	pthread_cond_t turn_cond;    /* the turn has moved on, or a worker is free */
	uint64_t turn;               /* number of the block that may be delivered */
	bool delivering;             /* one thread is at it, and changes what is the turn's */
	struct worker *worker;
	size_t nworkers;
	atomic_bool stop;            /* nothing more is to be read or delivered */
	bool enough;                 /* the operator wants no more: a complete end */
	atomic_bool main_begun;      /* the main port has got something */
	int status;                  /* of the failure that ended the run, else 0 */
	bool some_bad;               /* besides what the balance counts */
	struct balance balance;
	struct metrics metrics;
	bool envelope_in;            /* by -e or by the source */
	bool all_envelopes;          /* every port's lines are envelopes */
	uint64_t bad_said;
	struct table unmatched;      /* texts said */
	struct buf letters;          /* dead letters of one delivery */
	struct buf gathered;         /* lines for a sink that may refuse a record */
	struct record *put;          /* or records */
	struct json_doc *put_doc;    /* of theirs that stand in the block as they came */
	unsigned dead_port;          /* or PORT_NONE */
	int64_t began_ns;
	int64_t committed_ns;        /* when the source's place was kept last */
	bool progress_shown;

	struct flow_place place;
	char *place_name;
	struct clock clock;
	bool timed;                  /* records have an event time */
	bool envelope_out;           /* lines leave as envelopes */

	/* A checkpointed stream: */
	bool controlled;             /* it comes in */
	bool owner;                  /* it begins here: this process makes the epochs */
	bool carry;                  /* the main port is a pipe */
	bool carries;                /* and control records go on through it */
	bool framed;                 /* a plain stream between start and end; controlled if it
					comes in so */
	bool frames;                 /* and it goes out so */
	bool last;                   /* or nobody comes after this process */
	bool empty;                  /* stdin ended before it began */
	bool own_state;              /* no checkpoints, and a state that outlives the run */
	bool ledger_kept;            /* by this process */
	bool grouped;                /* a consumer group keeps the source's place */
	bool transacts;              /* this process commits there, by the committer */
	bool begun;                  /* a start was said, or has come */
	bool skip;                   /* nothing counts any more until the next start */
	struct committer *committer;
	struct source_commit group;  /* what is committed, as the group knows it */
	int64_t stall_ns;            /* since when an epoch is due and may not end; 0: it is not */
	bool stall_told;
	struct ledger ledger;
	int64_t every_us;            /* an epoch */
	int64_t barrier_ns;          /* when the last one ended */
	uint64_t barrier_in;         /* records, and the watermark, at its end */
	int64_t barrier_us;
	uint64_t epoch;              /* that ended last */
	uint64_t committed;          /* newest that is known to be */
	bool again;                  /* the job came to its end before */
	bool unchanged;              /* and there is nothing new */
	bool due;                    /* an epoch is to be committed once its output is out: */
	struct buf due_positions, due_clock;
	struct buf run;              /* the run id */
	uint64_t stage;              /* our place in the pipe, from 1 */
	unsigned *carried;           /* ports of the side sinks declared upstream */
	size_t ncarried, cap_carried;
	uint32_t *tasks;             /* assigned */
	size_t ntasks;
	uint64_t control_seen;       /* lines since the last barrier */
	atomic_bool ended;           /* who reads ahead looks at it too */
	bool end_complete;
	int failed_status;           /* of an upstream stage */
};

int port_open(struct flow *, unsigned port, struct failure *why);
/* Before the first write: where a ledger is kept, the output is in it. */
int port_ready(struct flow *, struct port *, struct failure *why);
const char *port_logged_as(const struct port *);
int port_write(struct flow *, unsigned port, const struct iovec *, int n,
	struct failure *why);
int port_put(struct flow *, unsigned port, const struct record *, size_t n,
	struct failure *why);
int ports_flush(struct flow *, bool whole_too, struct failure *why);
/* Flush all, and make durable what can be. */
int ports_sync(struct flow *, struct failure *why);
int ports_commit(struct flow *, struct failure *why);
/* Is there a sink whose file only appears at the end? */
bool ports_appear_later(const struct flow *);

/* A block's way through the run, in one thread's hands at a time. */
struct worker {
	struct flow *flow;
	unsigned index;
	enum {
		WORKER_FREE,
		WORKER_BUSY,         /* a thread has it */
		WORKER_READY,        /* its block waits to be delivered */
	} state;
	pthread_t thread;            /* that had it last */
	struct taken taken;          /* with the block in hand */
	bool scanned;                /* that was done ahead */
	struct block block;
	struct json_scan scan, scratch;
	struct json_doc doc;
	struct envelope_reader envelope;
	void *op;
	struct expr_run *where, *time;
	struct time_memo time_memo;
	struct emit emit;
	struct bad *bad;
	size_t nbad, cap_bad;
	size_t told_bad;             /* of them: said, and dead-lettered */
	bool letters;                /* stand among what is emitted, to be made durable */
	bool refuses;                /* a sink does, of what is being delivered */
	struct balance balance;      /* of the block */
	bool halted;                 /* a record of the block ends the run */
	bool enough;
	bool flush;                  /* a barrier went by */
	bool looks;                  /* lines of the block may be control records */
	bool check_start;            /* the next emission may open a plain pipe */
	struct failure why;          /* with halted: what ended it, unless a bad record did */
	bool fatal;
	uint8_t *to;                 /* where the lines of the block go, at a glance */
	size_t cap_to;
	unsigned eager;              /* blocks before the next one that is scanned lazily */
};

/* ---- the workers: workers.c -------------------------------------------------------- */

int workers_open(struct flow *, const void *config, struct failure *why);
/* Take all blocks there are, on so many threads. */
void workers_run(struct flow *, size_t nthreads);
void workers_close(struct flow *);

/* Read a block: 1, 0 at the end, -1. At wake_ns it may be an empty one. */
int flow_read(struct flow *, struct block *, struct taken *, int64_t wake_ns, struct failure *why);
/* The same in two steps: in turn, and what the source has left, beside others: 1 or -1. */
int flow_read_next(struct flow *, struct block *, struct taken *, int64_t wake_ns,
	struct failure *why);
int flow_read_rest(struct flow *, struct block *, struct failure *why);

/* ---- the end: end.c ---------------------------------------------------------------- */

/* Was bounded input read to its end, or had the operator enough? */
bool run_is_complete(const struct flow *);
/* Let the operators say what the end of a plain stream makes of what they hold. */
void run_end_operators(struct flow *, bool complete);
void run_end_sinks(struct flow *, bool complete);
/* What became of it all: the exit status. */
int run_last_word(struct flow *);
/* The operator's end. What it says of an end that was not all good is said. */
int run_end_operator(struct worker *, bool complete, struct failure *why);
/* Nothing holds time back any more. */
int run_end_time(struct worker *, bool complete, struct failure *why);

/* ---- plain streams under sk-run: frame.c ------------------------------------------- */

/* Does a plain stream begin here that is to have start and end? Does one go on from here? */
bool frame_begins(const struct flow *);
bool frame_goes_on(const struct flow *);
/* stdin, without a byte, is the pipe of a stage that should have said start. */
bool frame_is_missing(const struct flow *);
void frame_say_start(struct worker *);
int frame_say_end(struct worker *, bool complete, struct failure *why);

/* ---- a block: work.c --------------------------------------------------------------- */

/* Is the next block to be scanned lazily? Asked once a block. */
bool worker_is_lazy(struct worker *);
/* Scan a block, and let the operator note what it sees. */
void worker_scan(const struct flow *, void *op, struct json_scan *, struct block *, bool lazy);
/* Scan the block in hand, if that was not done, and hand its records to the operator. */
void worker_work(struct worker *);
struct record worker_record(struct worker *, size_t i);
/* Validate a record, and look into its envelope. -1: it is a bad one. */
int worker_read_value(struct worker *, struct record *, struct failure *why);
/* The run ends here. */
void worker_halt(struct worker *, const struct failure *why);
/* Until all blocks before this one are delivered. */
void worker_wait_turn(struct worker *);
/* --where: 1 if it is true of the record, 0, or -1. */
int worker_test_where(struct worker *, const struct record *, struct failure *why);

/* ---- its bad records: bad.c -------------------------------------------------------- */

/* Note a bad record. Its emissions are undone. */
void worker_note_bad(struct worker *, const struct record *, const char *type,
	const struct failure *why);

/* ---- lines that no record is made of: glance.c ------------------------------------- */

/*
 * Where the lines of the block in hand go that can be told at a glance, before anything is
 * made of them; NULL: each is a record. So is every line that may not pass as it is.
 */
const uint8_t *worker_glance(struct worker *);
/* Let lines from i on go where it was told. Returns the first that is a record. */
size_t worker_pass_lines(struct worker *, const uint8_t *to, size_t i);
/* Whether lines of the block in hand may be asked about before anything is made of them. */
bool worker_is_peeked(const struct worker *);
/* Take lines from i on as long as a look at them will do. Returns the first that needs more. */
size_t worker_peek(struct worker *, size_t i);

/* ---- records that are taken many in one call: runs.c ------------------------------- */

/* Whether records of the block in hand may be taken together. */
bool worker_has_runs(const struct worker *);
/* Take records from i on, as long as they can be taken together. Returns the first that
 * can't. */
size_t worker_take_runs(struct worker *, size_t i);
/* Does any record of the block in hand need no more than its note? */
bool worker_is_noted(const struct worker *);
/* Take records from i on by their notes. Returns the first that needs more. */
size_t worker_take_noted(struct worker *, size_t i);

/* ---- event time: when.c ------------------------------------------------------------ */

/* Give the record its event time. Where that moves the watermark, what is due happens before
 * the record does. 1; 0: it is a bad record; -1: the run ends. */
int worker_tell_time(struct worker *, struct record *, struct failure *why);
/* An input tells a time; where that moves the watermark, what is due happens. */
int worker_pass_time(struct worker *, struct input *, int64_t us, uint32_t task,
	struct failure *why);
/* The watermark has moved: what is due happens, and the pipe hears of it. */
int worker_move_time(struct worker *, uint32_t task, struct failure *why);
/* Pass a watermark on into the pipe, if that carries control records. */
void worker_pass_watermark(struct worker *, int64_t us);
/* Inputs may have been at rest for so long that time goes on without them. */
int worker_rest(struct worker *, struct failure *why);

/* ---- delivery: deliver.c ----------------------------------------------------------- */

void worker_deliver(struct worker *);
int worker_deliver_output(struct worker *, struct failure *why);
/* Say why the run fails, if it has not failed before, and stop it. */
void run_failed(struct flow *, const struct failure *why);
/* source->settle: everything read so far is delivered and durable. */
int run_settle(void *flow, struct failure *why);

/* ---- commits for a consumer group: commit.c ---------------------------------------- */

/* The last process: will it commit by the ledger, by the committer, or not at all? */
int commit_choose(struct flow *, struct failure *why);
/* The owner: wait for partitions and learn what is committed; at: a ledger's position, or
 * empty. */
int commit_begin(struct flow *, struct slice at, struct failure *why);
/* The partitions were shared out anew: back to what is committed. */
int commit_anew(struct worker *, struct failure *why);
/* Partitions are about to go: end the epoch, and wait until it is committed. */
int commit_settle(struct flow *, struct failure *why);
/* The last process: a start has come, with the app of its stream. */
int commit_on_start(struct flow *, const struct control *, struct failure *why);
int commit_epoch(struct flow *, bool done, struct failure *why);
/* The owner, before it leaves: until its last epoch is committed, or nobody is there to do
 * it. A stage between the two: until one of its neighbours is gone. */
int commit_wait(struct flow *, struct failure *why);
/* What the owner can see to be committed; where it waits in vain for long, that is said. */
void commit_look(struct flow *);
/* Was the epoch that a mark of the state belongs to committed by another stream? */
int commit_check_mark(struct slice mark, struct slice run, struct failure *why);

/* ---- epochs: epoch.c --------------------------------------------------------------- */

/* Say whether this process is owner, stage or last, from the options and the stream. */
int epoch_take_part(struct flow *, struct failure *why);
/* Before the first record of a run that no start begins. begun: a block was read already. */
int epoch_begin(struct worker *, bool begun, struct failure *why);
/* The stream came to its end without a record. */
int epoch_check_empty(const struct flow *, struct failure *why);
/* A name for the stream that begins here. */
void epoch_name_run(struct flow *);
/* The owner says start, with the run that it has. */
void epoch_say_start(struct worker *);
/* What the ledger has: 1, or 0 if there is none. */
int epoch_look(struct flow *, struct ledger *, struct failure *why);
/* A start: before the operator's assign and rollback. */
int epoch_on_start(struct worker *, const struct control *, struct failure *why);
int epoch_open_ledger(struct flow *, const uint64_t *epoch, struct failure *why);
/* Tell operator and next stage the watermark of before. */
int epoch_tell_time(struct worker *, struct failure *why);
/* The operator's barrier, with the clock in its mark. */
int epoch_mark(struct worker *, uint64_t epoch, struct failure *why);
void epoch_due(struct flow *, uint64_t epoch, struct slice positions, struct slice clock);
int epoch_commit(struct flow *, enum ledger_state, struct failure *why);
int epoch_finish(struct flow *, struct failure *why);
/* The owner's: end an epoch; has anything come since the last; after each block, look whether
 * it is time to. */
int epoch_end(struct worker *, bool at_end, bool complete, struct failure *why);
bool epoch_has_news(const struct flow *);
int epoch_pass(struct worker *, struct failure *why);

/* A control line of the stream: read, checked, acted on, passed on (checkpoint.c). */
int control_line(struct worker *, struct slice line, struct failure *why);
/* Is the first line of the stream a start? Then it is a checkpointed one. */
bool control_begins(struct slice line, struct json_scan *scratch);

#endif
