/* What parsing, help, man pages and completions share. The room's own. */
#ifndef SK_OPT_TELL_H
#define SK_OPT_TELL_H

#include "base/buf.h"
#include "opt/opt.h"

/* Group i of the command's, then that of -h, --version and --generate; NULL after it. */
const struct opt_group *opt_group_at(const struct opt_command *, size_t i);

/* for (o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at)): every option, hidden ones
 * too, group by group; at counts the groups. */
struct opt *opt_next(const struct opt_command *, struct opt *, size_t *at);

/* Choice i of "a|b|c"; absent after the last. */
struct slice opt_choice(const char *choices, size_t i);

/* Word i of s, words being separated by blanks; absent after the last. */
struct slice opt_word(const char *s, size_t i);

/* The beginning of the help, up to "; " or the end of its first sentence. */
struct slice opt_brief(const struct opt *);

/* True if a sentence ends before s[i]: ". " stands there, then a capital letter. */
bool opt_sentence_ends(struct slice s, size_t i);

/* Append the whole help, and the choices where neither it nor the value's name tells
 * them. */
void opt_add_help(struct buf *, const struct opt *);

/* Append the name of the value as help shows it: N, error|drop|pass, 'EXPR => SINK'. */
void opt_add_value(struct buf *, const struct opt *);

/* Append text with its first letter made a capital, unless the first word is a name. */
void opt_add_capital(struct buf *, struct slice text);

/* -1: the table contradicts itself, why says how. */
int opt_check(const struct opt_command *, struct failure *why);

void opt_short_help(const struct opt_command *, struct buf *);
void opt_long_help(const struct opt_command *, struct buf *, size_t width);
void opt_generate_man(const struct opt_command *, struct buf *);
void opt_generate_bash(const struct opt_command *, struct buf *);
void opt_generate_zsh(const struct opt_command *, struct buf *);
void opt_generate_fish(const struct opt_command *, struct buf *);

#endif
