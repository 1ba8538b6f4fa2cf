using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Hsm;

namespace KeyService.Cli.Tokens;

/// <summary>Which token a command works on.</summary>
internal sealed class TokenOptions
{
    /// <summary>A device may think about an RSA key for as long as that, and nobody else waits for it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);


    private readonly Option<string?> module = new("--module") { Description = "PKCS#11 module of the token", HelpName = "FILE" };
    private readonly Option<string?> label = new("--token-label") { Description = "Label of the token", HelpName = "LABEL" };
    private readonly Option<string?> serial = new("--token-serial") { Description = "Serial number that the token must have", HelpName = "SERIAL" };
    private readonly Option<string?> pinFile = new("--pin-file") { Description = "File with the token's user PIN, mode 0600", HelpName = "FILE" };
    private readonly Option<string?> nssParameters = new("--nss-parameters") { Description = "Only for NSS modules", HelpName = "TEXT" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { module, label, serial, pinFile, nssParameters })
        {
            command.Add(option);
        }
    }

    public HsmConfiguration Read(Invocation run) => run.Get(module) is { } path && run.Get(pinFile) is { } pin && (run.Get(label) ?? run.Get(serial)) is not null
        ? new HsmConfiguration
        {
            ModulePath = path, TokenLabel = run.Get(label), TokenSerial = run.Get(serial), PinFile = Path.GetFullPath(pin), NssParameters = run.Get(nssParameters), WatchdogTimeout = Patience,
        }
        : throw CliError.Usage("No token was named.", "Name it with --module, --pin-file, and --token-label or --token-serial. For a rehearsal, hsm-sim/rehearsal.sh makes one.");
}
