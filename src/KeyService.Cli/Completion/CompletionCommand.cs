using System.CommandLine;
using KeyService.Cli.CommandLine;

namespace KeyService.Cli.Completion;

/// <summary><c>keyservice completion</c>: scripts that ask the command itself what may follow.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        # keyservice completion for bash: source <(keyservice completion bash)
        _keyservice() {
            local line="${COMP_LINE:0:COMP_POINT}" IFS=$'\n'
            COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${#line}]" "$line" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _keyservice keyservice

        """;

    private const string Zsh = """
        #compdef keyservice
        # keyservice completion for zsh: source <(keyservice completion zsh)
        _keyservice() {
            local line="${BUFFER[1,CURSOR]}"
            local -a found
            found=("${(@f)$("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)}")
            compadd -- $found || _files
        }
        compdef _keyservice keyservice

        """;

    private const string Fish = """
        # keyservice completion for fish: keyservice completion fish | source
        function __keyservice_complete
            set -l line (commandline -cp)
            keyservice "[suggest:"(string length -- $line)"]" "$line" 2>/dev/null
        end
        complete -c keyservice -a '(__keyservice_complete)'

        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        return new Command("completion", "Print a completion script for a shell") { shell }.Runs(run =>
        {
            run.Report.WriteText(run.Get(shell) switch { "bash" => Bash, "zsh" => Zsh, _ => Fish });
            return Task.CompletedTask;
        });
    }
}
