using System.Text;
using KeyService.Crypto;
using KeyService.Crypto.Archives;

namespace KeyService.IntegrationTests.Interop;

/// <summary>This implementation and the one in Python, each opening what the other made.</summary>
public sealed class PythonVectorsTests : IAsyncLifetime
{
    private static readonly EncryptionContext Context = EncryptionContext.Create([new("tenant", "st-mary"), new("table", "Befunde ä")]);
    private static readonly string[] ContextArguments = ["--context", "tenant=st-mary", "--context", "table=Befunde ä"];
    private static readonly byte[] Plaintext = [.. Enumerable.Range(0, 50_000).Select(i => (byte)(i * 7))];
    private static readonly string Vectors = Path.Combine(Infrastructure.RepositoryRoot, "tests", "vectors");
    private readonly byte[] _keyBytes = [.. Enumerable.Range(0, 32).Select(i => (byte)(i + 100))];
    private readonly PythonImplementation _python = new();
    private readonly SecretBuffer _key;

    public PythonVectorsTests() => _key = SecretBuffer.CopyOf(_keyBytes);

    public async ValueTask InitializeAsync() => await PythonImplementation.RequireAsync();

    public ValueTask DisposeAsync()
    {
        _key.Dispose();
        _python.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Python_reads_and_makes_every_vector()
    {
        CommandResult result = await PythonImplementation.RunAsync([], "vectors", Vectors);
        Assert.True(result.ExitCode == 0, result.Text + result.Error);
        string[] files = [.. Directory.GetFiles(Vectors, "*.json").Select(file => Path.GetFileNameWithoutExtension(file)!).Order(StringComparer.Ordinal)];
        Assert.Contains("archive", files);
        Assert.Equal(files, result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(':')[0]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_vector_that_does_not_hold_fails_the_run()
    {
        string vectors = await File.ReadAllTextAsync(Path.Combine(Vectors, "archive.json"));
        string changed = vectors.Replace("\"baseNonce\": \"a", "\"baseNonce\": \"b", StringComparison.Ordinal);
        Assert.NotEqual(vectors, changed);
        Directory.CreateDirectory(_python.PathOf("changed"));
        await File.WriteAllTextAsync(Path.Combine(_python.PathOf("changed"), "archive.json"), changed);
        (await PythonImplementation.RunAsync([], "vectors", _python.PathOf("changed"))).ExpectExit(1);
        Directory.CreateDirectory(_python.PathOf("nothing"));
        (await PythonImplementation.RunAsync([], "vectors", _python.PathOf("nothing"))).ExpectExit(1);
    }

    [Fact]
    public async Task The_archive_vectors_in_the_repository_are_what_the_generator_makes()
    {
        (await PythonImplementation.RunAsync([], "make-archive-vectors", _python.PathOf("archive.json"))).ExpectExit(0);
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(Vectors, "archive.json")), await File.ReadAllTextAsync(_python.PathOf("archive.json")));
    }

    [Fact]
    public async Task Python_opens_an_archive_made_here()
    {
        byte[] archive = await MakeArchive();
        string key = _python.StoreHex("key", _keyBytes);
        CommandResult opened = await PythonImplementation.RunAsync(archive, "archive", "open", "--key-hex-file", key, "-");
        Assert.Equal(Plaintext, opened.ExpectExit(0).Output);
    }

    [Fact]
    public async Task Python_refuses_a_damaged_archive_and_leaves_no_file()
    {
        byte[] archive = await MakeArchive();
        archive[^1] ^= 1;
        string key = _python.StoreHex("key", _keyBytes);
        CommandResult opened = await PythonImplementation.RunAsync(archive, "archive", "open", "--key-hex-file", key, "-o", _python.PathOf("out"), "-");
        opened.ExpectExit(4);
        Assert.False(File.Exists(_python.PathOf("out")));
    }

    [Fact]
    public async Task An_archive_made_by_Python_opens_here()
    {
        byte[] id = ArchiveHeader.NewArchiveId();
        byte[] wrapped = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(wrapped, new KeyVersionId(7), new byte[12], new byte[48]);
        CommandResult made = await PythonImplementation.RunAsync(
            Plaintext,
            ["archive", "make", "--key-hex-file", _python.StoreHex("key", _keyBytes), "--wrapped-hex-file", _python.StoreHex("wrapped", wrapped),
                "--archive-id", Convert.ToHexStringLower(id), "--name", "dump ü.sql", .. ContextArguments, "-"]);
        using var archive = new MemoryStream(made.ExpectExit(0).Output);
        ArchiveHeader header = await ArchiveDecryptor.ReadHeaderAsync(archive);
        Assert.Equal(id, header.ArchiveId.ToArray());
        Assert.Equal(Context, header.Context);
        Assert.Equal("dump ü.sql", header.ContentName);
        Assert.Equal(wrapped, Assert.Single(header.WrappedDataKeys).ToArray());
        using var content = new MemoryStream();
        await ArchiveDecryptor.DecryptAsync(archive, header, _key, content);
        Assert.Equal(Plaintext, content.ToArray());
    }

    [Theory]
    [InlineData(8, false)]
    [InlineData(8, true)]
    [InlineData(16, false)]
    [InlineData(16, true)]
    public async Task Field_tokens_of_both_formats_open_on_the_other_side(int idLength, bool text)
    {
        byte[] id = [.. Enumerable.Range(1, idLength).Select(i => (byte)i)];
        using FieldCipher cipher = idLength == 8 ? new FieldCipher(_key, KeyVersionId.Read(id)) : new FieldCipher(_key, id);
        string key = _python.StoreHex("key", _keyBytes);
        string[] form = text ? ["--text"] : [];
        byte[] field = "1985-04-12"u8.ToArray();

        byte[] token = new byte[cipher.TokenLength(field.Length)];
        cipher.Encrypt(Context, field, token);
        byte[] sent = text ? Encoding.ASCII.GetBytes(FieldTokenText.Format(token)) : token;
        CommandResult opened = await PythonImplementation.RunAsync(sent, ["field", "open", "--key-hex-file", key, .. form, .. ContextArguments]);
        Assert.Equal(field, opened.ExpectExit(0).Output);
        (await PythonImplementation.RunAsync(sent, ["field", "open", "--key-hex-file", key, .. form])).ExpectExit(4);

        CommandResult made = await PythonImplementation.RunAsync(
            field, ["field", "make", "--key-hex-file", key, "--key-id", Convert.ToHexStringLower(id), .. form, .. ContextArguments]);
        byte[] received = made.ExpectExit(0).Output;
        if (text)
        {
            Assert.True(FieldTokenText.TryParse(Encoding.ASCII.GetString(received), out received));
        }

        byte[] plaintext = new byte[field.Length];
        Assert.True(cipher.TryDecrypt(Context, received, plaintext));
        Assert.Equal(field, plaintext);
    }

    [Fact]
    public async Task Wrapped_data_keys_unwrap_on_the_other_side()
    {
        byte[] kek = [.. Enumerable.Range(0, 32).Select(i => (byte)(i ^ 0x5A))];
        byte[] archiveId = ArchiveHeader.NewArchiveId();
        var version = new KeyVersionId(0x0123456789ABCDEF);
        byte[] aad = AssociatedData.ToArray(AadPurpose.DataKeyArchive, WrappedDataKey.Format, version, archiveId, Context);
        string[] binding =
            ["--purpose", "3", "--subject", Convert.ToHexStringLower(archiveId), "--key-hex-file", _python.StoreHex("kek", kek), .. ContextArguments];
        using var gcm = new Aes256Gcm(kek);

        byte[] iv = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        byte[] sealedKey = new byte[48];
        gcm.Encrypt(iv, _keyBytes, sealedKey.AsSpan(0, 32), sealedKey.AsSpan(32), aad);
        byte[] wrapped = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(wrapped, version, iv, sealedKey);
        CommandResult unwrapped = await PythonImplementation.RunAsync(
            [], ["data-key", "unwrap", "--wrapped-hex-file", _python.StoreHex("wrapped", wrapped), .. binding]);
        Assert.Equal(_keyBytes, Convert.FromHexString(unwrapped.ExpectExit(0).Text.Trim()));

        CommandResult made = await PythonImplementation.RunAsync(
            Encoding.ASCII.GetBytes(Convert.ToHexStringLower(_keyBytes)), ["data-key", "wrap", "--version", version.ToString(), .. binding]);
        byte[] key = Unwrap(gcm, Convert.FromHexString(made.ExpectExit(0).Text.Trim()), aad);
        Assert.Equal(_keyBytes, key);
    }

    private static byte[] Unwrap(Aes256Gcm gcm, byte[] wrapped, byte[] aad)
    {
        Assert.True(WrappedDataKey.TryParse(wrapped, out WrappedDataKey parsed));
        byte[] key = new byte[32];
        Assert.True(gcm.Decrypt(parsed.Iv, parsed.Ciphertext, parsed.Tag, key, aad));
        return key;
    }

    private async Task<byte[]> MakeArchive()
    {
        byte[] wrapped = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(wrapped, new KeyVersionId(7), new byte[12], new byte[48]);
        using var archive = new MemoryStream();
        await ArchiveEncryptor.EncryptAsync(
            new MemoryStream(Plaintext), archive, wrapped, _key, ArchiveHeader.NewArchiveId(), Context, "dump ü.sql");
        return archive.ToArray();
    }
}
