/* A folder of states as it lies there. */
#define _DEFAULT_SOURCE /* DT_DIR */
#include "state/look.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "state/internal.h"

_Static_assert(LOOK_LAST == EPOCH_LAST, "the last epoch of a look is that of a state");

/* ---- names ------------------------------------------------------------------------- */

static bool
holds_state(const char *dir, const char *name)
{
	struct folder_file *list = NULL;
	struct failure ignored;
	struct folder folder;
	struct buf path = {0};
	struct stat st;
	size_t n = 0;
	bool is;

	folder_init(&folder, dir, name);
	buf_addf(&path, "%s/config", folder.path);
	is = stat(buf_cstr(&path), &st) == 0;
	if (!is && stat(folder.path, &st) == 0 && S_ISDIR(st.st_mode) &&
		folder_list(&folder, false, &list, &n, &ignored) == 0)
		is = n > 0;
	free(list);
	buf_release(&path);
	folder_release(&folder);
	return is;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
look_names(const char *dir, char ***names, size_t *n, struct failure *why)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t cap = 0;

	*names = NULL;
	*n = 0;
	if (!d)
		return fail(why, status_of_errno(errno, EXIT_NOINPUT), "%s: %s", dir,
			strerror(errno));
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' || !holds_state(dir, e->d_name))
			continue;
		*names = mem_grow(*names, &cap, *n + 1, sizeof(**names));
		(*names)[(*n)++] = mem_strdup(e->d_name);
	}
	closedir(d);
	if (*n)
		qsort(*names, *n, sizeof(**names), by_name);
	return 0;
}

/* ---- a stage ----------------------------------------------------------------------- */

int
look_open(struct look *l, const char *dir, const char *name, struct failure *why)
{
	int rc;

	memset(l, 0, sizeof(*l));
	l->name = mem_strdup(name);
	folder_init(&l->folder, dir, name);
	rc = folder_list(&l->folder, false, &l->file, &l->nfiles, why);
	if (rc == 0)
		rc = config_read(&l->folder, &l->config, why);
	if (rc == 0 && l->nfiles)
		rc = fail(why, EXIT_CONFIG, "%s: has logs and no config", l->folder.path);
	else if (rc == 0)
		rc = fail(why, EXIT_NOINPUT, "%s: holds no state", l->folder.path);
	if (rc < 0)
		look_close(l);
	return rc < 0 ? -1 : 0;
}

void
look_close(struct look *l)
{
	state_free(l->state);
	folder_release(&l->folder);
	config_release(&l->config);
	buf_release(&l->place.mark);
	buf_release(&l->app);
	free(l->file);
	free(l->task);
	free(l->name);
	memset(l, 0, sizeof(*l));
	l->folder.lock = -1;
}

int
look_hold(struct look *l, struct failure *why)
{
	return folder_share(&l->folder, why);
}

/* A state that has its tasks, and nothing in them. */
static struct state *
empty_state(struct look *l, bool stamps, struct failure *why)
{
	const struct state_options options = {.tool = "", .shape = "",
		.value_bytes = l->config.value_bytes, .expires = l->config.expires};
	const struct op_context ctx = {.place = &l->place};
	struct state *s;
	size_t i;

	l->place.evict = stamps;
	s = state_new(&options, &ctx);
	s->looking = true;
	s->made = l->config.sum;
	s->secret = l->config.key;
	s->folder.path = mem_strdup(l->folder.path);
	for (i = 0; i < l->nfiles; i++)
		if (!state_task(s, l->file[i].task) &&
			state_assign(s, l->file[i].task, why) < 0) {
			state_free(s);
			return NULL;
		}
	return s;
}

static void
take_down(struct look *l, const struct ways *all)
{
	const struct way *w;
	struct look_task *t;
	size_t i;

	free(l->task);
	l->task = mem_array(all->n + 1, sizeof(*l->task));
	l->ntasks = all->n;
	buf_reset(&l->app);
	for (w = all->way, t = l->task; w < all->way + all->n; w++, t++) {
		t->id = w->t->id;
		t->marked = w->found && !w->base;
		t->own = t->marked && w->own;
		if (t->marked && !l->app.n)
			buf_add_slice(&l->app, w->mark.app);
		t->epoch = w->epoch;
		t->committed = w->committed < w->epoch ? w->committed : w->epoch;
		t->keys = t->marked ? w->keys : 0;
		t->seq = w->seq;
		t->at = w->at;
		t->first = w->snapshot ? w->snapshot_seq : 1;
		for (i = 0; i < w->nfiles; i++)
			t->bytes += w->file[i].bytes;
	}
}

static int
look(struct look *l, uint64_t epoch, bool stamps, bool read, struct failure *why)
{
	struct state *s = empty_state(l, stamps, why);
	struct ways all;
	int rc;

	if (!s)
		return -1;
	rc = runs_read(&l->folder, s->made, &s->runs, why);
	if (rc == 0) {
		rc = ways_find(s, epoch, &all, why);
		if (rc == 0)
			take_down(l, &all);
		ways_release(&all);
	}
	if (rc == 0 && read)
		rc = recover(s, epoch, why);
	state_free(l->state);
	l->state = read && rc == 0 ? s : NULL;
	if (l->state != s)
		state_free(s);
	return rc;
}

int
look_tasks(struct look *l, uint64_t epoch, struct failure *why)
{
	return look(l, epoch, false, false, why);
}

int
look_read(struct look *l, uint64_t epoch, bool stamps, struct failure *why)
{
	return look(l, epoch, stamps, true, why);
}

/* Without a ledger, and with marks of a job, the brokers know which epoch is committed. */
uint64_t
look_epoch(struct look *l, const struct ledger *ledger)
{
	struct failure ignored;
	size_t i;

	if (ledger->there)
		return ledger->epoch;
	if (look_tasks(l, LOOK_LAST, &ignored) < 0)
		return LOOK_LAST;
	for (i = 0; i < l->ntasks; i++)
		if (l->task[i].marked ? !l->task[i].own : l->task[i].epoch != 0)
			return LOOK_LAST;
	return EPOCH_NEWEST;
}

int
look_file(const struct look *l, const struct folder_file *file, uint64_t *whole,
	uint64_t *blocks, struct failure *why)
{
	enum file_kind kind = file->snapshot ? FILE_SNAPSHOT : FILE_LOG;
	char *path = folder_path(&l->folder, file->task, file->seq, file->snapshot);
	struct buf body = {0};
	struct block_head b;
	struct file f;
	int rc = file_open(&f, path, kind, file->task, file->seq, l->config.sum, false, why);

	free(path);
	*blocks = 0;
	if (rc < 0)
		return -1;
	for (*whole = FILE_HEAD; *whole < f.size; *whole = file_behind(*whole, &b)) {
		rc = file_block(&f, *whole, &b, why);
		if (rc > 0)
			rc = file_body(&f, *whole, &b, &body, why);
		if (rc <= 0)
			break;
		++*blocks;
	}
	buf_release(&body);
	file_close(&f);
	return rc < 0 ? -1 : 0;
}
