# sessctl completion for fish 3.1 or newer.
# All sessions:  sessctl completion fish > ~/.config/fish/completions/sessctl.fish
# This one:      sessctl completion fish | source

function __sessctl_complete
    set -l current (commandline -ct)
    set -l before (commandline -opc)
    set -e before[1]
    set -l lines (command sessctl __complete fish "+$current" $before 2>/dev/null </dev/null)
    if test "$lines[1]" = files
        __fish_complete_path "$current"
    else
        set -e lines[1]
        string join -- \n $lines
    end
end
complete -c sessctl -f -a '(__sessctl_complete)'
