#!/usr/bin/env bats
# sk-map: filters and reshapes.

load helper

@test "writes each output of the filter as a line" {
	run --separate-stderr sk-map '.a, .b' <<<'{"a":1,"b":[2, 3]}'
	assert_success
	assert_output $'1\n[2,3]'
	[ -z "$stderr" ]
}

@test "a record that passes unchanged keeps its bytes, white space and all" {
	run sk-map 'select(.a)' <<<'  {"a" : 1.00 , "b":"\u0041"}  '
	assert_output '  {"a" : 1.00 , "b":"\u0041"}  '
}

@test "what is constructed is compact, and numbers keep their text" {
	run sk-map '{n: .a, l: [.b]}' <<<'{ "a": 12345678901234567890, "b": 1.10 }'
	assert_output '{"n":12345678901234567890,"l":[1.10]}'
}

@test "-r writes strings without quotes" {
	run sk-map -r '.a' <<<'{"a":"x\ty"}'
	assert_output $'x\ty'
}

@test "-w filters before the expression" {
	run sk-map -w '.a > 1' .a <<<$'{"a":1}\n{"a":2}\n{"a":3}'
	assert_output $'2\n3'
}

@test "a filter without output drops the record, and -v says so" {
	run --separate-stderr sk-map -v 'select(.a==2)' <<<$'{"a":1}\n{"a":2}'
	assert_success
	assert_output '{"a":2}'
	[[ $stderr == *"2 records in = 1 output + 1 dropped"* ]]
}

@test "a record whose filter fails gives no output at all, not even what came before the error" {
	run --separate-stderr sk-map --on-error skip '.a, (.b|error("no b"))' \
		<<<$'{"a":1,"b":2}'
	assert_failure 1
	assert_output ''
	[[ $stderr == *'stdin:1: no b'* ]]
}

@test "jq's message, with file, line and status 65" {
	printf '{"a":1}\n{"a":[]}\n' >in.ndjson
	run --separate-stderr sk-map '.a + 1' in.ndjson
	assert_failure 65
	assert_output 2
	[[ $stderr == 'sk-map: in.ndjson:2: array ([]) and number (1) cannot be added'* ]]
}

@test "--explain says native or libjq, and reads nothing" {
	run sk-map .a --explain
	assert_success
	assert_output --partial native
	run sk-map '[limit(3;.[])]' --explain
	assert_output --partial libjq
	run sk-map '[limit(3;.[])]' <<<'[1,2,3,4]'
	assert_output '[1,2,3]'
}

@test "SK_EXPR=libjq forces the fallback, with the same bytes" {
	SK_EXPR=libjq run sk-map '{a, n}' <<<'{"n":12345678901234567890,"a":"é"}'
	assert_output '{"a":"é","n":12345678901234567890}'
	SK_EXPR=libjq run sk-map --explain .a
	assert_output --partial libjq
}

@test "libjq: a number that a double cannot hold makes a bad record, --numbers=double takes it" {
	run --separate-stderr sk-map '[limit(1;.n+1)]' <<<'{"n":12345678901234567890}'
	assert_failure 65
	run sk-map --numbers=double '[limit(1;.n+1)]' <<<'{"n":12345678901234567890}'
	assert_success
}

@test "variables tell the origin" {
	printf '{"a":1}\n{"a":2}\n' >in.ndjson
	run sk-map -c '[$topic, $partition, $offset, $key, $name]' in.ndjson
	assert_failure 64
	run sk-map '[$topic, $partition, $offset, $key, $name]' in.ndjson
	assert_output $'["in.ndjson",0,0,null,"sk-map"]\n["in.ndjson",0,8,null,"sk-map"]'
}

@test "expressions see no environment unless --allow-env" {
	SECRET=x run sk-map '$ENV.SECRET' <<<1
	assert_output null
	SECRET=x run sk-map --allow-env '$ENV.SECRET' <<<1
	assert_output '"x"'
}

@test "an expression with a syntax error is a usage error" {
	run --separate-stderr sk-map '.a |' <<<1
	assert_failure 64
	[ -z "$output" ]
	[[ $stderr == sk-map:* ]]
}

@test "no expression is a usage error" {
	run --separate-stderr sk-map
	assert_failure 64
	[[ $stderr == *'sk-map EXPR'* ]]
}

@test "libjq is closed to import, input and the outside" {
	for program in 'import "a" as a; .' 'input' '[inputs]' 'input_filename' 'halt'; do
		run --separate-stderr sk-map "$program" <<<$'1\n2'
		assert_failure
		[ -n "$stderr" ]
	done
}

@test "--jobs gives the same bytes" {
	"$SK_BUILD/examples/generate" --seed 3 --bytes 8000000 >in.ndjson
	sk-map '{orderId, n: (.items|length)}' in.ndjson >one
	sk-map --jobs 4 '{orderId, n: (.items|length)}' in.ndjson >four
	cmp one four
	sk-map 'select(.type=="payment-processed")' <in.ndjson >one
	sk-map --jobs 3 'select(.type=="payment-processed")' <in.ndjson >three
	cmp one three
}

@test "--jobs gives the same bytes of lines longer than a block, empty ones, CRLF, and none at the end" {
	{
		"$SK_BUILD/examples/generate" --seed 3 --bytes 700000
		printf '{"type":"%0300000d","n":1}\r\n\n\r\n  \n' 1
		"$SK_BUILD/examples/generate" --seed 4 --bytes 900000 | sed 's/$/\r/'
		printf '{"type":"%02000000d","n":2}\n{"type":"%070000d","n":3}\n' 2 3
		"$SK_BUILD/examples/generate" --seed 5 --bytes 900000
		printf '{"type":"last","n":4}'
	} >in.ndjson
	for program in 'select(.type!="order-created")' '{type: (.type|length), n}' .; do
		for more in '' --trust; do
			sk-map -v $more "$program" in.ndjson in.ndjson >one 2>said
			for jobs in 2 3 8; do
				sk-map -v $more --jobs $jobs "$program" in.ndjson in.ndjson 2>said.jobs | cmp - one
				cmp said said.jobs
			done
		done
	done
}

@test "--jobs names the same lines and places of bad records as one thread, from files and stdin" {
	"$SK_BUILD/examples/generate" --seed 3 --bytes 5000000 |
		sed -e '1000~2000s/^{/{{/' -e '700~900s/$/\n/' -e '5001s/}$/\xff}/' >in.ndjson
	head -c 3333333 in.ndjson >cut.ndjson
	for jobs in 1 2 5; do
		rm -f dead
		run_tool sk-map --jobs $jobs '{orderId}' --dead-letter dead in.ndjson cut.ndjson
		assert_status 1
		printf '%s\n' "$output" >out.$jobs
		printf '%s\n' "$stderr" | cat - dead >said.$jobs
		{ head -n 3 >/dev/null; sk-map -v --jobs $jobs .type --on-error skip; } \
			<in.ndjson >>out.$jobs 2>>said.$jobs || [ $? = 1 ]
	done
	for jobs in 2 5; do
		cmp out.1 out.$jobs
		cmp said.1 said.$jobs
	done
	grep -q '^sk-map: in.ndjson:5006:192: not UTF-8' said.1
	grep -q '"path":"cut.ndjson"' said.1
}

@test "--jobs ends at the same bad record as one thread" {
	"$SK_BUILD/examples/generate" --seed 3 --bytes 3000000 >in.ndjson
	printf '{"broken":\n' >>in.ndjson
	"$SK_BUILD/examples/generate" --seed 4 --bytes 3000000 >>in.ndjson
	run --separate-stderr sk-map .type in.ndjson
	assert_failure 65
	one=$output said=$stderr
	run --separate-stderr sk-map --jobs 4 .type in.ndjson
	assert_failure 65
	[ "$output" = "$one" ]
	[ "$stderr" = "$said" ]
}
