using System.Security.Cryptography;
using KeyService.Server.Storage;

namespace KeyService.Tests.Storage;

/// <summary>What the HSM is asked for, and what is believed while it is away.</summary>
public sealed class RowAuthenticatorTests
{
    private static readonly byte[] Key = new byte[32];
    private int _asked;
    private bool _away;

    [Fact]
    public async Task The_same_bytes_are_asked_for_once_and_stay_believed_while_the_HSM_is_away()
    {
        var rows = Rows();
        byte[] row = [1, 2, 3];
        var mac = HMACSHA256.HashData(Key, row);
        await rows.VerifyAsync(row, mac, "t", "1", default);
        await rows.VerifyAsync(row, mac, "t", "1", default);
        Assert.Equal(1, _asked);
        _away = true;
        await rows.VerifyAsync(row, mac, "t", "1", default);
        await Assert.ThrowsAsync<IOException>(() => rows.VerifyAsync(new byte[] { 1, 2, 4 }, mac, "t", "1", default).AsTask());
    }

    [Fact]
    public async Task Nothing_is_believed_that_was_not_verified_just_so()
    {
        var rows = Rows();
        byte[] row = [.. Enumerable.Range(0, 40).Select(i => (byte)i)];
        var mac = HMACSHA256.HashData(Key, row);
        await rows.VerifyAsync(row, mac, "t", "1", default);
        for (var bit = 0; bit < 8 * (row.Length + mac.Length); bit++)
        {
            byte[] all = [.. row, .. mac];
            all[bit / 8] ^= (byte)(1 << (bit % 8));
            await RefusedAsync(all[..row.Length], all[row.Length..]);
        }

        // The same bytes one after another, parted elsewhere.
        byte[] joined = [.. row, .. mac];
        await RefusedAsync(joined[..(row.Length - 1)], joined[(row.Length - 1)..]);
        await RefusedAsync(joined[..(row.Length + 1)], joined[(row.Length + 1)..]);
        await RefusedAsync(joined, []);
        // What was refused once is refused again.
        await RefusedAsync(joined, []);

        Task<StoreTamperedException> RefusedAsync(byte[] changed, byte[] with) =>
            Assert.ThrowsAsync<StoreTamperedException>(() => rows.VerifyAsync(changed, with, "t", "1", default).AsTask());
    }

    [Fact]
    public async Task Many_rows_push_each_other_out_and_are_asked_for_again()
    {
        var rows = Rows();
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < 20_000; i++)
            {
                var row = BitConverter.GetBytes(i);
                await rows.VerifyAsync(row, HMACSHA256.HashData(Key, row), "t", "1", default);
            }
        }

        Assert.InRange(_asked, 30_000, 40_000);
    }

    private RowAuthenticator Rows() => new((row, _) =>
    {
        _asked++;
        return _away ? throw new IOException("away") : ValueTask.FromResult(HMACSHA256.HashData(Key, row.Span));
    });
}
