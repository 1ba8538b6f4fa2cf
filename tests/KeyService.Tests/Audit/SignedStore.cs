using System.Security.Cryptography;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Export;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Audit;

/// <summary>A store in SQLite whose log is signed by a key in software.</summary>
internal sealed class SignedStore : IAsyncDisposable
{
    private readonly ECDsa[] _keys = [.. Enumerable.Range(0, 4).Select(_ => ECDsa.Create(ECCurve.NamedCurves.nistP256))];

    private SignedStore()
    {
        Store = File.Open(Time);
        Cosignatures = new Cosignatures(Store);
        Checkpoints = NewCheckpoints();
    }

    public StoreFile File { get; } = new();

    public TestTime Time { get; } = new();

    public RowAuthenticator Rows { get; } = SoftwareRows.Of();

    public SqliteStore Store { get; private set; }

    public Cosignatures Cosignatures { get; private set; }

    public Checkpoints Checkpoints { get; private set; }

    /// <summary>The first key that signs, under the installation's name.</summary>
    public NoteVerifier Verifier => KeyOf(0);

    public NoteVerifier KeyOf(int number) => NoteVerifier.Create(LogNames.Of(new byte[16]).Installation, NoteAlgorithm.Ecdsa, _keys[number].ExportSubjectPublicKeyInfo());

    public static async Task<SignedStore> CreateAsync()
    {
        var store = new SignedStore();
        await SoftwareRows.InstallAsync(store.Store, store.Rows);
        return store;
    }

    /// <summary>Some records, and checkpoints over them.</summary>
    public async Task<Checkpoint> SignAsync(int records = 3)
    {
        await Task.WhenAll(Enumerable.Range(0, records).Select(i => Store.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead) { Detail = $"record {i}" }, null, CancellationToken.None)));
        Time.Advance(TimeSpan.FromMinutes(1));
        await Checkpoints.MakeAsync(sealing: false, CancellationToken.None);
        return await NewestAsync();
    }

    public async Task<Checkpoint> NewestAsync()
    {
        var (_, bytes) = (await new LogExport(Store, SignedLog.Directory).CheckpointAsync(0, long.MaxValue, CancellationToken.None))!.Value;
        return SignedNote.TryParse(bytes, out var note) && Checkpoint.TryParse(note!.Text, out var checkpoint) ? checkpoint! : throw new InvalidOperationException();
    }

    /// <summary>A note by the same key, as whoever holds the HSM can sign one.</summary>
    public SignedNote Sign(long size, byte[] root)
    {
        var origin = LogNames.Of(new byte[16]).Directory;
        var text = new Checkpoint(origin, size, root).ToString();
        return EcdsaNoteSignature.Sign(text, Verifier.Named(origin), _keys[0].SignHash(EcdsaNoteSignature.Digest(text), DSASignatureFormat.IeeeP1363FixedFieldConcatenation));
    }

    /// <summary>Another server on the same store, which remembers nothing.</summary>
    public async Task RestartAsync()
    {
        await Store.DisposeAsync();
        Store = File.Open(Time);
        Cosignatures = new Cosignatures(Store);
        Checkpoints = NewCheckpoints();
    }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        File.Dispose();
        Array.ForEach(_keys, key => key.Dispose());
    }

    private Checkpoints NewCheckpoints() => new(
        new AuditLog(Store), Store, Rows,
        new CheckpointKeys(number => new CheckpointSigner(
            _ => ValueTask.FromResult(_keys[number].ExportSubjectPublicKeyInfo()),
            (digest, _) => ValueTask.FromResult(_keys[number].SignHash(digest.ToArray(), DSASignatureFormat.IeeeP1363FixedFieldConcatenation)))),
        Cosignatures);
}
