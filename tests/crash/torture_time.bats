# Pipelines with checkpoints that wait for event time, killed a hundred times each: the short form of make
# torture.
load ../cmd/helper

killed() {
	run "$ROOT/tests/crash/torture" --kills 100 "$1"
	echo "$output"
	assert_success
}

@test "windows of all functions: killed a hundred times, the same bytes" { killed window; }
@test "windows and what is late for them: killed a hundred times, the same bytes" { killed window-late; }
@test "sessions, and windows of them: killed a hundred times, the same bytes" { killed window-pipe; }
@test "sessions in one process: killed a hundred times, the same bytes" { killed session; }
@test "sliding windows: killed a hundred times, the same bytes" { killed window-events; }
@test "windows of so many records: killed a hundred times, the same bytes" { killed window-count; }
