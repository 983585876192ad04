/*
 * show: what admin.h finds, as grids: for the terminal, or as NDJSON. Each is the caller's
 * to release, and borrows nothing.
 */
#ifndef SK_KAFKA_SHOW_H
#define SK_KAFKA_SHOW_H

#include "grid/grid.h"
#include "kafka/admin.h"

/* A topic a row; internal ones only where they are asked for. */
struct grid kafka_show_topics(const struct kafka_topics *, bool internal);

/* A partition a row; at: with that column. */
struct grid kafka_show_offsets(const struct kafka_topics *, bool at);

/* A group a row, its members in JSON. */
struct grid kafka_show_groups(const struct kafka_groups *);

/* A member a row, or a group without any; a table only. */
struct grid kafka_show_members(const struct kafka_groups *);

/* A partition a row, with the group's lag; the table ends with the sum. */
struct grid kafka_show_lag(const struct kafka_group *, const struct kafka_topics *);

/* A partition that has a "to" a row; done: it has been committed. */
struct grid kafka_show_plan(const struct kafka_group *, const struct kafka_topics *,
	bool done);

#endif
