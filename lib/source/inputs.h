/* What the sources that read files share: the list of inputs. Nobody else includes it. */
#ifndef SK_SOURCE_INPUTS_H
#define SK_SOURCE_INPUTS_H

#include <sys/types.h>

#include "source/reader.h"

struct named_input {
	struct input input;    /* name is owned */
	enum input_kind kind;
	bool regular;
	dev_t dev;             /* of a regular file */
	ino_t ino;
	struct head head;      /* once its first block was read */
	uint64_t offset;       /* where to begin; once it has ended, where that was */
	bool again;            /* what is not the input of old is read from its beginning */
};

struct inputs {
	struct named_input *v;
	size_t n, cap;
	struct reader_options opt;
};

/* Each kind of source begins like this. */
struct listed {
	struct source base;
	struct inputs in;
};

/* A source that merges what base and the inputs describe. Takes the inputs over: on
 * failure they are released. */
struct source *merge_open(const struct source *base, struct inputs *, const char *by,
	struct failure *why);

/* A source that follows them. Takes the inputs over. */
struct source *follow_open(const struct source *base, struct inputs *);

void inputs_release(struct inputs *);

/* Positions: position.c. Append where the first next inputs stand, of which the last is at
 * offset if reading. */
void inputs_add_position(const struct inputs *, size_t next, bool reading, uint64_t offset,
	struct buf *);
/* Take a position up: *next is the number of the input to begin with. */
int inputs_seek(struct inputs *, struct slice position, bool finished, size_t *next,
	struct failure *why);

#endif
