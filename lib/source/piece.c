/* Blocks of a plain file that are read beside each other. */
#define _GNU_SOURCE /* memrchr */
#include "source/piece.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define LOOK_PART 64    /* of a block, from its end, where the end of a line is looked for; ... */
#define LOOK_TIMES 8    /* then so many times as much */
#define WHOLE_BLOCKS 16 /* are not left, where lines are too long for that */

/* A descriptor with as many users as there are blocks to be read from it, and the reader. */
struct piece_file {
	int fd;
	bool owned;
	atomic_uint users;
};

static void
let_go(struct piece_file *f)
{
	if (atomic_fetch_sub(&f->users, 1) > 1)
		return;
	if (f->owned)
		close(f->fd);
	free(f);
}

/* Read all of p[0..n) from a place of the file; returns how much of it there is, or -1. */
static ptrdiff_t
read_at(int fd, char *p, size_t n, off_t at)
{
	size_t done = 0;
	ssize_t rc;

	while (done < n) {
		rc = pread(fd, p + done, n - done, at + (off_t)done);
		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0)
			return -1;
		if (rc == 0)
			break;
		done += (size_t)rc;
	}
	return (ptrdiff_t)done;
}

/* Read the end of a block of so many bytes, until that holds the end of a line, which is the
 * block's then. Returns how much of it was not read; -1: there is no end of a line, or not so
 * much to read. */
static ptrdiff_t
read_end(struct reader *r, size_t all, struct block *b)
{
	size_t n = all / LOOK_PART + 1;
	off_t at = r->from + (off_t)r->offset;
	const char *feed = NULL;

	for (;; n *= LOOK_TIMES) {
		n = n < all ? n : all;
		if (read_at(r->fd, b->p + all - n, n, at + (off_t)(all - n)) != (ptrdiff_t)n)
			return -1;
		feed = memrchr(b->p + all - n, '\n', n);
		if (feed || n == all)
			break;
	}
	if (!feed)
		return -1;
	b->n = (size_t)(feed - b->p) + 1;
	return (ptrdiff_t)(all - n);
}

static bool
may_leave(struct reader *r)
{
	if (r->form != FORM_PLAIN || r->polled || r->from < 0 || r->strict || r->eof ||
		r->broken || r->raw.n > r->raw_at)
		return false;
	if (r->whole)
		r->whole--;
	return !r->whole;
}

/* The reader and the block hold the file together. */
static void
leave(struct reader *r, struct block *b, size_t n)
{
	if (!r->file) {
		r->file = mem_alloc(sizeof(*r->file));
		r->file->fd = r->fd;
		r->file->owned = r->owned;
		atomic_init(&r->file->users, 1);
	}
	atomic_fetch_add(&r->file->users, 1);
	b->file = r->file;
	b->left = n;
	b->left_at = r->from + (off_t)r->offset;
}

bool
piece_leave(struct reader *r, unsigned blocks, struct block *b)
{
	size_t held = r->held.n - r->at, all = blocks * r->opt->block_bytes;
	ptrdiff_t left;

	if (!may_leave(r))
		return false;
	reader_begin(r, b);
	block_reserve(b, all);
	left = read_end(r, all, b);
	if (left < 0) {
		r->whole = WHOLE_BLOCKS;
		b->n = 0;
		return false;
	}
	if (left)
		leave(r, b, (size_t)left);
	r->offset += b->n;
	/* What was held back is read again with the block that it belongs to. */
	*r->opt->done_bytes += b->n - held;
	r->held.n = r->at = r->clean = 0;
	r->behind = true;
	return true;
}

int
piece_fetch(struct block *b, struct failure *why)
{
	ptrdiff_t n = read_at(b->file->fd, b->p, b->left, b->left_at);
	int rc = 0;

	if (n < 0) {
		rc = fail(why, EXIT_IO, "%s: %s", strcmp(b->input->name, "-") == 0 ? "stdin" :
			b->input->name, strerror(errno));
	} else if ((size_t)n < b->left) {
		b->n = (size_t)n; /* cut off since its end was read */
	}
	let_go(b->file);
	b->file = NULL;
	return rc;
}

void
piece_close(struct reader *r)
{
	if (r->file)
		let_go(r->file);
	else if (r->owned && r->fd >= 0)
		close(r->fd);
}
