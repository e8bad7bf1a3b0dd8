# sessctl completion for PowerShell 5.1 or newer.
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
