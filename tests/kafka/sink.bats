#!/usr/bin/env bats
# Topics as a sink: what a record becomes, what is refused, and that a refused record harms no
# other one.

load helper
# A broker that would make any topic that somebody names.
BROKER_OPTIONS=(--set auto.create.topics.enable=true)

# values TOPIC: the values, sorted by number
values() {
	admin dump "$1" | sed 's/.*"value":"\(.*\)"}$/\1/' | sort -n
}

# One record in ten thousand bytes too large among 3,000 small ones, in over.ndjson.
oversized() {
	local large
	large=$(head -c 20000 /dev/zero | tr '\0' x)
	seq 1 1500 >over.ndjson
	echo "\"$large\"" >>over.ndjson
	seq 1502 3000 >>over.ndjson
}

@test "key, partition, header and ts are asked of each record" {
	fresh_topic 3 1 retention.ms=-1
	printf '%s\n' '{"id":"a","p":2,"at":"2020-01-01T00:00:00Z","n":1}' \
		'{"id":7,"p":0,"at":1577836800001,"n":null}' >in
	run_tool sk-cat in -o "kafka:$topic?key=.id&partition=.p&ts=.at&header.n=.n&header.m=\"x%26y\""
	assert_success
	assert_silent
	run admin dump "$topic"
	assert_output '{"partition":0,"offset":0,"ts":1577836800001,"ts_type":"create","headers":[["n",null],["m","x&y"]],"key":"7","value":"{\"id\":7,\"p\":0,\"at\":1577836800001,\"n\":null}"}
{"partition":2,"offset":0,"ts":1577836800000,"ts_type":"create","headers":[["n","1"],["m","x&y"]],"key":"a","value":"{\"id\":\"a\",\"p\":2,\"at\":\"2020-01-01T00:00:00Z\",\"n\":1}"}'
}

@test "a record without a key, or for no partition, is a bad one" {
	fresh_topic 2
	printf '%s\n' '{"k":1,"p":0}' '{"p":1}' '{"k":3,"p":9}' '{"k":4,"p":"x"}' '{"k":5,"p":-1}' \
		'{"k":6,"p":1}' >in
	run_tool sk-cat in -o "kafka:$topic?key=.k&partition=.p" --dead-letter dead.ndjson -v
	assert_status 1
	assert_says 'in:2: '
	assert_says 'key=.k is null or missing'
	assert_says 'has no partition 9, only 2'
	assert_says '6 records in = 2 output + 4 dead-lettered'
	run sk-map .origin.line dead.ndjson
	assert_output $'2\n3\n4\n5'
	assert_equal "$(admin dump "$topic" | wc -l)" 2
	run_tool sk-cat in -o "kafka:$topic?key=.k&partition=.p"
	assert_status 65
	assert_equal "$(admin dump "$topic" | wc -l)" 3
}

@test "a timestamp that cannot be sent is never made another" {
	fresh_topic 1
	run_tool sk-cat -e -o "kafka:$topic" <<<'{"ts":0,"value":1}'
	assert_status 65
	assert_says 'timestamp 0 cannot be sent'
}

@test "one record that is too large ends the run, and those before it are delivered" {
	oversized
	fresh_topic 2 1 max.message.bytes=10000
	run_tool sk-cat over.ndjson -o "kafka:$topic"
	assert_status 65
	assert_said "sk-cat: over.ndjson:1501: kafka:$topic: topic $topic takes 10000 bytes, this record has about 20102"
	values "$topic" | diff - <(seq 1500)
}

@test "with skip or dead-letter the others go on, in one thread or several" {
	oversized
	fresh_topic 1 1 max.message.bytes=10000
	run_tool sk-cat over.ndjson -o "kafka:$topic" --on-error skip -v
	assert_status 1
	assert_says '3000 records in = 2999 output + 1 skipped'
	values "$topic" | diff - <(seq 1 3000 | sed 1501d)
	fresh_topic 1 1 max.message.bytes=10000
	run_tool sk-cat --jobs 2 over.ndjson -o "kafka:$topic" --dead-letter dead.ndjson
	assert_status 1
	values "$topic" | diff - <(seq 1 3000 | sed 1501d)
	run_tool sk-map '[.error.type,.origin.line,(.value|length)]' dead.ndjson
	assert_output '["too-large",1501,20000]'
}

@test "dead letters go into a topic, and a split record is told once" {
	fresh_topic 1
	dead=$topic
	fresh_topic 1 1 max.message.bytes=10000
	large=$(head -c 20000 /dev/zero | tr '\0' x)
	printf '%s\n' "{\"a\":[{\"n\":1},{\"n\":\"$large\"},{\"n\":\"$large\"},{\"n\":2}]}" \
		'{"a":[{"n":3}]}' >in
	run_tool sk-split .a in -o "kafka:$topic" --dead-letter "kafka:$dead" -v
	assert_status 1
	assert_says '2 records in = 1 output + 1 dead-lettered'
	run sk-map .n "kafka:$topic?until=end"
	assert_output $'1\n2\n3'
	assert_equal "$(admin dump "$dead" | grep -c too-large)" 1
}

@test "topics that data decide: allowed ones that are there" {
	fresh_topic 1
	a=$topic
	fresh_topic 1 1 max.message.bytes=20000
	b=$topic
	printf '%s\n' "{\"t\":\"$a\"}" "{\"t\":\"missing-$$\"}" "{\"t\":\"$b\"}" '{"t":"../x"}' \
		"{\"t\":\"other\"}" "{\"t\":\"missing-$$\"}" >in
	run_tool sk-cat in -o 'kafka:{.t}'
	assert_status 64
	assert_says --allow
	run_tool sk-cat in -o 'kafka:{.t}' --allow 't-*' --allow 'miss*' --on-error skip -v
	assert_status 1
	assert_says 'topic other is not allowed'
	assert_says '6 records in = 2 output + 4 skipped'
	assert_equal "$(admin dump "$a" | wc -l)" 1
	assert_equal "$(admin dump "$b" | wc -l)" 1
	run_tool sk-cat in -o 'kafka:{.t}' --allow '*'
	assert_status 73
	run admin topics
	[[ $output != *missing-$$* ]]
}

@test "topics are made where the user says how, and those that are there are left as they are" {
	a=made-$$-$RANDOM
	run_tool sk-cat -o "kafka:$a" --create-topics partitions=3 < <(seq 10)
	assert_success
	assert_silent
	run admin ends "$a"
	assert_equal "${#lines[@]}" 3
	run_tool sk-cat -o "kafka:$a" --create-topics partitions=5,replication=1 < <(seq 11 20)
	assert_success
	run admin ends "$a"
	assert_equal "${#lines[@]}" 3
	values "$a" | diff - <(seq 20)
	# By templates of both kinds, in a run that has a producer already.
	printf '{"t":"%s"}\n' "$a-x" "$a-y" "$a-x" "$a-z" | tee in |
		sk-cat -o 'kafka:{.t}' --allow "$a-[xy]" --create-topics partitions=2 --on-error skip \
			2>said || [[ $? == 1 ]]
	sk-route --by .t in -o "kafka:{}" --allow "$a-*" --create-topics partitions=1
	run admin topics
	[[ $output == *"$a-x 2"* && $output == *"$a-y 2"* && $output == *"$a-z 1"* ]]
	assert_equal "$(admin dump "$a-x" | wc -l)" 4
	for how in partitions=0 partitions=x replicas=1 partitions=1,partitions=2; do
		run_tool sk-cat -o "kafka:$a-n" --create-topics $how <<<1
		assert_status 64
	done
	run_tool sk-cat -o "kafka:$a-n" --create-topics replication=7 <<<1
	assert_status 73
	assert_says "$a-n"
	run admin topics
	[[ $output != *"$a-n"* ]]
}

@test "an unknown topic, and an unreachable broker" {
	run_tool sk-cat -o "kafka:missing-$$" <<<1
	assert_status 73
	assert_says "missing-$$"
	run admin topics
	[[ $output != *missing-$$* ]]
	SECONDS=0
	sk-cat -b 127.0.0.1:1 'kafka:t?until=end' >out 2>said &
	run_tool sk-cat -b 127.0.0.1:1 -o kafka:t <<<1
	assert_status 69
	status=0
	wait $! || status=$?
	assert_status 69
	((SECONDS < 45))
	[[ ! -s out ]]
}

@test "what is no option of a sink is told" {
	fresh_topic 1
	refused() {
		run_tool sk-cat -o "kafka:$1" <<<1
		assert_status 64
		assert_says "$2"
	}
	refused "$topic?color=1" 'no option color'
	refused "$topic?key=.a&key=.b" 'key is given twice'
	refused "$topic?key=.a[" 'key'
	refused "$topic,x" 'one topic'
	refused '^a' 'one topic'
	refused 'a{.b' 'a { without }'
}

@test "what a value was it stays: null and no value, white space, bytes, a derived null" {
	fresh_topic 1 1 retention.ms=-1
	from=$topic
	cat >in <<-'END'
		{"ts":1577836800001,"headers":[["h","1"],["h",null],["h",{"b64":"/w=="}]],"key":{"b64":"/wA="},"value":null}
		{"ts":1577836800002,"headers":[],"key":"a","value":"null"}
		{"ts":1577836800003,"headers":[],"key":"","value":" null "}
		{"ts":1577836800004,"headers":[],"key":null,"value":""}
		{"ts":1577836800005,"headers":[],"key":null,"value":" {\"a\":\t1.10}\r"}
		{"ts":1577836800006,"headers":[],"key":null,"value":{"b64":"/wAK"}}
		{"ts":1577836800007,"headers":[],"key":null,"value":{"b64":"/wAN"}}
	END
	admin produce "$from" <in
	admin dump "$from" >want
	for way in sk-cat "a pipe" "a file"; do
		fresh_topic 1 1 retention.ms=-1
		case $way in
		sk-cat) sk-cat "kafka:$from?until=end" -o "kafka:$topic" ;;
		*pipe) sk-cat -e "kafka:$from?until=end" | sk-cat -e -o "kafka:$topic" ;;
		*) sk-cat -e "kafka:$from?until=end" -o e && sk-cat -e e -o "kafka:$topic" ;;
		esac
		admin dump "$topic" | diff want -
	done
	fresh_topic 1
	printf '%s\n' null ' null ' '{"a":null}' '"null"' | sk-map '.a?' -o "kafka:$topic"
	printf '%s\n' null ' null ' '{"a": 1}' | sk-cat -o "kafka:$topic?header.t=type"
	run bash -c "'$ADMIN' dump $topic | sed 's/.*\"headers\"/\"headers\"/'"
	assert_output '"headers":[],"key":null,"value":null}
"headers":[],"key":null,"value":null}
"headers":[],"key":null,"value":null}
"headers":[["t","null"]],"key":null,"value":null}
"headers":[["t","null"]],"key":null,"value":null}
"headers":[["t","object"]],"key":null,"value":"{\"a\": 1}"}'
}

@test "records of nothing and of 900 KB" {
	fresh_topic 1
	large=$(head -c 900000 /dev/urandom | base64 -w0 | head -c 900000)
	{
		echo '{"key":"empty","value_b64":""}'
		echo "{\"value\":\"$large\"}"
		echo '{"key":null,"value":null}'
	} >in
	run_tool sk-cat -e in -o "kafka:$topic"
	assert_success
	run_tool sk-map '[$key,(.|length)]' "kafka:$topic?until=end&offset=1"
	assert_output $'[null,900000]\n[null,0]'
	sk-cat -e "kafka:$topic?until=end" | grep -o '"value.*' | diff - <(grep -o '"value.*' in)
}

@test "a queue that is full changes no order, whether the next ones are short or long" {
	fresh_topic 1
	python3 - >in <<-'END'
		for n in range(6000):
		    print('{"k":"%d","n":%d,"pad":"%s"}' % (n % 7, n, "x" * (90000 if n % 50 == 9 else n % 11)))
	END
	run_tool sk-cat in -o "kafka:$topic?key=.k" -X queue.buffering.max.kbytes=1000
	assert_success
	cmp in <(sk-cat "kafka:$topic?until=end")
	fresh_topic 1
	run_tool sk-cat in -o "kafka:$topic?key=.k" -X queue.buffering.max.messages=100
	assert_success
	cmp in <(sk-cat "kafka:$topic?until=end")
}

@test "records with and without headers, and tombstones, stay in order" {
	fresh_topic 1
	python3 - >in <<-'END'
		for n in range(3000):
		    headers = '[["h","%d"]]' % n if 1000 < n < 1200 and n % 5 == 0 else '[]'
		    value = 'null' if n % 11 == 0 else '{"n":%d}' % n
		    print('{"key":"%d","headers":%s,"value":%s}' % (n, headers, value))
	END
	run_tool sk-cat -e in -o "kafka:$topic"
	assert_success
	cmp in <(sk-cat -e "kafka:$topic?until=end" | jq -c '{key, headers, value}')
}

@test "a million records there and back, in bounded memory" {
	fresh_topic 4
	seq 1000000 >in
	/usr/bin/env time -f %M -o memory sk-cat in -o "kafka:$topic"
	# The sanitizers keep what was freed.
	[[ -n ${SK_SAN-} ]] || (($(<memory) < 128 * 1024))
	sk-cat "kafka:$topic?until=end" | sort -n | cmp - in
}

@test "a key is the same whether it is found in the line's bytes or evaluated" {
	local i
	# Enough of them that most lines are not looked at; some are odd in every way.
	for ((i = 0; i < 3000; i++)); do
		echo "{\"id\":\"k$i\",\"n\":{\"id\":\"inner\"}}"
		((i % 100)) || printf '%s\n' "{\"n\":{\"id\":\"inner\"},\"id\":\"late$i\"}" \
			"{\"id\":\"first\",\"id\":\"last$i\"}" '{"id":"\u0041\n"}' '{"id":"ü"}' \
			'{"\u0069d":"escaped"}' '{"id":17}' '{"id":{"a":[1,2]}}' '{"id":""}' \
			'{"text":"\"id\":\"no\"","id":"yes"}' '{ "id" : "spaced" }' \
			'{"id":true}' $'{"id":"cr"}\r'
	done >in
	fresh_topic 1
	sk-cat in -o "kafka:$topic?key=.id"
	admin dump "$topic" | jq -c '[.key, .value]' >found
	fresh_topic 1
	sk-cat in -o "kafka:$topic?key=.id|tostring"
	admin dump "$topic" | jq -c '[.key, .value]' | cmp - found
	[[ $(wc -l <found) == 3360 ]]
	# A topic's own lines, filtered, and with a record between them that has no key.
	fresh_topic 1
	sk-map -w '.id != "k7"' . in -o "kafka:$topic?key=.id"
	admin dump "$topic" | jq -c '[.key, .value]' | diff - <(grep -v '^\["k7"' found)
	fresh_topic 1
	echo '{"id":null}' | cat in - in | sk-cat -o "kafka:$topic?key=.id" --on-error skip 2>said ||
		[[ $? == 1 ]]
	grep -q 'key=.id is null or missing' said
	admin dump "$topic" | jq -c '[.key, .value]' | cmp - <(cat found found)
}
