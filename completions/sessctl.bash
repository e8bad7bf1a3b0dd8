# sessctl completion for bash 4.4 or newer.
# All sessions:  sessctl completion bash > ~/.local/share/bash-completion/completions/sessctl
# This one:      source <(sessctl completion bash)

_sessctl() {
    local kind line
    local -a lines
    COMPREPLY=()
    mapfile -t lines < <(command sessctl __complete bash \
        "+${COMP_WORDS[COMP_CWORD]}" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
    kind=${lines[0]-}
    case $kind in
        files) compopt -o default; return ;;
        open) compopt -o nospace ;;
    esac
    for line in "${lines[@]:1}"; do
        COMPREPLY+=("${line%%$'\t'*}")
    done
}
complete -F _sessctl sessctl
