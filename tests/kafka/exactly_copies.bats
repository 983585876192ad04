#!/usr/bin/env bats
# Exactly once where somebody else is about: a copy that slept, a guest in the group, a second
# sink; where the answer to a commit is lost; and at the end.

load helper
BROKER_OPTIONS=(--nodes 1 --set group.min.session.timeout.ms=500 \
	--set transaction.abort.timed.out.transaction.cleanup.interval.ms=1000)

tried() {
	run "$ROOT/tests/kafka/exactly" --events 6000 --kills 6 "$@"
	echo "$output"
	assert_success
}

# Points are preloaded.
faulted() {
	[[ -z ${SK_SAN-} ]] || skip "the sanitizers' runtime must be loaded first"
	tried "$@"
}

@test "a copy that slept beyond all its timeouts writes nothing" { faulted zombie-offsets; }
@test "a copy that slept before its commit writes nothing, and ends with 76" {
	faulted zombie-commit
}
@test "a guest joins and leaves the group: every record once, no process restarted" {
	tried guests-stateless
}
@test "a rebalance and SIGTERM at once" { tried guest-and-drain; }
@test "SIGTERM drains" { tried drain; }
@test "killed at the last commit" { faulted last-commit; }
@test "a whole file from a group, killed until it is there" { faulted whole-file; }
@test "tee: two sinks" { tried tee; }
@test "records that a topic refuses" { tried poison; }
@test "answers to commits are lost" { faulted answer-lost; }
