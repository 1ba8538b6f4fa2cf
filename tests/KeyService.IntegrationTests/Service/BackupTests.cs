using System.Text.Json;
using Grpc.Core;
using KeyService.IntegrationTests.BadDays;
using KeyService.IntegrationTests.Interop;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Service;

/// <summary>Backup bundles over the real service, its token and the real command; each test has a service of its own.</summary>
public sealed class BackupTests : IAsyncLifetime
{
    private readonly ServiceFixture _service = new();

    public ValueTask InitializeAsync()
    {
        _service.Configure = configuration => configuration["backup"] = new Dictionary<string, object?>
        {
            ["destinations"] = new[]
            {
                new Dictionary<string, object?> { ["name"] = "vault", ["directory"] = "bundles/vault" },
                new Dictionary<string, object?> { ["name"] = "offsite", ["directory"] = "bundles/offsite" },
            },
        };
        Directory.CreateDirectory(Destination("vault"));
        Directory.CreateDirectory(Destination("offsite"));
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    [Fact]
    public async Task A_bundle_and_the_backup_key_alone_open_what_was_encrypted()
    {
        await PythonImplementation.RequireAsync();
        using var python = new PythonImplementation();
        await _service.InitializeAsync();
        await _service.CreateKeyAsync("ehr/fields");
        await _service.CreateKeyAsync("ehr/other");
        using var channel = _service.ConnectAs("administrator");
        var primary = (await new Keys.KeysClient(channel).GetKeyAsync(new GetKeyRequest { Name = "ehr/fields" }, cancellationToken: Cancellation)).Key.Primary.Id;
        var token = (await _service.RunCliAsync(_service.Database, "Simpson, Homer"u8.ToArray(), "field", "encrypt", "--key", "ehr/fields", "-c", "tenant=st-mary"))
            .ExpectExit(0).Text.Trim();

        using var exported = JsonDocument.Parse((await _service.RunCliAsync(_service.Administrator, "backup", "export", "--json")).ExpectExit(0).Text);
        Assert.Equal(["vault: verified", "offsite: verified"], exported.RootElement.GetProperty("copies").EnumerateArray().Select(copy => copy.GetString()).Reverse());
        var bundle = Path.Combine(Destination("offsite"), exported.RootElement.GetProperty("file_name").GetString()!);

        var signer = Path.Combine(_service.Directory, "signer.pem");
        await File.WriteAllTextAsync(signer, (await _service.RunCliAsync(_service.Administrator, "backup", "signing-key")).ExpectExit(0).Text, Cancellation);
        var verified = (await _service.RunCliAsync(_service.Administrator, "backup", "verify", "--json", "--quiet", "--signing-key", signer, bundle)).ExpectExit(0).Text;
        Assert.Contains("\"kind\":\"full\"", verified, StringComparison.Ordinal);
        // One version a key, or three where those that wait were made by then.
        Assert.Matches("\"keys\":2,\"versions\":[246],\"left_out\":0", verified);
        Assert.Contains("\"pinned\":true", verified, StringComparison.Ordinal);

        // What follows has neither the service nor its token: the second implementation, the bundle, the backup key.
        await _service.StopAsync();
        var backupKey = python.PathOf("backup-key");
        await File.WriteAllTextAsync(backupKey, (await File.ReadAllLinesAsync(Path.Combine(_service.Directory, "backup-key.DEVELOPMENT-ONLY"), Cancellation))[1], Cancellation);
        var opened = (await PythonImplementation.RunAsync([], "bundle", "open", "--key-hex-file", backupKey, "--show-keys", bundle)).ExpectExit(0).Text
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(["ehr/fields", "ehr/other"], opened.Select(version => version.GetProperty("key").GetString()).Distinct());
        var protecting = opened.Single(version => version.GetProperty("version").GetString() == primary);
        var bulkKey = python.StoreHex("bulk-key", Convert.FromHexString(protecting.GetProperty("bulkKey").GetString()!));
        var plaintext = (await PythonImplementation.RunAsync(
            System.Text.Encoding.ASCII.GetBytes(token), "field", "open", "--key-hex-file", bulkKey, "--context", "tenant=st-mary", "--text")).ExpectExit(0).Text;
        Assert.Equal("Simpson, Homer", plaintext);
    }

    [Fact]
    public async Task A_selection_holds_the_named_keys_alone_and_counts_nowhere()
    {
        await PythonImplementation.RequireAsync();
        using var python = new PythonImplementation();
        await _service.InitializeAsync();
        foreach (var key in new[] { "clinic/fields", "clinic/letters", "ehr/fields" })
        {
            await _service.CreateKeyAsync(key);
        }

        using (var channel = _service.ConnectAs("administrator"))
        {
            await new Keys.KeysClient(channel).RotateKeyAsync(new RotateKeyRequest { Name = "clinic/fields", RequestId = Guid.NewGuid().ToString() }, cancellationToken: Cancellation);
        }

        var before = (await _service.RunCliAsync(_service.Administrator, "backup", "export", "--json")).ExpectExit(0).Text;
        var selection = Path.Combine(_service.Directory, "clinic.ksb");
        string[] export = ["backup", "export", "--key", "clinic/letters", "--key", "clinic/fields", "--key", "clinic/letters", "--output", selection];
        using var given = JsonDocument.Parse((await _service.RunCliAsync(_service.Administrator, [.. export, "--json"])).ExpectExit(0).Text);
        Assert.Equal("selection", given.RootElement.GetProperty("kind").GetString());
        Assert.Equal(2, given.RootElement.GetProperty("keys").GetInt64());
        using (var full = JsonDocument.Parse(before))
        {
            Assert.Equal(full.RootElement.GetProperty("sequence").GetInt64(), given.RootElement.GetProperty("sequence").GetInt64());
            Assert.Equal(full.RootElement.GetProperty("digest").GetString(), given.RootElement.GetProperty("previous_digest").GetString());
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(selection));
        Assert.Contains("exists already", (await _service.RunCliAsync(_service.Administrator, export)).ExpectExit(6).Error, StringComparison.Ordinal);
        var signer = Path.Combine(_service.Directory, "signer.pem");
        await File.WriteAllTextAsync(signer, (await _service.RunCliAsync(_service.Administrator, "backup", "signing-key")).ExpectExit(0).Text, Cancellation);
        var listed = (await _service.RunCliAsync(_service.Administrator, "backup", "verify", "--list", "--json", "--quiet", "--signing-key", signer, selection)).ExpectExit(0).Text;
        Assert.DoesNotContain("ehr/fields", listed, StringComparison.Ordinal);

        // To a pipe goes the bundle and nothing else.
        var piped = (await _service.RunCliAsync(_service.Administrator, "backup", "export", "--key", "clinic/fields", "--output", "-")).ExpectExit(0);
        using (var reader = await Crypto.Backups.BundleReader.OpenAsync(new MemoryStream(piped.Output), Cancellation))
        {
            while (await reader.ReadAsync(Cancellation) != Crypto.Backups.BundleItem.End)
            {
                // To its end, behind which nothing may follow.
            }

            Assert.Equal(1UL, reader.Verified!.KeyCount);
        }

        // It is on record, with what it holds, and nowhere counted as a bundle of the installation.
        var record = string.Concat((await _service.RunCliAsync(_service.Administrator, "audit", "search", "--event", "backup-selection-exported", "--json")).ExpectExit(0).Text
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => System.Text.Encoding.UTF8.GetString(JsonDocument.Parse(line).RootElement.GetProperty("canonical").GetBytesFromBase64())));
        Assert.Contains($"selection, digest {given.RootElement.GetProperty("digest").GetString()}", record, StringComparison.Ordinal);
        Assert.Contains("2 keys: clinic/fields, clinic/letters", record, StringComparison.Ordinal);
        Assert.DoesNotContain("selection", (await _service.RunCliAsync(_service.Administrator, "backup", "list", "--all", "--json")).ExpectExit(0).Text, StringComparison.Ordinal);

        foreach (var (arguments, code, says) in new (string[], int, string)[]
        {
            (["--key", "clinic/none", "-o", "none.ksb"], 6, "clinic/none"), (["--key", "clinic/fields"], 2, "--output FILE"), (["-o", "none.ksb"], 2, "--key"),
            (["--key", "clinic/fields", "--incremental", "-o", "none.ksb"], 2, "--incremental"), (["--key", "no name", "-o", "none.ksb"], 2, "1 to 1,000 names"),
        })
        {
            Assert.Contains(says, (await _service.RunCliAsync(_service.Administrator, ["backup", "export", .. arguments])).ExpectExit(code).Error, StringComparison.Ordinal);
            Assert.False(File.Exists(Path.Combine(_service.Directory, "none.ksb")));
        }

        (await _service.RunCliAsync(_service.Database, "backup", "export", "--key", "clinic/fields", "-o", "none.ksb")).ExpectExit(3);

        // A key that somebody took out of the database is missed, not left out in silence.
        using (var database = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={_service.StorePath};Pooling=False"))
        {
            await database.OpenAsync(Cancellation);
            foreach (var rows in new[] { "key_blobs WHERE version_id IN (SELECT id FROM key_versions WHERE key_name = 'clinic/letters')", "key_versions WHERE key_name = 'clinic/letters'", "keys WHERE name = 'clinic/letters'" })
            {
                using var delete = database.CreateCommand();
                delete.CommandText = $"PRAGMA foreign_keys = OFF; DELETE FROM {rows}";
                await delete.ExecuteNonQueryAsync(Cancellation);
            }
        }

        var missed = await _service.RunCliAsync(_service.Administrator, "backup", "export", "--key", "clinic/letters", "--key", "clinic/fields", "-o", "none.ksb");
        Assert.Contains("changed outside the service", missed.ExpectExit(1).Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(_service.Directory, "none.ksb")));

        // With the backup key it opens, without the service, and the file for the offline opening reads it too.
        await _service.StopAsync();
        var backupKey = python.PathOf("backup-key");
        await File.WriteAllTextAsync(backupKey, (await File.ReadAllLinesAsync(Path.Combine(_service.Directory, "backup-key.DEVELOPMENT-ONLY"), Cancellation))[1], Cancellation);
        var opened = (await PythonImplementation.RunAsync([], "bundle", "open", "--key-hex-file", backupKey, "--show-keys", selection)).ExpectExit(0).Text
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(["clinic/fields", "clinic/letters"], opened.Select(version => version.GetProperty("key").GetString()).Distinct());
        Assert.True(opened.Count >= 3, "every version of the key that was rotated");
        var shown = await Command.RunAsync("/usr/bin/python3", ["-I", "-S", Recovery.RecoveryFile.Script, "list", "--bundle", selection]);
        Assert.Contains("selection bundle", shown.ExpectExit(0).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Copies_are_listed_checked_and_mended_and_who_may_not_ask_is_refused()
    {
        await _service.InitializeAsync();
        await _service.CreateKeyAsync("ehr/checked");
        var request = Guid.NewGuid().ToString();
        using var channel = _service.ConnectAs("administrator");
        var backups = new Backups.BackupsClient(channel);
        var bundle = (await backups.ExportBundleAsync(new ExportBundleRequest { RequestId = request }, cancellationToken: Cancellation)).Bundle;
        Assert.Equal(bundle.Sequence, (await backups.ExportBundleAsync(new ExportBundleRequest { RequestId = request }, cancellationToken: Cancellation)).Bundle.Sequence);

        var copy = Path.Combine(Destination("vault"), bundle.FileName);
        var whole = await File.ReadAllBytesAsync(copy, Cancellation);
        var damaged = (byte[])whole.Clone();
        damaged[damaged.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(copy, damaged, Cancellation);
        (await _service.RunCliAsync(_service.Administrator, "backup", "verify", copy)).ExpectExit(4);
        (await _service.RunCliAsync(_service.Administrator, "backup", "check")).ExpectExit(0);
        Assert.Equal(whole, await File.ReadAllBytesAsync(copy, Cancellation));

        Directory.Move(Destination("offsite"), Destination("away"));
        var checkedAway = (await _service.RunCliAsync(_service.Administrator, "backup", "check", "--json")).ExpectExit(4);
        Assert.Contains("offsite: missing", checkedAway.Text, StringComparison.Ordinal);
        Assert.Contains("destination offsite fails: The directory", checkedAway.Error, StringComparison.Ordinal);
        Directory.Move(Destination("away"), Destination("offsite"));
        (await _service.RunCliAsync(_service.Administrator, "backup", "check")).ExpectExit(0);
        var listed = (await _service.RunCliAsync(_service.Administrator, "backup", "list", "--json", "--all")).ExpectExit(0).Text;
        Assert.Contains("\"offsite: verified\"", listed, StringComparison.Ordinal);

        (await _service.RunCliAsync(_service.Database, "backup", "list")).ExpectExit(3);
        (await _service.RunCliAsync(_service.Database, "backup", "export")).ExpectExit(3);
        var log = (await _service.RunCliAsync(_service.Administrator, "audit", "tail", "-n", "200")).ExpectExit(0).Text;
        Assert.Contains("backup-bundle-recorded", log, StringComparison.Ordinal);
        Assert.Contains("backup-copy-recorded", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_or_broken_disk_leaves_nothing_under_a_final_name_and_is_used_again_when_it_is_well()
    {
        using var disk = await DiskFaults.UnderAsync(_service);
        _service.Environment["KEYSERVICE_TEST_DISK_FILES"] = Destination("vault");
        await _service.InitializeAsync();
        await _service.CreateKeyAsync("ehr/full");
        (await _service.RunCliAsync(_service.Administrator, "backup", "export")).ExpectExit(0);
        var before = Directory.GetFiles(Destination("vault")).Length;
        foreach (var begin in new Action[] { () => disk.Full = true, () => disk.WriteError = DiskFaults.InputOutputError })
        {
            begin();
            var answer = await _service.RunCliAsync(_service.Administrator, "backup", "export", "--json");
            (disk.Full, disk.WriteError) = (false, 0);
            Assert.Contains("\"copies\":[\"offsite: verified\"]", answer.ExpectExit(0).Text, StringComparison.Ordinal);
            Assert.Equal(before, Directory.GetFileSystemEntries(Destination("vault")).Length);
        }

        (await _service.RunCliAsync(_service.Administrator, "backup", "check")).ExpectExit(0);
        string[] files = Directory.GetFiles(Destination("vault"), "*.ksb");
        Assert.True(files.Length > before);
        (await _service.RunCliAsync(_service.Administrator, ["backup", "verify", "--quiet", .. files])).ExpectExit(0);
    }

    [Fact]
    public async Task Whenever_the_server_is_killed_every_bundle_under_a_final_name_is_whole()
    {
        await _service.InitializeAsync();
        using (var channel = _service.ConnectAs("administrator"))
        {
            var keys = new Keys.KeysClient(channel);
            await Parallel.ForAsync(0, 100, Cancellation, async (i, cancellation) => await keys.CreateKeyAsync(
                new CreateKeyRequest { RequestId = Guid.NewGuid().ToString(), Name = $"killed/{i}", Purpose = KeyPurpose.EncryptDecrypt },
                cancellationToken: cancellation));
        }

        var random = new Random(20261128);
        for (var round = 0; round < 4; round++)
        {
            using var channel = _service.ConnectAs("administrator");
            var exporting = new Backups.BackupsClient(channel).ExportBundleAsync(new ExportBundleRequest { RequestId = Guid.NewGuid().ToString() });
            await Task.Delay(random.Next(0, 300), Cancellation);
            await _service.CrashAsync();
            await Assert.ThrowsAnyAsync<RpcException>(async () =>
            {
                await exporting;
                throw new RpcException(Status.DefaultSuccess, "answered before the kill");
            });
            string[] files = [.. Directory.GetFiles(Destination("vault"), "*.ksb"), .. Directory.GetFiles(Destination("offsite"), "*.ksb")];
            if (files.Length > 0)
            {
                (await _service.RunCliAsync(_service.Administrator, ["backup", "verify", "--quiet", .. files])).ExpectExit(0);
            }

            await _service.StartAsync();
        }

        (await _service.RunCliAsync(_service.Administrator, "backup", "export")).ExpectExit(0);
        (await _service.RunCliAsync(_service.Administrator, "backup", "check")).ExpectExit(0);
        // Bundles of versions that were made meanwhile are written by themselves: one may be half written until the server has stopped.
        await _service.StopAsync();
        Assert.All(Directory.GetFileSystemEntries(Destination("vault")), file => Assert.EndsWith(".ksb", file, StringComparison.Ordinal));
        Assert.All(Directory.GetFileSystemEntries(Destination("offsite")), file => Assert.EndsWith(".ksb", file, StringComparison.Ordinal));
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Destination(string name) => Path.Combine(_service.Directory, "bundles", name);
}
