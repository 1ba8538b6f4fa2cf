using System.CommandLine;
using System.Reflection;
using KeyService.Cli.CommandLine;
using KeyService.Client;
using KeyService.Protocol.V1;

namespace KeyService.Tests.Cli;

/// <summary>docs/cli.md names every command, option, exit code and reason that there is.</summary>
public sealed class DocumentationTests
{
    private static readonly string Text = File.ReadAllText(Path.Combine(RepositoryRoot(), "docs/cli.md"));

    [Fact]
    public void Every_command_is_documented()
    {
        foreach (var command in Leaves(CommandTree.Build()))
        {
            Assert.Contains($"`{Path_(command)}", Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_command_that_is_named_first_is_built_alone_and_under_just_that_name()
    {
        foreach (var command in CommandTree.Build().Subcommands)
        {
            Assert.Equal(command.Name, Assert.Single(CommandTree.Build(first: command.Name).Subcommands).Name);
        }
        Assert.Equal(CommandTree.Build().Subcommands.Count, CommandTree.Build(first: "no-such-command").Subcommands.Count);
    }

    /// <summary>The quickstart's ./keyservice picks the client certificate by the command: one that it does not know gets the wrong one.</summary>
    [Fact]
    public void The_quickstart_knows_whose_each_command_is()
    {
        var lines = File.ReadAllLines(Path.Combine(RepositoryRoot(), "quickstart.sh"));
        var known = lines.SkipWhile(line => !line.StartsWith("    case $argument in", StringComparison.Ordinal))
            .TakeWhile(line => !line.Contains("esac", StringComparison.Ordinal))
            .SelectMany(line => line.Split(')')[0].Trim().Split('|')).ToHashSet(StringComparer.Ordinal);
        Assert.Empty(CommandTree.Build().Subcommands.Select(command => command.Name).Except(known));
    }

    [Fact]
    public void Every_option_is_documented()
    {
        foreach (var option in Leaves(CommandTree.Build()).SelectMany(command => command.Options).DistinctBy(option => option.Name))
        {
            Assert.True(option.Aliases.Append(option.Name).Any(name => Text.Contains(name, StringComparison.Ordinal)), option.Name);
        }
    }

    [Fact]
    public void Every_command_option_and_argument_says_what_it_is()
    {
        foreach (var command in Leaves(CommandTree.Build()))
        {
            Assert.All(
                command.Options.Cast<Symbol>().Concat(command.Arguments).Append(command),
                symbol => Assert.False(string.IsNullOrEmpty(symbol.Description), $"{Path_(command)} {symbol.Name}"));
        }
    }

    [Fact]
    public void Every_exit_code_is_documented()
    {
        foreach (var code in typeof(ExitCode).GetFields(BindingFlags.Static | BindingFlags.Public).Select(field => field.GetRawConstantValue()))
        {
            Assert.Contains($"\n| {code} | ", Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_reason_is_documented_beside_the_exit_code_it_has()
    {
        var ofService = ReasonReflection.Descriptor.EnumTypes.Single(type => type.Name == nameof(Reason)).Values
            .Where(value => value.Number != 0).Select(value => value.Name["REASON_".Length..]);
        var ofClient = typeof(ClientReason).GetFields(BindingFlags.Static | BindingFlags.Public).Select(field => (string)field.GetRawConstantValue()!);
        foreach (var reason in ofService.Concat(ofClient))
        {
            var code = Failure.Of(new KeyServiceException(reason, "m", "a")).ExitCode;
            var row = Text.Split('\n').Single(line => line.StartsWith($"| {code} | ", StringComparison.Ordinal));
            Assert.Contains($"`{reason}`", row, StringComparison.Ordinal);
        }
    }

    private static IEnumerable<Command> Leaves(Command command) =>
        command.Subcommands.Count == 0 ? [command] : command.Subcommands.SelectMany(Leaves);

    private static string Path_(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent and not RootCommand ? $"{Path_(parent)} {command.Name}" : command.Name;

    private static string RepositoryRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "KeyService.sln")))
        {
            directory = directory.Parent!;
        }
        return directory.FullName;
    }
}
