# Checkpointed pipelines killed at random, a hundred times each: the short form of make torture.
load ../cmd/helper

killed() {
	run "$ROOT/tests/crash/torture" --kills 100 "$1"
	echo "$output"
	assert_success
}

@test "copy: killed a hundred times, the same bytes" { killed copy; }
@test "append: killed a hundred times, the same bytes" { killed append; }
@test "one process: killed a hundred times, the same bytes" { killed one-process; }
@test "a template of files: killed a hundred times, the same bytes" { killed template; }
@test "side sinks: killed a hundred times, the same bytes" { killed side; }
@test "sk-dedup: killed a hundred times, the same bytes" { killed dedup; }
@test "sk-dedup and sk-aggregate: killed a hundred times, the same bytes" { killed aggregate; }
@test "joined streams: killed a hundred times, the same bytes" { killed join; }
@test "joined streams in a pipe: killed a hundred times, the same bytes" { killed join-pipe; }
@test "rows that come in the stream: killed a hundred times, the same bytes" { killed join-rows; }
@test "windows of all functions: killed a hundred times, the same bytes" { killed window; }
@test "sessions, and windows of them: killed a hundred times, the same bytes" { killed window-pipe; }
@test "sliding windows: killed a hundred times, the same bytes" { killed window-events; }
@test "windows of so many records: killed a hundred times, the same bytes" { killed window-count; }
