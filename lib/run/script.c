/* The text of a pipeline: where its stages are, and their words. */
#include "run/script.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

/* ---- passing over what belongs together -------------------------------------------- */

static const char *past_group(const char *p, char end);

static const char *
past_quote(const char *p)
{
	char q = *p++;

	for (; *p && *p != q; p++) {
		if (q == '"' && *p == '\\' && p[1])
			p++;
		else if (q == '"' && *p == '$' && (p[1] == '(' || p[1] == '{'))
			p = past_group(p + 2, p[1] == '(' ? ')' : '}') - 1;
		if (!*p)
			return p;
	}
	return *p ? p + 1 : p;
}

/* p is behind the opening bracket; the result behind the closing one, or at the end. */
static const char *
past_group(const char *p, char end)
{
	while (*p && *p != end) {
		if (*p == '\\' && p[1])
			p += 2;
		else if (*p == '\'' || *p == '"' || *p == '`')
			p = past_quote(p);
		else if (*p == '(')
			p = past_group(p + 1, ')');
		else if (*p == '{')
			p = past_group(p + 1, '}');
		else
			p++;
	}
	return *p ? p + 1 : p;
}

/* One character, or what it opens. NULL: that is never closed. */
static const char *
past_one(const char *p)
{
	const char *end;

	switch (*p) {
	case '\\':
		return p[1] ? p + 2 : p + 1;
	case '\'':
	case '"':
	case '`':
		end = past_quote(p);
		return end > p + 1 && end[-1] == *p ? end : NULL;
	case '(':
		end = past_group(p + 1, ')');
		return end[-1] == ')' ? end : NULL;
	case '{':
		end = past_group(p + 1, '}');
		return end[-1] == '}' ? end : NULL;
	default:
		return p + 1;
	}
}

/* ---- the words of a stage ---------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Blanks, comments, line feeds that are quoted away. */
static const char *
past_space(const char *p)
{
	for (;;) {
		if (is_blank(*p))
			p++;
		else if (*p == '\\' && p[1] == '\n')
			p += 2;
		else if (*p == '#')
			p += strcspn(p, "\n");
		else
			return p;
	}
}

/* What may stand before < and >: a descriptor, &, or the signs themselves. */
static bool
is_prefix(const struct buf *word)
{
	size_t i;

	for (i = 0; i < word->n; i++)
		if (!strchr("0123456789&<>", word->p[i]))
			return false;
	return true;
}

/* The next word from *at on, without its quotes. False: there is none. */
static bool
next_word(const char **at, struct buf *word)
{
	const char *p = *at, *end;

	buf_reset(word);
	p = past_space(p);
	if (!*p)
		return false;
	while (*p && !is_blank(*p)) {
		if ((*p == '<' || *p == '>') && !is_prefix(word))
			break;
		if (*p == '\\' && p[1]) {
			if (p[1] != '\n')
				buf_addc(word, p[1]);
			p += 2;
		} else if (*p == '\'') {
			end = past_quote(p);
			buf_add(word, p + 1, (size_t)(end - p) - 2);
			p = end;
		} else if (*p == '"') {
			end = past_quote(p);
			for (p++; p < end - 1; p++) {
				if (*p == '\\' && strchr("\"\\$`", p[1]))
					p++;
				buf_addc(word, *p);
			}
			p = end;
		} else {
			end = past_one(p);
			buf_add(word, p, (size_t)(end - p));
			p = end;
			if ((end[-1] == '<' || end[-1] == '>') && *p != '<' && *p != '>' && *p != '&' &&
				*p != '|' && *p != '(')
				break;
		}
	}
	*at = p;
	buf_cstr(word);
	return true;
}

static bool
is_assignment(const char *w)
{
	size_t n = strspn(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return n && !isdigit((unsigned char)w[0]) && w[n] == '=';
}

/* "2>", ">>", "<": what follows is a file. */
static bool
is_redirection(const char *w)
{
	w += strspn(w, "0123456789&");
	return (*w == '<' || *w == '>') && !strchr(w, '(');
}

static void
redirect(struct stage *s, const char *how, const char *where)
{
	char **to = strchr(how, '<') ? &s->in : strncmp(how, "2", 1) ? &s->out : NULL;

	if (!to || strchr(how, '&'))
		return;
	free(*to);
	*to = mem_strdup(where);
}

static const char *
tool_of(const char *command)
{
	const char *slash = strrchr(command, '/');
	const char *name = slash ? slash + 1 : command;

	return strncmp(name, "sk-", 3) == 0 && name[3] ? name : NULL;
}

static void
read_words(struct stage *s)
{
	struct buf word = {0}, how = {0};
	const char *at = s->text;
	size_t cap = 0;
	bool more;

	while ((more = next_word(&at, &word))) {
		if (is_redirection(word.p)) {
			buf_reset(&how);
			buf_adds(&how, word.p);
			buf_cstr(&how);
			if (strpbrk(word.p, "<>")[strspn(strpbrk(word.p, "<>"), "<>|&")] == '\0' &&
				!strstr(word.p, ">&") && next_word(&at, &word))
				redirect(s, how.p, word.p);
			continue;
		}
		s->word = mem_grow(s->word, &cap, s->nwords + 2, sizeof(*s->word));
		s->word[s->nwords++] = mem_strdup(word.p);
		s->word[s->nwords] = NULL;
	}
	while (s->first < s->nwords && is_assignment(s->word[s->first]))
		s->first++;
	if (s->first < s->nwords)
		s->tool = tool_of(s->word[s->first]);
	buf_release(&word);
	buf_release(&how);
}

/* ---- commands and stages ----------------------------------------------------------- */

static char *
trimmed(const char *p, const char *end)
{
	const char *begin = past_space(p);

	p = begin < end ? begin : end;
	while (end > p && is_blank(end[-1]))
		end--;
	return mem_dup(p, (size_t)(end - p));
}

static bool
is_nothing(const char *p, const char *end)
{
	while (p < end) {
		if (*p == '#')
			p = memchr(p, '\n', (size_t)(end - p));
		else if (!is_blank(*p))
			return false;
		if (!p)
			return true;
		p++;
	}
	return true;
}

static void
add_stage(struct script *s, const char *p, const char *end)
{
	struct stage *st;

	s->stage = mem_grow(s->stage, &s->cap, s->n + 1, sizeof(*s->stage));
	st = &s->stage[s->n++];
	*st = (struct stage){.text = trimmed(p, end)};
}

static void
drop_stages(struct script *s)
{
	struct stage *st;
	size_t i;

	while (s->n) {
		st = &s->stage[--s->n];
		for (i = 0; i < st->nwords; i++)
			free(st->word[i]);
		free(st->word);
		free(st->text);
		free(st->in);
		free(st->out);
	}
}

enum mark { MARK_NONE, MARK_PIPE, MARK_END, MARK_LIST, MARK_HERE };

/* What stands at p: "from" is where its command began, for what the byte before tells. *n: its
 * bytes. */
static enum mark
mark_at(const char *from, const char *p, size_t *n)
{
	char before = p > from ? p[-1] : '\0';

	*n = 1;
	if (*p == '<' && p[1] == '<') {
		*n = p[2] == '<' ? 3 : 2;
		return p[2] == '<' ? MARK_NONE : MARK_HERE;
	}
	if (*p == '|' && before == '>')
		return MARK_NONE;
	if (*p == '|') {
		*n = p[1] == '|' || p[1] == '&' ? 2 : 1;
		return p[1] == '|' ? MARK_LIST : MARK_PIPE;
	}
	if (*p == '&' && (before == '>' || before == '<' || p[1] == '>'))
		return MARK_NONE;
	if (*p == '&') {
		*n = p[1] == '&' ? 2 : 1;
		return MARK_LIST;
	}
	return *p == ';' || *p == '\n' ? MARK_END : MARK_NONE;
}

static const char *
past_comment(const char *from, const char *p)
{
	if (*p != '#' || (p > from && !is_blank(p[-1])))
		return p;
	return p + strcspn(p, "\n");
}

/* The command that begins at p, into s. NULL: why says what is wrong with it. *list: it is more
 * than one pipeline. */
static const char *
read_command(struct script *s, const char *p, bool *list, struct failure *why)
{
	const char *from = p, *stage = p, *next;
	enum mark mark = MARK_NONE;
	size_t n;

	*list = false;
	drop_stages(s);
	while (*p) {
		p = past_comment(from, p);
		if (!*p)
			break;
		mark = mark_at(from, p, &n);
		if (mark == MARK_HERE) {
			fail(why, EXIT_USAGE, "a here-document: sk-run takes a pipeline of commands");
			return NULL;
		}
		if (mark == MARK_END && *p == '\n' && s->n && is_nothing(stage, p)) {
			p++; /* a line that ended in "|" goes on */
			continue;
		}
		if (mark == MARK_END)
			break;
		if (mark == MARK_NONE) {
			next = past_one(p);
			if (!next) {
				fail(why, EXIT_USAGE, "'%.20s' is never closed", p);
				return NULL;
			}
			p = n > 1 ? p + n : next;
			continue;
		}
		*list |= mark == MARK_LIST;
		add_stage(s, stage, p);
		p += n;
		stage = p;
	}
	if (s->n || !is_nothing(stage, p))
		add_stage(s, stage, p);
	return p;
}

int
script_parse(struct script *s, const char *text, struct failure *why)
{
	const char *p = text, *from, *begins = NULL, *ends = NULL;
	bool list = false, is_list;
	struct script one = {0};
	size_t i;

	*s = (struct script){0};
	while (*p) {
		from = p;
		p = read_command(&one, p, &is_list, why);
		if (!p)
			goto failed;
		if (one.n) {
			drop_stages(s);
			free(s->stage);
			s->stage = one.stage;
			s->n = one.n;
			s->cap = one.cap;
			one = (struct script){0};
			begins = from;
			ends = p;
			list = is_list;
		}
		p += *p != '\0';
	}
	if (!s->n) {
		fail(why, EXIT_USAGE, "there is no pipeline to run");
		goto failed;
	}
	if (list) {
		fail(why, EXIT_USAGE, "'%.60s' is more than one pipeline", begins);
		fail_hint(why, "sk-run supervises one; what must come before it may stand on lines "
			"of its own");
		goto failed;
	}
	for (i = 0; i < s->n; i++) {
		if (!*s->stage[i].text) {
			fail(why, EXIT_USAGE, "stage %zu of the pipeline is empty", i + 1);
			goto failed;
		}
		read_words(&s->stage[i]);
	}
	s->before = mem_dup(text, (size_t)(begins - text));
	s->pipeline = mem_dup(begins, (size_t)(ends - begins));
	free(one.stage);
	return 0;
failed:
	drop_stages(&one);
	free(one.stage);
	script_release(s);
	return -1;
}

void
script_release(struct script *s)
{
	drop_stages(s);
	free(s->stage);
	free(s->before);
	free(s->pipeline);
	*s = (struct script){0};
}

bool
script_is_ours(const struct script *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (!s->stage[i].tool)
			return false;
	return true;
}

/* Tools that pass a stream on. */
static bool
passes_on(const char *tool)
{
	static const char *const all[] = {"sk-cat", "sk-map", "sk-split", "sk-route", "sk-dedup",
		"sk-aggregate", "sk-window", "sk-join", "sk-claimcheck"};
	size_t i;

	for (i = 0; tool && i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(tool, all[i]) == 0)
			return true;
	return false;
}

/* Does it read stdin as one input of several, or as data only? */
static bool
reads_otherwise(const struct stage *s)
{
	size_t i;

	for (i = s->first + 1; i < s->nwords; i++)
		if (strcmp(s->word[i], "-") == 0 || strcmp(s->word[i], "--plain") == 0 ||
			strncmp(s->word[i], "/dev/", 5) == 0)
			return true;
	return false;
}

bool
script_is_chain(const struct script *s)
{
	static const char *const other[] = {"<(", ">(", "$(", "`"};
	size_t i;

	for (i = 0; i < sizeof(other) / sizeof(*other); i++)
		if (strstr(s->pipeline, other[i]))
			return false;
	for (i = 0; i < s->n; i++)
		if (!passes_on(s->stage[i].tool) || (i && (reads_otherwise(&s->stage[i]) ||
				s->stage[i].in)) || (i + 1 < s->n && (s->stage[i].out ||
				stage_option(&s->stage[i], "to", 'o'))))
			return false;
	return s->n > 1;
}

const char *
stage_option(const struct stage *s, const char *name, char short_name)
{
	const char *w, *value = NULL, *next;
	size_t i, n = strlen(name);

	for (i = s->first + 1; i < s->nwords; i++) {
		w = s->word[i];
		next = i + 1 < s->nwords ? s->word[i + 1] : "";
		if (strcmp(w, "--") == 0)
			break;
		if (strncmp(w, "--", 2) == 0 && strncmp(w + 2, name, n) == 0 && w[n + 2] == '=')
			value = w + n + 3;
		else if (strncmp(w, "--", 2) == 0 && strcmp(w + 2, name) == 0)
			value = next;
		else if (short_name && w[0] == '-' && w[1] == short_name)
			value = w[2] ? w + 2 : next;
	}
	return value;
}
