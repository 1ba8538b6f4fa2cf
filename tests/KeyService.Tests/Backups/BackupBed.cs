using System.Collections.Concurrent;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm;
using KeyService.Server.Alarms;
using KeyService.Server.Audit;
using KeyService.Server.Backups;
using KeyService.Server.Keys;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace KeyService.Tests.Backups;

/// <summary>A real store with keys, two destinations in directories, a signer in software, a clock that stands: backups without the service around them.</summary>
internal sealed class BackupBed : IAsyncDisposable
{
    public const string BackupKeyId = "0102030405060708";

    private readonly StoreFile _file = new();
    private readonly ECDsa _signer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly KeyTables _keys;
    private readonly KeyMaterialTables _material;
    private readonly RegisterState _registers;
    private readonly List<BackupWriter> _writers = [];

    private BackupBed(BackupConfiguration? configuration)
    {
        Configuration = configuration ?? new BackupConfiguration
        {
            Gate = true,
            Required = 2,
            Destinations = [new("first", Directory("first")), new("second", Directory("second"))],
        };
        Rows = SoftwareRows.Of();
        Store = _file.Open(Time);
        _keys = new KeyTables(Rows);
        _material = new KeyMaterialTables(Rows);
        _registers = new RegisterState(Rows);
        Signer = new BundleSigner(
            _ => ValueTask.FromResult(_signer.ExportSubjectPublicKeyInfo()), (digest, _) => ValueTask.FromResult(_signer.SignHash(digest.Span)), () => BackupKeyId);
        Alarms = new AlarmOutlet(new Told(Alarmed));
        Gate = new BackupGate(Configuration, Store, Rows, Alarms);
        Writer = NewWriter();
    }

    public TestTime Time { get; } = new();

    public BackupConfiguration Configuration { get; }

    public SqliteStore Store { get; }

    public RowAuthenticator Rows { get; }

    public BundleSigner Signer { get; }

    public AlarmOutlet Alarms { get; }

    public BackupGate Gate { get; }

    public BackupWriter Writer { get; }

    public BackupQueries Queries => new(Store, Rows);

    /// <summary>What the alarms said.</summary>
    public ConcurrentQueue<string> Alarmed { get; } = new();

    public static async Task<BackupBed> MakeAsync(BackupConfiguration? configuration = null)
    {
        var bed = new BackupBed(configuration);
        await KeyService.Server.Access.NewInstallation.CreateAsync(
            bed.Store, bed.Rows, [.. Enumerable.Range(0, 16).Select(i => (byte)i)],
            [
                new IntegrityKeyBlob("token", [1, .. new byte[40]], new byte[32]),
                new IntegrityKeyBlob(KeyBlobRow.BackupOf(BackupKeyId), [1, .. new byte[40]], new byte[32]),
            ],
            "root-admin", KeyService.Server.Access.PrincipalType.Person, KeyService.Server.Access.Credential.OfUid(1000), CancellationToken.None);
        return bed;
    }

    /// <summary>Another server's writer over the same store.</summary>
    public BackupWriter NewWriter()
    {
        var writer = new BackupWriter(Configuration, Store, Rows, Signer, Alarms, Time, NullLogger<BackupWriter>.Instance);
        _writers.Add(writer);
        return writer;
    }

    public string Directory(string name) => System.IO.Directory.CreateDirectory(PathOf(name)).FullName;

    public string PathOf(string name) => Path.Combine(_file.Folder, "destinations", name);

    /// <summary>The bundles at a destination, by name.</summary>
    public string[] Files(string destination) => [.. System.IO.Directory.GetFiles(PathOf(destination), "*.ksb").Order(StringComparer.Ordinal)];

    /// <summary>Everything at a destination, half written too.</summary>
    public string[] AllFiles(string destination) => [.. System.IO.Directory.GetFileSystemEntries(PathOf(destination)).Order(StringComparer.Ordinal)];

    /// <summary>Does the writer's work once, as when time has passed.</summary>
    public async Task<bool> RunAsync() => await Writer.RunOnceAsync(TestContext.Current.CancellationToken);

    public int Edit(string sql) => _file.Edit(sql);

    public T Ask<T>(string sql) => _file.Ask<T>(sql);

    /// <summary>Makes keys with one version each, as the service stores them.</summary>
    public async Task<KeyVersionId[]> AddKeysAsync(int count, string prefix = "key")
    {
        var versions = new KeyVersionId[count];
        for (var begin = 0; begin < count; begin += 50)
        {
            var (from, to) = (begin, Math.Min(begin + 50, count));
            await Store.CommitAsync(
                new AuditRecordDraft(AuditEvent.KeyCreated),
                async transaction =>
                {
                    for (var i = from; i < to; i++)
                    {
                        var version = versions[i] = KeyVersionId.NewRandom();
                        var name = $"{prefix}/{i:000000}";
                        await _keys.InsertKeyAsync(transaction, new KeyRow(
                            name, KeyPurpose.EncryptDecrypt, RotationPolicy.Default, transaction.Time, version, VersionCount: 1, VersionChangeCount: 1,
                            WaitingVersions: 0, RotationPolicy.Default.RotateAt(transaction.Time), Revision: 1));
                        await _registers.AddedAsync(transaction, KeyRing.Register);
                        await StoreVersionAsync(transaction, name, version);
                    }
                },
                CancellationToken.None);
        }

        return versions;
    }

    public async Task<KeyVersionId> AddKeyAsync(string name) => (await AddKeysAsync(1, name))[0];

    public async ValueTask DisposeAsync()
    {
        foreach (var writer in _writers)
        {
            await writer.StopAsync(CancellationToken.None);
            writer.Dispose();
        }

        await Store.DisposeAsync();
        _signer.Dispose();
        _file.Dispose();
    }

    private async Task StoreVersionAsync(IStoreTransaction transaction, string name, KeyVersionId id)
    {
        var wrapped = new byte[WrappedDataKey.Length];
        WrappedDataKey.Write(wrapped, id, new byte[12], new byte[48]);
        var kek = new NewKek(id, [1, .. new byte[40]], [1, .. new byte[40]], wrapped, "token", BackupKeyId);
        await _keys.InsertVersionAsync(transaction, new KeyVersionRow(
            id, name, KeyState.Active, transaction.Time, transaction.Time, DeactivateTime: null, kek.CheckValue, LastChange: null, Revision: 1));
        await _material.InsertBlobAsync(transaction, new KeyBlobRow(id, kek.TokenId, kek.RootBlob, Revision: 1));
        await _material.InsertBlobAsync(transaction, new KeyBlobRow(id, KeyBlobRow.BackupOf(BackupKeyId), kek.BackupBlob, Revision: 1));
        await _material.InsertBulkKeyAsync(transaction, new BulkKeyRow(id, wrapped, Revision: 1));
        await _material.PutWrapCountAsync(transaction, new WrapCountRow(id, WrapBudget.Block, Revision: 1));
    }

    private sealed class Told(ConcurrentQueue<string> lines) : ILogger<AlarmOutlet>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue(formatter(state, exception));
    }
}
