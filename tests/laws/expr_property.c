/*
 * The law of expressions: a filter that runs natively gives the bytes that libjq gives.
 *
 * Programs are generated over the whole native subset, documents over all types; each pair
 * runs through both evaluators. Outputs are compared as bytes, and so is the outcome: the
 * message of the error, where there is one. Programs are typed, so that most runs get to
 * their end, and now and then take what is not of the type.
 *
 * Documents come in three kinds:
 *   plain  every number is written as jq prints it. All must be equal, byte for byte.
 *   odd    numbers are written otherwise (1.0, 1e2, -0) but fit a double. An output's text
 *          may differ from libjq's where a computed number equals one that was read: so
 *          outputs are compared in canonical form, messages (which quote numbers) not.
 *   unfit  numbers that no double holds. libjq may refuse where the native evaluator has an
 *          exact answer; whatever libjq does answer must be equal, as for odd ones, and what
 *          the native evaluator refuses for its numbers libjq must not answer, but with a
 *          message. Messages that were caught, and so are output, quote a number as each
 *          has it: they count as one.
 * A number made of text (tonumber, fromjson) can be unfit with any document. What is wrong
 * with a text that is no JSON each parser says in its own words: "... (while parsing ...)".
 *
 * SK_SEED=N draws other pairs, SK_PROGRAMS=N another number of programs.
 */
#include <math.h>
#include <stdlib.h>

#include "expr/expr.h"
#include "expr/jq.h"

#include "../unit/test.h"

#define PROGRAMS 1250
#define DOCS 600
#define PLAIN_RUNS 84
#define ODD_RUNS 12
#define UNFIT_RUNS 12 /* of every fifth program: libjq compiles a second one for them */
#define MAX_OUTPUTS 300
#define MAX_SHOWN 20

const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libjq.so";
}

/* ---- chance ------------------------------------------------------------------------ */

static uint64_t seed;

static uint64_t
draw(void)
{
	uint64_t z = seed += 0x9E3779B97F4A7C15u;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static unsigned
below(unsigned n)
{
	return (unsigned)(draw() % n);
}

static bool
chance(unsigned one_in)
{
	return below(one_in) == 0;
}

#define PICK(list) ((list)[below(sizeof(list) / sizeof((list)[0]))])

/* ---- documents --------------------------------------------------------------------- */

enum kind { PLAIN, ODD, UNFIT, KINDS };
static const char *const kind_names[] = {
	"plain", "odd", "unfit"
};

static const char *const plain_numbers[] = {
	"0", "1", "2", "3", "-1", "5", "7", "10", "42", "100", "1000", "-12", "0.5",
	"1.5", "2.25", "-0.75", "19.99", "0.1", "3.14159", "12.5", "1234567",
	"9007199254740991", "1e-07", "123456789012345", "1.7e+100", "0.0001", "-3.5"
};
static const char *const odd_numbers[] = {
	"1.0", "2.50", "1e2", "1E1", "0.10", "-0", "-0.0", "100e-1", "0e5", "3.000",
	"12345678901234567000.0", "5e-1", "1.50e0"
};
static const char *const unfit_numbers[] = {
	"12345678901234567890", "12345678901234567891", "9007199254740993",
	"-9007199254740993", "0.1000000000000000055511151231257827",
	"123456789.1234567890123", "1e400", "98765432109876543210.5"
};
static const char *const strings[] = {
	"\"\"", "\"a\"", "\"b\"", "\"abc\"", "\"ABC\"", "\"a,b,c\"", "\"Hello World\"",
	"\"12\"", "\"3.5\"", "\"x y z\"", "\"\\u00e9t\\u00e9\"", "\"\xc3\xa9t\xc3\xa9\"",
	"\"\\ud83d\\ude00 ok\"", "\"\xf0\x9f\x98\x80!\"", "\"q\\\"uote\"",
	"\"back\\\\slash\"", "\"tab\\t nl\\n\"", "\"\\u0000nul\"", "\"\\/\"", "\"a b\"",
	"\"payment-processed\"", "\"order-created\"", "\"2026-01-02T03:04:05Z\"",
	"\"null\"", "\"\\u0061bc\"", "\"z\"", "\"-\"", "\"\x7f\"", "\"\\u2028\"",
	"\"1e3\"", "\"[1,2]\""
};
static const char *const names[] = {
	"a", "b", "c", "id", "name", "x", "\\u0061", "k e y", "\xc3\xa9", "q\\\"", "n",
	"s", "price"
};

static void
add_number(struct buf *b, enum kind kind)
{
	if (kind == ODD && chance(2))
		buf_adds(b, PICK(odd_numbers));
	else if (kind == UNFIT && chance(5))
		buf_adds(b, PICK(unfit_numbers));
	else
		buf_adds(b, PICK(plain_numbers));
}

static void
add_any(struct buf *b, enum kind kind, int depth)
{
	unsigned n;

	switch (below(depth > 0 ? 9 : 7)) {
	case 0:
		buf_adds(b, "null");
		break;
	case 1:
		buf_adds(b, chance(2) ? "true" : "false");
		break;
	case 2:
	case 3:
	case 4:
		add_number(b, kind);
		break;
	case 5:
	case 6:
		buf_adds(b, PICK(strings));
		break;
	case 7:
		buf_addc(b, '[');
		n = below(4);
		for (unsigned i = 0; i < n; i++) {
			buf_adds(b, i ? (chance(4) ? " , " : ",") : "");
			add_any(b, kind, depth - 1);
		}
		buf_addc(b, ']');
		break;
	default:
		buf_addc(b, '{');
		n = below(4);
		for (unsigned i = 0; i < n; i++) {
			buf_addf(b, "%s\"%s\":", i ? "," : "", PICK(names));
			add_any(b, kind, depth - 1);
		}
		buf_addc(b, '}');
	}
}

/* Of the type that the programs take it for, mostly. */
static void
add_typed(struct buf *b, enum kind kind, char type)
{
	unsigned n;

	if (chance(25)) {
		add_any(b, kind, 2);
		return;
	}
	switch (type) {
	case 'n':
		add_number(b, kind);
		break;
	case 's':
		buf_adds(b, PICK(strings));
		break;
	case 'b':
		buf_adds(b, chance(2) ? "true" : "false");
		break;
	case 'N':
	case 'S':
	case 'B':
	case 'I':
		n = below(5);
		buf_addc(b, '[');
		for (unsigned i = 0; i < n; i++) {
			buf_adds(b, i ? "," : "");
			add_typed(b, kind, type == 'N' ? 'n' : type == 'S' ? 's' :
				type == 'B' ? 'b' : 'i');
		}
		buf_addc(b, ']');
		break;
	case 'i':
		buf_adds(b, "{\"id\":");
		add_typed(b, kind, 'n');
		buf_adds(b, ",\"name\":");
		add_typed(b, kind, 's');
		if (chance(6)) /* a name that repeats: the last value, in the first's place */
			buf_adds(b, ", \"id\" : 3");
		buf_adds(b, ",\"price\":");
		add_typed(b, kind, 'n');
		buf_adds(b, ",\"tags\":");
		add_typed(b, kind, 'S');
		buf_addc(b, '}');
		break;
	case 'o':
		buf_addc(b, '{');
		n = below(4);
		for (unsigned i = 0; i < n; i++) {
			buf_addf(b, "%s\"%s\":", i ? "," : "", PICK(names));
			add_typed(b, kind, 'n');
		}
		buf_addc(b, '}');
		break;
	default:
		add_any(b, kind, 3);
	}
}

static void
add_document(struct buf *b, enum kind kind)
{
	static const struct { const char *name; char type; } fields[] = {
		{"n", 'n'}, {"m", 'n'}, {"s", 's'}, {"t", 's'}, {"f", 'b'}, {"nums", 'N'},
		{"strs", 'S'}, {"flags", 'B'}, {"items", 'I'}, {"o", 'o'}, {"x", 'x'},
		{"k e y", 'n'}
	};
	bool first = true;

	if (chance(40)) {
		add_any(b, kind, 3);
		return;
	}
	buf_addc(b, '{');
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (chance(40))
			continue;
		buf_addf(b, "%s\"%s\":", first ? "" : chance(8) ? " ,\t" : ",",
			fields[i].name);
		add_typed(b, kind, fields[i].type);
		first = false;
	}
	buf_addf(b, "%s\"u\":{\"v\":{\"w\":", first ? "" : ",");
	add_typed(b, kind, 'n');
	buf_adds(b, ",\"\\u0073\":");
	add_typed(b, kind, 's');
	buf_adds(b, "}}");
	if (chance(6)) {
		buf_adds(b, ",\"n\":");
		add_typed(b, kind, 'n');
	}
	if (chance(10)) /* the same name by another spelling */
		buf_adds(b, ",\"\\u006d\":11");
	buf_addc(b, '}');
}

/* ---- programs ---------------------------------------------------------------------- */

enum op {
	O_SELF, O_FIELD, O_PATH, O_INDEX, O_QUOTED, O_EACH, O_SLICE, O_STRING_SLICE,
	O_OPT, O_PIPE, O_COMMA, O_NUMBER, O_STRING, O_CONST, O_OBJECT, O_SHORT,
	O_COMPUTED_KEY, O_ARRAY, O_PLUS, O_MINUS, O_TIMES, O_DIVIDE, O_MODULO, O_NEGATE,
	O_EQ, O_NE, O_LT, O_LE, O_GT, O_GE, O_AND, O_OR, O_NOT, O_ALT, O_IF, O_ELIF,
	O_SELECT, O_EMPTY, O_ERROR, O_ERROR1, O_LENGTH, O_KEYS, O_HAS, O_TYPE,
	O_TOSTRING, O_TONUMBER, O_STARTSWITH, O_ENDSWITH, O_CONTAINS, O_LTRIMSTR,
	O_RTRIMSTR, O_DOWNCASE, O_UPCASE, O_SPLIT, O_JOIN, O_MAP, O_ADD, O_ANY, O_ANY1,
	O_ALL, O_ALL1, O_MIN, O_MAX, O_MIN_BY, O_MAX_BY, O_FIRST, O_FIRST1, O_LAST,
	O_LAST1, O_FLOOR, O_DEL, O_UPDATE, O_INTERPOLATE, O_AS, O_VARIABLE, O_JSON,
	O_TEXT, O_TRY, O_MORE, OPS
};

static const char *const op_names[OPS] = {
	".", ".a", ".a.b", "[0]", "[\"x\"]", ".[]", "[a:b] of arrays", "[a:b] of strings",
	"?", "|", ",", "numbers", "strings", "null, true, false", "{a:b}", "{a}",
	"{(a):b}", "[a]", "+", "-", "*", "/", "%", "-a", "==", "!=", "<", "<=", ">", ">=",
	"and", "or", "not", "//", "if", "elif", "select", "empty", "error", "error(a)",
	"length", "keys", "has", "type", "tostring", "tonumber", "startswith", "endswith",
	"contains", "ltrimstr", "rtrimstr", "ascii_downcase", "ascii_upcase", "split",
	"join", "map", "add", "any", "any(a)", "all", "all(a)", "min", "max", "min_by",
	"max_by", "first", "first(a)", "last", "last(a)", "floor", "del", "|=",
	"\"\\(a)\"", "as $x", "$topic", "@json", "@text", "try", "the rest"
};

static struct buf program;
static bool used[OPS];
static unsigned long count[OPS];
static unsigned vars; /* $v0 ... are in scope, numbers */

static void gen_num(int depth, char in);
static void gen_str(int depth, char in);
static void gen_bool(int depth, char in);
static void gen_any(int depth, char in);
static void gen_array(int depth, char in, char *of);

/* Append text; % and a letter generate what it stands for: %n a number, %s a string, %b a
 * boolean, %x anything, %N %S %I an array of numbers, strings, items. depth goes down. */
static void gen(int depth, char in, enum op op, const char *text);

static void
use(enum op op)
{
	used[op] = true;
}

/* A value within reach: in is the type of dot: 'r' the document, or 'n', 's', 'i'. */
static void
gen_leaf(char in, char want)
{
	static const char *const items[] = {
		".items", ".items[0:2]", ".[\"items\"]"
	};
	static const char *const nums[] = {
		".n", ".m", ".u.v.w", ".n", ".[\"n\"]", ".\"m\"", ".[\"k e y\"]",
		".items[0].price", ".nums[0]", ".nums[-1]", ".o.a"
	};
	static const char *const strs[] = {
		".s", ".t", ".u.v.s", ".strs[0]", ".[\"s\"]", ".items[0].name",
		".strs[1]", ".s", ".t"
	};
	static const char *const anys[] = {
		".x", ".o", ".u", ".", ".items", ".x.a", ".x.b?", ".missing", ".flags",
		".u.v", ".x[0]?", ".items[1]"
	};
	const char *p = ".";

	if (in == 'r' && want == 'n')
		p = PICK(nums);
	else if (in == 'r' && want == 's')
		p = PICK(strs);
	else if (in == 'r' && want == 'I')
		p = PICK(items);
	else if (in == 'r' && want == 'N')
		p = chance(3) ? ".nums[:3]" : ".nums";
	else if (in == 'r' && want == 'S')
		p = chance(4) ? ".strs[1:]" : ".strs";
	else if (in == 'r' && want == 'B')
		p = ".flags";
	else if (in == 'r')
		p = PICK(anys);
	else if (in == 'i')
		p = want == 'n' ? (chance(2) ? ".id" : ".price") : want == 's' ? ".name" :
			want == 'S' ? ".tags" : chance(2) ? ".tags" : ".";
	else if (want != in) {
		/* dot is a scalar of another type */
		if (want == 'n')
			p = in == 's' ? "length" : "1";
		else if (want == 's')
			p = "tostring";
	}
	if (!strcmp(p, "."))
		use(O_SELF);
	if (!strcmp(p, "length"))
		use(O_LENGTH);
	if (!strcmp(p, "tostring"))
		use(O_TOSTRING);
	if (strchr(p, '?'))
		use(O_OPT);
	if (strstr(p, "[\"") || strstr(p, ".\""))
		use(O_QUOTED);
	else if (strchr(p, ':'))
		use(O_SLICE);
	else if (strchr(p, '['))
		use(O_INDEX);
	if (p[0] == '.' && p[1] && strchr(p + 1, '.'))
		use(O_PATH);
	else if (p[0] == '.' && p[1] >= 'a')
		use(O_FIELD);
	buf_adds(&program, p);
}

static void
gen_number(void)
{
	static const char *const numbers[] = {
		"0", "1", "2", "3", "10", "0.5", "2.5", "100", "7", "42", "1.5", "12"
	};

	use(O_NUMBER);
	buf_adds(&program, PICK(numbers));
}

static void
gen_string(void)
{
	static const char *const texts[] = {
		"\"a\"", "\"\"", "\"abc\"", "\"b\"", "\",\"", "\" \"", "\"\xc3\xa9\"",
		"\"\\u00e9\"", "\"x\\ny\"", "\"order-created\"", "\"q\\\"\"", "\"12\""
	};

	use(O_STRING);
	buf_adds(&program, PICK(texts));
}

static void
gen(int depth, char in, enum op op, const char *text)
{
	use(op);
	for (; *text; text++) {
		if (*text != '%' || !text[1]) {
			buf_addc(&program, *text);
			continue;
		}
		switch (*++text) {
		case 'n': gen_num(depth - 1, in); break;
		case 's': gen_str(depth - 1, in); break;
		case 'b': gen_bool(depth - 1, in); break;
		case 'x': gen_any(depth - 1, in); break;
		case 'N':
		case 'S':
		case 'I':
		case 'B': gen_array(depth - 1, in, &(char){*text}); break;
		/* within an iteration dot is an element */
		case '1': gen_bool(depth - 1, 'n'); break;
		case '2': gen_bool(depth - 1, 's'); break;
		case '3': gen_bool(depth - 1, 'i'); break;
		case '4': gen_num(depth - 1, 'n'); break;
		case '5': gen_str(depth - 1, 's'); break;
		case '6': gen_num(depth - 1, 'i'); break;
		case '7': gen_any(depth - 1, 'i'); break;
		case '#': gen_number(); break;
		case '"': gen_string(); break;
		case '$':
			use(O_VARIABLE);
			buf_addf(&program, "$v%u", vars - 1);
			break;
		default: buf_addc(&program, *text);
		}
	}
}

struct form {
	enum op op;
	const char *text;
};

/* `%n as $v | ...`, with one more variable in scope. */
static void
gen_as(int depth, char in, char want)
{
	buf_addc(&program, '(');
	gen_num(0, in);
	use(O_AS);
	buf_addf(&program, " as $v%u|", vars++);
	gen(depth, in, O_AS, want == 'n' ? "%n+%$" : want == 's' ? "%s+(%$|tostring)" :
		want == 'b' ? "%n<%$" : "[%x,%$]");
	vars--;
	buf_addc(&program, ')');
}

static void
gen_num(int depth, char in)
{
	static const struct form forms[] = {
		{O_PLUS, "(%n+%n)"}, {O_MINUS, "(%n-%n)"}, {O_TIMES, "(%n*%n)"},
		{O_DIVIDE, "(%n/%n)"}, {O_MODULO, "(%n%%%n)"}, {O_NEGATE, "(-%n)"},
		{O_LENGTH, "(%s|length)"}, {O_LENGTH, "(%N|length)"},
		{O_FLOOR, "(%n|floor)"}, {O_TONUMBER, "(%n|tonumber)"},
		{O_TONUMBER, "(%s|(tonumber?))"}, {O_ADD, "(%N|add)"},
		{O_MIN, "(%N|min)"}, {O_MAX, "(%N|max)"}, {O_FIRST, "(%N|first)"},
		{O_LAST, "(%N|last)"}, {O_FIRST1, "first(%N[])"}, {O_LAST1, "last(%N[])"},
		{O_INDEX, "%N[%n]"}, {O_IF, "(if %b then %n else %n end)"},
		{O_ELIF, "(if %b then %n elif %b then %n else %# end)"},
		{O_ALT, "(%n // %n)"}, {O_SELECT, "(%n|select(%1))"},
		{O_COMMA, "(%n,%n)"}, {O_PIPE, "(%n|%4)"}, {O_TRY, "(try (%n) catch 0)"},
		{O_OPT, "((%n)?)"}, {O_EACH, "%N[]"}, {O_MIN_BY, "(%I|min_by(%6)|.id)"},
		{O_MAX_BY, "(%I|max_by(.name)|.price)"}, {O_MORE, "(%I|map(.price)|add)"},
		{O_MORE, "(range(3))"}, {O_TONUMBER, "(\"12.5\"|tonumber)"}
	};

	if (depth > 0 && chance(14))
		gen_any(depth - 1, in);
	else if (vars && chance(4))
		gen(depth, in, O_VARIABLE, "%$");
	else if (depth > 0 && chance(12))
		gen_as(depth - 1, in, 'n');
	else if (depth <= 0 || chance(4)) {
		if (chance(3))
			gen_number();
		else
			gen_leaf(in, 'n');
	} else {
		struct form f = PICK(forms);

		gen(depth, in, f.op, f.text);
	}
}

static void
gen_str(int depth, char in)
{
	static const struct form forms[] = {
		{O_PLUS, "(%s+%s)"}, {O_DOWNCASE, "(%s|ascii_downcase)"},
		{O_UPCASE, "(%s|ascii_upcase)"}, {O_LTRIMSTR, "(%s|ltrimstr(%\"))"},
		{O_RTRIMSTR, "(%s|rtrimstr(%\"))"}, {O_STRING_SLICE, "(%s)[1:3]"},
		{O_STRING_SLICE, "(%s)[-2:]"}, {O_STRING_SLICE, "(%s)[:%n]"},
		{O_TOSTRING, "(%x|tostring)"}, {O_TOSTRING, "(%n|tostring)"},
		{O_INTERPOLATE, "\"<\\(%n),\\(%s)>\""}, {O_INTERPOLATE, "\"\\(%x)\""},
		{O_JSON, "(%x|@json)"}, {O_JSON, "@json \"v=\\(%x)\""},
		{O_TEXT, "(%x|@text)"}, {O_TEXT, "@text \"\\(%n)\""},
		{O_TYPE, "(%x|type)"}, {O_JOIN, "(%S|join(%\"))"},
		{O_JOIN, "(%N|join(\"-\"))"}, {O_ADD, "(%S|add)"},
		{O_FIRST, "(%S|first)"}, {O_SPLIT, "(%s|split(%\")|.[0])"},
		{O_KEYS, "(%x|keys|.[0])"}, {O_IF, "(if %b then %s else %s end)"},
		{O_ALT, "(%s // %\")"}, {O_MORE, "(%x|tojson)"}, {O_TIMES, "(%s*%#)"},
		{O_SELECT, "(%s|select(%2))"}, {O_MIN, "(%S|min)"}, {O_EACH, "%S[]"},
		{O_PIPE, "(%s|%5)"}, {O_VARIABLE, "$topic"},
		{O_VARIABLE, "($key|tostring)"}, {O_TRY, "(try error(%s) catch .)"},
		{O_TRY, "(try (%x) catch .)"}
	};

	if (depth > 0 && chance(16))
		gen_any(depth - 1, in);
	else if (depth > 0 && chance(16))
		gen_as(depth - 1, in, 's');
	else if (depth <= 0 || chance(4)) {
		if (chance(3))
			gen_string();
		else
			gen_leaf(in, 's');
	} else {
		struct form f = PICK(forms);

		gen(depth, in, f.op, f.text);
	}
}

static void
gen_bool(int depth, char in)
{
	static const struct form forms[] = {
		{O_EQ, "(%n==%n)"}, {O_EQ, "(%s==%\")"}, {O_EQ, "(%x==%x)"},
		{O_NE, "(%s!=%s)"}, {O_NE, "(%x!=null)"}, {O_LT, "(%n<%n)"},
		{O_LT, "(%x<%x)"}, {O_LE, "(%n<=%n)"}, {O_LE, "(%x<=%x)"},
		{O_GT, "(%n>%#)"}, {O_GT, "(%x>%x)"}, {O_GE, "(%n>=%#)"},
		{O_GE, "(%s>=%s)"}, {O_AND, "(%b and %b)"}, {O_OR, "(%b or %b)"},
		{O_NOT, "(%b|not)"}, {O_STARTSWITH, "(%s|startswith(%\"))"},
		{O_ENDSWITH, "(%s|endswith(%\"))"}, {O_CONTAINS, "(%s|contains(%\"))"},
		{O_CONTAINS, "(%s|contains(%s))"}, {O_HAS, "(%x|has(\"a\"))"},
		{O_HAS, "(%N|has(%#))"}, {O_ANY, "([%b,%b]|any)"},
		{O_ALL, "([%b,%b]|all)"}, {O_ANY1, "(%N|any(%1))"},
		{O_ALL1, "(%S|all(%2))"}, {O_ANY1, "(%I|any(%3))"},
		{O_ALL1, "(%I|all(%3))"}, {O_ANY, "(%B|any)"}, {O_ALL, "(%B|all)"},
		{O_EQ, "((%x|type)==\"number\")"}, {O_HAS, "(%I|.[0]|has(\"id\"))"},
		{O_MORE, "(any(%N[];%1))"}
	};

	if (depth > 0 && chance(16))
		gen_any(depth - 1, in);
	else if (depth <= 0) {
		if (chance(3))
			gen(0, in, O_CONST, chance(2) ? "true" : "false");
		else
			gen(0, in, O_GT, "(%n>%#)");
	} else {
		struct form f = PICK(forms);

		gen(depth, in, f.op, f.text);
	}
}

static void
gen_array(int depth, char in, char *of)
{
	static const struct form any[] = {
		{O_MORE, "(%|reverse)"}, {O_MORE, "(%|sort)"}, {O_MORE, "(%|unique)"},
		{O_SLICE, "%[0:2]"}, {O_SLICE, "%[-2:]"}, {O_PLUS, "(%+%)"},
		{O_MINUS, "(%-%)"}, {O_ALT, "(% // [])"}, {O_MAP, "(%|map(.))"},
		{O_ARRAY, "[%[]]"}, {O_DEL, "(%|del(.[0]))"}, {O_ARRAY, "[first(%[])]"}
	};
	static const struct form nums[] = {
		{O_MAP, "(%N|map(%4))"}, {O_MAP, "(%N|map(select(%1)))"},
		{O_ARRAY, "[%n,%n]"}, {O_MAP, "(%I|map(.price))"},
		{O_ARRAY, "[%I[]|.id]"}, {O_UPDATE, "(%N|.[0]|=%4)"},
		{O_MORE, "(%N|map_values(%4))"}, {O_ARRAY, "[%N[]|%4]"},
		{O_MORE, "[range(%#)]"}, {O_MORE, "(%S|map(length))"}
	};
	static const struct form strs[] = {
		{O_MAP, "(%S|map(%5))"}, {O_MAP, "(%S|map(select(%2)))"},
		{O_SPLIT, "(%s|split(%\"))"}, {O_ARRAY, "[%s,%s]"},
		{O_MAP, "(%I|map(.name))"}, {O_DIVIDE, "(%s/%\")"}, {O_KEYS, "(%x|keys)"},
		{O_MORE, "(%x|keys_unsorted)"}, {O_ARRAY, "[%S[]|%5]"}
	};
	static const struct form items[] = {
		{O_MAP, "(%I|map(select(%3)))"}, {O_MORE, "(%I|sort_by(%6))"},
		{O_MORE, "(%I|unique_by(%6))"},
		{O_MORE, "(%I|group_by(.name)|map(.[0]))"},
		{O_UPDATE, "(%I|.[0].price|=%4)"}, {O_DEL, "(%I|map(del(.tags)))"},
		{O_SHORT, "(%I|map({id,name,tags,price}))"},
		{O_ARRAY, "[%I[]|select(%3)]"}
	};
	char self[64], *to = self;
	struct form f;

	if (depth <= 0 || chance(3)) {
		gen_leaf(in, *of);
		return;
	}
	if (chance(3) || *of == 'B') {
		/* % in these stands for the array itself */
		f = PICK(any);
		for (const char *p = f.text; *p && to + 3 < self + sizeof(self); p++) {
			*to++ = *p;
			if (*p == '%')
				*to++ = *of;
		}
		*to = '\0';
		gen(depth, in, f.op, self);
		return;
	}
	f = *of == 'N' ? PICK(nums) : *of == 'S' ? PICK(strs) : PICK(items);
	gen(depth, in, f.op, f.text);
}

static void
gen_any(int depth, char in)
{
	static const struct form forms[] = {
		{O_OBJECT, "{a:%n,b:%s}"}, {O_OBJECT, "{\"a b\":%x}"},
		{O_OBJECT, "{a:(%n,%n),\"b\":%s}"}, {O_OBJECT, "{\"\\(%s)\":%n}"},
		{O_COMPUTED_KEY, "{(%s):%x}"}, {O_SHORT, "{n,s}"},
		{O_SHORT, "{$topic,x}"}, {O_SHORT, "{\"s\",t}"}, {O_ARRAY, "[%x,%n]"},
		{O_ARRAY, "[%x]"}, {O_ARRAY, "[]"}, {O_CONST, "null"},
		{O_COMMA, "(%x,%s)"}, {O_PIPE, "(%x|.a?)"}, {O_PIPE, "(%x|length)"},
		{O_ALT, "(%x // %n)"}, {O_ALT, "(%x // empty)"}, {O_EMPTY, "(%n,empty)"},
		{O_ERROR1, "error(%s)"}, {O_ERROR, "(%s|error)"},
		{O_IF, "(if %b then %x else %x end)"}, {O_SELECT, "(%x|select(.!=null))"},
		{O_EACH, "(%x)[]?"}, {O_OPT, "((%x)?)"}, {O_DEL, "del(.n)"},
		{O_DEL, "del(.items[0],.s)"}, {O_DEL, "(%x|(del(.a,.b)?))"},
		{O_UPDATE, "(.n|=%4)"}, {O_UPDATE, "(.s|=%5)"},
		{O_UPDATE, "(.items[0].price|=%4)"}, {O_UPDATE, "(.u.v.w|=.+1)"},
		{O_PLUS, "({a:%n}+{b:%x})"}, {O_TIMES, "({a:{b:%n}}*{a:{c:%s}})"},
		{O_PLUS, "(%x+null)"}, {O_KEYS, "(%x|keys)"}, {O_TYPE, "(%x|type)"},
		{O_NOT, "(%x|not)"}, {O_ADD, "(%x|add)"}, {O_MORE, "(%x|to_entries)"},
		{O_MORE, "({a:%n,b:%x}|to_entries|from_entries)"},
		{O_MORE, "(.u.v|with_entries(.value|=tostring))"},
		{O_MORE, "(%x|tojson|fromjson)"}, {O_MORE, "(.n=%n)"},
		{O_MORE, "(.n+=%n)"}, {O_MORE, "(.x //= %n)"}, {O_FIRST1, "first(%x,%n)"},
		{O_LAST1, "last(%x,%s)"}, {O_MIN_BY, "(%I|min_by(%6))"},
		{O_MAX_BY, "(%I|max_by(%6))"}, {O_MIN_BY, "(%N|min_by(%4))"},
		{O_MAX_BY, "(%S|max_by(length))"}, {O_MIN, "([%x,%x]|min)"},
		{O_MAX, "([%x,%x]|max)"}, {O_MORE, "([%x,%x,%x]|sort)"},
		{O_MORE, "([%x,%x]|unique)"}, {O_MORE, "(%I|group_by(%6))"},
		{O_TRY, "(try (%x) catch .)"}, {O_VARIABLE, "[$topic,$key]"},
		{O_VARIABLE, "$headers"}, {O_LAST, "(%x|(last?))"},
		{O_FIRST, "(%x|(first?))"}, {O_MAP, "(%I|map(%7))"},
		{O_MAP, "(%x|(map(type)?))"}, {O_HAS, "(%x|(has(0)?))"},
		{O_SLICE, "(%x)[1:]?"}, {O_INDEX, "(%x)[%n]?"}, {O_QUOTED, "(%x)[%s]?"}
	};

	switch (depth <= 0 ? 7 : below(8)) {
	case 0:
		gen_num(depth, in);
		break;
	case 1:
		gen_str(depth, in);
		break;
	case 2:
		gen_bool(depth, in);
		break;
	case 3:
		gen_array(depth, in, &(char){"NSIB"[below(4)]});
		break;
	case 4:
		gen_as(depth - 1, in, 'x');
		break;
	case 7:
		if (depth <= 0 || chance(3)) {
			gen_leaf(in, 'x');
			break;
		}
		/* fall through */
	default: {
		struct form f = PICK(forms);

		gen(depth, in, f.op, f.text);
	}
	}
}

/* Three to six expressions, so that compiling in libjq pays. */
static void
gen_program(void)
{
	unsigned n = 3 + below(4);

	buf_reset(&program);
	memset(used, 0, sizeof(used));
	vars = 0;
	for (unsigned i = 0; i < n; i++) {
		if (i)
			gen(0, 'r', O_COMMA, ",");
		/* An error ends the outputs: few are let through to the end. */
		if (!chance(4)) {
			gen(0, 'r', O_TRY, "[try (");
			gen_any(4, 'r');
			buf_adds(&program, ") catch .]");
		} else if (chance(2)) {
			gen(4, 'r', O_PIPE, "(select(%b)|%x)");
		} else
			gen_any(4, 'r');
	}
}

/* ---- both evaluators --------------------------------------------------------------- */

struct result {
	struct buf json, canonical;
	unsigned n;
	bool stopped;
	int r;
	struct failure why;
};

static int
collect(void *arg, const struct value *v)
{
	struct result *res = arg;

	value_add_json(&res->json, v);
	buf_addc(&res->json, '\n');
	value_add_canonical(&res->canonical, v);
	buf_addc(&res->canonical, '\n');
	return ++res->n == MAX_OUTPUTS ? 2 : 0;
}

static struct value
get_var(void *arg, unsigned i)
{
	static const struct value header = {.kind = VALUE_STRING, .u.text = {"h\xc3\xa9", 3}};

	(void)arg;
	switch (i) {
	case 0:
		return value_string(SLICE("orders"));
	case 1:
		return (struct value){.kind = VALUE_LITERAL, .u.text = SLICE("17")};
	default:
		return (struct value){.kind = VALUE_ARRAY, .u.array = {&header, 1}};
	}
}

/* What tells a message in an output. All of them; those of JSON that is parsed. */
static const char *const any_message[] = {
	"Cannot ", "cannot ", " has no ", "must be ", " not valid ", NULL
};
static const char *const parser_message[] = {
	" (while parsing '", NULL
};

/* Append JSON, each string in it that holds one of the marks as "!". */
static void
add_masked(struct buf *b, struct slice s, const char *const *marks)
{
	for (size_t i = 0; i < s.n;) {
		size_t end = i + 1;
		bool message = false;

		if (s.p[i] != '"') {
			buf_addc(b, s.p[i++]);
			continue;
		}
		while (s.p[end] != '"')
			end += s.p[end] == '\\' ? 2 : 1;
		for (const char *const *m = marks; *m; m++)
			for (size_t at = i; at + strlen(*m) <= end && !message; at++)
				message = !memcmp(s.p + at, *m, strlen(*m));
		if (message)
			buf_adds(b, "\"!\"");
		else
			buf_add(b, s.p + i, end + 1 - i);
		i = end + 1;
	}
}

static bool
equal_but(struct slice a, struct slice b, const char *const *marks)
{
	struct buf x = {0}, y = {0};
	bool same;

	add_masked(&x, a, marks);
	add_masked(&y, b, marks);
	same = slice_eq(buf_slice(&x), buf_slice(&y));
	buf_release(&x);
	buf_release(&y);
	return same;
}

static const char *const var_names[] = {
	"topic", "key", "headers", NULL
};
static const struct expr_options options = {var_names, false, false};
static const struct expr_env env = {get_var, NULL};

struct document {
	struct buf text;
	struct json_scan scan;
	struct json_doc doc;
};

static struct document docs[KINDS][DOCS];

static bool
refused(const struct result *res)
{
	return res->r == -1 && (strstr(res->why.text, " does not fit a double") ||
		strstr(res->why.text, " share a double"));
}

static void
reset(struct result *res)
{
	buf_reset(&res->json);
	buf_reset(&res->canonical);
	res->n = 0;
	res->r = 0;
	res->why.text[0] = '\0';
}

static bool failed_program;
static unsigned shown;
static unsigned long failures, errors[KINDS], pairs[KINDS], refusals[KINDS];

static void
show(const char *who, const struct result *res)
{
	printf("# %s:\n", who);
	for (const char *p = buf_cstr((struct buf *)&res->json); *p;) {
		size_t n = strcspn(p, "\n");

		printf("#   %.*s\n", n > 300 ? 300 : (int)n, p);
		p += n + (p[n] == '\n');
	}
	if (res->r)
		printf("#   %d %s\n", res->r, res->why.text);
}

static void
compare(struct expr_run *run, struct jq_filter *filter, struct arena *arena,
	const struct document *d, enum kind kind)
{
	static struct result native, libjq;
	struct value in = value_token(&d->doc, 0);
	bool same;

	reset(&native);
	reset(&libjq);
	native.r = expr_each(run, &in, &env, collect, &native, &native.why);
	expr_run_reset(run);
	libjq.r = jq_filter_each(filter, &in, &env, collect, &libjq, arena, &libjq.why);
	arena_reset(arena);
	pairs[kind]++;
	errors[kind] += libjq.r == -1;
	if (refused(&libjq)) {
		refusals[kind]++;
		return;
	}
	same = native.r == libjq.r;
	if (kind == PLAIN)
		same = same && equal_but(buf_slice(&native.json), buf_slice(&libjq.json),
			parser_message) && (!strcmp(native.why.text, libjq.why.text) ||
			(strstr(native.why.text, *parser_message) &&
			strstr(libjq.why.text, *parser_message)));
	else
		same = same && equal_but(buf_slice(&native.canonical),
			buf_slice(&libjq.canonical),
			kind == UNFIT ? any_message : parser_message);
	if (kind == UNFIT && refused(&native))
		same = libjq.r == -1 || strstr(buf_cstr(&libjq.json), "annot ");
	if (same)
		return;
	failures++;
	if (shown >= MAX_SHOWN || failed_program)
		return;
	failed_program = true; /* one document of a program is enough to see */
	shown++;
	printf("# program: %s\n# document: %s\n", buf_cstr(&program),
		buf_cstr((struct buf *)&d->text));
	show("native", &native);
	show("libjq", &libjq);
}

int
main(void)
{
	const char *s = getenv("SK_SEED"), *p = getenv("SK_PROGRAMS");
	unsigned long programs = p ? strtoul(p, NULL, 10) : PROGRAMS;
	unsigned long foreign = 0, invalid = 0;
	struct arena arena = {0};
	struct failure why;
	unsigned long total, least;

	seed = s ? strtoull(s, NULL, 10) : 20260102;
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < DOCS; i++) {
			struct document *d = &docs[kind][i];

			add_document(&d->text, (enum kind)kind);
			if (json_doc_of(&d->scan, buf_slice(&d->text), &d->doc, &why)) {
				printf("# %s: %s\n", why.text, buf_cstr(&d->text));
				invalid++;
			}
		}
	ok(!invalid, "the documents are JSON");
	for (unsigned long n = 0; n < programs && !invalid; n++) {
		struct jq_filter *filter;
		struct expr_run *run;
		struct expr *x;

		gen_program();
		failed_program = false;
		x = expr_compile(buf_cstr(&program), &options, &why);
		if (!x || !expr_is_native(x)) {
			struct buf reason = {0};

			if (x)
				expr_explain(x, &reason);
			if (foreign++ < 10)
				printf("# not native: %s\n#   %s\n", buf_cstr(&program),
					x ? buf_cstr(&reason) : why.text);
			buf_release(&reason);
			expr_free(x);
			continue;
		}
		filter = jq_filter_new(buf_cstr(&program), &options, &why);
		if (!filter) {
			printf("# libjq does not compile %s\n#   %s\n", buf_cstr(&program),
				why.text);
			failures++;
			expr_free(x);
			continue;
		}
		run = expr_run_new(x);
		total = pairs[PLAIN] + pairs[ODD] + pairs[UNFIT];
		for (int i = 0; i < PLAIN_RUNS; i++)
			compare(run, filter, &arena, &docs[PLAIN][below(DOCS)], PLAIN);
		for (int i = 0; i < ODD_RUNS; i++)
			compare(run, filter, &arena, &docs[ODD][below(DOCS)], ODD);
		for (int i = 0; i < UNFIT_RUNS && n % 5 == 0; i++)
			compare(run, filter, &arena, &docs[UNFIT][below(DOCS)], UNFIT);
		total = pairs[PLAIN] + pairs[ODD] + pairs[UNFIT] - total;
		for (int o = 0; o < OPS; o++)
			count[o] += used[o] ? total : 0;
		expr_run_free(run);
		jq_filter_free(filter);
		expr_free(x);
	}
	total = pairs[PLAIN] + pairs[ODD] + pairs[UNFIT];
	printf("# %lu pairs", total);
	for (int kind = 0; kind < KINDS; kind++)
		printf(", %lu %s (%lu end in an error, %lu are refused by libjq)",
			pairs[kind], kind_names[kind], errors[kind], refusals[kind]);
	putchar('\n');
	ok(!failures, "native and libjq agree on every pair (%lu do not)", failures);
	ok(foreign * 20 <= programs, "programs are native (%lu of %lu are not)", foreign,
		programs);
	if (!p) {
		least = total;
		for (int o = 0; o < OPS; o++) {
			if (count[o] < 1000)
				printf("# %s: %lu\n", op_names[o], count[o]);
			least = count[o] < least ? count[o] : least;
		}
		ok(total >= 100000, "at least 100,000 pairs (%lu)", total);
		ok(least >= 1000, "each operation in at least 1,000 of them (least %lu)",
			least);
		ok(errors[PLAIN] < pairs[PLAIN] / 2, "most runs end without an error");
		ok(refusals[PLAIN] < pairs[PLAIN] / 100 && refusals[UNFIT] > 0 &&
			refusals[UNFIT] < pairs[UNFIT] / 2, "what libjq refuses is in bounds");
	}
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < DOCS; i++) {
			buf_release(&docs[kind][i].text);
			json_scan_release(&docs[kind][i].scan);
		}
	buf_release(&program);
	arena_release(&arena);
	return done();
}
