#!/usr/bin/env bats
# State folders, ledgers and outputs attacked: bytes changed and cut off, a machine that stops
# with what is not durable lost, calls that fail. And the syncs left out, which must show.

load ../cmd/helper

setup() {
	[ -z "${SK_SAN:-}" ] || skip "the sanitizers' runtime must be loaded first"
}

attack() {
	run "$ROOT/tests/crash/attack" "$@"
	echo "$output"
	assert_success
}

@test "every byte of a job's folder is changed: it is told, and the output stays" {
	attack bytes few
}
@test "every file of a job's folder is cut off at every byte" { attack bytes --cut few; }
@test "every byte of a folder of runs by themselves is changed" { attack bytes own; }
@test "every file of a folder of runs by themselves is cut off at every byte" {
	attack bytes --cut own
}
@test "every byte of what sk-aggregate remembers is changed" { attack bytes parts; }

@test "the machine stops at any moment of a job: the same bytes" { attack machine dedup; }
@test "the machine stops, and half of what was not durable is there" {
	attack machine --keep 50 dedup
}
@test "the machine stops before a whole file is there" { attack machine --every 2 whole; }
@test "the machine stops under a pipe of four" { attack machine --every 3 pipe; }
@test "the machine stops after runs by themselves" { attack machine own; }

@test "a log that is not synced shows, in a job" { attack machine --nosync .log dedup; }
@test "a log that is not synced shows, in a pipe" { attack machine --nosync .log pipe; }
@test "a log that is not synced shows, after runs by themselves" {
	attack machine --nosync .log own
}
@test "a ledger that is not synced shows" { attack machine --nosync commit dedup; }
@test "an output that is not synced shows" { attack machine --nosync /out dedup; }
@test "folders that are not synced show" { attack machine --nosync folders dedup; }
@test "folders that are not synced show, after runs by themselves" {
	attack machine --nosync folders own
}

@test "calls that fail are told, and the next run is right" { attack faults dedup; }
@test "calls that fail under a whole file" { attack faults whole; }
@test "calls that fail in a pipe of four" { attack faults pipe; }
