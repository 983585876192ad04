/*
 * The log of a state against a model: random changes, barriers, kills, rollbacks and
 * restarts; what is refused; and every byte of a small folder changed, one at a time.
 */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "state/internal.h"
#include "random.h"
#include "test.h"

#define KEYS 600
#define EPOCHS 8

/* In memory, where there is such a folder: what is durable is tried elsewhere. */
static char root[40] = "/dev/shm/sk-state.XXXXXX";
static void
remove_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char name[600];

	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (unlink(name) < 0)
			remove_folder(name);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

/* ---- a state under test ------------------------------------------------------------------ */

static struct flow_place place = {.state = root, .name = "1-test", .app = "job"};
static struct state_options options = {.tool = "sk-test", .shape = "{\"key\":\".a\"}"};

static struct state *
open_state(uint64_t epoch, unsigned tasks, struct failure *why)
{
	static const struct op_context ctx = {.place = &place};
	struct state *s = state_new(&options, &ctx);
	unsigned i;

	s->block = 4096;
	s->least = 20000;
	s->piece = 5000;
	s->alone = random64() % 2 ? 3000 : UINT64_MAX;
	for (i = 0; i < tasks; i++)
		if (state_assign(s, i, why) < 0)
			goto fail;
	if (state_rollback(s, epoch, why) == 0)
		return s;
fail:
	state_free(s);
	return NULL;
}

static struct key128
key_of(unsigned i)
{
	static const struct keyed secret = {1, 2};

	return i == 0 ? (struct key128){0, 0}
		: keyed_hash(&secret, slice_of((const char *)&i, sizeof(i)));
}

/* ---- the model: what each key has, as of each of the last epochs ------------------------- */

struct cell {
	bool there;
	uint32_t n;
	char p[48];
};

struct model {
	struct cell cell[2][KEYS]; /* of two tasks */
	int64_t horizon[2];
};

static unsigned width = KEYS; /* of them that change */
static struct model now, kept[EPOCHS];

static bool
alive(const struct model *m, unsigned task, unsigned i)
{
	const struct cell *c = &m->cell[task][i];

	return c->there && !(options.expires &&
		value_time(slice_of(c->p, c->n)) < m->horizon[task]);
}

static int
count(void *arg, struct key128 key, struct slice value)
{
	(void)key, (void)value;
	++*(unsigned *)arg;
	return 0;
}

static bool
same(struct state *s, const struct model *m, unsigned tasks)
{
	unsigned t, i, there, visited;
	struct slice v;

	for (t = 0; t < tasks; t++) {
		for (i = there = visited = 0; i < KEYS; i++) {
			bool got = state_get(s, t, key_of(i), &v);

			there += got;
			if (got != alive(m, t, i) || (got && !slice_eq(v,
				slice_of(m->cell[t][i].p, m->cell[t][i].n))))
				return false;
		}
		state_each(s, t, count, &visited);
		if (visited != there)
			return false;
	}
	return true;
}

/* A key with another one behind it, added together. */
static bool
add_two(struct state *s, unsigned t, unsigned i)
{
	struct key128 key[2] = {key_of(i), key_of((i + 1) % KEYS)};
	bool was[2] = {now.cell[t][i].there, now.cell[t][(i + 1) % KEYS].there};
	struct failure why;
	uint8_t made[2];

	if (state_add_all(s, t, key, 2, made, &why) != 2 || made[0] != !was[0] ||
		made[1] != !was[1])
		return false;
	now.cell[t][i] = now.cell[t][(i + 1) % KEYS] = (struct cell){.there = true};
	return true;
}

static bool
change(struct state *s, unsigned t, int64_t us)
{
	unsigned i = (unsigned)(random64() % width);
	struct cell *c = &now.cell[t][i], fresh = {.there = true};
	bool was = alive(&now, t, i);
	struct failure why;
	struct slice v;

	fresh.n = options.value_bytes == STATE_VARIABLE ? 8 + (uint32_t)(random64() % 40)
							: (uint32_t)options.value_bytes;
	memset(fresh.p, (int)random64(), sizeof(fresh.p));
	if (options.expires) {
		int64_t time = us + (int64_t)(random64() % 3000) - 1000;

		memcpy(fresh.p, &time, 8);
	}
	v = slice_of(fresh.p, fresh.n);
	switch (random64() % 8) {
	case 0:
		if (options.value_bytes == 0)
			return add_two(s, t, i);
		/* fall through */
	case 1:
	case 2:
		if (state_add(s, t, key_of(i), v, NULL, &why) != !was)
			return false;
		if (!was)
			*c = fresh;
		return true;
	case 3:
	case 4:
		*c = fresh;
		return state_put(s, t, key_of(i), v, &why) == 0;
	case 5:
		if (!was)
			return true;
		memcpy(c->p, fresh.p, c->n);
		return state_set(s, t, key_of(i), slice_of(fresh.p, c->n), &why) == 0;
	case 6:
		c->there = false;
		return state_remove(s, t, key_of(i), &why) == 0;
	default:
		if (!options.expires)
			return true;
		if (us > now.horizon[t])
			now.horizon[t] = us;
		return state_expire(s, t, us, &why) == 0;
	}
}

/* A checkpointed job of two tasks that is killed now and then: it goes on from the epoch
 * committed last, or from the one behind it if that was committed by then. */
static bool
job(unsigned epochs, unsigned *snapshots)
{
	struct failure why = {0};
	struct state *s;
	uint64_t epoch = 0, committed = 0;
	unsigned step, n = 0;
	int64_t us = 0;

	memset(&now, 0, sizeof(now));
	memset(kept, 0, sizeof(kept));
	now.horizon[0] = now.horizon[1] = INT64_MIN;
	kept[0] = now;
	place.committed = 0;
	s = open_state(0, 2, &why);
	while (s && n++ < epochs) {
		unsigned steps = (unsigned)(random64() % 400);

		for (step = 0; step < steps; step++)
			if (!change(s, (unsigned)(random64() % 2), us++))
				goto fail;
		switch (random64() % 10) {
		case 0: /* killed within an epoch */
		case 1: /* killed between the marks and the commit */
			if (random64() % 2) {
				epoch++;
				buf_reset(&place.mark);
				buf_addf(&place.mark, "mark %u", (unsigned)epoch);
				if (state_barrier(s, epoch, &why) < 0)
					goto fail;
				kept[epoch % EPOCHS] = now;
				if (random64() % 2)
					committed = place.committed = epoch;
			}
			state_free(s);
			s = open_state(committed, 2, &why);
			if (!s || !same(s, &kept[committed % EPOCHS], 2))
				goto fail;
			if (committed && (uint64_t)strtoul(buf_cstr(&place.mark) + 5, NULL, 10) !=
				committed)
				goto fail;
			now = kept[committed % EPOCHS];
			epoch = committed;
			break;
		case 2: /* the source's assignment changes: back, in the same process */
			if (state_rollback(s, committed, &why) < 0 ||
				!same(s, &kept[committed % EPOCHS], 2))
				goto fail;
			now = kept[committed % EPOCHS];
			epoch = committed;
			break;
		default:
			epoch++;
			buf_reset(&place.mark);
			buf_addf(&place.mark, "mark %u", (unsigned)epoch);
			if (state_barrier(s, epoch, &why) < 0)
				goto fail;
			kept[epoch % EPOCHS] = now;
			/* At most two epochs are in flight. */
			if (epoch >= committed + 2 || random64() % 2)
				committed = epoch - random64() % 2;
			place.committed = committed;
		}
		*snapshots = s->task[0]->log.file.head.seq > *snapshots
			? (unsigned)s->task[0]->log.file.head.seq : *snapshots;
		if (!same(s, &now, 2))
			goto fail;
	}
	state_free(s);
	remove_folder(root);
	return s != NULL;
fail:
	printf("# epoch %u, committed %u: %s\n", (unsigned)epoch, (unsigned)committed, why.text);
	return false;
}

/* Runs that commit by themselves: what one has brought to its end is there for the next. */
static bool
runs(unsigned n)
{
	struct failure why = {0};
	struct state *s = NULL;
	unsigned step, steps;
	struct model start;
	int64_t us = 0;

	memset(&now, 0, sizeof(now));
	now.horizon[0] = INT64_MIN;
	for (; n; n--) {
		start = now;
		s = open_state(EPOCH_NEWEST, 1, &why);
		if (!s || !same(s, &now, 1))
			goto fail;
		steps = (unsigned)(random64() % 4000);
		for (step = 0; step < steps; step++)
			if (!change(s, 0, us++))
				goto fail;
		if (random64() % 3 == 0)
			now = start; /* killed before its end */
		else if (state_barrier(s, EPOCH_OWN, &why) < 0)
			goto fail;
		state_free(s);
	}
	remove_folder(root);
	return true;
fail:
	printf("# %s\n", why.text);
	return false;
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void
put(struct state *s, unsigned task, unsigned i, const char *value)
{
	struct failure why;

	if (state_put(s, task, key_of(i), slice_str(value), &why) < 0)
		abort();
}

static void
refused(uint64_t epoch, unsigned tasks, int status, const char *with, const char *title)
{
	struct failure why = {0};
	struct state *s = open_state(epoch, tasks, &why);

	ok(!s && why.status == status && strstr(why.text, with) && why.hint[0], "%s: %s", title,
		why.text);
	state_free(s);
}

static void
refusals(void)
{
	static const struct op_context ctx = {.place = &place};
	struct failure why = {0};
	struct state *s, *two;
	struct stat st;
	char path[200];

	options.value_bytes = STATE_VARIABLE;
	options.expires = false;
	place.committed = 0;
	refused(4, 1, EXIT_CONFIG, "no state of epoch 4", "a new folder has no epoch 4");
	remove_folder(root);
	s = open_state(0, 2, &why);
	put(s, 0, 1, "one");
	ok(state_barrier(s, 1, &why) == 0, "a barrier");
	place.committed = 1;
	put(s, 0, 1, "two");
	state_barrier(s, 2, &why);
	ok(state_barrier(s, 2, &why) == -1 && why.status == EXIT_INTERNAL,
		"an epoch ends once");
	snprintf(path, sizeof(path), "%s/1-test", root);
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0700, "the folder is the user's alone");
	snprintf(path, sizeof(path), "%s/1-test/0-1.log", root);
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "and so are its files");

	two = state_new(&options, &ctx);
	ok(folder_lock(&(struct folder){path, -1}, 0, &why) == -1, "no lock in a file's place");
	folder_init(&two->folder, root, "1-test");
	snprintf(path, sizeof(path), "in use by process %ld", (long)getpid());
	ok(folder_lock(&two->folder, 60, &why) == -1 && why.status == EXIT_TRY_AGAIN &&
		strstr(why.text, path), "a second opener: %s", why.text);
	ok(folder_owner(&two->folder) == (long)getpid(), "who holds it can be asked");
	state_free(two);
	state_free(s);

	refused(3, 2, EXIT_CONFIG, "no state of epoch 3", "an epoch that never was");
	refused(0, 2, EXIT_CONFIG, "committed up to epoch 1", "a job that begins anew");
	refused(EPOCH_NEWEST, 2, EXIT_CONFIG, "checkpointed job", "a run without checkpoints");
	options.shape = "{\"key\":\".b\"}";
	refused(1, 2, EXIT_CONFIG, "made with {\"key\":\".a\"}, and now it is {\"key\":\".b\"}",
		"another key");
	options.shape = "{\"key\":\".a\"}";
	options.tool = "sk-other";
	refused(1, 2, EXIT_CONFIG, "made by sk-test", "another tool");
	options.tool = "sk-test";
	options.value_bytes = 8;
	refused(1, 2, EXIT_CONFIG, "other values", "other values");
	options.value_bytes = STATE_VARIABLE;

	s = open_state(1, 3, &why);
	ok(s != NULL, "a task that is new at epoch 1 is empty %s", why.text);
	place.committed = 1;
	ok(state_barrier(s, 2, &why) == 0, "and has epoch 2");
	state_free(s);
	snprintf(path, sizeof(path), "%s/1-test/2-1.log", root);
	unlink(path);
	refused(2, 3, EXIT_CONFIG, "is missing", "a task whose log was there in epoch 2");
	remove_folder(root);

	place.committed = 0;
	s = open_state(EPOCH_NEWEST, 1, &why);
	put(s, 0, 1, "own");
	state_barrier(s, EPOCH_OWN, &why);
	state_free(s);
	refused(0, 1, EXIT_CONFIG, "outside of the checkpointed job", "after a run by itself");
	refused(1, 1, EXIT_CONFIG, "outside of the checkpointed job", "its epoch is no job's");
	snprintf(path, sizeof(path), "%s/1-test/config", root);
	unlink(path);
	refused(EPOCH_NEWEST, 1, EXIT_CONFIG, "logs and no config", "a config that is gone");
	remove_folder(root);
}

/* ---- every byte -------------------------------------------------------------------------- */

static void
put_back(const char *path, const char *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (fwrite(p, 1, n, f) != n)
		abort();
	fclose(f);
}

/* Of all files but the lock: changed in a bit, one byte after another, or cut off there. What
 * opens then must hold what it held. */
static void
every_byte(uint64_t epoch, bool cut, const char *title)
{
	unsigned bytes = 0, noticed = 0, harmless = 0, silent = 0;
	struct failure why;
	struct dirent *e;
	struct state *s;
	char folder[200], path[600];
	DIR *d;

	snprintf(folder, sizeof(folder), "%s/1-test", root);
	d = opendir(folder);
	while (d && (e = readdir(d))) {
		struct buf was = {0};
		size_t n;
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (e->d_name[0] == '.' || strcmp(e->d_name, "lock") == 0 ||
			!(f = fopen(path, "rb")))
			continue;
		buf_reserve(&was, 1 << 20);
		was.n = fread(was.p, 1, 1 << 20, f);
		fclose(f);
		for (n = 0; n < was.n; n++, bytes++) {
			if (!cut)
				was.p[n] ^= (char)(1 << (n % 8));
			put_back(path, was.p, cut ? n : was.n);
			s = open_state(epoch, 1, &why);
			if (!s)
				noticed += why.status == EXIT_CONFIG;
			else if (same(s, &now, 1))
				harmless++;
			else
				silent++;
			if (s && !same(s, &now, 1))
				printf("# %s, byte %zu\n", e->d_name, n);
			state_free(s);
			if (!cut)
				was.p[n] ^= (char)(1 << (n % 8));
			put_back(path, was.p, was.n);
		}
		buf_release(&was);
	}
	if (d)
		closedir(d);
	ok(bytes > 500 && !silent && noticed + harmless == bytes,
		"%s %s at each of %u bytes: %u are noticed, %u do no harm, %u are silent", title,
		cut ? "cut off" : "changed", bytes, noticed, harmless, silent);
	s = open_state(epoch, 1, &why);
	ok(s && same(s, &now, 1), "and with all put back it is there");
	state_free(s);
}

static void
attack(uint64_t epoch, const char *title)
{
	every_byte(epoch, false, title);
	every_byte(epoch, true, title);
	remove_folder(root);
}

/* Files are written back as they were, but what a start has cut or removed is gone, so the
 * state is one that a start leaves as it is. */
static void
damage(void)
{
	struct failure why;
	struct state *s;
	unsigned i, run;

	options.value_bytes = STATE_VARIABLE;
	options.expires = false;
	memset(&now, 0, sizeof(now));
	for (run = 0; run < 3; run++) {
		s = open_state(EPOCH_NEWEST, 1, &why);
		for (i = 0; i < 5; i++)
			while (!change(s, 0, 0))
				;
		state_barrier(s, EPOCH_OWN, &why);
		state_free(s);
	}
	attack(EPOCH_NEWEST, "runs by themselves");

	memset(&now, 0, sizeof(now));
	place.committed = 0;
	s = open_state(0, 1, &why);
	for (run = 1; run < 4; run++) {
		for (i = 0; i < 5; i++)
			change(s, 0, 0);
		state_barrier(s, run, &why);
		place.committed = run;
	}
	state_free(s);
	attack(3, "a checkpointed job");

	/* With a snapshot. */
	width = 20;
	options.value_bytes = 8;
	memset(&now, 0, sizeof(now));
	place.committed = 0;
	s = open_state(0, 1, &why);
	s->least = 100;
	for (run = 1; run < 13; run++) {
		for (i = 0; i < 40; i++)
			change(s, 0, 0);
		state_barrier(s, run, &why);
		place.committed = run;
	}
	ok(s->task[0]->log.file.head.seq > 1, "a snapshot was made");
	state_free(s);
	s = open_state(12, 1, &why);
	ok(s && same(s, &now, 1), "and is read");
	state_free(s);
	attack(12, "a snapshot and a log");
}

static void
newer(void)
{
	struct failure why;
	struct state *s = open_state(EPOCH_NEWEST, 1, &why);
	char path[200], *text;
	struct buf b = {0};
	FILE *f;

	state_free(s);
	snprintf(path, sizeof(path), "%s/1-test/config", root);
	f = fopen(path, "r+");
	buf_reserve(&b, 4096);
	b.n = fread(b.p, 1, 4096, f);
	text = strstr(buf_cstr(&b), "\"version\":1");
	fseek(f, text - b.p + 10, SEEK_SET);
	fputc('2', f);
	fclose(f);
	buf_release(&b);
	refused(EPOCH_NEWEST, 1, EXIT_CONFIG, "version 2, and this program knows 1",
		"a newer version");
	remove_folder(root);
}

/*
 * Values changed where they lie: one pointer a key is kept as long as the version says so, and
 * what was written through it is there after a restart, whatever came between.
 */
static void
editing(void)
{
	enum { MANY = 300 };
	static uint64_t value[MANY];
	struct { char *p; uint64_t version; } kept_at[MANY] = {{0}};
	struct failure why;
	struct state *s;
	unsigned i, step, wrong = 0, again = 0;
	struct slice v;
	size_t n;

	place.committed = 0;
	s = open_state(0, 1, &why);
	memset(value, 0, sizeof(value));
	for (step = 1; step <= 200000; step++) {
		i = (unsigned)(random64() % MANY);
		if (!kept_at[i].p || kept_at[i].version != *state_version(s)) {
			kept_at[i].p = state_edit(s, 0, key_of(i), &n, &why);
			kept_at[i].version = *state_version(s);
			again++;
		}
		if (!kept_at[i].p) {
			value[i] = step;
			wrong += why.status != 0 || state_put(s, 0, key_of(i),
				slice_of((const char *)&step, 4), &why) < 0;
			wrong += state_put(s, 0, key_of(i), slice_of((const char *)&value[i], 8),
				&why) < 0;
			continue;
		}
		value[i] += step;
		memcpy(kept_at[i].p, &value[i], sizeof(value[i]));
		if (random64() % 3000 == 0) {
			wrong += state_remove(s, 0, key_of(i), &why) < 0;
			value[i] = 0;
			kept_at[i].p = NULL;
		}
		if (step % 10000)
			continue;
		wrong += state_barrier(s, step, &why) < 0;
		place.committed = step;
		if (step % 30000)
			continue;
		state_free(s);
		s = open_state(step, 1, &why);
		memset(kept_at, 0, sizeof(kept_at));
		for (i = 0; i < MANY; i++) {
			uint64_t got = 0;

			if (state_get(s, 0, key_of(i), &v))
				memcpy(&got, v.p, v.n < 8 ? v.n : 8);
			wrong += got != value[i];
		}
	}
	wrong += state_put(s, 0, key_of(1), slice_of("12345678", 8), &why) < 0;
	kept_at[0].version = *state_version(s);
	wrong += state_put(s, 0, key_of(1), slice_of("87654321", 8), &why) < 0;
	ok(kept_at[0].version == *state_version(s), "a value of the same size stays where it is");
	wrong += state_put(s, 0, key_of(1), slice_of((const char *)value, 800), &why) < 0;
	ok(kept_at[0].version != *state_version(s), "one that grows may not");
	kept_at[0].version = *state_version(s);
	wrong += state_remove(s, 0, key_of(1), &why) < 0;
	ok(kept_at[0].version != *state_version(s), "one that goes is not there");
	ok(!wrong, "values changed where they lie are those that come back (%u not)", wrong);
	ok(again < 60000, "and are seldom looked up: %u times of %u", again, step);
	state_free(s);
	remove_folder(root);
}

/* Keys that are given up go in the same order after a restart. */
static void
evicting(void)
{
	struct failure why;
	struct state *s;
	unsigned i, there = 0;
	struct slice v;

	options.value_bytes = 8;
	options.max_keys = 100;
	place.evict = true;
	place.committed = 0;
	s = open_state(0, 1, &why);
	for (i = 0; i < 5000; i++) {
		put(s, 0, i, "12345678");
		if (i % 700 == 650) {
			state_barrier(s, i, &why);
			place.committed = i;
			state_free(s);
			s = open_state(i, 1, &why);
		}
	}
	for (i = 4900; i < 5000; i++)
		there += state_get(s, 0, key_of(i), &v);
	ok(there == 100 && state_keys(s) == 100,
		"the oldest keys go, over restarts: %u of the last 100 are there", there);
	state_free(s);
	options.max_keys = 0;
	place.evict = false;
	remove_folder(root);
}

int
main(void)
{
	static const struct {
		size_t value_bytes;
		bool expires;
		const char *title;
	} kinds[] = {
		{0, false, "sets of keys"},
		{8, true, "values of 8 bytes that expire"},
		{STATE_VARIABLE, false, "values of any size"},
		{STATE_VARIABLE, true, "values of any size that expire"},
	};
	unsigned snapshots;
	size_t i;

	if (!mkdtemp(root)) {
		strcpy(root, "/tmp/sk-state.XXXXXX");
		if (!mkdtemp(root))
			return 1;
	}
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		options.value_bytes = kinds[i].value_bytes;
		options.expires = kinds[i].expires;
		snapshots = 0;
		ok(job(300, &snapshots), "a job that is killed: %s", kinds[i].title);
		ok(snapshots > 3, "with snapshots on the way: log %u", snapshots);
		ok(runs(60), "runs by themselves: %s", kinds[i].title);
	}
	options.value_bytes = STATE_VARIABLE;
	options.expires = false;
	editing();
	options.expires = true;
	refusals();
	evicting();
	damage();
	newer();
	buf_release(&place.mark);
	remove_folder(root);
	return done();
}
