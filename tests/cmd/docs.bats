#!/usr/bin/env bats
# What the documentation says is what the programs do.

load helper

# Each test goes over all tools, or pages, and names those that are wrong.
tools() {
	local program
	for program in "$SK_BIN"/sk-*; do
		[[ -x $program ]] && echo "${program##*/}"
	done
}

wrong() {
	echo "# $*" >&2
	bad=1
}

finish() {
	[[ -z ${bad-} ]]
}

@test "there are tools, and each has a page and is named in the overview" {
	[[ $(tools) ]] || fail "no programs in $SK_BIN"
	for tool in $(tools); do
		[[ -f $ROOT/man/$tool.1 ]] || wrong "man/$tool.1 is missing"
		grep -q "Xr $tool 1" "$ROOT/man/streamkit.7" || wrong "streamkit.7 does not name $tool"
	done
	finish
}

@test "the generated parts of pages and the completions are up to date" {
	"$ROOT/tests/docs" --check "$SK_BIN" "$ROOT"
}

@test "tests/docs --check notices a change, and tests/docs mends it" {
	mkdir -p root
	cp -r "$ROOT/man" "$ROOT/completions" root/
	tool=$(tools | head -1)
	sed -i '/generate=man: begin/a .\\" changed' "root/man/$tool.1"
	echo changed >>"root/completions/bash/$tool"
	rm "root/completions/zsh/_$tool"
	: >root/completions/fish/sk-nothing.fish
	run -1 "$ROOT/tests/docs" --check "$SK_BIN" root
	assert_output --partial "--- man/$tool.1"
	assert_output --partial "--- completions/bash/$tool"
	assert_output --partial "--- completions/zsh/_$tool"
	assert_output --partial "completions/fish/sk-nothing.fish belongs to no program"
	rm root/completions/fish/sk-nothing.fish
	"$ROOT/tests/docs" "$SK_BIN" root
	run -0 "$ROOT/tests/docs" --check "$SK_BIN" root
	assert_output ''
}

@test "SYNOPSIS of each page is what --help says" {
	for tool in $(tools); do
		page=$(mandoc -Tascii -O width=500 "$ROOT/man/$tool.1" | col -bx |
			sed -n '/^SYNOPSIS/,/^[A-Z]/{/^ /p}' | xargs -d'\n' | tr -s ' ')
		help=$("$tool" --help | sed -n '1,/^[^U ]/{s/^Usage://;/^ /p}' | xargs -d'\n' | tr -s ' ')
		[[ $page && ${page# } == "${help# }" ]] || wrong "$tool: page '$page', --help '$help'"
	done
	finish
}

@test "pages are clean mdoc" {
	for page in "$ROOT"/man/*.[17]; do
		run mandoc -Tlint -Wwarning "$page"
		[[ $status == 0 && ! $output ]] || wrong "$output"
	done
	finish
}

@test "pages refer to pages that are there" {
	for page in "$ROOT"/man/*.[17]; do
		for other in $(sed -n 's/^\.Xr \(sk-[a-z]*\|streamkit[a-z-]*\) \([0-9]\).*/\1.\2/p' "$page"); do
			[[ -f $ROOT/man/$other ]] || wrong "${page##*/} refers to $other"
		done
	done
	finish
}

@test "the examples of each page run and print what the page shows" {
	for page in "$ROOT"/man/*.[17]; do
		[[ $page == *.1 ]] || grep -q '^\.Sh EXAMPLES' "$page" || continue
		name=${page##*/}
		mkdir "$name.d"
		ln -s "$ROOT/examples/orders.ndjson" "$name.d/orders.ndjson"
		"$ROOT/tests/examples-of-page" "$page" >"$name.sh"
		(cd "$name.d" && bash "../$name.sh") || wrong "$name"
	done
	finish
}

@test "-h is a screen of 24 lines by 80 with all of the tool's own options" {
	for tool in $(tools); do
		run_tool "$tool" -h
		[[ $status == 0 && ! $stderr ]] || wrong "$tool -h: status $status"
		((${#lines[@]} <= 24)) && (($("$tool" -h | wc -l) <= 24)) || wrong "$tool -h: too long"
		"$tool" -h | awk 'length > 80 { exit 1 }' || wrong "$tool -h: too wide"
		[[ $output != *$'\n  and '*' more'* ]] || wrong "$tool -h: options are left out"
		[[ ${lines[-1]} == "$tool --help shows all options, man $tool the rest." ]] ||
			wrong "$tool -h: another last line"
		(($(grep -c '^  [^ #-]' <<<"$output") == 2)) || wrong "$tool -h: two examples are missing"
	done
	finish
}

@test "--help fits 80 columns, --version names tool and version" {
	for tool in $(tools); do
		run_tool "$tool" --help
		[[ $status == 0 && ! $stderr ]] || wrong "$tool --help: status $status"
		awk 'length > 80 { exit 1 }' <<<"$output" || wrong "$tool --help: too wide"
		run_tool "$tool" --version
		[[ $status == 0 && $output =~ ^"$tool (streamkit) "[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
			wrong "$tool --version: $output"
		run_tool "$tool" --no-such-option
		[[ $status == 64 && ! $output && $stderr == "$tool: unknown option '--no-such-option'"* ]] ||
			wrong "$tool --no-such-option: status $status, $stderr"
	done
	finish
}

@test "--help on a terminal respects COLUMNS, from 40 on" {
	for tool in $(tools); do
		COLUMNS=50 script -qec "$tool --help" /dev/null | tr -d '\r' |
			sed '/^Examples:/,$d' >narrow
		awk 'length > 50 { exit 1 }' narrow || wrong "$tool: too wide for 50 columns"
		(($(wc -l <narrow) > $("$tool" --help | sed '/^Examples:/,$d' | wc -l))) ||
			wrong "$tool: not narrower"
		COLUMNS=50 "$tool" --help >piped
		"$tool" --help | cmp - piped || wrong "$tool: COLUMNS counts in a pipe"
	done
	finish
}

@test "help that cannot be written is an error" {
	for tool in $(tools); do
		for option in -h --help --version --generate=man; do
			status=0
			"$tool" "$option" >/dev/full 2>stderr || status=$?
			[[ $status == 74 && -s stderr ]] || wrong "$tool $option: status $status"
		done
	done
	finish
}

@test "bash completions load and complete" {
	for tool in $(tools); do
		run_tool bash -c '
			set -eu
			. "$1"
			complete -p "$2" >/dev/null
			COMP_WORDS=("$2" --hel) COMP_CWORD=1
			"_${2//-/_}"
			echo "${COMPREPLY[*]}"
		' - "$ROOT/completions/bash/$tool" "$tool"
		[[ $status == 0 && $output == --help && ! $stderr ]] ||
			wrong "$tool: '$output' $stderr"
	done
	finish
}

@test "zsh completions load and tell every option" {
	for tool in $(tools); do
		run_tool zsh -fc '_arguments() { print -rl -- "$@" }; . $1' - \
			"$ROOT/completions/zsh/_$tool"
		[[ $status == 0 && ! $stderr && $output == *'--help[show'* ]] ||
			wrong "$tool: '$output' $stderr"
		[[ $(head -1 "$ROOT/completions/zsh/_$tool") == "#compdef $tool" ]] ||
			wrong "$tool: no #compdef"
		for option in $("$tool" --help | grep -o '^ .\{5\}--[a-z-]*' | grep -o -e '--.*'); do
			[[ $output == *"$option"[[=]* ]] || wrong "$tool: $option is missing"
		done
	done
	finish
}

@test "fish completions load and complete" {
	for tool in $(tools); do
		run_tool fish --no-config -c "source $ROOT/completions/fish/$tool.fish
			complete -C '$tool --hel'"
		[[ $status == 0 && ! $stderr && $output == --help$'\t'* ]] ||
			wrong "$tool: '$output' $stderr"
	done
	finish
}
