/*
 * Man page lists and completions, written from the tables. Each language has one function
 * that quotes for it; nothing of a table reaches the output by another way.
 */
#include "opt/tell.h"

/* ---- mdoc -------------------------------------------------------------------------- */

/* For a text line or a macro's argument; at_start: a line begins here. */
static void
man_add(struct buf *b, struct slice s, bool at_start)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (i == 0 && at_start && (c == '.' || c == '\''))
			buf_adds(b, "\\&");
		switch (c) {
		case '\\':
			buf_adds(b, "\\e");
			break;
		case '-':
			buf_adds(b, "\\-");
			break;
		case '\'':
			buf_adds(b, "\\(aq");
			break;
		case '"':
			buf_adds(b, "\\(dq");
			break;
		case '`':
			buf_adds(b, "\\(ga");
			break;
		case '^':
			buf_adds(b, "\\(ha");
			break;
		case '~':
			buf_adds(b, "\\(ti");
			break;
		default:
			buf_addc(b, c);
		}
	}
}

/* An argument of a macro: quoted where it has blanks, and never taken for a macro. */
static void
man_argument(struct buf *b, struct slice s)
{
	bool blank = memchr(s.p, ' ', s.n) != NULL;

	buf_adds(b, blank ? " \"" : s.n < 4 ? " \\&" : " ");
	man_add(b, s, false);
	if (blank)
		buf_addc(b, '"');
}

static void
man_value(struct buf *b, const struct opt *o)
{
	struct slice choice;

	if (o->arg) {
		struct buf name = {0};

		opt_add_value(&name, o);
		buf_adds(b, " Ar");
		man_argument(b, buf_slice(&name));
		buf_release(&name);
		return;
	}
	for (size_t i = 0; (choice = opt_choice(o->choices, i)).p; i++) {
		buf_adds(b, i ? " Ns | Ns Cm" : " Cm");
		man_argument(b, choice);
	}
}

static void
man_label(struct buf *b, const struct opt *o)
{
	buf_adds(b, ".It Fl");
	if (o->short_name)
		buf_addf(b, " %c , Fl", o->short_name);
	buf_adds(b, " \\-");
	man_add(b, slice_str(o->name), false);
	if (o->kind != OPT_FLAG) {
		buf_adds(b, o->optional ? " Ns Oo Ns = Ns" : " Ns = Ns");
		man_value(b, o);
		if (o->optional)
			buf_adds(b, " Oc");
	}
	buf_addc(b, '\n');
}

/* The run of s that is the core of a word: without what encloses and ends it. */
static struct slice
core_of(struct slice word)
{
	while (word.n && strchr("('", word.p[0]))
		word = slice_of(word.p + 1, word.n - 1);
	while (word.n && strchr(").,;:'?", word.p[word.n - 1]))
		word.n--;
	return word;
}

/* One word of a help text: options bold, the name of the value in italics. */
static void
man_word(struct buf *b, struct slice word, const struct opt *o, bool at_start)
{
	struct slice core = core_of(word);
	bool option = core.n > 1 && core.p[0] == '-' && core.p[1] != ' ' &&
		(core.p[1] == '-' ? core.n > 2 : core.n == 2);
	bool value = o->arg && slice_eq(core, slice_str(o->arg));

	if (!option && !value) {
		man_add(b, word, at_start);
		return;
	}
	man_add(b, slice_of(word.p, (size_t)(core.p - word.p)), at_start);
	buf_adds(b, option ? "\\fB" : "\\fI");
	man_add(b, core, false);
	buf_adds(b, "\\fR");
	man_add(b, slice_of(core.p + core.n, (size_t)(word.p + word.n - core.p) - core.n),
		false);
}

/* Text, a sentence begins a line of its own, no line of more than about 78 bytes. */
static void
man_text(struct buf *b, struct slice text, const struct opt *o)
{
	size_t line = b->n;
	bool at_start = true;

	while (text.n) {
		const char *blank = memchr(text.p, ' ', text.n);
		size_t n = blank ? (size_t)(blank - text.p) : text.n;

		if (!at_start && b->n - line + n + 1 > 78) {
			buf_addc(b, '\n');
			line = b->n;
			at_start = true;
		} else if (!at_start) {
			buf_addc(b, ' ');
		}
		man_word(b, slice_of(text.p, n), o, at_start);
		at_start = false;
		if (n && opt_sentence_ends(text, n - 1)) {
			buf_addc(b, '\n');
			line = b->n;
			at_start = true;
		}
		if (n < text.n)
			n++;
		text = slice_of(text.p + n, text.n - n);
	}
	buf_addc(b, '\n');
}

void
opt_generate_man(const struct opt_command *c, struct buf *b)
{
	const struct opt_group *g;
	struct buf help = {0}, text = {0};

	for (size_t i = 0; (g = opt_group_at(c, i)); i++) {
		if (!g->opts->name)
			continue;
		if (i) {
			buf_adds(b, ".Ss ");
			man_add(b, slice_str(g->title), false);
			buf_addc(b, '\n');
		}
		buf_adds(b, ".Bl -tag -width Ds\n");
		for (const struct opt *o = g->opts; o->name; o++) {
			if (o->hidden)
				continue;
			man_label(b, o);
			buf_reset(&help);
			buf_reset(&text);
			opt_add_help(&help, o);
			opt_add_capital(&text, buf_slice(&help));
			buf_addc(&text, '.');
			man_text(b, buf_slice(&text), o);
		}
		buf_adds(b, ".El\n");
	}
	buf_release(&help);
	buf_release(&text);
}

/* ---- what the shells share --------------------------------------------------------- */

/* "sk-map" as a part of a function's name: sk_map. */
static void
add_function(struct buf *b, const struct opt_command *c)
{
	buf_addc(b, '_');
	for (const char *p = c->name; *p; p++)
		buf_addc(b, *p == '-' ? '_' : *p);
}

static bool
needs_value(const struct opt *o)
{
	return o->kind != OPT_FLAG && !o->optional;
}

static bool
is_path_like(const struct opt *o)
{
	return o->kind == OPT_FILE || o->kind == OPT_SOURCE || o->kind == OPT_SINK;
}

static bool
word_is(struct slice word, const char *s)
{
	return slice_eq(word, slice_str(s));
}

/* Choices separated by blanks. */
static void
add_choices(struct buf *b, const struct opt *o)
{
	struct slice choice;

	for (size_t i = 0; (choice = opt_choice(o->choices, i)).p; i++) {
		if (i)
			buf_addc(b, ' ');
		buf_add_slice(b, choice);
	}
}

/* Inside '...' of bash and zsh. */
static void
add_in_quotes(struct buf *b, char c)
{
	if (c == '\'')
		buf_adds(b, "'\\''");
	else
		buf_addc(b, c);
}

/* ---- bash -------------------------------------------------------------------------- */

/* "-n|--limit" */
static void
bash_names(struct buf *b, const struct opt *o, const char *between)
{
	if (o->short_name)
		buf_addf(b, "-%c%s", o->short_name, between);
	buf_addf(b, "--%s", o->name);
}

/* The names of all options that are shown, or of those that need a value. */
static void
bash_all_names(
	const struct opt_command *c, struct buf *b, bool valued, const char *between)
{
	bool first = true;
	size_t at;

	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at)) {
		if (o->hidden || (valued && !needs_value(o)))
			continue;
		if (!first)
			buf_adds(b, between);
		bash_names(b, o, between);
		first = false;
	}
	/* A pattern that no word matches keeps the case statement whole. */
	if (first)
		buf_adds(b, "''");
}

static void
bash_reply_files(struct buf *b, const char *kind)
{
	buf_addf(b, "compopt -o filenames 2>/dev/null\n"
		"\t\tmapfile -t COMPREPLY < <(compgen -%s -- \"$cur\") ;;\n", kind);
}

static void
bash_values(const struct opt_command *c, struct buf *b)
{
	size_t at;

	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at)) {
		if (o->hidden || o->kind == OPT_FLAG)
			continue;
		if (o->kind != OPT_CHOICE && o->kind != OPT_DIR && !is_path_like(o))
			continue;
		buf_adds(b, "\t");
		bash_names(b, o, "|");
		buf_adds(b, ")\n\t\t");
		if (o->kind == OPT_CHOICE) {
			buf_adds(b, "mapfile -t COMPREPLY < <(compgen -W '");
			add_choices(b, o);
			buf_adds(b, "' -- \"$cur\") ;;\n");
		} else {
			bash_reply_files(b, o->kind == OPT_DIR ? "d" : "f");
		}
	}
}

static void
bash_operands(const struct opt_command *c, struct buf *b)
{
	struct slice word;

	buf_adds(b, "\tcase $seen in\n");
	for (size_t i = 0; (word = opt_word(c->operands, i)).p; i++) {
		if (opt_word(c->operands, i + 1).p)
			buf_addf(b, "\t%zu)\n\t\t", i);
		else
			buf_adds(b, "\t*)\n\t\t");
		if (word_is(word, "file") || word_is(word, "dir"))
			bash_reply_files(b, word_is(word, "dir") ? "d" : "f");
		else
			buf_adds(b, ";;\n");
	}
	buf_adds(b, "\tesac\n");
}

void
opt_generate_bash(const struct opt_command *c, struct buf *b)
{
	struct buf name = {0};
	const char *f;

	add_function(&name, c);
	f = buf_cstr(&name);
	buf_addf(b, "# bash completion for %s, written by %s --generate=bash\n\n",
		c->name, c->name);
	buf_addf(b,
		"# Sets opt to the option that waits for its value after the word $1.\n"
		"%s_waits()\n{\n\tlocal i\n\topt=\n\tcase $1 in\n\t",
		f);
	bash_all_names(c, b, true, "|");
	buf_adds(b, ")\n\t\topt=$1 ;;\n\t--*) ;;\n\t-?*)\n"
		"\t\tfor ((i = 1; i < ${#1}; i++)); do\n"
		"\t\t\tcase -${1:i:1} in\n\t\t\t");
	bash_all_names(c, b, true, "|");
	buf_adds(b, ")\n\t\t\t\t((i + 1 < ${#1})) || opt=-${1:i:1}\n\t\t\t\tbreak ;;\n"
		"\t\t\tesac\n\t\tdone ;;\n\tesac\n}\n\n");
	/* readline cuts words at "=" and ":", so that --to=append:x is five of them. */
	buf_addf(b,
		"%s()\n{\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} opt= pre= last= ended= seen=0\n"
		"\tlocal i word\n"
		"\tCOMPREPLY=()\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tword=${COMP_WORDS[i]}\n"
		"\t\tif [[ $word == : || $last == : ]]; then\n"
		"\t\t\t:\n"
		"\t\telif [[ $word == = && $last == --?* && ! $ended ]]; then\n"
		"\t\t\topt=$last\n"
		"\t\telif [[ $opt ]]; then\n"
		"\t\t\topt=\n"
		"\t\telif [[ $word == -- && ! $ended ]]; then\n"
		"\t\t\tended=1\n"
		"\t\telif [[ $word == -?* && ! $ended ]]; then\n"
		"\t\t\t%s_waits \"$word\"\n"
		"\t\telse\n"
		"\t\t\t((seen++))\n"
		"\t\tfi\n"
		"\t\tlast=$word\n"
		"\tdone\n",
		f, f);
	buf_adds(b, "\tif [[ $cur == : || $last == : ]]; then\n"
		"\t\t[[ $cur == : ]] && cur=\n"
		"\t\tcompopt -o filenames 2>/dev/null\n"
		"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
		"\t\treturn\n"
		"\tfi\n"
		"\tif [[ $cur == = && $last == --?* && ! $ended ]]; then\n"
		"\t\topt=$last cur=\n"
		"\telif [[ ! $opt && $cur == --*=* && ! $ended ]]; then\n"
		"\t\topt=${cur%%=*} pre=${cur%%=*}= cur=${cur#*=}\n"
		"\telif [[ ! $opt && $cur == -* && ! $ended ]]; then\n"
		"\t\tmapfile -t COMPREPLY < <(compgen -W '");
	bash_all_names(c, b, false, " ");
	buf_adds(b, "' -- \"$cur\")\n\t\treturn\n\tfi\n\tcase $opt in\n\t'')\n\t\t;;\n");
	bash_values(c, b);
	buf_adds(b, "\tesac\n"
		"\tif [[ $opt ]]; then\n"
		"\t\tCOMPREPLY=(\"${COMPREPLY[@]/#/$pre}\")\n"
		"\t\treturn\n"
		"\tfi\n");
	bash_operands(c, b);
	buf_addf(b, "}\n\ncomplete -F %s %s\n", f, c->name);
	buf_release(&name);
}

/* ---- zsh --------------------------------------------------------------------------- */

/* Inside the '...' of a specification of _arguments, where : [ ] and \ mean something. */
static void
zsh_add(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (strchr(":[]\\", s.p[i]))
			buf_addc(b, '\\');
		add_in_quotes(b, s.p[i]);
	}
}

/* ":N:action" */
static void
zsh_value(struct buf *b, const struct opt *o)
{
	if (o->kind == OPT_FLAG)
		return;
	buf_adds(b, o->optional ? "::" : ":");
	zsh_add(b, slice_str(o->arg ? o->arg : o->name));
	buf_addc(b, ':');
	switch (o->kind) {
	case OPT_CHOICE:
		buf_addc(b, '(');
		add_choices(b, o);
		buf_addc(b, ')');
		break;
	case OPT_FILE:
	case OPT_SOURCE:
		buf_adds(b, "_files");
		break;
	case OPT_DIR:
		buf_adds(b, "_files -/");
		break;
	case OPT_SINK:
		buf_adds(b, "{ compset -P append\\:; _files }");
		break;
	default:
		buf_addc(b, ' ');
	}
}

static void
zsh_option(struct buf *b, const struct opt *o)
{
	const char *long_end = o->optional ? "=-" : needs_value(o) ? "=" : "";

	buf_adds(b, " \\\n\t");
	if (o->list)
		buf_adds(b, "'*'");
	else if (o->short_name)
		buf_addf(b, "'(-%c --%s)'", o->short_name, o->name);
	/* A short form takes no value that may be left out: two specifications. */
	if (o->short_name && o->optional) {
		buf_addf(b, "-%c'[", o->short_name);
		zsh_add(b, opt_brief(o));
		buf_adds(b, "]' \\\n\t");
		buf_addf(b, "'(-%c --%s)'--%s%s", o->short_name, o->name, o->name,
			long_end);
	} else if (o->short_name) {
		buf_addf(b, "{-%c%s,--%s%s}", o->short_name, needs_value(o) ? "+" : "",
			o->name, long_end);
	} else {
		buf_addf(b, "--%s%s", o->name, long_end);
	}
	buf_adds(b, "'[");
	zsh_add(b, opt_brief(o));
	buf_addc(b, ']');
	zsh_value(b, o);
	buf_addc(b, '\'');
}

void
opt_generate_zsh(const struct opt_command *c, struct buf *b)
{
	struct slice word;
	size_t at;

	buf_addf(b,
		"#compdef %s\n# zsh completion for %s, written by %s --generate=zsh\n\n",
		c->name, c->name, c->name);
	buf_adds(b, "_arguments -s -S");
	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at))
		if (!o->hidden)
			zsh_option(b, o);
	/* "()" offers nothing in silence; a message would keep options from being
	 * completed. */
	for (size_t i = 0; (word = opt_word(c->operands, i)).p; i++) {
		if (word_is(word, "none"))
			continue;
		if (opt_word(c->operands, i + 1).p)
			buf_addf(b, " \\\n\t'%zu:", i + 1);
		else
			buf_adds(b, " \\\n\t'*:");
		buf_add_slice(b, word);
		buf_adds(b, word_is(word, "file") ? ":_files'" :
			    word_is(word, "dir")  ? ":_files -/'" :
						    ":()'");
	}
	buf_addc(b, '\n');
}

/* ---- fish -------------------------------------------------------------------------- */

/* Inside '...', where \ and ' are escaped. */
static void
fish_add(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' || s.p[i] == '\'')
			buf_addc(b, '\\');
		buf_addc(b, s.p[i]);
	}
}

static void
fish_option(struct buf *b, const struct opt_command *c, const struct opt *o)
{
	/* As in zsh: the short form of an optional value is a flag. */
	if (o->short_name && o->optional) {
		buf_addf(b, "complete -c %s -s %c -d '", c->name, o->short_name);
		fish_add(b, opt_brief(o));
		buf_adds(b, "'\n");
	}
	buf_addf(b, "complete -c %s", c->name);
	if (o->short_name && !o->optional)
		buf_addf(b, " -s %c", o->short_name);
	buf_addf(b, " -l %s", o->name);
	if (is_path_like(o))
		buf_adds(b, o->optional ? " -F" : " -r -F");
	else if (o->kind != OPT_FLAG)
		buf_adds(b, o->optional ? " -f" : " -x");
	if (o->kind == OPT_CHOICE) {
		buf_adds(b, " -a '");
		add_choices(b, o);
		buf_addc(b, '\'');
	} else if (o->kind == OPT_DIR) {
		buf_adds(b, " -a '(__fish_complete_directories)'");
	}
	buf_adds(b, " -d '");
	fish_add(b, opt_brief(o));
	buf_adds(b, "'\n");
}

void
opt_generate_fish(const struct opt_command *c, struct buf *b)
{
	struct slice word;
	size_t at;

	buf_addf(b, "# fish completion for %s, written by %s --generate=fish\n\n",
		c->name, c->name);
	/* Where nothing is said, fish offers files. */
	for (size_t i = 0; (word = opt_word(c->operands, i)).p; i++) {
		if (word_is(word, "file"))
			continue;
		buf_addf(b, "complete -c %s", c->name);
		if (opt_word(c->operands, i + 1).p)
			buf_addf(b, " -n '__fish_is_nth_token %zu'", i + 1);
		buf_adds(b, word_is(word, "dir")
				    ? " -f -a '(__fish_complete_directories)'\n"
				    : " -f\n");
	}
	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at))
		if (!o->hidden)
			fish_option(b, c, o);
}
