using System.Security.Cryptography;
using Dapper;
using KeyService.Crypto.Logs;
using KeyService.Protocol.V1;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Export;
using KeyService.Server.Audit.Retention;
using KeyService.Server.Pipeline;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Audit.Retention;

public sealed class RetentionTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private SqliteStore _store = null!;
    private RetentionContract _months = null!;

    public ValueTask InitializeAsync()
    {
        _time.Advance(RetentionContract.Begin - _time.GetUtcNow());
        _store = _file.Open(_time);
        _months = new RetentionContract(_store, _time, _file.Folder);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public Task Months_are_archived_in_order_and_deleted_when_their_years_are_over() => _months.RunAsync();

    [Theory]
    [InlineData("UPDATE audit_archives SET frontier = zeroblob(length(frontier)) WHERE month = 201911")]
    [InlineData("UPDATE audit_archives SET deleted_at = NULL WHERE month = 201911")]
    [InlineData("UPDATE audit_archives SET month = 201912 WHERE month = 201911")]
    [InlineData("DELETE FROM audit_archives")]
    public async Task A_log_that_begins_later_without_a_word_of_the_service_is_one_that_was_cut(string edit)
    {
        await DeleteAsync();
        Assert.True(_file.Edit(edit) > 0);
        var report = await new AuditVerification(new AuditLog(_store), _store, SoftwareRows.Of()).RunAsync(CancellationToken.None);
        Assert.NotEmpty(report.Findings);
    }

    [Fact]
    public async Task An_archive_that_is_said_to_be_deleted_by_hand_takes_no_record_out_of_the_search()
    {
        await _months.LiveAsync();
        await _months.RegisterAsync("2019-10");
        Assert.Equal(1, _file.Edit("UPDATE audit_archives SET deleted_at = 1, deleted_by = 'me'"));
        await Assert.ThrowsAsync<StoreTamperedException>(() => Search.AuditSearchContract.AnsweredAsync(_store, Search.AuditSearchContract.Ask(principal: "ehr-1"), 100));
    }

    [Fact]
    public async Task What_a_server_that_died_left_is_deleted_by_the_next_one()
    {
        await _months.LiveAsync();
        await _months.RegisterAsync("2019-10");
        await _months.RegisterAsync("2019-11");
        _months.MoveTo(2026, 1, 4);
        await _months.MarkDeletedAsync("2019-11");
        await _store.DisposeAsync();
        _store = _file.Open(_time);
        _months = new RetentionContract(_store, _time, _file.Folder);
        await _months.Retention.SweepAsync(CancellationToken.None);
        await _months.VerifiesAsync(standing: false);
    }

    [Fact]
    public async Task A_tree_goes_on_from_an_archives_end_to_the_same_root()
    {
        await _months.LiveAsync();
        var whole = await new AuditLog(_store).ExtendAsync(new MerkleFrontier(), _store.LastSequence, CancellationToken.None);
        var part = (await _months.RegisterAsync("2019-10"))[0];
        var grown = await new AuditLog(_store).ExtendAsync(part.Frontier, whole.Size - 1, CancellationToken.None);
        Assert.Equal(whole.Root(), grown.Root());
    }

    [Fact]
    public async Task Records_are_proven_from_the_archive_before_them_also_when_the_months_up_to_it_are_gone()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var checkpoints = new Checkpoints(
            new AuditLog(_store), _store, SoftwareRows.Of(),
            new CheckpointKeys(_ => new CheckpointSigner(
                _ => ValueTask.FromResult(key.ExportSubjectPublicKeyInfo()),
                (digest, _) => ValueTask.FromResult(key.SignHash(digest.ToArray(), DSASignatureFormat.IeeeP1363FixedFieldConcatenation)))));
        await _months.LiveAsync();
        await _months.RegisterAsync("2019-10");
        var december = (await _months.RegisterAsync("2019-11"))[0].Past;
        // From here on by signatures that are some.
        await _store.CommitAsync(
            new AuditRecordDraft(AuditEvent.AuditLogMarked),
            transaction => transaction.Connection.ExecuteAsync("DELETE FROM audit_checkpoints", transaction: transaction.Transaction), CancellationToken.None);
        await checkpoints.MakeAsync(sealing: false, CancellationToken.None);
        await ProvenAsync(0, december - 1, december, _store.LastSequence - 10);

        _months.MoveTo(2026, 1, 4);
        await _months.MarkDeletedAsync("2019-11");
        await _months.Retention.SweepAsync(CancellationToken.None);
        await ProvenAsync(december, december + 1, december + 150, _store.LastSequence - 10);
        var refusal = await Assert.ThrowsAsync<Refusal>(() => ProveAsync(december - 1));
        Assert.Equal(Reason.NotFound, refusal.Reason);
        Assert.Contains($"before number {december}", refusal.Message, StringComparison.Ordinal);

        async Task ProvenAsync(params long[] sequences)
        {
            foreach (var sequence in sequences)
            {
                var (record, directory) = (await ProveAsync(sequence))!.Value;
                Assert.True(RecordProof.TryVerify(record, directory, (await checkpoints.VerifiersAsync(CancellationToken.None)).Keys, null, out var proof, out var fault), fault);
                Assert.Equal((ulong)sequence, proof!.Record.Sequence);
            }
        }

        Task<(InclusionProofFile Record, InclusionProofFile Directory)?> ProveAsync(long sequence) =>
            new RecordProving(_store, SoftwareRows.Of(), new Cosignatures(_store)).ProveAsync(_store.Slot, sequence, CancellationToken.None);
    }

    [Theory]
    [InlineData("2026-11", 202611)]
    [InlineData("1970-01", 197001)]
    [InlineData("9998-12", 999812)]
    public void A_month_is_written_in_one_way(string text, int number)
    {
        Assert.True(AuditMonth.TryParse(text, out var month));
        Assert.Equal((number, text), (month.Number, month.ToString()));
        Assert.Equal(month, AuditMonth.Of(month.Begin));
        Assert.Equal(month, AuditMonth.Of(month.End.AddTicks(-1)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026-13")]
    [InlineData("2026-1")]
    [InlineData("2026-00")]
    [InlineData("1969-12")]
    [InlineData("9999-12")]
    [InlineData("2026/11")]
    [InlineData(" 2026-1")]
    [InlineData("2026-11-01")]
    public void And_nothing_else_is_one(string text) => Assert.False(AuditMonth.TryParse(text, out _));

    private async Task DeleteAsync()
    {
        await _months.LiveAsync();
        await _months.RegisterAsync("2019-10");
        await _months.RegisterAsync("2019-11");
        _months.MoveTo(2026, 1, 4);
        await _months.MarkDeletedAsync("2019-11");
        await _months.Retention.SweepAsync(CancellationToken.None);
    }
}
