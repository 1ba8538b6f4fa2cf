using System.CommandLine;
using KeyService.Server.Witness;

namespace KeyService.Server.Hosting;

/// <summary>The server binary's arguments: serve, init, restore, config check, store, doctor, witness. Failures are one line on stderr and an exit code.</summary>
internal static class ServerCommandLine
{
    public static async Task<int> RunAsync(string[] arguments)
    {
        var root = new RootCommand("KeyService: keys from an HSM, fields and archives encrypted.") { Serve(), Init(), Restore(), Config(), Store(), Doctor(), Witness() };
        // A failure is ours to say, in one line; the library would print a stack.
        var settings = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
        try
        {
            var parsed = root.Parse(arguments);
            if (parsed.Errors.Count > 0)
            {
                await Console.Error.WriteLineAsync(
                    $"keyservice: {string.Join(' ', parsed.Errors.Select(error => error.Message))} See --help.");
                return (int)ExitCode.Configuration;
            }
            return await parsed.InvokeAsync(settings);
        }
        catch (Exception exception) when (StartUpFailure.Of(exception) is { } failure)
        {
            await Console.Error.WriteLineAsync($"keyservice: {failure.Message}");
            return (int)failure.Code;
        }
        catch (OperationCanceledException)
        {
            return (int)ExitCode.Interrupted;
        }
        catch (Exception exception)
        {
            // Nobody foresaw it: the whole exception is for whoever mends it. Without this the runtime would abort and dump core.
            await Console.Error.WriteLineAsync($"keyservice: a defect, please report it: {exception}");
            return (int)ExitCode.Failed;
        }
    }

    private static Option<string> ConfigOption() =>
        new("--config", "-c") { Description = "The server's configuration file (JSON).", Required = true };

    private static Command Serve()
    {
        var config = ConfigOption();
        var command = new Command("serve", "Serve until SIGTERM or Ctrl-C.") { config };
        command.SetAction(async (parsed, cancellation) => (int)await ServeCommand.RunAsync(parsed.GetRequiredValue(config), cancellation));
        return command;
    }

    private static Command Init()
    {
        var config = ConfigOption();
        var administrator = new AdministratorOptions();
        var (owner, ownerPassword) = OwnerOptions();
        var command = new Command("init", "Make key hierarchy, store and first administrator.") { config, owner, ownerPassword };
        administrator.AddTo(command);
        command.SetAction(async (parsed, cancellation) => (int)await InitCommand.RunAsync(
            parsed.GetRequiredValue(config), administrator.Of(parsed), DatabaseOwner.Of(parsed.GetValue(owner), parsed.GetValue(ownerPassword)), cancellation));
        return command;
    }

    private static Command Restore()
    {
        var config = ConfigOption();
        var administrator = new AdministratorOptions();
        var (owner, ownerPassword) = OwnerOptions();
        var bundles = new Option<string[]>("--bundle")
        {
            Description = "A bundle (.ksb): the newest full one first, then each incremental one after it in order.", Required = true,
        };
        var signingKey = new Option<string>("--signing-key")
        {
            Description = "Public key (PEM) that must have signed the bundles; keyservice backup signing-key wrote it.", Required = true,
        };
        var backupKey = new Option<int>("--backup-key-fd") { Description = "Descriptor that gives the backup key: 32 bytes and the end.", Required = true };
        var json = new Option<bool>("--json") { Description = "Progress and result as lines of JSON." };
        var command = new Command("restore", "Make the installation of backup bundles again, on an initialised token and an empty store.")
        {
            config, bundles, signingKey, backupKey, owner, ownerPassword, json,
        };
        administrator.AddTo(command);
        command.SetAction(async (parsed, cancellation) => (int)await RestoreCommand.RunAsync(
            parsed.GetRequiredValue(config), parsed.GetRequiredValue(bundles), parsed.GetRequiredValue(signingKey), parsed.GetRequiredValue(backupKey),
            administrator.Of(parsed), DatabaseOwner.Of(parsed.GetValue(owner), parsed.GetValue(ownerPassword)), parsed.GetValue(json), cancellation));
        return command;
    }

    private static Command Store()
    {
        var config = ConfigOption();
        var (owner, ownerPassword) = OwnerOptions();
        var migrate = new Command("migrate", "Bring the store's schema forward to this version, before the servers are.") { config, owner, ownerPassword };
        migrate.SetAction((parsed, _) => Run(parsed));
        return new Command("store", "About the store, while no server needs to run.") { migrate, Import() };

        async Task<int> Run(ParseResult parsed) => (int)await StoreMigrateCommand.RunAsync(
            parsed.GetRequiredValue(config), DatabaseOwner.Of(parsed.GetValue(owner), parsed.GetValue(ownerPassword)));
    }

    private static Command Import()
    {
        var config = ConfigOption();
        var sqlite = new Option<string>("--sqlite") { Description = "The file of the stopped SQLite store.", Required = true };
        var (owner, ownerPassword) = OwnerOptions();
        var command = new Command("import", "Copy a stopped SQLite store into store.postgres, compare both, and keep servers from the file.")
        {
            config, sqlite, owner, ownerPassword,
        };
        command.SetAction(async (parsed, cancellation) => (int)await StoreImportCommand.RunAsync(
            parsed.GetRequiredValue(config), parsed.GetRequiredValue(sqlite),
            DatabaseOwner.Of(parsed.GetValue(owner), parsed.GetValue(ownerPassword)), cancellation));
        return command;
    }

    private static (Option<string?> Owner, Option<string?> PasswordFile) OwnerOptions() =>
        (new("--owner") { Description = "The database role that owns the schema, where the service's role does not." },
            new("--owner-password-file") { Description = "A file with that role's password, mode 0600." });

    private static Command Witness()
    {
        var config = new Option<string>("--config", "-c") { Description = "The witness's configuration file (JSON).", Required = true };
        var init = new Command("init", "Make the witness's key and say its public half.") { config };
        init.SetAction(parsed => (int)WitnessCommand.Init(parsed.GetRequiredValue(config)));
        var key = new Command("key", "Say the witness's public key.") { config };
        key.SetAction(parsed => (int)WitnessCommand.Key(parsed.GetRequiredValue(config)));
        var serve = new Command("serve", "Cosign checkpoints of other installations until SIGTERM or Ctrl-C.") { config };
        serve.SetAction(async (parsed, cancellation) => (int)await WitnessCommand.ServeAsync(parsed.GetRequiredValue(config), cancellation));
        return new Command("witness", "Witness the audit logs of other installations (C2SP tlog-witness).") { init, key, serve };
    }

    private static Command Config()
    {
        var config = ConfigOption();
        var check = new Command("check", "Read the configuration strictly and say what is wrong with it.") { config };
        check.SetAction(parsed => (int)ConfigCheckCommand.Run(parsed.GetRequiredValue(config)));
        return new Command("config", "About the configuration file.") { check };
    }

    /// <summary>Who administers what was just made.</summary>
    private sealed class AdministratorOptions
    {
        private readonly Option<string> _name = new("--admin-name") { Description = "Name of the first administrator.", Required = true };
        private readonly Option<string?> _uri = new("--admin-certificate-uri") { Description = "URI in the certificate's subject alternative names." };
        private readonly Option<string?> _hash = new("--admin-certificate-sha256")
        {
            Description = "SHA-256 of the certificate's public key, 64 hexadecimal digits.",
        };
        private readonly Option<uint?> _uid = new("--admin-unix-uid") { Description = "User id on the Unix socket." };

        public void AddTo(Command command)
        {
            command.Add(_name);
            command.Add(_uri);
            command.Add(_hash);
            command.Add(_uid);
        }

        public FirstAdministrator Of(ParseResult parsed) => FirstAdministrator.Of(
            parsed.GetRequiredValue(_name), parsed.GetValue(_uri), parsed.GetValue(_hash), parsed.GetValue(_uid));
    }

    private static Command Doctor()
    {
        var config = ConfigOption();
        var json = new Option<bool>("--json") { Description = "Findings as JSON." };
        var command = new Command("doctor", "Check certificates, clock, token, store, grants and addresses, with a fix for each finding.")
        {
            config, json,
        };
        command.SetAction(async (parsed, cancellation) =>
            (int)await DoctorCommand.RunAsync(parsed.GetRequiredValue(config), parsed.GetValue(json), cancellation));
        return command;
    }
}
