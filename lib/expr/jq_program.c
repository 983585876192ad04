/*
 * The user's text is wrapped, on its own first line, so that $__loc__ stays:
 *
 *	DEFINITIONS . as [$__dot,$topic]|$__dot|DEFINITIONS (TEXT
 *	)
 *
 * The tokens prove that brackets and strings in TEXT are balanced, so the parentheses hold
 * exactly TEXT, whatever it says.
 *
 * DEFINITIONS shadow what a filter must not do. A closed name is defined by a variable that
 * does not exist: libjq drops definitions that nothing calls before it resolves variables,
 * so compiling fails exactly where the name is called, not where it is a key. Other shadows
 * keep data from crashing libjq. Each is put in only where the text names its function:
 * compiling takes longer with each.
 */
#include "expr/jq_program.h"

#include <stdlib.h>

#include "base/mem.h"

/* ---- tokens ------------------------------------------------------------------------ */

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The end of a word at p, of words joined by "::" if qualified. */
static const char *
word_end(const char *p, bool qualified)
{
	for (;;) {
		while (is_word(*p) || is_digit(*p))
			p++;
		if (!qualified || p[0] != ':' || p[1] != ':' || !is_word(p[2]))
			return p;
		p += 2;
	}
}

static const char *
number_end(const char *p)
{
	const char *e;

	while (is_digit(*p) || *p == '.')
		p++;
	if (*p != 'e' && *p != 'E')
		return p;
	e = p + 1;
	if (*e == '+' || *e == '-')
		e++;
	if (!is_digit(*e))
		return p;
	while (is_digit(*e))
		e++;
	return e;
}

/*
 * The next token at *at that is no part of a string's text. open holds what is open: a
 * bracket, '"' for a string, 'i' for an interpolation in it.
 */
static struct jq_token
next_token(const char **at, struct buf *open)
{
	const char *p = *at, *start;
	char top = open->n ? open->p[open->n - 1] : '\0';
	uint8_t kind = T_OTHER;

	if (top == '"') {
		while (*p && *p != '"' && !(p[0] == '\\' && p[1] == '('))
			p += p[0] == '\\' && p[1] ? 2 : 1;
		start = p;
		if (*p == '"') {
			open->n--;
			p++;
		} else if (*p) {
			open->p[open->n - 1] = '"';
			buf_addc(open, 'i');
			p += 2;
		} else
			kind = T_BAD;
		*at = p;
		return (struct jq_token){kind, {start, (size_t)(p - start)}};
	}
	for (;;) {
		while (*p == ' ' || *p == '\n' || *p == '\t')
			p++;
		if (*p != '#')
			break;
		while (*p && *p != '\n' && *p != '\r')
			p++;
	}
	start = p;
	if (!*p)
		kind = open->n ? T_BAD : T_END;
	else if (is_word(*p)) {
		kind = T_IDENT;
		p = word_end(p, true);
	} else if (is_digit(*p) || (*p == '.' && (is_digit(p[1]) || p[1] == '.'))) {
		p = number_end(p);
		if (p - start != 2 || start[0] != '.' || start[1] != '.')
			kind = T_NUMBER;
	} else if (*p == '.' && is_word(p[1])) {
		p = word_end(p + 1, false);
	} else if (*p == '@') {
		p++;
		while (is_word(*p) || is_digit(*p))
			p++;
	} else if (*p == '(' || *p == '[' || *p == '{' || *p == '"') {
		buf_addc(open, *p++);
	} else if (*p == ')' || *p == ']' || *p == '}') {
		char want = *p == ')' ? '(' : *p == ']' ? '[' : '{';

		if (top == want || (top == 'i' && *p == ')'))
			open->n--;
		else
			kind = T_BAD;
		p++;
	} else if (*p == '$') {
		kind = T_DOLLAR;
		p++;
	} else if (strchr("=!<>", *p) && p[1] == '=') {
		p += 2;
	} else {
		p++; /* an update operator, |= += ..., ends as = does */
	}
	*at = p;
	return (struct jq_token){kind, {start, (size_t)(p - start)}};
}

/* Cut the text into tokens. */
static void
tokenize(struct jq_program *prog)
{
	const char *p = prog->text;
	struct buf open = {0};
	struct jq_token t;

	do {
		t = next_token(&p, &open);
		prog->token = mem_grow(prog->token, &prog->cap_token, prog->ntoken + 1,
			sizeof(t));
		prog->token[prog->ntoken++] = t;
	} while (t.kind != T_END && t.kind != T_BAD);
	prog->balanced = t.kind == T_END;
	buf_release(&open);
}

static bool
mentions(const struct jq_program *prog, struct slice name)
{
	for (size_t i = 0; i < prog->ntoken; i++)
		if (prog->token[i].kind == T_IDENT && slice_eq(prog->token[i].text, name))
			return true;
	return false;
}

/* Is c an operator of the text, or the first or last character of one? */
static bool
mentions_op(const struct jq_program *prog, char c)
{
	for (size_t i = 0; i < prog->ntoken; i++)
		if (prog->token[i].kind == T_OTHER && prog->token[i].text.n == 1 &&
				prog->token[i].text.p[0] == c)
			return true;
	return false;
}

/* Does the text call any of the names, a list with a blank between two? */
static bool
mentions_any(const struct jq_program *prog, const char *names)
{
	while (*names) {
		size_t n = strcspn(names, " ");

		if (mentions(prog, slice_of(names, n)))
			return true;
		names += n + (names[n] == ' ');
	}
	return false;
}

/* Note which of the options' variables the text uses. */
static void
find_vars(struct jq_program *prog, const char *const *vars)
{
	for (unsigned v = 0; vars && vars[v]; v++) {
		bool used = false;

		for (size_t i = 1; i < prog->ntoken && !used; i++)
			used = prog->token[i - 1].kind == T_DOLLAR &&
				slice_eq(prog->token[i].text, slice_str(vars[v]));
		if (!used)
			continue;
		prog->var = mem_grow(prog->var, &prog->cap_var, prog->nvar + 1,
			sizeof(*prog->var));
		prog->name = mem_grow(prog->name, &prog->cap_name, prog->nvar + 1,
			sizeof(*prog->name));
		prog->var[prog->nvar] = v;
		prog->name[prog->nvar++] = mem_strdup(vars[v]);
	}
}

/* ---- what is written --------------------------------------------------------------- */

/* What reaches beyond the record, or ends the process's work. */
static const char closed[] = "input inputs _input debug stderr halt halt_error "
	"input_filename input_line_number get_search_list get_prog_origin get_jq_origin "
	"modulemeta";

/*
 * Where libjq 1.6 crashes, hangs or leaks on what may come in with data. An index is bounded
 * as later versions do it, since arrays are filled up to it.
 */
static const struct {
	const char *names;
	const char *text;
} mended[] = {
	{"strftime strflocaltime todate todateiso8601", "def __time(f;$n): "
		"if type==\"number\" then f elif type==\"array\" and "
		"([.[0:8][]|type==\"number\"]|all|not) then "
		"error($n+\"/1 requires parsed datetime inputs\") else . end;"},
	/* An instant out of range fails an assertion, a list that is no time leaks. */
	{"strftime", "def strftime(f): __time(gmtime;\"strftime\")|strftime(f);"},
	{"strflocaltime", "def strflocaltime(f): "
		"__time(localtime;\"strflocaltime\")|strflocaltime(f);"},
	{"todate", "def todate: __time(gmtime;\"strftime\")|todate;"},
	{"todateiso8601", "def todateiso8601: __time(gmtime;\"strftime\")|todateiso8601;"},
	/* An operand that is no string leaks. */
	{"ltrimstr", "def ltrimstr(f): f as $x|"
		"if type==\"string\" and ($x|type)==\"string\" then ltrimstr($x) else . end;"},
	{"rtrimstr", "def rtrimstr(f): f as $x|"
		"if type==\"string\" and ($x|type)==\"string\" then rtrimstr($x) else . end;"},
	/* Looking for "" never ends, looking in arrays leaks. */
	{"indices index rindex", "def __find($n): . as $a|($n|length) as $l|if $l==0 then [] "
		"else [range(0;length)|select($a[.:.+$l]==$n)] end;"
		"def __where($i): if type==\"string\" and $i==\"\" then null "
		"elif type==\"array\" then __find(if ($i|type)==\"array\" then $i else [$i] end) "
		"else indices($i) end;"
		"def indices($i): __where($i);def index($i): __where($i)|.[0];"
		"def rindex($i): __where($i)|.[-1:][0];"},
	{"_strindices", "def _strindices(f): f as $i|if $i==\"\" then null "
		"else _strindices($i) end;"},
};

/*
 * A regex that matches nothing, applied globally, steps into the middle of a character and
 * reads past the string. __empty asks whether it could match nothing anywhere: whether,
 * after it, what was left before it is left still. (In jq 1.6 a try goes on to catch what
 * comes after it, until its outputs are collected: hence the brackets.)
 */
static const char regexes[] =
	"def __empty($re;$m): . as $s|if type==\"string\" and ($re|type)==\"string\" and "
	"utf8bytelength!=length and [try (test($re;$m)|true) catch false][0] then "
	"if [try test(\"\\\\A(?s:.*?)(?=(?<__r>(?s:.*))\\\\z)(?:\"+$re+"
	"\"\\n\"[(if $m|contains(\"x\") then 0 else 1 end):]+\")\\\\k<__r>\\\\z\";$m) "
	"catch true][0] then error(\"a regex that can match nothing is not applied to all of a "
	"text that is not ASCII\") else . end else . end;"
	"def __safe(a;b): . as $s|reduce (a as $r|b as $m|[$r,$m]) as $p (.;"
	"if ($p[1]|type)==\"string\" and ($p[1]|contains(\"g\")) then __empty($p[0];$p[1]) "
	"else . end);"
	"def __safe1(a): . as $s|reduce a as $v (.;"
	"if ($v|type)==\"array\" then __safe($v[0];$v[1]) else . end);"
	"def match(a;b): __safe(a;b)|match(a;b);"
	"def match($v): __safe1($v)|match($v);"
	"def capture(a;b): __safe(a;b)|capture(a;b);"
	"def capture($v): __safe1($v)|capture($v);"
	"def scan(a): __safe(a;\"g\")|scan(a);"
	"def splits($r;f): __safe($r;f|if type==\"string\" or .==null then \"g\"+. else . end)|"
	"splits($r;f);"
	"def splits($r): __safe($r;\"g\")|splits($r);"
	"def split($r;f): __safe($r;f|if type==\"string\" or .==null then \"g\"+. else . end)|"
	"split($r;f);";

/* A string may be repeated so often that memory ends: 64 MiB is the most. The remainder of
 * the least integer by -1 traps, and all that is out of range becomes that integer. */
static const char operators[] =
	"def _mod(a;b): b as $b|a as $a|if ($a|type)==\"number\" and ($b|type)==\"number\" and "
	"$b>-2 and $b<=-1 then 0 else _mod($a;$b) end;"
	"def _multiply(a;b): b as $b|a as $a|if ($a|type)==\"string\" and ($b|type)==\"number\" "
	"and (1+($a|utf8bytelength))*$b>67108864 then error(\"Repeat string result too long\") "
	"elif ($b|type)==\"string\" and ($a|type)==\"number\" and "
	"(1+($b|utf8bytelength))*$a>67108864 then error(\"Repeat string result too long\") "
	"else _multiply($a;$b) end;";

/* A number made of text must not lose digits: those of the double are compared. */
static const char readers[] =
	"def __digits: split(\"e\")|.[0]|split(\"E\")|.[0]//\"\"|"
	"[match(\"[1-9](?:[0-9.]*[1-9])?\").string]|.[0]//\"\"|split(\".\")|join(\"\");"
	"def __fit($s): if type==\"number\" and (($s|length)>15 or .==0 or isinfinite) and "
	"(isinfinite or ($s|__digits)!=(tojson|__digits)) then \"number \"+$s+\" does not fit a "
	"double: libjq would change it\"|debug|error else . end;"
	"def tonumber: if type==\"string\" then . as $s|tonumber|__fit($s) else tonumber end;"
	"def fromjson: . as $s|fromjson|if $s|test(\"[0-9.]{16}|[eE][-+]?[0-9]{3}\") then "
	"reduce ($s|match(\"\\\"(?:[^\\\"\\\\\\\\]|\\\\\\\\.)*\\\"|-?[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?\";"
	"\"g\").string|select(startswith(\"\\\"\")|not)) as $t (.;($t|tonumber) as $_|.) "
	"else . end;";

static const char indexes[] =
	"def __path: if type==\"array\" then reduce .[] as $k (.;"
	"if ($k|type)==\"number\" and $k>16777215 then error(\"Array index too large\") "
	"else . end) else . end;"
	"def __paths(p): reduce path(p) as $p (.;($p|__path) as $x|.);"
	"def setpath(p;v): setpath(p|__path;v);"
	"def fromstream(f): fromstream(f|if type==\"array\" then (.[0]|__path) as $x|. "
	"else . end);"
	"def _assign(p;v): v as $v|__paths(p)|_assign(p;$v);"
	"def _modify(p;f): __paths(p)|_modify(p;f);";

/*
 * In the guarded twin: functions that compute numbers from numbers, or make text of them;
 * those that look at their arguments alone, not at their input, apart.
 */
static const struct {
	const char *names;
	int args;
	bool blind;
} inexact[] = {
	{"_negate tostring tojson fromjson implode isfinite isinfinite isnan isnormal finites "
		"normals fromdate fromdateiso8601 gmtime localtime mktime todate todateiso8601 "
		"acos acosh asin asinh atan atanh cbrt ceil cos cosh erf erfc exp exp10 exp2 "
		"expm1 fabs floor frexp gamma j0 j1 lgamma lgamma_r log log10 log1p log2 logb "
		"modf nearbyint pow10 rint round significand sin sinh sqrt tan tanh tgamma "
		"trunc y0 y1", 0, false},
	{"format INDEX join strftime strflocaltime strptime", 1, false},
	{"now infinite nan", 0, true},
	{"range", 1, true},
	{"range INDEX atan2 copysign drem fdim fmax fmin fmod hypot jn ldexp nextafter "
		"nexttoward pow remainder scalb scalbln yn", 2, true},
	{"range fma", 3, true},
};

/*
 * The guard. $__unfit lists [double, message for its use, message for a result that equals
 * it]. __all looks at all the numbers of a value, __one at a value that is one. What they
 * find is told through debug as well: a try of the user's must not hide it. Literals of the
 * program pass through __n, which keeps the parser from computing with them.
 */
static const char guard[] =
	"def __one($m): if type==\"number\" then reduce $__unfit[] as $u (.;"
	"if .==$u[0] then $u[$m]|debug|error else . end) else . end;"
	"def __all($m): . as $v|[..|if type==\"number\" then . as $x|$__unfit[]|"
	"select(.[0]==$x)|.[$m] else empty end]|"
	"if length>0 then .[0]|debug|error else $v end;"
	"def __n: .;"
	"def __b_plus($a;$b): $a+$b; def __b_minus($a;$b): $a-$b; "
	"def __b_multiply($a;$b): $a*$b; def __b_divide($a;$b): $a/$b; "
	"def __b_mod($a;$b): $a%$b;"
	"def _plus(a;b): b as $b|a as $a|if $a==null or $b==null then __b_plus($a;$b) "
	"else __b_plus($a|__one(1);$b|__one(1))|__one(2) end;"
	"def _minus(a;b): b as $b|a as $a|__b_minus($a|__one(1);$b|__one(1))|__one(2);"
	"def _multiply(a;b): b as $b|a as $a|__b_multiply($a|__one(1);$b|__one(1))|__one(2);"
	"def _divide(a;b): b as $b|a as $a|__b_divide($a|__one(1);$b|__one(1))|__one(2);"
	"def _mod(a;b): b as $b|a as $a|__b_mod($a|__one(1);$b|__one(1))|__one(2);"
	"def add: reduce .[] as $x (null;.+$x);"
	"def length: if type==\"number\" then __one(1)|length else length end;"
	"def tonumber: if type==\"number\" then . else tonumber|__one(2) end;";

static const char *const params[] = {"", "(a)", "(a;b)", "(a;b;c)"};

/* A name for the builtin that name is about to shadow. */
static void
add_alias(struct buf *b, struct slice name, int args)
{
	buf_addf(b, "def __o_%.*s%s: %.*s%s;", (int)name.n, name.p, params[args], (int)name.n,
		name.p, params[args]);
}

static int
count_params(const char *p)
{
	int n = 1;

	if (*p != '(')
		return 0;
	while (*p && *p != ')')
		n += *p++ == ';';
	return n;
}

/*
 * Append definitions of ours. A definition in jq that calls its own name recurses; in the
 * texts above such a call means the builtin, so each becomes an alias of the builtin and a
 * shadow that calls the alias. Names that begin with "__" are new.
 */
static void
add_shadows(struct buf *b, const char *p)
{
	while (*p) {
		struct slice name;
		const char *end, *body;
		int args;
		struct buf open = {0};
		struct jq_token t;
		bool own;

		while (*p == ' ')
			p++;
		p += strlen("def ");
		end = word_end(p, false);
		name = slice_of(p, (size_t)(end - p));
		own = slice_starts(name, SLICE("__"));
		args = count_params(end);
		body = end;
		while (*body != ':')
			body++;
		if (!own)
			add_alias(b, name, args);
		buf_adds(b, "def ");
		buf_add(b, p, (size_t)(body - p));
		p = body;
		/* Tokens of the body: a call of the same name means the alias. */
		for (;;) {
			const char *from = p;

			t = next_token(&p, &open);
			if (!own && t.kind == T_IDENT && slice_eq(t.text, name) &&
					count_params(p) == args) {
				buf_add(b, from, (size_t)(t.text.p - from));
				buf_adds(b, "__o_");
				buf_add_slice(b, name);
			} else
				buf_add(b, from, (size_t)(p - from));
			if (t.kind == T_END || t.kind == T_BAD ||
					(*t.text.p == ';' && !open.n))
				break;
		}
		buf_release(&open);
	}
}

/* Append a shadow of each name that the text mentions, that checks what goes in and out. */
static void
add_guards(const struct jq_program *prog, struct buf *b, const char *names, int args,
	bool blind)
{
	static const char *const checked[] = {"", "(a|__all(1))", "(a|__all(1);b|__all(1))",
		"(a|__all(1);b|__all(1);c|__all(1))"};

	for (; *names; names += strspn(names, " ")) {
		struct slice name = {names, strcspn(names, " ")};

		names += name.n;
		/* These are called without being named: by - and by \( ) and @. */
		if (name.p[0] != '_' && !slice_eq(name, SLICE("format")) &&
				!mentions(prog, name))
			continue;
		add_alias(b, name, args);
		buf_addf(b, "def %.*s%s: %s__o_%.*s%s|__all(2);", (int)name.n, name.p,
			params[args], blind ? "" : "__all(1)|", (int)name.n, name.p,
			checked[args]);
	}
}

static void
add_closed(const struct jq_program *prog, struct buf *b)
{
	for (const char *p = closed; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (mentions(prog, slice_of(p, n)))
			buf_addf(b, "def %.*s: " JQ_CLOSED "%.*s;def %.*s(f): " JQ_CLOSED "%.*s;",
				(int)n, p, (int)n, p, (int)n, p, (int)n, p);
		p += n;
	}
	if (!mentions_any(prog, "env ENV"))
		return;
	if (prog->allow_env)
		buf_adds(b, "env as $ENV|");
	else
		buf_adds(b, "def env: {};{} as $ENV|");
}

bool
jq_program_computes(const struct jq_program *prog)
{
	for (const char *c = "+-*/%"; *c; c++)
		if (mentions_op(prog, *c))
			return true;
	for (size_t i = 0; i < sizeof(inexact) / sizeof(inexact[0]); i++)
		if (mentions_any(prog, inexact[i].names))
			return true;
	return mentions_any(prog, "add length");
}

void
jq_program_write(const struct jq_program *prog, struct buf *b, bool guarded)
{
	const char *p = prog->text;

	for (size_t i = 0; i < sizeof(mended) / sizeof(mended[0]); i++)
		if (mentions_any(prog, mended[i].names))
			add_shadows(b, mended[i].text);
	if (!prog->numbers_double && mentions_any(prog, "tonumber fromjson"))
		add_shadows(b, readers);
	if (mentions_op(prog, '*') || mentions_op(prog, '%') ||
			mentions_any(prog, "_multiply _mod"))
		add_shadows(b, operators);
	if (mentions_any(prog, "match capture scan splits split"))
		add_shadows(b, regexes);
	if (mentions_any(prog, "setpath fromstream _assign _modify") ||
			(mentions_op(prog, '=') &&
			(mentions_op(prog, '[') || mentions_any(prog, "getpath nth"))))
		add_shadows(b, indexes);
	if (guarded || prog->nvar) {
		buf_adds(b, ". as [$__dot");
		if (guarded)
			buf_adds(b, ",$__unfit");
		for (size_t i = 0; i < prog->nvar; i++)
			buf_addf(b, ",$%s", prog->name[i]);
		buf_adds(b, "]|$__dot|");
	}
	if (guarded) {
		add_shadows(b, guard);
		for (size_t i = 0; i < sizeof(inexact) / sizeof(inexact[0]); i++)
			add_guards(prog, b, inexact[i].names, inexact[i].args,
				inexact[i].blind);
	}
	add_closed(prog, b);
	buf_addc(b, '(');
	for (size_t i = 0; guarded && i < prog->ntoken; i++) {
		struct slice t = prog->token[i].text;

		if (prog->token[i].kind != T_NUMBER)
			continue;
		buf_add(b, p, (size_t)(t.p - p));
		buf_addf(b, "(%.*s|__n)", (int)t.n, t.p);
		p = t.p + t.n;
	}
	buf_adds(b, p);
	buf_adds(b, prog->ending);
	buf_adds(b, "\n)");
}

void
jq_program_init(struct jq_program *prog, const char *text, const char *const *vars,
	bool allow_env, bool numbers_double)
{
	*prog = (struct jq_program){.text = mem_strdup(text), .allow_env = allow_env,
		.numbers_double = numbers_double, .ending = ""};
	tokenize(prog);
	find_vars(prog, vars);
}

void
jq_program_release(struct jq_program *prog)
{
	for (size_t i = 0; i < prog->nvar; i++)
		free(prog->name[i]);
	free(prog->name);
	free(prog->var);
	free(prog->token);
	free(prog->text);
	*prog = (struct jq_program){0};
}
