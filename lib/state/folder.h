/*
 * folder: where a state lies: DIR/NAME with its config, its lock and its files.
 *
 * config is a line of JSON:
 *	{"streamkit":"state","version":1,"tool":"sk-dedup","shape":{...},
 *	"value_bytes":8,"expires":true,"key":"<32 hex>","sum":"<16 hex>"}
 * written once and whole, before any log. sum covers all that is before it.
 *
 * runs is a line too: the newest epoch that was committed by being there, at the end of a run
 * without checkpoints, and its checksum. Where there are none it is 0. So a log that lost its
 * end tells.
 */
#ifndef SK_STATE_FOLDER_H
#define SK_STATE_FOLDER_H

#include "base/keyed.h"
#include "base/buf.h"
#include "base/failure.h"

struct folder {
	char *path;          /* DIR/NAME; owned */
	int lock;            /* -1: not held */
};

struct config {
	struct buf text;     /* the line; tool and shape lie in it */
	struct slice tool, shape;
	size_t value_bytes;  /* SIZE_MAX: any */
	bool expires;
	struct keyed key;
	uint64_t sum;        /* names this state in all of its files */
};

void folder_init(struct folder *, const char *dir, const char *name);
void folder_release(struct folder *);

/* Make the folders that are missing, and lock this one, waiting up to so long for an owner
 * that is going. EXIT_TRY_AGAIN: another process, named in why, has it. */
int folder_lock(struct folder *, int64_t wait_ms, struct failure *why);
/* Keep owners from coming, together with others that look; nothing is made. EXIT_TRY_AGAIN:
 * there is one. */
int folder_share(struct folder *, struct failure *why);
void folder_unlock(struct folder *);
/* The process that holds the lock, or 0. */
long folder_owner(const struct folder *);

/* 1; 0: there is none; -1: it is damaged, or of a newer version. */
int config_read(const struct folder *, struct config *, struct failure *why);
/* Write one. config_say: only its text and its sum. */
int config_write(const struct folder *, const struct config *, struct failure *why);
void config_say(struct config *);
void config_release(struct config *);

/* The file runs, of the state of that sum. Reading: it is missing or damaged, EXIT_CONFIG. */
int runs_write(const struct folder *, uint64_t state, uint64_t epoch, struct failure *why);
int runs_read(const struct folder *, uint64_t state, uint64_t *epoch, struct failure *why);

/* TASK-SEQ.log and TASK-SEQ.snap, by task, sequence, logs first. */
struct folder_file {
	uint32_t task;
	uint64_t seq;
	bool snapshot;
	uint64_t bytes;
};

/* What there is; the list is the caller's to free. Left-overs that never got their name are
 * removed, with tidy. */
int folder_list(const struct folder *, bool tidy, struct folder_file **, size_t *n,
	struct failure *why);
/* PATH/NAME, and DIR/NAME/TASK-SEQ.log: owned by the caller. */
char *folder_join(const char *path, const char *name);
char *folder_path(const struct folder *, uint32_t task, uint64_t seq, bool snapshot);
/* A file that is void. It may be gone already. */
int folder_remove(const struct folder *, uint32_t task, uint64_t seq, bool snapshot,
	struct failure *why);
/* Remove all that makes a state of it, the config first: what is left over of a reset that was
 * cut short is refused. The lock is held, and stays. */
int folder_reset(const struct folder *, struct failure *why);

#endif
