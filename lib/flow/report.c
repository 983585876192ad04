/* What is said: the balance, a bad record on stderr, a bad record as a dead letter. */
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "flow/internal.h"

void
balance_add(struct balance *to, const struct balance *b)
{
	to->in += b->in;
	to->output += b->output;
	to->dropped += b->dropped;
	to->dead += b->dead;
	to->skipped += b->skipped;
	to->late += b->late;
	to->held += b->held;
	to->control += b->control;
}

bool
balance_holds(const struct balance *b)
{
	return b->in == b->output + b->dropped + b->dead + b->skipped + b->late + b->held;
}

static void
part(struct buf *b, bool *first, uint64_t n, const char *what)
{
	if (!n)
		return;
	buf_addf(b, "%s%llu %s", *first ? "" : " + ", (unsigned long long)n, what);
	*first = false;
}

void
balance_text(const struct balance *b, struct buf *out)
{
	bool first = true;

	buf_addf(out, "%llu records in = ", (unsigned long long)b->in);
	part(out, &first, b->output, "output");
	part(out, &first, b->dropped, "dropped");
	part(out, &first, b->held, "held");
	part(out, &first, b->late, "late");
	part(out, &first, b->dead, "dead-lettered");
	part(out, &first, b->skipped, "skipped");
	if (first)
		buf_adds(out, "0 output");
	if (b->control)
		buf_addf(out, "; %llu control", (unsigned long long)b->control);
}

/* One write(2), so that the messages of a pipeline's stages don't mix within a line. */
void
say(const char *program, const char *where, const char *text, const char *hint)
{
	struct buf b = {0};
	size_t at = 0;
	ssize_t n;

	buf_addf(&b, "%s: ", program);
	if (where && *where) {
		text_add_safe(&b, slice_str(where), 1024);
		buf_adds(&b, ": ");
	}
	text_add_safe(&b, slice_str(text), 2048);
	buf_addc(&b, '\n');
	if (hint && *hint) {
		buf_adds(&b, "  hint: ");
		text_add_safe(&b, slice_str(hint), 1024);
		buf_addc(&b, '\n');
	}
	while (at < b.n) {
		n = write(STDERR_FILENO, b.p + at, b.n - at);
		if (n < 0)
			break; /* there is nowhere else to say it */
		at += (size_t)n;
	}
	buf_release(&b);
}

int
flow_say(const char *program, const struct failure *why)
{
	say(program, NULL, why->text, why->hint);
	return why->status;
}

static const char *
shown_name(const struct input *in)
{
	return strcmp(in->name, "-") == 0 ? "stdin" : in->name;
}

void
bad_where(const struct bad *bad, struct buf *b)
{
	if (bad->place)
		buf_adds(b, bad->place);
	else if (bad->input->kafka)
		buf_addf(b, "%s[%d]@%llu", bad->input->name, bad->input->partition,
			(unsigned long long)bad->offset);
	else
		buf_addf(b, "%s:%llu", shown_name(bad->input), (unsigned long long)bad->line);
	if (bad->column)
		buf_addf(b, ":%u", bad->column);
}

void
bad_release(struct bad *bad)
{
	free(bad->text);
	free(bad->hint);
	free(bad->place);
	buf_release(&bad->head);
	buf_release(&bad->tail);
}

static void
render_head(struct bad *bad, const struct meta *m, struct buf *b)
{
	buf_adds(b, "{\"error\":{\"type\":");
	json_add_string(b, slice_str(bad->type));
	buf_adds(b, ",\"message\":");
	json_add_string(b, slice_str(bad->text));
	buf_adds(b, "},\"origin\":{");
	if (m && m->topic.p) {
		buf_adds(b, "\"topic\":");
		json_add_string(b, m->topic);
	} else {
		buf_adds(b, bad->input->kafka ? "\"topic\":" : "\"path\":");
		json_add_string(b, slice_str(bad->input->name));
	}
	buf_addf(b, ",\"partition\":%d,\"offset\":%lld,\"line\":",
		m ? m->partition : bad->input->partition,
		m ? (long long)m->offset : (long long)bad->offset);
}

void
bad_render(struct bad *bad, const struct meta *m, struct slice bytes, bool is_json,
	uint64_t full_size, struct json_scan *scratch)
{
	struct buf *b = &bad->tail;
	struct failure ignored;
	struct json_doc d;

	render_head(bad, m, &bad->head);
	if (bad->column)
		buf_addf(b, ",\"column\":%u},", bad->column);
	else
		buf_adds(b, ",\"column\":null},");
	envelope_add_bytes(b, "key", m ? m->key : (struct slice){0});
	envelope_add_headers(b, m);
	if (full_size)
		buf_addf(b, ",\"truncated\":true,\"size\":%llu",
			(unsigned long long)full_size);
	/* With --trust nobody has looked yet. */
	if (is_json && json_doc_of(scratch, bytes, &d, &ignored) == 0) {
		buf_adds(b, ",\"value\":");
		buf_add_slice(b, bytes);
		buf_addc(b, '}');
	} else {
		buf_adds(b, ",\"value_b64\":\"");
		text_add_base64(b, bytes);
		buf_adds(b, "\"}");
	}
}

void
bad_add_dead_letter(const struct bad *bad, struct buf *b)
{
	buf_add_slice(b, buf_slice(&bad->head));
	if (bad->place)
		buf_adds(b, "null");
	else
		buf_addf(b, "%llu", (unsigned long long)bad->line);
	buf_add_slice(b, buf_slice(&bad->tail));
}
