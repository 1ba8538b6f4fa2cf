using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Files;
using KeyService.Cli.Output;
using KeyService.Client;
using KeyService.Crypto;

namespace KeyService.Cli.DataKeys;

/// <summary><c>keyservice data-key …</c>: wrapped keys are base64 on stdout or raw in a file; a key in the clear only where it was asked for.</summary>
internal static class DataKeyCommands
{
    public static Command Create() => new("data-key", "Generate, unwrap and re-wrap data keys") { Generate(), Unwrap(), Rewrap() };

    private static Command Generate()
    {
        var key = GlobalOptions.Key();
        var context = GlobalOptions.Context();
        var output = new Option<string?>("--wrapped", "-o")
        {
            Description = "File for the wrapped key, 69 bytes; else base64 on stdout",
            HelpName = "FILE",
        };
        var plaintext = new Option<string?>("--plaintext")
        {
            Description = "File (mode 0600) for the 32 bytes in the clear, or - for stdout; without it they never leave the service",
            HelpName = "FILE",
        };
        var force = GlobalOptions.Force();
        return new Command("generate", "Make a data key under the active version of a key")
        {
            key, context, output, plaintext, force,
        }.Runs(async run =>
        {
            var wrappedPath = run.Get(output);
            var plaintextPath = run.Get(plaintext);
            if (plaintextPath is "-" && (wrappedPath is null or "-" || run.Json))
            {
                throw CliError.Usage("Wrapped key and plaintext cannot both go to stdout.",
                    "Name a file for the wrapped key with --wrapped, and leave --json.");
            }
            var scope = DataKeyScope.General(ContextPairs.Parse(run.Get(context)!));
            using var plaintextFile = plaintextPath is null ? null : OutputFile.Create(plaintextPath, run.Get(force));
            using var wrappedFile = wrappedPath is null or "-" ? null : OutputFile.Create(wrappedPath, run.Get(force));
            using var client = run.Connect();
            using var dataKey = await client.DataKeys.GenerateAsync(
                run.Required(key), scope, withoutPlaintext: plaintextFile is null, run.Cancellation).ConfigureAwait(false);
            // The wrapped key first: a plaintext key without it would protect what nobody can open again.
            WriteWrapped(run, wrappedFile, dataKey.Wrapped, new Record
            {
                ["key"] = run.Required(key),
                ["key_version"] = dataKey.KeyVersion,
                ["wrapped"] = Convert.ToBase64String(dataKey.Wrapped.Span),
                ["wrapped_file"] = wrappedFile?.Path,
                ["plaintext_file"] = plaintextFile?.Path,
            });
            if (plaintextFile is not null)
            {
                plaintextFile.Stream.Write(dataKey.Secret.DangerousSpan);
                plaintextFile.Commit();
            }
        });
    }

    private static Command Unwrap()
    {
        var input = Input();
        var context = GlobalOptions.Context();
        var output = new Option<string?>("--plaintext", "-o")
        {
            Description = "File (mode 0600) for the 32 bytes in the clear; else stdout, which must not be a terminal",
            HelpName = "FILE",
        };
        var force = GlobalOptions.Force();
        return new Command("unwrap", "Unwrap a data key") { input, context, output, force }.Runs(async run =>
        {
            var scope = DataKeyScope.General(ContextPairs.Parse(run.Get(context)!));
            var wrapped = await WrappedKeyInput.ReadAsync(run.Get(input), run.Cancellation).ConfigureAwait(false);
            using var file = OutputFile.Create(run.Get(output), run.Get(force));
            using var client = run.Connect();
            using var dataKey = await client.DataKeys.UnwrapAsync(wrapped, scope, run.Cancellation).ConfigureAwait(false);
            file.Stream.Write(dataKey.Secret.DangerousSpan);
            file.Commit();
            if (run.Json && file.Path is not null)
            {
                run.Report.Write(new Record { ["key"] = dataKey.Key, ["key_version"] = dataKey.KeyVersion, ["plaintext_file"] = file.Path });
            }
        });
    }

    private static Command Rewrap()
    {
        var input = Input();
        var context = GlobalOptions.Context();
        var output = GlobalOptions.Output("File for the wrapped key; else base64 on stdout");
        var force = GlobalOptions.Force();
        return new Command("rewrap", "Wrap a data key again under the newest version; it is not seen here")
        {
            input, context, output, force,
        }.Runs(async run =>
        {
            var scope = DataKeyScope.General(ContextPairs.Parse(run.Get(context)!));
            var wrapped = await WrappedKeyInput.ReadAsync(run.Get(input), run.Cancellation).ConfigureAwait(false);
            using var file = run.Get(output) is null or "-" ? null : OutputFile.Create(run.Get(output), run.Get(force));
            using var client = run.Connect();
            var again = await client.DataKeys.RewrapAsync(wrapped, scope, run.Cancellation).ConfigureAwait(false);
            WriteWrapped(run, file, again.Wrapped, new Record
            {
                ["key_version"] = again.KeyVersion,
                ["changed"] = again.Changed,
                ["wrapped"] = Convert.ToBase64String(again.Wrapped.Span),
                ["wrapped_file"] = file?.Path,
            });
        });
    }

    private static Option<string?> Input() => new("--wrapped")
    {
        Description = "File with the wrapped key, raw or base64; stdin when absent or -",
        HelpName = "FILE",
    };

    private static void WriteWrapped(Invocation run, OutputFile? file, ReadOnlyMemory<byte> wrapped, Record record)
    {
        if (file is not null)
        {
            file.Stream.Write(wrapped.Span);
            file.Commit();
        }
        if (run.Json)
        {
            run.Report.Write(record);
        }
        else if (file is null)
        {
            run.Report.WriteText(Convert.ToBase64String(wrapped.Span) + "\n");
        }
    }
}
