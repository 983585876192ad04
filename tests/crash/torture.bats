# Pipelines with checkpoints that keep no state, killed a hundred times each: the short form of make
# torture.
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
