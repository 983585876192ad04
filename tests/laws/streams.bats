#!/usr/bin/env bats
# Windows of streams that are all but tidy, against a model of them (streams.py).

load ../cmd/helper

@test "what is late, what is written when, and what the functions give: as the model says" {
	local seed
	for seed in $(seq "${SK_SEED:-1}" $((${SK_SEED:-1} + 39))); do
		rm -f late.ndjson
		timeout 100 python3 "$ROOT/tests/laws/streams.py" "$seed"
	done
}
