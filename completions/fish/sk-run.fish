# fish completion for sk-run, written by sk-run --generate=fish

complete -c sk-run -l restart -d 'start again where that may help: a stage was killed, or ended with status 75 or 69'
complete -c sk-run -l max-restarts -x -d 'no more than N times in a row'
complete -c sk-run -l app -x -d 'the job\'s name, for all stages'
complete -c sk-run -l state -x -a '(__fish_complete_directories)' -d 'the job\'s folder, for all stages'
complete -c sk-run -l lock -r -F -d 'one copy at a time'
complete -c sk-run -l deadline -x -d 'after D ask the first stage to drain, and end with status 75'
complete -c sk-run -l grace -x -d 'how long that may take before all stages are killed (10s)'
complete -c sk-run -l stamp -r -F -d 'on success write the time into FILE'
complete -c sk-run -l explain -d 'say what would run, and what the chain guarantees, and stop'
complete -c sk-run -s q -l quiet -d 'don\'t tell of restarts'
complete -c sk-run -s h -l help -d 'show a short help'
complete -c sk-run -l version -d 'show name and version'
