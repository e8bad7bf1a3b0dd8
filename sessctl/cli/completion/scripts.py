"""The script of each shell: it hands the line to `sessctl __complete` and shows what comes back.

Nothing of an answer is evaluated: it is read line by line, and words that strangers have chosen
are such as no shell takes for anything else (`sources.py`).
"""

from __future__ import annotations

_BASH = r"""# sessctl completion for bash 4.4 or newer.
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
"""

_ZSH = r"""#compdef sessctl
# sessctl completion for zsh.
# All sessions:  sessctl completion zsh > ~/.zfunc/_sessctl
#                with `fpath=(~/.zfunc $fpath)` before `compinit` in ~/.zshrc
# This one:      source <(sessctl completion zsh)

_sessctl() {
    local line
    local -a lines before found behind
    before=("${(@Q)words[2,CURRENT-1]}")
    (( CURRENT > 2 )) || before=()
    lines=("${(@f)$(command sessctl __complete zsh "+${(Q)PREFIX}" "${before[@]}" \
        2>/dev/null </dev/null)}")
    case ${lines[1]} in
        files) _files; return ;;
        open) behind=(-S '') ;;
    esac
    for line in "${(@)lines[2,-1]}"; do
        found+=("${${line%%$'\t'*}//:/\\:}${${line#*$'\t'}:+:${line#*$'\t'}}")
    done
    (( $#found )) && _describe -V 'sessctl' found "${behind[@]}"
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _sessctl "$@"
else
    compdef _sessctl sessctl
fi
"""

_FISH = r"""# sessctl completion for fish 3.1 or newer.
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
"""

_POWERSHELL = r"""# sessctl completion for PowerShell 5.1 or newer.
# All sessions:  sessctl completion powershell > sessctl.ps1
#                and `. /path/to/sessctl.ps1` in the file that $PROFILE names
# This one:      sessctl completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName sessctl -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $current = "$wordToComplete".Trim("'`"".ToCharArray())
    $before = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { if ($_.Value -is [string]) { $_.Value } else { $_.Extent.Text } })
    $lines = @(& sessctl __complete powershell "+$current" @before 2>$null)
    if ($lines.Count -lt 2 -or $lines[0] -eq 'files') { return }
    foreach ($line in $lines[1..($lines.Count - 1)]) {
        $word, $meaning = $line -split "`t", 2
        if (-not $meaning) { $meaning = $word }
        $typed = $word
        if ($word -notmatch '^[A-Za-z0-9_./:=+-]+$') {
            $typed = "'" + $word.Replace("'", "''") + "'"
        }
        [System.Management.Automation.CompletionResult]::new(
            $typed, $word, 'ParameterValue', $meaning)
    }
}
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH, "powershell": _POWERSHELL}
FILES = {
    "bash": "sessctl.bash",
    "zsh": "_sessctl",
    "fish": "sessctl.fish",
    "powershell": "sessctl.ps1",
}
