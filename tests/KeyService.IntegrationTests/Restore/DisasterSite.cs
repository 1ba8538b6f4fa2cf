using System.Diagnostics;
using System.Text.Json;
using KeyService.Crypto.Backups;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Restore;

/// <summary>
/// A real service with a destination for bundles, and the disaster: token and database are destroyed, and what is left are bundles, the signing key that
/// somebody wrote down, and the backup key, which custodians would bring.
/// </summary>
internal sealed class DisasterSite : IAsyncDisposable
{
    private DisasterSite(ServiceFixture service) => Service = service;

    internal ServiceFixture Service { get; }

    internal string Vault => Path.Combine(Service.Directory, "bundles", "vault");

    internal string SigningKey => Path.Combine(Service.Directory, "signer.pem");

    /// <summary>32 raw bytes, as a ceremony hands them over.</summary>
    internal string BackupKey => Path.Combine(Service.Directory, "combined-shares");

    /// <param name="store">What the configuration has in the place of the embedded store.</param>
    internal static async Task<DisasterSite> StartAsync(Action<Dictionary<string, object?>>? store = null, params string[] initArguments)
    {
        var site = new DisasterSite(new ServiceFixture { InitArguments = initArguments });
        site.Configure(store);
        Directory.CreateDirectory(site.Vault);
        await site.Service.InitializeAsync();
        await File.WriteAllTextAsync(
            site.SigningKey, (await site.Service.RunCliAsync(site.Service.Administrator, "backup", "signing-key")).ExpectExit(0).Text);
        await File.WriteAllBytesAsync(
            site.BackupKey,
            Convert.FromHexString((await File.ReadAllLinesAsync(Path.Combine(site.Service.Directory, "backup-key.DEVELOPMENT-ONLY")))[1]));
        return site;
    }

    internal void Configure(Action<Dictionary<string, object?>>? store) => Service.Configure = configuration =>
    {
        configuration["backup"] = new Dictionary<string, object?>
        {
            ["destinations"] = new[] { new Dictionary<string, object?> { ["name"] = "vault", ["directory"] = "bundles/vault" } },
        };
        store?.Invoke(configuration);
    };

    /// <summary>Has a full bundle made; its path.</summary>
    internal async Task<string> ExportAsync()
    {
        using var exported = JsonDocument.Parse((await Service.RunCliAsync(Service.Administrator, "backup", "export", "--json")).ExpectExit(0).Text);
        return Path.Combine(Vault, exported.RootElement.GetProperty("file_name").GetString()!);
    }

    /// <summary>The newest full bundle and what follows it, once every version stands in one.</summary>
    internal async Task<string[]> SettledBundlesAsync()
    {
        await Service.SettleAsync();
        using var channel = Service.ConnectAs("administrator");
        var keys = new Keys.KeysClient(channel);
        var versions = 0;
        foreach (var key in (await keys.ListKeysAsync(new ListKeysRequest { PageSize = 1000 })).Keys)
        {
            versions += (await keys.ListKeyVersionsAsync(new ListKeyVersionsRequest { Name = key.Name, PageSize = 1000 })).Versions.Count;
        }

        var bundles = Array.Empty<string>();
        await Until.TrueAsync(
            async () =>
            {
                bundles = await ChainAsync();
                var chain = await BundleChain.VerifyAsync([.. bundles.Select(path => new BundleSource(path, () => File.OpenRead(path)))]);
                return (int)chain.VersionCount >= versions;
            },
            "every version in a bundle");
        return bundles;
    }

    /// <summary>The newest full bundle at the destination and those behind it.</summary>
    internal async Task<string[]> ChainAsync()
    {
        var files = Directory.GetFiles(Vault, "*.ksb").Order(StringComparer.Ordinal).ToArray();
        for (var i = files.Length - 1; ; i--)
        {
            await using var stream = File.OpenRead(files[i]);
            using var reader = await BundleReader.OpenAsync(stream);
            if (reader.Header.Kind == Crypto.Backups.BundleKind.Full)
            {
                return files[i..];
            }
        }
    }

    /// <summary>Token and database are gone. What stands in the data directory beside them stays, as on a host that lives on.</summary>
    internal async Task DestroyAsync()
    {
        await Service.StopAsync();
        DestroyToken();
        foreach (var file in Directory.GetFiles(Service.Directory, "keyservice.db*"))
        {
            File.Delete(file);
        }

        await Executables.MakeTokenAsync(Service.Directory);
    }

    internal void DestroyToken()
    {
        Directory.Delete(Path.Combine(Service.Directory, "tokens"), recursive: true);
        File.Delete(Path.Combine(Service.Directory, "pin"));
        File.Delete(Path.Combine(Service.Directory, "so-pin"));
    }

    internal Task<CommandResult> RestoreAsync(IReadOnlyList<string> bundles, params string[] more)
    {
        var (file, arguments) = RestoreLine(bundles, more);
        return Command.RunAsync(file, arguments, Service.ServerEnvironment, workingDirectory: Service.Directory);
    }

    internal Process StartRestore(IReadOnlyList<string> bundles, params string[] more)
    {
        var (file, arguments) = RestoreLine(bundles, more);
        return Process.Start(Command.StartInfo(file, arguments, Service.ServerEnvironment, Service.Directory))!;
    }

    /// <summary>Registers the clients again, as an administrator does after a restore.</summary>
    internal async Task ServeAsync()
    {
        await Service.StartAsync();
        await Service.RegisterClientsAsync();
    }

    public ValueTask DisposeAsync() => Service.DisposeAsync();

    // The shell opens the descriptor, as the ceremony's command does.
    private (string File, string[] Arguments) RestoreLine(IReadOnlyList<string> bundles, string[] more) => ("sh",
    [
        "-c", "key=$1; shift; exec \"$@\" 9<\"$key\"", "sh", BackupKey, Executables.Server, "restore", "--config", Service.ConfigPath,
        "--signing-key", SigningKey, "--backup-key-fd", "9", "--admin-name", "administrator",
        "--admin-certificate-uri", "keyservice:principal/administrator",
        .. bundles.SelectMany(bundle => new[] { "--bundle", bundle }), .. more,
    ]);
}
