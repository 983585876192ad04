/*
 * look: a folder of states as it lies there, for people: what stages it holds and how far they
 * are, whether it is whole, the same as lines of JSON and back, and how to begin anew.
 *
 *	struct look l;
 *	if (look_open(&l, dir, name, why) == 0 && look_read(&l, LOOK_LAST, why) == 0)
 *		look_dump(&l, say, arg, why);
 *	look_close(&l);
 *
 * Looking changes nothing and waits for nobody. A stage that runs meanwhile may remove a file
 * that was just listed; where that would mislead, look_hold keeps it from starting.
 */
#ifndef SK_STATE_LOOK_H
#define SK_STATE_LOOK_H

#include "flow/flow.h"
#include "flow/ledger.h"
#include "state/folder.h"

struct state;

#define LOOK_LAST (UINT64_MAX - 2) /* the epoch that was marked last, committed or not */

/* Of a task, at the epoch that was asked for. */
struct look_task {
	uint32_t id;
	bool marked;         /* an epoch has ended; else all is as it was made */
	bool own;            /* by a run without checkpoints: committed by being there */
	uint64_t epoch;
	uint64_t committed;  /* newest epoch that the state itself knows to be */
	uint64_t keys, bytes;/* bytes: of all its files */
	uint64_t seq, at;    /* the log that ends there, and where in it */
	uint64_t first;      /* the log, and the snapshot, that a run begins with */
};

struct look {
	char *name;          /* owned, all */
	struct folder folder;
	struct config config;
	struct folder_file *file;
	size_t nfiles;
	struct look_task *task;
	size_t ntasks;
	struct flow_place place; /* its mark, once it is read */
	struct buf app;      /* of the mark */
	struct state *state; /* NULL: not read */
};

/* The folders in dir that hold a state, sorted: each name and the list are the caller's. */
int look_names(const char *dir, char ***names, size_t *n, struct failure *why);
/* Its config and its files. EXIT_NOINPUT: it has none. */
int look_open(struct look *, const char *dir, const char *name, struct failure *why);
void look_close(struct look *);
/* No process may open it until look_close. EXIT_TRY_AGAIN: one has, its pid in why. */
int look_hold(struct look *, struct failure *why);

/* Fill task, from the marks alone. The epoch is one that a run might ask for, or LOOK_LAST. */
int look_tasks(struct look *, uint64_t epoch, struct failure *why);
/* The same, and all keys and values, with every checksum on the way. stamps: the order in which
 * keys were made, too, if it was kept. */
int look_read(struct look *, uint64_t epoch, bool stamps, struct failure *why);

/* Every block of a file: *whole bytes of it are, of so many blocks. */
int look_file(const struct look *, const struct folder_file *, uint64_t *whole,
	uint64_t *blocks, struct failure *why);

/* What a run without checkpoints would ask for, or the job of a ledger. */
uint64_t look_epoch(struct look *, const struct ledger *);

/* A buf of whole lines that is to go out, and is empty then. */
typedef int look_say(void *arg, struct buf *lines, struct failure *why);

/* What was read, as lines. */
int look_dump(struct look *, look_say *, void *arg, struct failure *why);

/*
 * Lines of look_dump, of as many stages as there are, into DIR, where no such stage may be.
 * Nothing counts before load_end; what was loaded is taken back by load_free without it.
 * name: that stage alone, or NULL. A line of a ledger ("commit") is stored last.
 */
struct load;
struct load *load_new(const char *dir, const char *name);
int load_line(struct load *, struct slice line, struct failure *why);
int load_end(struct load *, struct failure *why);
void load_free(struct load *);

#endif
