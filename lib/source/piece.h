/*
 * piece: blocks of a plain file that several threads read beside each other.
 *
 * Who has the source's lock reads only the end of a block, to see where its last line ends,
 * and leaves the rest to the thread that works on the block. Blocks begin and end where lines
 * do, as with reader_read(), and in the same order, but not at the same bytes. Each byte is
 * read once, but for the line that goes on behind the block. What can't be left, since the file
 * is no plain one, its end is near, or its lines are long, goes the usual way.
 * The place of the descriptor stays behind until then, or until the reader is closed.
 */
#ifndef SK_SOURCE_PIECE_H
#define SK_SOURCE_PIECE_H

#include "source/reader.h"

/* The next block, as large as so many usual ones, of which p[0..left) is left to piece_fetch().
 * False: use reader_read(). */
bool piece_leave(struct reader *, unsigned blocks, struct block *);

/* Read what was left, on any thread, and after the reader was closed as well. Once for each
 * block. A file that was cut off meanwhile gives less. */
int piece_fetch(struct block *, struct failure *why);

/* Close the reader's descriptor once nobody reads from it. */
void piece_close(struct reader *);

#endif
