#!/usr/bin/env bats
# sk-route: each event goes where its content says.

load helper

@test "--by fills a template, each file appears whole" {
	printf '{"c":"a","n":1}\n{"c":"b","n":2}\n{"c":"a","n":3}\n' | sk-route --by .c -o '{}.ndjson'
	[ "$(cat a.ndjson)" = $'{"c":"a","n":1}\n{"c":"a","n":3}' ]
	[ "$(cat b.ndjson)" = '{"c":"b","n":2}' ]
	[ "$(ls -A)" = $'a.ndjson\nb.ndjson' ]
}

@test "a failed run leaves none of the files" {
	run bash -c 'printf "{\"c\":\"a\"}\n{\"c\":\n" | sk-route --by .c -o "{}.ndjson"'
	assert_failure 65
	[ -z "$(ls -A)" ]
}

@test "rules: the first match counts, --all sends to every one" {
	printf '{"n":1}\n{"n":5}\n{"n":9}\n' >in
	sk-route -r '.n > 4 => big' -r '.n > 2 => mid' --default rest in
	[ "$(cat big)" = $'{"n":5}\n{"n":9}' ]
	[ "$(cat mid)" = '' ]
	[ "$(cat rest)" = '{"n":1}' ]
	sk-route --all -r '.n > 4 => big' -r '.n > 6 => mid' --default rest in
	[ "$(cat big)" = $'{"n":5}\n{"n":9}' ]
	[ "$(cat mid)" = '{"n":9}' ]
}

@test "--rules reads a file with comments" {
	printf '# sizes\n\n.n > 4 => big\n  .n <= 4   =>   small  \n' >rules
	printf '{"n":1}\n{"n":5}\n' | sk-route --rules rules
	[ "$(cat big)" = '{"n":5}' ]
	[ "$(cat small)" = '{"n":1}' ]
	printf '.n > \n' >bad
	run --separate-stderr sk-route --rules bad </dev/null
	assert_failure 64
	[[ $stderr == *bad:1:* ]]
}

@test "what matches nothing is a bad record, named once per distinct value" {
	printf '{"c":"a/b"}\n{"c":"a/b"}\n{"c":null}\n{"c":"ok"}\n' >in
	run --separate-stderr sk-route --by .c -o '{}.out' in
	assert_failure 65
	[ ! -e ok.out ]
	run --separate-stderr sk-route --on-error skip --by .c -o '{}.out' in
	assert_failure 1
	[ "$(cat ok.out)" = '{"c":"ok"}' ]
	[ "$(grep -c 'a/b' <<<"$stderr")" = 1 ]
	run sk-route --drop-unmatched --by .c -o '{}.out' in
	assert_success
}

@test "names from data are one safe component: anything else goes to --default" {
	mkdir sub
	cd sub
	printf '%s\n' '{"c":"../x"}' '{"c":"/etc/x"}' '{"c":".hidden"}' '{"c":""}' '{"c":"a b"}' \
		'{"c":"a\u0000b"}' '{"c":"é"}' '{"c":"-"}' '{"c":["x"]}' '{"c":"ok-1_2.3"}' >../in
	sk-route --by .c -o '{}.out' --default ../rest ../in
	[ "$(ls -A)" = $'-.out\nok-1_2.3.out' ]
	[ "$(wc -l <../rest)" = 8 ]
	[ "$(ls -A ..)" = $'in\nrest\nsub' ]
}

@test "--allow narrows the names" {
	printf '{"c":"us-1"}\n{"c":"eu-1"}\n' | sk-route --by .c --allow 'eu-*' -o '{}.out' --default rest
	[ "$(cat eu-1.out)" = '{"c":"eu-1"}' ]
	[ "$(cat rest)" = '{"c":"us-1"}' ]
	[ ! -e us-1.out ]
}

@test "two routes to one path are one sink, in order" {
	printf '{"n":1}\n{"n":2}\n{"n":3}\n' | sk-route -r '.n==1 => out' -r '.n==2 => ./out' --default .//out
	[ "$(cat out)" = $'{"n":1}\n{"n":2}\n{"n":3}' ]
}

@test "- is stdout, append: appends" {
	echo '{"n":0}' >log
	run sk-route -r '.n==1 => append:log' --default - <<<$'{"n":1}\n{"n":2}'
	assert_output '{"n":2}'
	[ "$(cat log)" = $'{"n":0}\n{"n":1}' ]
}

@test "more names than --max-sinks: files are closed and opened again, none is lost" {
	for i in $(seq 300); do echo "{\"c\":\"f$((i % 30))\",\"i\":$i}"; done >in
	sk-route --max-sinks 4 --by .c -o '{}.out' in
	[ "$(ls ./*.out | wc -l)" = 30 ]
	cat ./*.out | sort | cmp - <(sort in)
	for i in $(seq 300); do [ "$i" -lt 31 ] && echo "{\"c\":\"f7\",\"i\":$((i * 30 - 23))}"; done |
		head -10 | cmp - f7.out
}

@test "a dead sink fails the run" {
	run --separate-stderr sk-route -r '.n => /dev/full' --default - <<<$'{"n":1}\n{"n":false}'
	assert_failure 74
	[[ $stderr == *'No space left'* ]]
}

@test "a sink in a folder that is not there" {
	run --separate-stderr sk-route --by .c -o 'no/{}.out' <<<'{"c":"x"}'
	assert_failure 73
	[[ $stderr == *no/x.out* ]]
}

@test "usage errors" {
	run sk-route </dev/null
	assert_failure 64
	run sk-route --by .c </dev/null
	assert_failure 64
	run sk-route -r 'no arrow' </dev/null
	assert_failure 64
	run sk-route -r '.a => x{}' </dev/null
	assert_failure 64
	run sk-route -r '.a => x' --default y --drop-unmatched </dev/null
	assert_failure 64
}
