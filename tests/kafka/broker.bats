#!/usr/bin/env bats
# The broker that the other tests rely on: it starts, keeps what it is given, and goes.

load helper

# The processes that were started for a folder.
processes_of() {
	ps -eo pid=,args= | grep -F -- "$1" | grep -vF 'grep -F' || true
}

@test "keeps every field of a record" {
	fresh_topic 4
	cat >in <<-'END'
		{"partition":0,"ts":1000,"headers":[["h","x"],["h",null],["h",""],["b",{"b64":"/wA="}]],"key":"k","value":"{\"a\":1}"}
		{"partition":0,"ts":2000,"headers":[],"key":null,"value":null}
		{"partition":0,"ts":3000,"headers":[],"key":"","value":""}
		{"partition":3,"ts":4000,"headers":[],"key":{"b64":"gA=="},"value":"not JSON"}
	END
	admin produce "$topic" <in
	admin dump "$topic" >dumped
	sed 's/"offset":[0-9]*,//; s/"ts_type":"create",//' dumped >out
	diff in out
	run admin ends "$topic"
	assert_output $'0 0 3\n1 0 0\n2 0 0\n3 0 1'
	admin dump "$topic" | admin produce "$topic"
	run admin ends "$topic"
	assert_output $'0 0 6\n1 0 0\n2 0 0\n3 0 2'
}

@test "trims, deletes, and knows who committed what" {
	fresh_topic 1
	printf '1\n2\n3\n' | admin lines "$topic"
	admin trim "$topic" 0 2
	run admin ends "$topic"
	assert_output '0 2 3'
	run admin committed "g-$topic" "$topic"
	assert_output '0 -'
	topic_delete "$topic"
	run admin ends "$topic"
	assert_failure 1
}

@test "a second start in the same folder finds the first" {
	[[ -n $BROKER_DIR ]] || skip 'the broker is not ours'
	"$BROKER" start "$BROKER_DIR"
	[[ $(<"$BROKER_DIR/brokers") == "$SK_BROKERS" ]]
}

@test "starts, stops, and leaves neither process nor storage" {
	"$BROKER" start one
	admin -b "$(<one/brokers)" topics
	[[ -n $(processes_of "$PWD/one") ]]
	"$BROKER" stop one
	[[ -z $(processes_of "$PWD/one") ]]
	run ls one
	assert_output log
	# Once more is nothing to complain about.
	"$BROKER" stop one
}

@test "goes when the process that it was started for is killed" {
	sleep 600 3>&- &
	guarded=$!
	"$BROKER" start one --for $guarded
	kill -KILL $guarded
	for ((i = 0; i < 200; i++)); do
		[[ -z $(processes_of "$PWD/one") ]] && break
		sleep 0.1
	done
	[[ -z $(processes_of "$PWD/one") ]]
	run ls one
	assert_output log
}

@test "says why it does not start" {
	run_tool "$BROKER" start one --set log.segment.bytes=many
	assert_status 1
	assert_says log.segment.bytes
	[[ -z $(processes_of "$PWD/one") ]]
}

@test "run takes PORT, says where it is, and leaves nothing" {
	port=$(admin ports 1)
	TMPDIR=$PWD PORT=$port "$BROKER" run >said 2>err 3>&- &
	running=$!
	for ((i = 0; i < 600; i++)); do
		[[ -s said ]] && break
		kill -0 $running
		sleep 0.1
	done
	[[ $(<said) == "export SK_BROKERS=127.0.0.1:$port" ]]
	admin -b "127.0.0.1:$port" topics
	run_tool env PORT="$port" "$BROKER" run
	assert_status 1
	assert_says taken
	kill $running
	wait $running
	[[ -z $(ls -d streamkit-kafka.* 2>/dev/null) ]]
	[[ -z $(processes_of "$PWD/streamkit-kafka.") ]]
}

@test "run leaves nothing after Ctrl-C, whenever it comes" {
	for seconds in 0.5 3 8; do
		port=$(admin ports 1)
		# A terminal sends it to all of the foreground; a background job would ignore it.
		TMPDIR=$PWD PORT=$port python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.setsid()
os.execv(sys.argv[1], sys.argv[1:])' "$BROKER" run >said 2>err 3>&- &
		running=$!
		sleep $seconds
		kill -INT -- -$running
		wait $running || true
		for ((i = 0; i < 100; i++)); do
			[[ -n $(processes_of "$PWD/streamkit-kafka.") ]] || break
			sleep 0.1
		done
		[[ -z $(processes_of "$PWD/streamkit-kafka.") ]]
		[[ -z $(ls -d streamkit-kafka.* 2>/dev/null) ]]
	done
}
