/*
 * A row for each topic, partition or group. What a table has no room for is in JSON alone.
 */
#include "kafka/show.h"

#include <inttypes.h>

#include "json/json.h"

static void
put_offset(struct grid *g, int64_t offset)
{
	grid_number(g, offset >= 0, offset);
}

static void
put_records(struct grid *g, const struct kafka_part *p)
{
	grid_number(g, p->first >= 0 && p->end >= 0, p->end - p->first);
}

/* ---- topics ------------------------------------------------------------------------ */

/* The least of the partitions: "3", or "2/3" where some are not in sync. */
static void
put_replicas(struct grid *g, const struct kafka_topic_info *t)
{
	struct buf text = {0}, json = {0};
	int all = 0, in_sync = INT32_MAX;
	size_t i;

	for (i = 0; i < t->nparts; i++) {
		if (t->part[i].replicas > all)
			all = t->part[i].replicas;
		if (t->part[i].in_sync < in_sync)
			in_sync = t->part[i].in_sync;
	}
	if (in_sync < all)
		buf_addf(&text, "%d/", in_sync);
	buf_addf(&text, "%d", all);
	buf_addf(&json, "%d", all);
	grid_cell(g, text, json);
	grid_number(g, t->nparts > 0, in_sync);
}

static void
put_settings(struct grid *g, const struct kafka_topic_info *t)
{
	struct buf text = {0}, json = {0};
	size_t i;

	if (!t->settings_known) {
		grid_text(g, NULL);
		return;
	}
	buf_addc(&json, '{');
	for (i = 0; i < t->nsettings; i++) {
		buf_addf(&text, "%s%s=%s", i ? " " : "", t->setting[i].name,
			t->setting[i].value);
		if (i)
			buf_addc(&json, ',');
		json_add_string(&json, slice_str(t->setting[i].name));
		buf_addc(&json, ':');
		json_add_string(&json, slice_str(t->setting[i].value));
	}
	buf_addc(&json, '}');
	grid_cell(g, text, json);
}

struct grid
kafka_show_topics(const struct kafka_topics *topics, bool internal)
{
	static const struct grid_column columns[] = {{"TOPIC", "topic"},
		{"PARTITIONS", "partitions", true}, {"REPLICAS", "replicas", true},
		{NULL, "in_sync"}, {"RECORDS", "records", true}, {NULL, "internal"},
		{"SETTINGS", "settings"}, {0}};
	struct grid g = grid_of(columns);
	const struct kafka_topic_info *t;
	const struct kafka_part *p;
	int64_t records;
	bool known;
	size_t i, j;

	for (i = 0; i < topics->n; i++) {
		t = &topics->v[i];
		if (t->internal && !internal)
			continue;
		for (j = 0, records = 0, known = true; j < t->nparts; j++) {
			p = &t->part[j];
			known &= p->first >= 0 && p->end >= 0;
			records += p->end - p->first;
		}
		grid_text(&g, t->name);
		grid_number(&g, true, (int64_t)t->nparts);
		put_replicas(&g, t);
		grid_number(&g, known, records);
		grid_bool(&g, t->internal);
		put_settings(&g, t);
	}
	return g;
}

struct grid
kafka_show_offsets(const struct kafka_topics *topics, bool at)
{
	static const struct grid_column columns[] = {{"TOPIC", "topic"},
		{"PARTITION", "partition", true}, {"LEADER", "leader", true},
		{"FIRST", "first", true}, {"END", "end", true}, {"RECORDS", "records", true},
		{0}}, with_at[] = {{"TOPIC", "topic"}, {"PARTITION", "partition", true},
		{"LEADER", "leader", true}, {"FIRST", "first", true}, {"END", "end", true},
		{"RECORDS", "records", true}, {"AT", "at", true}, {0}};
	struct grid g = grid_of(at ? with_at : columns);
	const struct kafka_part *p;
	size_t i, j;

	for (i = 0; i < topics->n; i++)
		for (j = 0; j < topics->v[i].nparts; j++) {
			p = &topics->v[i].part[j];
			grid_text(&g, topics->v[i].name);
			grid_number(&g, true, p->id);
			put_offset(&g, p->leader);
			put_offset(&g, p->first);
			put_offset(&g, p->end);
			put_records(&g, p);
			if (at)
				put_offset(&g, p->at);
		}
	return g;
}

/* ---- groups ------------------------------------------------------------------------ */

/* "orders[0,1] items[2]". */
static void
add_claims(struct buf *text, const struct kafka_member *m)
{
	bool same;
	size_t i;

	for (i = 0; m && i < m->nclaims; i++) {
		same = i && strcmp(m->claim[i].topic, m->claim[i - 1].topic) == 0;
		if (!same)
			buf_addf(text, "%s%s[", i ? "] " : "", m->claim[i].topic);
		buf_addf(text, "%s%" PRId32, same ? "," : "", m->claim[i].partition);
	}
	buf_adds(text, i ? "]" : "-");
}

static void
add_field(struct buf *json, const char *before, const char *value)
{
	buf_adds(json, before);
	if (value)
		json_add_string(json, slice_str(value));
	else
		buf_adds(json, "null");
}

static void
put_members(struct grid *g, const struct kafka_group *group)
{
	struct buf text = {0}, json = {0};
	const struct kafka_member *m;
	size_t i, j;

	if (!group->described) {
		grid_text(g, NULL);
		return;
	}
	buf_addf(&text, "%zu", group->nmembers);
	buf_addc(&json, '[');
	for (i = 0; i < group->nmembers; i++) {
		m = &group->member[i];
		add_field(&json, i ? ",{\"id\":" : "{\"id\":", m->id);
		add_field(&json, ",\"instance\":", m->instance);
		add_field(&json, ",\"client\":", m->client);
		add_field(&json, ",\"host\":", m->host);
		buf_adds(&json, ",\"assigned\":[");
		for (j = 0; j < m->nclaims; j++) {
			add_field(&json, j ? ",{\"topic\":" : "{\"topic\":",
				m->claim[j].topic);
			buf_addf(&json, ",\"partition\":%" PRId32 "}",
				m->claim[j].partition);
		}
		buf_adds(&json, "]}");
	}
	buf_addc(&json, ']');
	grid_cell(g, text, json);
}

/* What a static member is called, else its program. */
static const char *
member_name(const struct kafka_member *m)
{
	return !m ? NULL : m->instance ? m->instance : m->client;
}

struct grid
kafka_show_groups(const struct kafka_groups *groups)
{
	static const struct grid_column columns[] = {{"GROUP", "group"}, {"STATE", "state"},
		{"ASSIGNOR", "assignor"}, {"MEMBERS", "members", true}, {0}};
	struct grid g = grid_of(columns);
	const struct kafka_group *group;
	size_t i;

	for (i = 0; i < groups->n; i++) {
		group = &groups->v[i];
		grid_text(&g, group->name);
		grid_text(&g, group->state);
		grid_text(&g, *group->assignor ? group->assignor : NULL);
		put_members(&g, group);
	}
	return g;
}

struct grid
kafka_show_members(const struct kafka_groups *groups)
{
	static const struct grid_column columns[] = {{"GROUP", NULL}, {"STATE", NULL},
		{"MEMBER", NULL}, {"HOST", NULL}, {"ASSIGNED", NULL}, {0}};
	struct grid g = grid_of(columns);
	const struct kafka_group *group;
	const struct kafka_member *m;
	struct buf text;
	size_t i, j;

	for (i = 0; i < groups->n; i++) {
		group = &groups->v[i];
		for (j = 0; j == 0 || j < group->nmembers; j++) {
			m = j < group->nmembers ? &group->member[j] : NULL;
			text = (struct buf){0};
			grid_text(&g, group->name);
			grid_text(&g, group->state);
			grid_text(&g, member_name(m));
			grid_text(&g, m ? m->host : NULL);
			add_claims(&text, m);
			grid_cell(&g, text, (struct buf){0});
		}
	}
	return g;
}

/* ---- a group's place --------------------------------------------------------------- */

static void
put_place(struct grid *g, const struct kafka_group *group,
	const struct kafka_topic_info *t, const struct kafka_part *p)
{
	grid_text(g, group->name);
	grid_text(g, t->name);
	grid_number(g, true, p->id);
	put_offset(g, p->first);
	put_offset(g, p->committed);
	put_offset(g, p->end);
}

struct grid
kafka_show_lag(const struct kafka_group *group, const struct kafka_topics *topics)
{
	static const struct grid_column columns[] = {{NULL, "group"}, {"TOPIC", "topic"},
		{"PARTITION", "partition", true}, {"FIRST", "first", true},
		{"COMMITTED", "committed", true}, {"END", "end", true},
		{"LAG", "lag", true}, {NULL, "id"}, {"MEMBER", "member"}, {0}};
	struct grid g = grid_of(columns);
	const struct kafka_part *p;
	int64_t lag = 0, sum = 0;
	bool known;
	size_t i, j;

	for (i = 0; i < topics->n; i++)
		for (j = 0; j < topics->v[i].nparts; j++) {
			p = &topics->v[i].part[j];
			known = kafka_part_lag(p, &lag);
			sum += known ? lag : 0;
			put_place(&g, group, &topics->v[i], p);
			grid_number(&g, known, lag);
			grid_text(&g, p->member ? p->member->id : NULL);
			grid_text(&g, member_name(p->member));
		}
	if (g.n <= g.ncolumns)
		return g;
	g.total = true;
	for (i = 0; i < g.ncolumns; i++)
		grid_cell(&g, (struct buf){0}, (struct buf){0});
	buf_adds(&g.cell[g.n - g.ncolumns + 1].text, "total");
	buf_addf(&g.cell[g.n - 3].text, "%" PRId64, sum);
	return g;
}

struct grid
kafka_show_plan(const struct kafka_group *group, const struct kafka_topics *topics,
	bool done)
{
	static const struct grid_column columns[] = {{NULL, "group"}, {"TOPIC", "topic"},
		{"PARTITION", "partition", true}, {"FIRST", "first", true},
		{"COMMITTED", "committed", true}, {"END", "end", true}, {"TO", "to", true},
		{"CHANGE", "change", true}, {NULL, "done"}, {0}};
	struct grid g = grid_of(columns);
	const struct kafka_part *p;
	size_t i, j;

	for (i = 0; i < topics->n; i++)
		for (j = 0; j < topics->v[i].nparts; j++) {
			p = &topics->v[i].part[j];
			if (p->to < 0)
				continue;
			put_place(&g, group, &topics->v[i], p);
			put_offset(&g, p->to);
			grid_number(&g, p->committed >= 0, p->to - p->committed);
			grid_bool(&g, done);
		}
	return g;
}
