# Pipelines with checkpoints that know what they have seen, killed a hundred times each: the short form of make
# torture.
load ../cmd/helper

killed() {
	run "$ROOT/tests/crash/torture" --kills 100 "$1"
	echo "$output"
	assert_success
}

@test "sk-dedup within a time: killed a hundred times, the same bytes" { killed dedup; }
@test "sk-dedup twice, with ids: killed a hundred times, the same bytes" { killed dedup-tag; }
@test "sk-dedup --keep last: killed a hundred times, the same bytes" { killed dedup-last; }
@test "sk-dedup and sk-aggregate: killed a hundred times, the same bytes" { killed aggregate; }
