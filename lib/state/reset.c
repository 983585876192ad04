/* A state begins anew. */
#include "state/reset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

static void
show(struct grid *g, const char *name, const char *file, bool yes, const char *dir)
{
	struct buf path = {0}, shown = {0};
	struct stat st;

	buf_addf(&path, "%s/%s%s%s", dir, name, *name ? "/" : "", file);
	buf_addf(&shown, "%s%s%s", name, *name ? "/" : "", file);
	if (stat(buf_cstr(&path), &st) == 0)
		show_file(g, buf_cstr(&shown), st.st_size, true, "%s", yes ? "removed" :
			"would go");
	buf_release(&path);
	buf_release(&shown);
}

int
reset_lock(struct ledger *l, const char *dir, bool yes, struct failure *why)
{
	struct buf path = {0};
	struct stat st;
	int rc = 0;

	buf_addf(&path, "%s/commit.lock", dir);
	if (yes || stat(buf_cstr(&path), &st) == 0)
		rc = ledger_try_lock(l, dir, why);
	buf_release(&path);
	return rc;
}

int
reset_stage(struct grid *g, const char *dir, const char *name, bool yes, struct failure *why)
{
	struct folder_file *list = NULL;
	struct buf file = {0};
	struct folder f;
	size_t n = 0, i;
	int rc;

	folder_init(&f, dir, name);
	rc = yes ? folder_lock(&f, 0, why) : folder_share(&f, why);
	if (rc == 0)
		rc = folder_list(&f, false, &list, &n, why);
	if (rc == 0)
		show(g, name, "config", yes, dir);
	for (i = 0; i < n && rc == 0; i++) {
		buf_reset(&file);
		buf_addf(&file, "%u-%" PRIu64 ".%s", (unsigned)list[i].task, list[i].seq,
			list[i].snapshot ? "snap" : "log");
		show(g, name, buf_cstr(&file), yes, dir);
	}
	if (rc == 0)
		show(g, name, "runs", yes, dir);
	if (rc == 0 && yes)
		rc = folder_reset(&f, why);
	buf_release(&file);
	free(list);
	folder_release(&f);
	return rc;
}

int
reset_ledger(struct grid *g, const char *dir, bool yes, struct failure *why)
{
	show(g, "", "commit", yes, dir);
	return yes ? ledger_remove(dir, why) : 0;
}
