using System.CommandLine;
using KeyService.Cli.Output;
using KeyService.Cli.Processes;
using KeyService.Cli.Sessions;
using KeyService.Client;

namespace KeyService.Cli.CommandLine;

/// <summary>One run of a command: its arguments, where its output goes, the service it talks to.</summary>
internal sealed class Invocation(ParseResult parse, CancellationToken cancellation)
{
    private Report? report;

    public CancellationToken Cancellation { get; } = cancellation;

    public bool Json => parse.GetValue(GlobalOptions.Json);

    public bool Quiet => parse.GetValue(GlobalOptions.Quiet);

    /// <summary>What --profile names, when it does.</summary>
    public string? ProfilePath => parse.GetValue(GlobalOptions.Profile);

    /// <summary>Results, on stdout.</summary>
    public Report Report => report ??= new Report(Json, Terminal.IsOutput);

    /// <summary>Arguments that no option or argument of the command took.</summary>
    public IReadOnlyList<string> Unmatched => parse.UnmatchedTokens;

    public T? Get<T>(Option<T> option) => parse.GetValue(option);

    public T Get<T>(Argument<T> argument) => parse.GetValue(argument)!;

    public T Required<T>(Option<T> option) => parse.GetRequiredValue(option);

    /// <summary>Reads the profile and prepares the connection; the first call opens it.</summary>
    public KeyServiceClient Connect()
    {
        var profile = ProfileLocation.Load(ProfilePath);
        return Connect(profile, SessionFile.Of(profile).Read());
    }

    /// <summary>As <see cref="Connect()"/>, without the session that may be open: to open one.</summary>
    public KeyServiceClient ConnectWithoutSession() => Connect(ProfileLocation.Load(ProfilePath), null);

    /// <summary>Where the session of this profile is kept.</summary>
    public SessionFile SessionFile => SessionFile.Of(ProfileLocation.Load(ProfilePath));

    private static KeyServiceClient Connect(ClientProfile profile, byte[]? session)
    {
        var options = profile.ToOptions() with { SessionToken = session };
        SystemRoots.Ignore();
        return KeyServiceClient.Connect(options);
    }
}

/// <summary>Gives a command its action.</summary>
internal static class CommandActions
{
    public static Command Runs(this Command command, Func<Invocation, Task<int>> run)
    {
        command.SetAction((parse, cancellation) => run(new Invocation(parse, cancellation)));
        return command;
    }

    public static Command Runs(this Command command, Func<Invocation, Task> run) => command.Runs(async invocation =>
    {
        await run(invocation).ConfigureAwait(false);
        return ExitCode.Ok;
    });
}
