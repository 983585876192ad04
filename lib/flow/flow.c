/* Outlets and ports: the names that operators emit to, and the sinks behind them. */
#define _GNU_SOURCE /* PTHREAD_MUTEX_ADAPTIVE_NP */
#include <stdlib.h>

#include "base/mem.h"
#include "flow/run.h"

struct flow *
flow_new(const struct flow_rooms *rooms)
{
	struct flow *f = mem_zalloc(sizeof(*f));
	pthread_mutexattr_t brief;

	f->rooms = rooms;
	f->ledger.lock = -1;
	f->clock.watermark_us = TIME_NONE;
	pthread_mutex_init(&f->ports_lock, NULL);
	pthread_mutexattr_init(&brief);
	pthread_mutexattr_settype(&brief, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&f->read_lock, &brief);
	pthread_mutex_init(&f->turn_lock, &brief);
	pthread_mutexattr_destroy(&brief);
	pthread_cond_init(&f->turn_cond, NULL);
	return f;
}

void
flow_free(struct flow *f)
{
	size_t i;

	if (!f)
		return;
	for (i = 0; i < f->nports; i++) {
		if (f->port[i]->sink)
			f->port[i]->sink->close(f->port[i]->sink);
		free(f->port[i]->uri);
		free(f->port[i]);
	}
	free(f->port);
	for (i = 0; i < f->noutlets; i++)
		free(f->outlet[i].uri);
	free(f->outlet);
	free(f->carried);
	free(f->tasks);
	table_release(&f->port_of);
	table_release(&f->unmatched);
	metrics_release(&f->metrics);
	buf_release(&f->run);
	buf_release(&f->letters);
	buf_release(&f->gathered);
	buf_release(&f->place.mark);
	buf_release(&f->due_positions);
	buf_release(&f->due_clock);
	buf_release(&f->group.clock);
	free(f->place_name);
	clock_release(&f->clock);
	ledger_release(&f->ledger);
	free(f->put);
	free(f->put_doc);
	pthread_mutex_destroy(&f->ports_lock);
	pthread_mutex_destroy(&f->read_lock);
	pthread_mutex_destroy(&f->turn_lock);
	pthread_cond_destroy(&f->turn_cond);
	free(f);
}

unsigned
flow_port_of_uri(struct flow *f, const char *uri)
{
	struct table_entry *e;
	struct buf key = {0};
	struct port *port;
	bool made;

	pthread_mutex_lock(&f->ports_lock);
	f->rooms->sink_key(uri, &key);
	e = table_put(&f->port_of, buf_slice(&key), &made);
	if (made) {
		port = mem_zalloc(sizeof(*port));
		port->uri = mem_strdup(uri);
		port->envelopes = f->rooms->sink_envelopes(uri);
		port->takes_records = port->envelopes && f->rooms->sink_records(uri);
		f->port = mem_grow(f->port, &f->cap_ports, f->nports + 1, sizeof(*f->port));
		e->v.u = f->nports;
		f->port[f->nports++] = port;
	} else if (f->rooms->sink_conflict(uri, f->port[e->v.u]->uri)) {
		f->port[e->v.u]->conflict = true;
	}
	pthread_mutex_unlock(&f->ports_lock);
	buf_release(&key);
	return (unsigned)e->v.u;
}

int
flow_outlet(struct flow *f, const char *uri, bool side, struct failure *why)
{
	struct outlet *o;

	if (!*uri)
		return fail(why, EXIT_USAGE, "the name of a sink is empty");
	f->outlet = mem_grow(f->outlet, &f->cap_outlets, f->noutlets + 1,
		sizeof(*f->outlet));
	o = &f->outlet[f->noutlets];
	*o = (struct outlet){.uri = mem_strdup(uri), .side = side, .port = PORT_NONE};
	o->template = strstr(uri, "{}") != NULL;
	if (!o->template) {
		o->port = flow_port_of_uri(f, uri);
		f->port[o->port]->declared = true;
	}
	return (int)f->noutlets++;
}

const char *
flow_outlet_uri(const struct flow *f, unsigned outlet)
{
	return outlet < f->noutlets ? f->outlet[outlet].uri : NULL;
}

const struct outlet *
flow_outlet_at(const struct flow *f, unsigned outlet)
{
	return &f->outlet[outlet];
}

unsigned
flow_port(struct flow *f, unsigned outlet, struct slice name)
{
	const char *at = f->outlet[outlet].uri, *hole;
	struct buf uri = {0};
	unsigned port;

	for (; (hole = strstr(at, "{}")); at = hole + 2) {
		buf_add(&uri, at, (size_t)(hole - at));
		buf_add_slice(&uri, name);
	}
	buf_adds(&uri, at);
	port = flow_port_of_uri(f, buf_cstr(&uri));
	buf_release(&uri);
	return port;
}

void
flow_port_takes(struct flow *f, unsigned port, bool *envelopes, bool *records)
{
	pthread_mutex_lock(&f->ports_lock);
	*envelopes = f->port[port]->envelopes;
	*records = f->port[port]->takes_records;
	pthread_mutex_unlock(&f->ports_lock);
}

/* ---- delivery to sinks: only in a worker's turn ------------------------------------ */

/* Give back the descriptor of the port that has waited longest. */
static int
park_one(struct flow *f, const struct port *but, struct failure *why)
{
	struct port *p, *oldest = NULL;
	size_t i;

	for (i = 0; i < f->nports; i++) {
		p = f->port[i];
		if (p == but || !p->sink || !p->sink->open || !p->sink->park)
			continue;
		if (!oldest || p->used < oldest->used)
			oldest = p;
	}
	if (!oldest)
		return 0;
	f->open_sinks--;
	return oldest->sink->park(oldest->sink, why);
}

int
port_open(struct flow *f, unsigned number, struct failure *why)
{
	struct port *p;

	pthread_mutex_lock(&f->ports_lock);
	p = f->port[number];
	pthread_mutex_unlock(&f->ports_lock);
	if (p->conflict)
		return fail(why, EXIT_USAGE, "%s would be appended to and made anew in one run",
			p->uri);
	if (!p->sink && f->rooms->sink_feeds(p->uri, f->source))
		return fail(why, EXIT_USAGE, "%s is read in this run too: it would never end",
			p->uri);
	if (!p->sink) {
		p->sink = f->rooms->sink_open(f->rooms->arg, p->uri, why);
		if (!p->sink)
			return -1;
		if (p->sink->whole && f->source->endless)
			return fail(why, EXIT_USAGE, "%s would appear at the end of the input, and "
				"this input has none: append:%s grows as records come", p->uri,
				p->uri);
	}
	p->used = ++f->deliveries;
	return 0;
}

const char *
port_logged_as(const struct port *p)
{
	return p->sink->identity ? p->sink->identity : p->uri;
}

/* stdout is told by what it is; another file than before is no output of this job. */
static int
check_identity(const struct flow *f, const struct port *p, struct failure *why)
{
	size_t i;

	for (i = 0; p->sink->identity && i < f->ledger.noutputs; i++) {
		if (strncmp(f->ledger.output[i].name, "stdout:", 7) != 0)
			continue;
		fail(why, EXIT_CONFIG, "stdout is not the file that the job has written to");
		fail_hint(why, "a job that goes on adds to the same file: >> FILE, or -o FILE");
		return -1;
	}
	return 0;
}

static int
make_ready(struct flow *f, struct port *p, struct failure *why)
{
	struct ledger_output *o;
	struct sink *s = p->sink;
	uint64_t bytes;

	/* A capture knows what it has; so do topics, but not of a stream of files. */
	if (s->transacts && !f->opt->at_least_once) {
		fail(why, EXIT_USAGE, "%s: of a source of files, a topic can't be cut back to what is "
			"committed", p->uri);
		fail_hint(why, "--at-least-once, where records may be repeated after a kill");
		return -1;
	}
	if (!s->resume && s->whole)
		return fail(why, EXIT_USAGE, "%s: checkpoints are for sinks that are files",
			p->uri);
	if (!s->resume)
		return 0; /* a terminal, a pipe, a device: what is out is out */
	o = ledger_output(&f->ledger, port_logged_as(p));
	if (!o && check_identity(f, p, why) < 0)
		return -1;
	if (s->resume(s, o ? o->bytes : s->whole ? RESUME_EMPTY : RESUME_AS_IS, why) < 0)
		return -1;
	p->logged = p->unsynced = true;
	if (s->open)
		f->open_sinks++;
	if (o || s->whole)
		return 0;
	/* Before the first byte is added, it is known how much was there. */
	if (s->length(s, &bytes, why) < 0)
		return -1;
	ledger_put_output(&f->ledger, port_logged_as(p), bytes);
	return ledger_store(&f->ledger, why);
}

int
port_ready(struct flow *f, struct port *p, struct failure *why)
{
	if (f->transacts && !p->sink->transacts && !p->sink->pipe && !f->opt->at_least_once) {
		fail(why, EXIT_USAGE, "%s: no file can be written in the transaction of a topic",
			p->uri);
		fail_hint(why, "a topic for it too, or --at-least-once");
		return -1;
	}
	if (!f->ledger_kept || p->ready)
		return 0;
	/* Whatever is still to be delivered when a run ends: the ledger would not know it. */
	if (p->spoilt)
		return fail(why, EXIT_IO, "%s: the ledger could not take it up", p->uri);
	p->ready = make_ready(f, p, why) == 0;
	p->spoilt = !p->ready;
	return p->ready ? 0 : -1;
}

int
port_write(struct flow *f, unsigned number, const struct iovec *v, int n,
	struct failure *why)
{
	struct port *p;
	bool was_open;

	if (port_open(f, number, why) < 0)
		return -1;
	p = f->port[number];
	if (port_ready(f, p, why) < 0)
		return -1;
	was_open = p->sink->open;
	if (!was_open && f->open_sinks >= (uint64_t)f->opt->max_sinks &&
		park_one(f, p, why) < 0)
		return -1;
	p->dirty = p->unsynced = true;
	if (p->sink->write(p->sink, v, n, why) < 0)
		return -1;
	if (!was_open && p->sink->open)
		f->open_sinks++;
	return 0;
}

/* Sinks of records hold no descriptor. */
int
port_put(struct flow *f, unsigned number, const struct record *r, size_t n,
	struct failure *why)
{
	struct port *p;

	if (port_open(f, number, why) < 0)
		return -1;
	p = f->port[number];
	if (port_ready(f, p, why) < 0)
		return -1;
	p->dirty = p->unsynced = true;
	return p->sink->put(p->sink, r, n, why);
}

int
ports_flush(struct flow *f, bool whole_too, struct failure *why)
{
	struct port *p;
	size_t i;

	for (i = 0; i < f->nports; i++) {
		p = f->port[i];
		if (!p->sink || !p->dirty || (p->sink->whole && !whole_too))
			continue;
		if (p->sink->flush(p->sink, why) < 0)
			return -1;
		p->dirty = false;
	}
	return 0;
}

bool
ports_appear_later(const struct flow *f)
{
	size_t i;

	for (i = 0; i < f->nports; i++)
		if (f->port[i]->sink && f->port[i]->sink->whole)
			return true;
	return false;
}

int
ports_sync(struct flow *f, struct failure *why)
{
	struct port *p;
	size_t i;

	if (ports_flush(f, true, why) < 0)
		return -1;
	for (i = 0; i < f->nports; i++) {
		p = f->port[i];
		if (p->unsynced && p->sink->sync(p->sink, why) < 0)
			return -1;
		p->unsynced = false;
	}
	return 0;
}

/* All sinks are made durable before the first becomes visible. */
int
ports_commit(struct flow *f, struct failure *why)
{
	struct port *p;
	size_t i;

	for (i = 0; i < f->nports; i++) {
		p = f->port[i];
		if (p->declared && port_open(f, (unsigned)i, why) < 0)
			return -1;
		if (p->sink && p->sink->prepare && p->sink->prepare(p->sink, why) < 0)
			return -1;
	}
	for (i = 0; i < f->nports; i++) {
		p = f->port[i];
		if (p->sink && p->sink->commit && p->sink->commit(p->sink, why) < 0)
			return -1;
	}
	return 0;
}
