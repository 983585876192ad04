# fish completion for sk-kafka, written by sk-kafka --generate=fish

complete -c sk-kafka -f
complete -c sk-kafka -l to -x -d 'reset: go on from there: earliest, latest, an offset N, -N from the end, @TIME'
complete -c sk-kafka -l partition -x -d 'reset: only this partition of each topic'
complete -c sk-kafka -l yes -d 'reset: do it'
complete -c sk-kafka -l at -x -d 'offsets: also the first offset of that time'
complete -c sk-kafka -l all -d 'topics: internal ones too'
complete -c sk-kafka -l json -d 'a line of JSON for each row, not a table'
complete -c sk-kafka -s b -l brokers -x -d 'brokers to begin with'
complete -c sk-kafka -s X -l property -x -d 'set a property of librdkafka'
complete -c sk-kafka -s F -l property-file -r -F -d 'read properties from FILE, one a line'
complete -c sk-kafka -s h -l help -d 'show a short help'
complete -c sk-kafka -l version -d 'show name and version'
