using KeyService.Crypto;
using KeyService.Crypto.Ceremonies;
using KeyService.Crypto.Shares;

namespace KeyService.IntegrationTests.Ceremonies;

/// <summary>Shares as their words stand on paper, a space between each.</summary>
internal static class PaperShares
{
    public static Share Read(string paper)
    {
        var words = paper.Split(' ').Select(word => ShareWordList.TryFind(word, out var number) ? number : ushort.MaxValue).ToArray();
        Assert.True(Share.TryParse(words, out var share, out _));
        return share!;
    }

    /// <summary>Which backup key they give together; null when they give none.</summary>
    public static string? KeyOf(params string[] papers)
    {
        var shares = papers.Select(Read).ToList();
        using var secret = SecretSharing.Combine(shares, default, out _, out _);
        shares.ForEach(share => share.Dispose());
        return secret is null ? null : Convert.ToHexStringLower(BackupKeyId.Of(secret));
    }

    /// <summary>Which backup key a ceremony was about.</summary>
    public static string KeyOf(Transcript transcript) => transcript.Entries.Last(each => each is { Type: TranscriptEntryType.Fact, Subject: "backup-key.id" }).Text;
}
