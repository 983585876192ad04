# Pipelines with checkpoints that join, killed a hundred times each: the short form of make
# torture.
load ../cmd/helper

killed() {
	run "$ROOT/tests/crash/torture" --kills 100 "$1"
	echo "$output"
	assert_success
}

@test "joined streams: killed a hundred times, the same bytes" { killed join; }
@test "joined streams in a pipe: killed a hundred times, the same bytes" { killed join-pipe; }
@test "rows that come in the stream: killed a hundred times, the same bytes" { killed join-rows; }
