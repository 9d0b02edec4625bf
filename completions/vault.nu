let vault_completer_before = ($env.config | get --optional completions.external.completer)
$env.config.completions.external.enable = true
$env.config.completions.external.completer = {|spans|
    if ($spans | first | path basename) == "vault" {
        with-env { COMPLETE: nu } { ^vault -- ...$spans | from json }
    } else if $vault_completer_before != null {
        do $vault_completer_before $spans
    }
}
