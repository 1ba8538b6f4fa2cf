using System.Security.Cryptography;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Export;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Audit;

/// <summary>The log out of SQLite as it is exported and proven; checkpoints are signed by a key in software.</summary>
public sealed class LogExportTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private SqliteStore _store = null!;
    private Checkpoints _checkpoints = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        _checkpoints = new Checkpoints(
            new AuditLog(_store), _store, _rows,
            new CheckpointKeys(_ => new CheckpointSigner(
                _ => ValueTask.FromResult(_key.ExportSubjectPublicKeyInfo()),
                (digest, _) => ValueTask.FromResult(_key.SignHash(digest.ToArray(), DSASignatureFormat.IeeeP1363FixedFieldConcatenation)))));
        for (var round = 0; round < 3; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 150).Select(i => _store.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead) { Detail = $"record {round} {i}" }, null, CancellationToken.None)));
            _time.Advance(TimeSpan.FromMinutes(1));
            await _checkpoints.MakeAsync(sealing: false, CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _checkpoints.Dispose();
        await _store.DisposeAsync();
        _file.Dispose();
        _key.Dispose();
    }

    [Fact]
    public async Task Entries_up_to_a_checkpoint_have_its_root_from_wherever_they_begin()
    {
        foreach (var log in new[] { 0, SignedLog.Directory })
        {
            var export = new LogExport(_store, log);
            var (size, note) = (await export.CheckpointAsync(0, long.MaxValue, CancellationToken.None))!.Value;
            foreach (var start in new[] { 0L, 256, size }.Where(start => start <= size))
            {
                var frontier = await export.BeforeAsync(start, new MerkleFrontier(), CancellationToken.None);
                await foreach (var page in export.PagesAsync(start, size, CancellationToken.None))
                {
                    foreach (var entry in page)
                    {
                        frontier.Append(MerkleHash.Leaf(entry));
                    }
                }

                Assert.Equal(CheckpointOf(note).Root, frontier.Root());
            }
        }
    }

    [Fact]
    public async Task A_checkpoint_is_found_by_size_by_time_and_as_the_newest()
    {
        var export = new LogExport(_store, 0);
        var newest = (await export.CheckpointAsync(0, long.MaxValue, CancellationToken.None))!.Value;
        var first = (await export.FirstCoveringAsync(0, CancellationToken.None))!.Value;
        Assert.True(first.Size < newest.Size);
        Assert.Equal(first, await export.CheckpointAsync(first.Size, long.MaxValue, CancellationToken.None));
        Assert.Null(await export.CheckpointAsync(first.Size + 1, long.MaxValue, CancellationToken.None));
        var made = _file.Ask<long>($"SELECT made_at FROM audit_checkpoints WHERE log = 0 AND size = {first.Size}");
        Assert.Null(await export.CheckpointAsync(0, made, CancellationToken.None));
        Assert.Equal(first, await export.CheckpointAsync(0, made + 1, CancellationToken.None));
        Assert.Equal(newest, await export.FirstCoveringAsync(newest.Size - 1, CancellationToken.None));
        Assert.Null(await export.FirstCoveringAsync(newest.Size, CancellationToken.None));
    }

    [Fact]
    public async Task Every_record_that_is_signed_is_proven_and_none_behind()
    {
        var proving = new RecordProving(_store, _rows, new Cosignatures(_store));
        var size = (await new LogExport(_store, 0).CheckpointAsync(0, long.MaxValue, CancellationToken.None))!.Value.Size;
        for (var sequence = 0L; sequence < size; sequence += 37)
        {
            var (record, directory) = (await proving.ProveAsync(0, sequence, CancellationToken.None))!.Value;
            Assert.True(
                RecordProof.TryVerify(record, directory, (await _checkpoints.VerifiersAsync(CancellationToken.None)).Keys, null, out var proof, out var fault), fault);
            Assert.Equal((ulong)sequence, proof!.Record.Sequence);
        }

        Assert.Null(await proving.ProveAsync(0, size, CancellationToken.None));
        Assert.Null(await proving.ProveAsync(7, 0, CancellationToken.None));
    }

    [Theory]
    [InlineData("DELETE FROM audit_records WHERE sequence = 20", "the record is missing")]
    [InlineData("UPDATE audit_records SET leaf_hash = zeroblob(32) WHERE sequence = 20", "not those that were signed")]
    [InlineData("UPDATE audit_records SET record = (SELECT record FROM audit_records WHERE sequence = 4) WHERE sequence = 3", "not those that were signed")]
    [InlineData("UPDATE audit_directory SET entry = (SELECT entry FROM audit_directory WHERE sequence = 2) WHERE sequence = 0", "not those that were signed")]
    public async Task A_log_that_is_not_the_signed_one_proves_nothing(string sql, string finding)
    {
        await _store.DisposeAsync();
        Assert.NotEqual(0, _file.Edit(sql));
        _store = _file.Open(_time);
        var found = await Assert.ThrowsAsync<StoreTamperedException>(() => new RecordProving(_store, _rows, new Cosignatures(_store)).ProveAsync(0, 3, CancellationToken.None));
        Assert.Contains(finding, found.Message, StringComparison.Ordinal);
    }

    private static Checkpoint CheckpointOf(byte[] bytes) =>
        SignedNote.TryParse(bytes, out var note) && Checkpoint.TryParse(note!.Text, out var checkpoint) ? checkpoint! : throw new InvalidOperationException();
}
