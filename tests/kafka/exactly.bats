#!/usr/bin/env bats
# Exactly once, tried by a stranger: the short form of what make torture does on three brokers.
# Each scenario's own words are in tests/kafka/exactly.

load helper
BROKER_OPTIONS=(--nodes 1 --set group.min.session.timeout.ms=500 \
	--set transaction.abort.timed.out.transaction.cleanup.interval.ms=1000)

tried() {
	run "$ROOT/tests/kafka/exactly" --events 6000 --kills 6 "$@"
	echo "$output"
	assert_success
}

@test "stateless, each stage killed: every record once" { tried stateless; }
@test "stateful, each stage killed: every window once, the state of a calm run" {
	tried stateful
}
@test "killed at named points: every record once" {
	[[ -z ${SK_SAN-} ]] || skip "the sanitizers' runtime must be loaded first"
	tried points-stateless
}
@test "killed at named points: every window once" {
	[[ -z ${SK_SAN-} ]] || skip "the sanitizers' runtime must be loaded first"
	tried points-stateful
}
@test "one process, killed: every window once" { tried one-process; }
@test "append: and capture:, each stage killed: every record once" { tried append capture; }
