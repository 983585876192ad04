# fish completion for sk-state, written by sk-state --generate=fish

complete -c sk-state -f -a '(__fish_complete_directories)'
complete -c sk-state -l name -x -d 'one stage alone'
complete -c sk-state -l yes -d 'reset: do it'
complete -c sk-state -l json -d 'ls, check, reset: a line of JSON for each row, not a table'
complete -c sk-state -s h -l help -d 'show a short help'
complete -c sk-state -l version -d 'show name and version'
