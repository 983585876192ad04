/* Records that are kept. */
#include "flow/kept.h"

#define HEAD (1 + sizeof(int64_t))

void
kept_add(struct buf *b, const struct record *r, bool envelope)
{
	buf_addc(b, r->meta || envelope ? 'e' : 'p');
	buf_add(b, &r->time_us, sizeof(r->time_us));
	if (r->meta && r->meta->prefix.p) {
		buf_add_slice(b, r->line);
	} else if (r->meta || envelope) {
		envelope_add_prefix(NULL, b, r);
		envelope_add_value(b, r);
		buf_addc(b, '}');
	} else {
		buf_add_slice(b, r->bytes);
	}
}

static int
not_kept(struct failure *why, const struct failure *because)
{
	return fail(why, EXIT_CONFIG, "a record in the state is none: %s", because->text);
}

int
kept_read(struct kept_reader *k, struct slice bytes, struct record *r, struct failure *why)
{
	struct failure because = {.text = "it is too short"};

	if (bytes.n <= HEAD)
		return not_kept(why, &because);
	k->input.name = "-";
	k->block.p = k->nothing;
	k->block.input = &k->input;
	*r = (struct record){
		.doc = &k->doc,
		.block = &k->block,
	};
	memcpy(&r->time_us, bytes.p + 1, sizeof(r->time_us));
	if (json_doc_of(&k->scan, slice_of(bytes.p + HEAD, bytes.n - HEAD), &k->doc,
			&because) < 0)
		return not_kept(why, &because);
	/* The document lies in a copy, and what it says of places in the line with it. */
	r->line = r->bytes = slice_of(k->doc.base, bytes.n - HEAD);
	if (bytes.p[0] == 'e' && envelope_read(&k->envelope, &k->doc, r, &because) < 0)
		return not_kept(why, &because);
	return 0;
}

void
kept_reader_release(struct kept_reader *k)
{
	json_scan_release(&k->scan);
	envelope_reader_release(&k->envelope);
}
