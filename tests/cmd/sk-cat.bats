#!/usr/bin/env bats
# sk-cat: copies between sources and sinks.

load helper

@test "copies stdin to stdout byte for byte" {
	printf '{"a": 1}\n[1,\t2]\n"x"\n' >in.ndjson
	sk-cat <in.ndjson >out.ndjson
	cmp in.ndjson out.ndjson
}

@test "several files in order; a last line without a line feed gets one" {
	printf '1\n2' >a.ndjson
	printf '3\n' >b.ndjson
	run sk-cat a.ndjson b.ndjson
	assert_output $'1\n2\n3'
}

@test "lines of white space are no records, CRLF ends a line like LF" {
	printf '1\r\n  \n\n\t\r\n2\r\n' >in.ndjson
	sk-cat in.ndjson >out.ndjson
	printf '1\n2\n' | cmp - out.ndjson
}

@test "a glob that the shell left alone" {
	echo 1 >a-1.ndjson
	echo 2 >a-2.ndjson
	run sk-cat 'a-*.ndjson'
	assert_output $'1\n2'
	run --separate-stderr sk-cat 'b-*.ndjson'
	assert_failure 66
}

@test "zstd is told by its magic number, on files and on stdin" {
	printf '1\n2\n' | zstd -q >in.json
	run sk-cat in.json
	assert_output $'1\n2'
	run bash -c 'cat in.json | sk-cat'
	assert_output $'1\n2'
}

@test "-o x.zst compresses, and round trips" {
	"$SK_BUILD/examples/generate" --events 2000 >in.ndjson
	sk-cat in.ndjson -o out.ndjson.zst
	zstd -qdc out.ndjson.zst | cmp - in.ndjson
	sk-cat out.ndjson.zst | cmp - in.ndjson
	[ "$(stat -c %s out.ndjson.zst)" -lt "$(($(stat -c %s in.ndjson) / 2))" ]
}

@test "an output file appears whole or not at all" {
	echo old >out.ndjson
	printf '1\n{"a":\n' >in.ndjson
	run sk-cat in.ndjson -o out.ndjson
	assert_failure 65
	[ "$(cat out.ndjson)" = old ]
	[ "$(ls -A)" = $'in.ndjson\nout.ndjson' ]
}

@test "an empty input makes an empty file" {
	sk-cat </dev/null -o out.ndjson
	[ -e out.ndjson ] && [ ! -s out.ndjson ]
}

@test "append: adds to what is there" {
	printf '1\n' | sk-cat -o append:log.ndjson
	printf '2\n' | sk-cat -o append:log.ndjson
	[ "$(cat log.ndjson)" = $'1\n2' ]
}

@test "--limit and --skip" {
	run bash -c 'seq 10 | sk-cat --skip 2 -n 3'
	assert_output $'3\n4\n5'
	run bash -c 'seq 10 | sk-cat --limit 0'
	assert_success
	assert_output ''
	run bash -c 'seq 10 | sk-cat --limit 0 --skip 20'
	assert_success
}

@test "--limit stops an endless writer" {
	run timeout 10 bash -c 'yes 1 | sk-cat -n 2; exit ${PIPESTATUS[1]}'
	assert_success
	assert_output $'1\n1'
}

@test "-w keeps what is true" {
	run bash -c 'seq 5 | sk-cat -w ". % 2 == 1"'
	assert_output $'1\n3\n5'
}

@test "--merge-by merges sorted inputs, stably" {
	printf '{"t":1,"f":"a"}\n{"t":3,"f":"a"}\n' >a
	printf '{"t":1,"f":"b"}\n{"t":2,"f":"b"}\n' >b
	run sk-cat --merge-by .t a b
	assert_output '{"t":1,"f":"a"}
{"t":1,"f":"b"}
{"t":2,"f":"b"}
{"t":3,"f":"a"}'
}

@test "--merge-by refuses an input that is not sorted" {
	printf '{"t":2}\n{"t":1}\n' >a
	printf '{"t":1}\n' >b
	run --separate-stderr sk-cat --merge-by .t a b
	assert_failure 65
	[[ $stderr == *'a:2'*'not sorted'* ]]
}

@test "--merge-by: a broken line is a bad record of its own input, its neighbours go on" {
	printf '{"t":1}\n{"t":\n{"t":3}\n' >a
	printf '{"t":2}\n' >b
	run --separate-stderr sk-cat --on-error skip --merge-by .t a b
	assert_failure 1
	assert_output $'{"t":1}\n{"t":2}\n{"t":3}'
	[[ $stderr == *'a:2:'* ]]
}

@test "envelopes: out says where a record came from, in and out are inverse" {
	printf '{"a":1}\n' >in.ndjson
	run sk-cat --envelope=out in.ndjson
	assert_output '{"topic":"in.ndjson","partition":0,"offset":0,"ts":null,"time":null,"key":null,"headers":[],"value":{"a":1}}'
	printf '%s\n' "$output" >env
	run sk-cat --envelope=in env
	assert_output '{"a":1}'
	sk-cat -e env | cmp - env
}

@test "envelopes: bytes that are not JSON travel in base64 and come back byte for byte" {
	line='{"topic":"t","partition":3,"offset":9,"ts":5,"time":null,"key_b64":"/w==","headers":[["h",{"b64":"AP8="}],["h",null]],"value_b64":"//4="}'
	run bash -c 'sk-cat -e <<<"$1"' - "$line"
	assert_output "$line"
	sk-cat --envelope=in <<<"$line" | od -An -tx1 | tr -d ' ' >hex
	[ "$(cat hex)" = fffe0a ]
	run sk-map -e '[$topic,$partition,$offset,$ts,$headers[1]]' <<<"${line/\"value_b64\":\"\/\/4=\"/\"value\":1}"
	assert_output '{"topic":"t","partition":3,"offset":9,"ts":5,"time":null,"key_b64":"/w==","headers":[["h",{"b64":"AP8="}],["h",null]],"value":["t",3,9,5,["h",null]]}'
}

@test "envelopes: a derived record keeps its parent's origin, key and headers" {
	run sk-map -e .a <<<'{"topic":"t","partition":0,"offset":1,"ts":2,"time":"2026-01-02T03:04:05Z","key":"k","headers":[["x","y"]],"value":{"a":[1]}}'
	assert_output '{"topic":"t","partition":0,"offset":1,"ts":2,"time":"2026-01-02T03:04:05Z","key":"k","headers":[["x","y"]],"value":[1]}'
}

@test "a file that is missing, a folder, a scheme that is not there" {
	run --separate-stderr sk-cat nowhere.ndjson
	assert_failure 66
	[[ $stderr == 'sk-cat: nowhere.ndjson: No such file or directory'* ]]
	mkdir d
	run --separate-stderr sk-cat d
	assert_failure 66
	run --separate-stderr sk-cat ftp:orders
	assert_failure 64
}

@test "a FIFO as a sink is written straight through" {
	mkfifo pipe
	cat pipe >got &
	printf '1\n2\n' | sk-cat -o pipe
	wait $!
	[ "$(cat got)" = $'1\n2' ]
}

@test "a live pipe: each line comes out before the next goes in" {
	mkfifo in out
	sk-cat <in >out &
	job=$!
	exec 7>in 8<out
	for i in 1 2 3; do
		echo "{\"i\":$i}" >&7
		read -r -t 5 line <&8
		[ "$line" = "{\"i\":$i}" ]
	done
	exec 7>&-
	wait $job
}

@test "--metrics writes a Prometheus file" {
	printf '1\n{\n2\n' >in.ndjson
	run sk-cat --on-error skip -q --metrics m.prom in.ndjson
	assert_failure 1
	grep -q 'events_processed_total{stage="sk-cat",topic="in.ndjson"} 2' m.prom
	grep -q 'events_failed_total{stage="sk-cat",topic="in.ndjson",error_type="malformed"} 1' m.prom
	grep -q 'event_latency_ms_bucket{.*le="+Inf"} 2' m.prom
}
