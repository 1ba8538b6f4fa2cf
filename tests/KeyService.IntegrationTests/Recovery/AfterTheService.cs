using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using KeyService.Client;
using KeyService.Crypto;
using KeyService.Crypto.Shares;
using KeyService.Hsm;
using KeyService.IntegrationTests.RealInput;
using KeyService.IntegrationTests.Sdk;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;

namespace KeyService.IntegrationTests.Recovery;

/// <summary>
/// What is left of an installation: a directory with its bundle, five shares of its backup key of which three are needed, archives and tokens that were
/// made by the real service, its command and the client library, and the recovery file. Server, token, store and certificates are deleted.
/// </summary>
public sealed class AfterTheService : IAsyncLifetime
{
    internal const int Shares = 5;
    internal const int Needed = 3;
    private static readonly EncryptedColumn Phone = new("ehr", "patient", "phone");

    internal string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("keyservice-left-").FullName;

    /// <summary>Content of the small archive.</summary>
    internal byte[] Letter { get; } = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("Sehr geehrte Frau Müller, … ", 20)));

    /// <summary>SHA-256 of the content of the archive of real input.</summary>
    internal byte[] RecordsHash { get; private set; } = [];

    /// <summary>What each line of tokens.jsonl holds, as the recovery file says it.</summary>
    internal List<string> Answers { get; } = [];

    /// <summary>What else is encrypted before the service goes.</summary>
    internal Func<ServiceFixture, string, Task>? Also { get; init; }

    /// <summary>Which backup key the bundle needs.</summary>
    internal string BackupKeyId { get; private set; } = "";

    internal static string ShareName(int member) => $"share-{member}.txt";

    internal string PathOf(string name) => Path.Combine(Directory, name);

    public async ValueTask InitializeAsync()
    {
        RecoveryFile.Require();
        var service = new ServiceFixture();
        await using (service)
        {
            service.Configure = configuration => configuration["backup"] = new Dictionary<string, object?>
            {
                ["destinations"] = new[] { new Dictionary<string, object?> { ["name"] = "vault", ["directory"] = "vault" } },
            };
            System.IO.Directory.CreateDirectory(Path.Combine(service.Directory, "vault"));
            await service.InitializeAsync();
            await EncryptAsync(service);
            await (Also?.Invoke(service, Directory) ?? Task.CompletedTask);
            await TakeBundleAsync(service);
            await EncryptLateAsync(service);
            await service.StopAsync();
            SplitBackupKey(Path.Combine(service.Directory, "backup-key.DEVELOPMENT-ONLY"));
        }

        Assert.False(System.IO.Directory.Exists(service.Directory));
        File.Copy(RecoveryFile.Script, PathOf("keyservice_recover.py"));
    }

    public ValueTask DisposeAsync()
    {
        System.IO.Directory.Delete(Directory, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Words as a custodian's sheet may have them.</summary>
    internal static string TextOf(Share share, bool numbered)
    {
        var words = new ushort[share.WordCount];
        share.WriteWords(words);
        return numbered
            ? "# Share of a backup key\n" + string.Concat(words.Select((word, i) => $"{i + 1,2}. {ShareWordList.At(word)}\n"))
            : string.Join(' ', words.Select(word => ShareWordList.At(word))) + "\n";
    }

    private async Task EncryptAsync(ServiceFixture service)
    {
        foreach (var key in new[] { "ehr/fields", "ehr-backup", "ehr/other" })
        {
            await service.CreateKeyAsync(key);
        }

        await File.WriteAllBytesAsync(PathOf("letter"), Letter);
        (await service.RunCliAsync(service.Backup, "encrypt", "--key", "ehr-backup", "-c", "patient=4711", "-o", PathOf("letter.ksa"), PathOf("letter"))).ExpectExit(0);
        File.Delete(PathOf("letter"));
        (await service.RunCliAsync(
            service.Backup, "encrypt", "--key", "ehr-backup", "--name", "records.tar", "-o", PathOf("records.ksa"), "--",
            "tar", "c", "--sort=name", "--mtime=2026-01-01", "--owner=0", "--group=0", "-C", FhirRecords.SampleDirectory, ".")).ExpectExit(0);
        RecordsHash = SHA256.HashData((await service.RunCliAsync(service.Backup, "decrypt", PathOf("records.ksa"))).ExpectExit(0).Output);

        var lines = new List<string>();
        void Add(object line, object answer)
        {
            lines.Add(JsonSerializer.Serialize(line));
            Answers.Add(JsonSerializer.Serialize(answer));
        }

        using var client = service.Connect(service.Database);
        var row = EncryptionContext.Create([new("tenant", "st-mary"), new("row", "Befund ä \t 1")]);
        for (var version = 0; version < 2; version++)
        {
            foreach (var text in new[] { "Simpson, Homer", "", "Grüße, 世界\n" })
            {
                var field = await client.Cipher.EncryptAsync("ehr/fields", row, Encoding.UTF8.GetBytes(text));
                Add(
                    new { token = FieldTokenText.Format(field.Token.Span), context = new Dictionary<string, string> { ["tenant"] = "st-mary", ["row"] = "Befund ä \t 1" } },
                    new { line = Answers.Count + 1, text });
            }

            await Calls.RotateAsync(service, "ehr/fields");
        }

        var (keeper, table) = await SdkService.NewTableAsync();
        await using var open = keeper;
        await using (var fields = client.CreateFieldEncryption(new FieldEncryptionOptions { Key = "ehr/fields", Table = table }))
        {
            byte[] bytes = [0xff, 0, 1, 2];
            foreach (var (value, id) in new[] { ("555-0100"u8.ToArray(), 1), (bytes, 2) })
            {
                var token = FieldTokenText.Format(await fields.EncryptAsync(Phone.Row(id), value.AsMemory()));
                var context = new Dictionary<string, string> { ["database"] = "ehr", ["table"] = "patient", ["column"] = "phone", ["row"] = $"{id}" };
                object answer = value == bytes ? new { line = Answers.Count + 1, base64 = Convert.ToBase64String(bytes) } : new { line = Answers.Count + 1, text = "555-0100" };
                Add(new { token, context }, answer);
            }
        }

        await foreach (var wrapped in table.ListAsync())
        {
            await File.AppendAllTextAsync(PathOf("data-keys.jsonl"), JsonSerializer.Serialize(new
            {
                id = Convert.ToHexStringLower(wrapped.Id.Span), wrapped = Convert.ToHexStringLower(wrapped.Wrapped.Span), context = Convert.ToHexStringLower(wrapped.Context.Encoded),
            }) + "\n");
        }

        var (wrappedFile, plainFile) = (PathOf("wrapped"), PathOf("plain"));
        (await service.RunCliAsync(service.Database, "data-key", "generate", "--key", "ehr/other", "-c", "use=disk", "--wrapped", wrappedFile, "--plaintext", plainFile)).ExpectExit(0);
        Add(
            new { wrapped = Convert.ToHexStringLower(await File.ReadAllBytesAsync(wrappedFile)), context = new Dictionary<string, string> { ["use"] = "disk" } },
            new { line = Answers.Count + 1, key = Convert.ToHexStringLower(await File.ReadAllBytesAsync(plainFile)) });
        File.Delete(wrappedFile);
        File.Delete(plainFile);
        await File.WriteAllLinesAsync(PathOf("tokens.jsonl"), lines);
    }

    /// <summary>What the bundle knows nothing of: an archive under a version made after it, and an older archive wrapped anew under that version.</summary>
    private async Task EncryptLateAsync(ServiceFixture service)
    {
        // More often than versions wait: those are in the bundle already.
        for (var i = 0; i < 4; i++)
        {
            await Calls.RotateAsync(service, "ehr-backup");
        }

        File.Copy(PathOf("letter.ksa"), PathOf("rewrapped.ksa"));
        (await service.RunCliAsync(service.Backup, "rewrap", PathOf("rewrapped.ksa"))).ExpectExit(0);
        (await service.RunCliAsync(service.Backup, Letter, "encrypt", "--key", "ehr-backup", "-o", PathOf("late.ksa"))).ExpectExit(0);
    }

    private async Task TakeBundleAsync(ServiceFixture service)
    {
        using var exported = JsonDocument.Parse((await service.RunCliAsync(service.Administrator, "backup", "export", "--json")).ExpectExit(0).Text);
        File.Copy(Path.Combine(service.Directory, "vault", exported.RootElement.GetProperty("file_name").GetString()!), PathOf("bundle.ksb"));
        await File.WriteAllTextAsync(PathOf("signing-key.pem"), (await service.RunCliAsync(service.Administrator, "backup", "signing-key")).ExpectExit(0).Text);
        BackupKeyId = Convert.ToHexStringLower((await File.ReadAllBytesAsync(PathOf("bundle.ksb"))).AsSpan(57, 8));
    }

    private void SplitBackupKey(string file)
    {
        using var backupKey = BackupKeyFile.Read(file);
        foreach (var share in SecretSharing.Split(backupKey.DangerousSpan, Needed, Shares))
        {
            using (share)
            {
                File.WriteAllText(PathOf(ShareName(share.MemberIndex + 1)), TextOf(share, numbered: share.MemberIndex % 2 == 0));
            }
        }
    }
}
