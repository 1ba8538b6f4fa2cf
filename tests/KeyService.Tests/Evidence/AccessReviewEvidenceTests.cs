using System.Text;
using System.Text.Json;
using KeyService.Crypto.AccessReviews;
using KeyService.Crypto.Logs;
using KeyService.Server.AccessReviews;
using KeyService.Server.Evidence;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;
using KeyService.Tests.AccessReviews;
using KeyService.Tests.Storage;

namespace KeyService.Tests.Evidence;

public sealed class AccessReviewEvidenceTests : IAsyncLifetime
{
    private readonly StoreFile _file = new();
    private readonly TestTime _time = new();
    private readonly RowAuthenticator _rows = SoftwareRows.Of();
    private SqliteStore _store = null!;
    private AccessReviewBed _bed = null!;

    public async ValueTask InitializeAsync()
    {
        _store = _file.Open(_time);
        await SoftwareRows.InstallAsync(_store, _rows);
        _bed = await AccessReviewBed.MakeAsync(_store, _rows, _time);
    }

    public async ValueTask DisposeAsync()
    {
        _bed.Dispose();
        await _store.DisposeAsync();
        _file.Dispose();
    }

    [Fact]
    public async Task A_review_is_shown_while_it_is_open_with_its_result_when_it_is_closed_and_in_no_range_that_it_does_not_touch()
    {
        var began = _time.GetUtcNow();
        var (review, _) = await _bed.StartAsync();
        await _bed.AttestAsync("database");
        await _bed.AttestAsync("zoe", ReviewVerdict.Suspend, note: "left, for good");
        _time.Advance(TimeSpan.FromDays(1));

        var (open, suspended) = await CollectAsync(began, _time.GetUtcNow());
        var entry = Assert.Single(JsonDocument.Parse(open.Content).RootElement.EnumerateArray());
        Assert.Equal((review.IdText, true, 6), (entry.GetProperty("id").GetString(), entry.GetProperty("open").GetBoolean(), entry.GetProperty("pending").GetInt32()));
        Assert.Equal(["access/reviews/key"], open.Beside.Select(file => file.Name));
        Assert.Equal([$"{review.IdText},zoe,person,dave,,suspend,dave,{began:u},\"left, for good\""], Lines(suspended));

        await _bed.PassAsync();
        await _bed.StepAsync();
        var closed = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromDays(1));
        (open, suspended) = await CollectAsync(closed, _time.GetUtcNow());
        Assert.Contains($"{review.IdText},triage,ai-system,dave,,suspended-at-deadline,,", Encoding.UTF8.GetString(suspended.Content), StringComparison.Ordinal);
        var note = open.Beside.Single(file => file.Name == $"access/reviews/{review.IdText}.note");
        Assert.True(NoteVerifier.TryParse(Encoding.UTF8.GetString(open.Beside.Single(file => file.Name == AccessReviewEvidence.KeyName).Content).TrimEnd('\n'), out var key));
        Assert.True(AccessReviewResult.TryRead(note.Content, out var signed, out _) && key!.Signed(signed!));

        Assert.Equal(0, (await CollectAsync(began.AddDays(-2), began.AddDays(-1))).Reviews.Count);
        Assert.Equal(0, (await CollectAsync(closed.AddHours(1), closed.AddHours(2))).Reviews.Count);
    }

    private static string[] Lines(EvidenceItem item) => Encoding.UTF8.GetString(item.Content).Split('\n', StringSplitOptions.RemoveEmptyEntries)[1..];

    private async Task<(EvidenceItem Reviews, EvidenceItem Suspended)> CollectAsync(DateTimeOffset from, DateTimeOffset until)
    {
        var items = await new AccessReviewEvidence(_store, _bed.Reviews, _bed.Campaign, _bed.Signer).CollectAsync(new EvidenceRange(from, until), CancellationToken.None);
        return (items[0], items[1]);
    }
}
