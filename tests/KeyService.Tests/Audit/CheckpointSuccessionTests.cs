using System.Security.Cryptography;
using KeyService.Crypto.Logs;
using KeyService.Server.Audit;
using KeyService.Server.Audit.Export;
using KeyService.Server.Storage;

namespace KeyService.Tests.Audit;

/// <summary>A checkpoint key that the next one follows: signed by both once, then by the new one; and hands in the database that try the same.</summary>
public sealed class CheckpointSuccessionTests : IAsyncLifetime
{
    private SignedStore _signed = null!;

    public async ValueTask InitializeAsync() => _signed = await SignedStore.CreateAsync();

    public ValueTask DisposeAsync() => _signed.DisposeAsync();

    [Fact]
    public async Task The_checkpoint_that_names_the_next_key_is_signed_by_both_and_what_follows_by_the_next()
    {
        await _signed.SignAsync();
        Assert.Equal("10", await SignedByAsync(0, 1));
        for (var number = 1; number < 4; number++)
        {
            await RotateAsync(number);
            await _signed.SignAsync();
            Assert.Equal("11", await SignedByAsync(number - 1, number));
            if (number == 2)
            {
                // Another server reads it out of the directory.
                await _signed.RestartAsync();
            }

            await _signed.SignAsync();
            Assert.Equal("01", await SignedByAsync(number - 1, number));
        }

        var (keys, places) = await _signed.Checkpoints.VerifiersAsync(CancellationToken.None);
        Assert.Equal(Enumerable.Range(0, 4).Select(number => $"{_signed.KeyOf(number)}"), keys.Select(key => $"{key}"));
        foreach (var (place, number) in places.Select((place, i) => (place, i + 1)))
        {
            var (_, bytes) = (await new LogExport(_signed.Store, SignedLog.Directory).FirstCoveringAsync(place, CancellationToken.None))!.Value;
            Assert.True(SignedNote.TryParse(bytes, out var note));
            Assert.All(new[] { number - 1, number }, each => Assert.True(_signed.KeyOf(each).Named(LogNames.Of(new byte[16]).Directory).Signed(note!)));
        }
    }

    [Fact]
    public async Task A_second_succession_waits_for_the_first()
    {
        await _signed.SignAsync();
        await RotateAsync(1);
        Assert.Null(await _signed.Checkpoints.NextKeyAsync(CancellationToken.None));
        await _signed.SignAsync();
        Assert.Equal(2, (await _signed.Checkpoints.NextKeyAsync(CancellationToken.None))!.Number);
    }

    [Fact]
    public async Task Two_calls_at_once_follow_the_key_once()
    {
        await _signed.SignAsync();
        var next = (await _signed.Checkpoints.NextKeyAsync(CancellationToken.None))!;
        await CommitAsync(next);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => CommitAsync(next));
    }

    [Fact]
    public async Task A_key_that_somebody_put_into_the_database_is_never_vouched_for()
    {
        await _signed.SignAsync();
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Insert(DirectoryEntry.OfKey(5, stranger.ExportSubjectPublicKeyInfo()));
        var found = await Assert.ThrowsAsync<StoreTamperedException>(() => _signed.SignAsync());
        Assert.Contains("not one of this HSM", found.Message, StringComparison.Ordinal);
        Assert.Equal("10", await SignedByAsync(0, 1));
    }

    [Fact]
    public async Task Nor_is_the_next_one_as_that_of_another_token()
    {
        await _signed.SignAsync();
        Insert(DirectoryEntry.OfPeerKey(5, _signed.KeyOf(1).Key.Span));
        await Assert.ThrowsAsync<StoreTamperedException>(() => _signed.SignAsync());
        Assert.Equal("10", await SignedByAsync(0, 1));
    }

    [Fact]
    public async Task Neither_is_a_second_one_behind_a_right_one()
    {
        await _signed.SignAsync();
        await RotateAsync(1);
        Insert(DirectoryEntry.OfKey(5, _signed.KeyOf(2).Key.Span));
        var found = await Assert.ThrowsAsync<StoreTamperedException>(() => _signed.SignAsync());
        Assert.Contains("a second key", found.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nor_one_in_the_place_of_a_signed_entry()
    {
        await _signed.SignAsync();
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _signed.File.Edit($"UPDATE audit_directory SET entry = x'{Convert.ToHexString(DirectoryEntry.OfKey(5, stranger.ExportSubjectPublicKeyInfo()).Encode())}' WHERE sequence = 0");
        await _signed.RestartAsync();
        await Assert.ThrowsAsync<StoreTamperedException>(() => _signed.SignAsync());
    }

    private async Task RotateAsync(int number)
    {
        var next = (await _signed.Checkpoints.NextKeyAsync(CancellationToken.None))!;
        Assert.Equal((number, $"{_signed.KeyOf(number)}"), (next.Number, $"{next.Key}"));
        await CommitAsync(next);
    }

    private Task<CommitReceipt> CommitAsync(CheckpointSuccessor next) => _signed.Store.CommitAsync(
        new AuditRecordDraft(AuditEvent.AuditKeyRotated), transaction => Checkpoints.AppendSuccessorAsync(transaction, next), CancellationToken.None);

    private void Insert(DirectoryEntry entry) => _signed.File.Edit(
        $"INSERT INTO audit_directory (sequence, entry) SELECT max(sequence) + 1, x'{Convert.ToHexString(entry.Encode())}' FROM audit_directory");

    private async Task<string> SignedByAsync(params int[] numbers)
    {
        var (_, bytes) = (await new LogExport(_signed.Store, SignedLog.Directory).CheckpointAsync(0, long.MaxValue, CancellationToken.None))!.Value;
        Assert.True(SignedNote.TryParse(bytes, out var note));
        return string.Concat(numbers.Select(number => _signed.KeyOf(number).Named(LogNames.Of(new byte[16]).Directory).Signed(note!) ? "1" : "0"));
    }
}
