using Dapper;
using KeyService.Protocol.V1;
using Microsoft.Data.Sqlite;

namespace KeyService.IntegrationTests.Restore;

/// <summary>The command itself: killed wherever it is, given what is wrong.</summary>
public sealed class RestoreCommandTests : IAsyncLifetime
{
    private const int KeyCount = 150;

    private DisasterSite _site = null!;
    private string[] _bundles = [];
    private SealedFields _fields = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _site = await DisasterSite.StartAsync();
        _fields = new SealedFields(_site.Service);
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task Killed_at_any_moment_it_goes_on_and_no_server_starts_before_it_has_ended()
    {
        await LoseAsync(KeyCount);
        var random = new Random(20261130);
        var begun = 0;
        foreach (var at in new[] { "making the root key", "stage\":\"restoring", "stage\":\"going on", "stage\":\"reading" })
        {
            using var restore = _site.StartRestore(_bundles, "--json");
            var seen = false;
            while (await restore.StandardOutput.ReadLineAsync(Cancellation) is { } line && !seen)
            {
                seen = line.Contains(at, StringComparison.Ordinal);
            }

            await Task.Delay(random.Next(0, 40), Cancellation);
            restore.Kill(); // SIGKILL
            await restore.WaitForExitAsync(Cancellation);
            if (HasInstallation())
            {
                break; // it was faster than the kill
            }

            var serve = await Executables.RunServerAsync(["serve", "--config", _site.Service.ConfigPath], _site.Service.ServerEnvironment, _site.Service.Directory);
            Assert.True(serve.ExitCode is 5 or 7, $"exit {serve.ExitCode}: {serve.Error}"); // 5: there is no store yet
            if (serve.Error.Contains("a restore was begun", StringComparison.Ordinal))
            {
                Assert.Contains("Run restore again with the same bundles", serve.Error, StringComparison.Ordinal);
                if (begun++ > 0)
                {
                    continue;
                }

                var init = await Executables.RunServerAsync(
                    ["init", "--config", _site.Service.ConfigPath, "--admin-name", "administrator", "--admin-unix-uid", "0"],
                    _site.Service.ServerEnvironment, _site.Service.Directory);
                Assert.Contains("A restore was begun", init.ExpectExit(6).Error, StringComparison.Ordinal);
            }
        }

        Assert.True(begun > 0, "no kill met a restore that had begun");
        if (!HasInstallation())
        {
            var last = await _site.RestoreAsync(_bundles);
            Assert.Contains("going on with the restore that was begun", last.ExpectExit(0).Error, StringComparison.Ordinal);
            Assert.Contains($"{KeyCount} keys with", last.Text, StringComparison.Ordinal);
            Assert.Contains("versions made later are lost", last.Text, StringComparison.Ordinal);
        }

        Assert.Contains("restored into this store already", (await _site.RestoreAsync(_bundles)).ExpectExit(6).Error, StringComparison.Ordinal);
        await _site.ServeAsync();
        await _fields.OpenAllAsync();
    }

    [Fact]
    public async Task Whatever_is_wrong_is_named_and_leaves_neither_store_nor_key()
    {
        await LoseAsync(keys: 2);
        var bundle = await File.ReadAllBytesAsync(_bundles[0], Cancellation);
        var changed = Path.Combine(_site.Service.Directory, "changed.ksb");
        // A key's name, a version's wrapped key, the signature; each byte is tried where no process is started for it (BundleChainTests).
        foreach (var at in new[] { 185, 400, bundle.Length - 1 })
        {
            var bytes = (byte[])bundle.Clone();
            bytes[at] ^= 1;
            await File.WriteAllBytesAsync(changed, bytes, Cancellation);
            Assert.Contains("changed.ksb", (await RefusedAsync(4, [changed])).Error, StringComparison.Ordinal);
        }

        await File.WriteAllTextAsync(changed, "no bundle", Cancellation);
        Assert.Contains("not a backup bundle", (await RefusedAsync(2, [changed])).Error, StringComparison.Ordinal);
        Assert.Contains("cannot be read", (await RefusedAsync(2, [changed + ".none"])).Error, StringComparison.Ordinal);
        Assert.Contains("begin with the newest full bundle", (await RefusedAsync(2, [_bundles[0], _bundles[0]])).Error, StringComparison.Ordinal);

        Assert.Contains("is a selection of keys", (await RefusedAsync(2, [Selection])).Error, StringComparison.Ordinal);
        Assert.Contains("a selection of keys stands alone", (await RefusedAsync(2, [_bundles[0], Selection])).Error, StringComparison.Ordinal);

        var key = await File.ReadAllBytesAsync(_site.BackupKey, Cancellation);
        foreach (var (value, says) in new[]
        {
            (key.Select(part => (byte)(part ^ 1)).ToArray(), "nothing was imported"), (key[..31], "32 bytes and end"), ([.. key, 0], "32 bytes and end"),
        })
        {
            await File.WriteAllBytesAsync(_site.BackupKey, value, Cancellation);
            var refused = await RefusedAsync(2, _bundles);
            Assert.Contains(says, refused.Error, StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToHexStringLower(key), refused.Error, StringComparison.Ordinal);
        }

        await File.WriteAllBytesAsync(_site.BackupKey, key, Cancellation);
        var signer = await File.ReadAllTextAsync(_site.SigningKey, Cancellation);
        using (var other = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256))
        {
            await File.WriteAllTextAsync(_site.SigningKey, other.ExportSubjectPublicKeyInfoPem(), Cancellation);
        }

        Assert.Contains("signed by another key than the one demanded", (await RefusedAsync(4, _bundles)).Error, StringComparison.Ordinal);
        await File.WriteAllTextAsync(_site.SigningKey, "no key", Cancellation);
        Assert.Contains("holds no P-256 public key", (await RefusedAsync(2, _bundles)).Error, StringComparison.Ordinal);

        await File.WriteAllTextAsync(_site.SigningKey, signer, Cancellation);
        (await _site.RestoreAsync(_bundles)).ExpectExit(0);
    }

    private string Selection => Path.Combine(_site.Service.Directory, "selection.ksb");

    private async Task LoseAsync(int keys)
    {
        using (var channel = _site.Service.ConnectAs("administrator"))
        {
            var client = new Keys.KeysClient(channel);
            await Parallel.ForAsync(0, keys, Cancellation, async (i, cancellation) => await client.CreateKeyAsync(
                new CreateKeyRequest { RequestId = $"{Guid.NewGuid()}", Name = $"many/{i:000}", Purpose = KeyPurpose.EncryptDecrypt },
                cancellationToken: cancellation));
        }

        await _fields.AddAsync("many/000");
        await _fields.AddAsync($"many/{keys - 1:000}");
        (await _site.Service.RunCliAsync(_site.Service.Administrator, "backup", "export", "--key", "many/000", "--output", Selection)).ExpectExit(0);
        _bundles = [await _site.ExportAsync()];
        await _site.DestroyAsync();
    }

    private bool HasInstallation()
    {
        if (!File.Exists(_site.Service.StorePath))
        {
            return false;
        }

        using var connection = new SqliteConnection($"Data Source={_site.Service.StorePath};Pooling=False");
        connection.Open();
        return connection.ExecuteScalar<long>("SELECT count(*) FROM sqlite_master WHERE name = 'installation'") == 1
            && connection.ExecuteScalar<long>("SELECT count(*) FROM installation") == 1;
    }

    private async Task<CommandResult> RefusedAsync(int code, IReadOnlyList<string> bundles)
    {
        var refused = (await _site.RestoreAsync(bundles)).ExpectExit(code);
        Assert.False(File.Exists(_site.Service.StorePath), "a store was made");
        Assert.DoesNotContain(
            Directory.GetFiles(Path.Combine(_site.Service.Directory, "tokens"), "*.object", SearchOption.AllDirectories),
            path => Path.GetFileName(path) != "token.object");
        Assert.Single(refused.Error.TrimEnd().Split('\n'), line => !line.Contains("keyservice: verifying", StringComparison.Ordinal));
        return refused;
    }
}
