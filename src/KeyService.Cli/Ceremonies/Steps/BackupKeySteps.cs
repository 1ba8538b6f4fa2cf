using System.Security.Cryptography;
using System.Text;
using KeyService.Cli.CommandLine;
using KeyService.Crypto;
using KeyService.Crypto.Shares;

namespace KeyService.Cli.Ceremonies;

/// <summary>The backup key: made, split, and proven to come out of every share.</summary>
internal static class BackupKeySteps
{
    private static ReadOnlySpan<byte> Info => "keyservice/v1/backup-key"u8;

    public static async Task MakeAsync(CeremonyRun run, CancellationToken cancellation)
    {
        run.BackupKey?.Dispose();
        var dice = run.Desk.Ask("Dice are mixed in if you wish: type what was thrown, as many as you like, or press Enter for none.");
        using var ofToken = await run.Token.GetRandomAsync(BackupKeyId.KeyLength, cancellation).ConfigureAwait(false);
        run.BackupKey = Mixed(ofToken, Encoding.UTF8.GetBytes(dice));
        run.Fact("backup-key.source", $"HKDF-SHA-256 (RFC 5869) of 256 bits of the token's generator and 256 bits of the station's{(dice.Length > 0 ? ", and dice" : "")}");
        run.Fact(TokenSteps.BackupKeyFact, Convert.ToHexStringLower(BackupKeyId.Of(run.BackupKey)));
        Split(run);
    }

    /// <summary>The key that the shares of before give, in shares of another set.</summary>
    public static Task SplitAgainAsync(CeremonyRun run, CancellationToken cancellation)
    {
        run.Fact(TokenSteps.BackupKeyFact, Convert.ToHexStringLower(BackupKeyId.Of(run.BackupKey!)));
        // What the custodians type from now on are the new shares.
        run.Shares.ForEach(share => share.Dispose());
        run.Shares.Clear();
        Split(run);
        return Task.CompletedTask;
    }

    /// <summary>Papers of the shares before open as much as the new ones.</summary>
    public static Task DestroyFormerPapersAsync(CeremonyRun run, CancellationToken cancellation)
    {
        foreach (var share in ShareRecord.Former(run).Shares)
        {
            var how = run.Desk.Ask($"The paper of share {share.Index} of the set before, bag {share.Bag}, handed out to {share.Custodian}: how was it destroyed, before all of you? Type absent if it is not here.");
            if (how == "absent")
            {
                run.Deviate("7", $"Share {share.Index} of the set before (bag {share.Bag}, {share.Custodian}) is not here and not destroyed: with others of its set it still gives the key.");
            }
            else
            {
                run.Observe("7", $"Share {share.Index} of the set before, bag {share.Bag}: destroyed, {(how.Length > 0 ? how : "as everybody saw")}.");
            }
        }
        return Task.CompletedTask;
    }

    private static void Split(CeremonyRun run)
    {
        var shares = SecretSharing.Split(run.BackupKey!.DangerousSpan, run.Plan.Threshold, run.Custodians.Count());
        run.Handout.ForEach(share => share.Dispose());
        run.Handout.Clear();
        run.Handout.AddRange(shares);
        run.Fact("shares.set", $"{shares[0].Set.Identifier}");
        run.Fact("shares.quorum", $"{run.Plan.Threshold} of {shares.Count}");
    }

    /// <summary>Quorums of shares that stand side by side, the last ones with the first: every share is in as many of them as a quorum has.</summary>
    public static Task ProveAsync(CeremonyRun run, CancellationToken cancellation)
    {
        var expected = run.RecordedFact(TokenSteps.BackupKeyFact)!;
        for (var first = 0; first < run.Shares.Count; first++)
        {
            List<Share> quorum = [.. Enumerable.Range(first, run.Plan.Threshold).Select(at => run.Shares[at % run.Shares.Count])];
            using var combined = SecretSharing.Combine(quorum, default, out var fault, out _);
            var id = combined is null ? $"nothing ({fault})" : Convert.ToHexStringLower(BackupKeyId.Of(combined));
            run.Compare("6", $"backup key out of shares {string.Join(", ", quorum.Select(share => share.MemberIndex + 1))}", expected, id);
        }
        run.Handout.ForEach(share => share.Dispose());
        run.Handout.Clear();
        return Task.CompletedTask;
    }

    private static SecretBuffer Mixed(SecretBuffer ofToken, ReadOnlySpan<byte> dice)
    {
        using var ofStation = SecretBuffer.Random(BackupKeyId.KeyLength);
        using var both = new SecretBuffer(ofToken.Length + ofStation.Length);
        ofToken.DangerousSpan.CopyTo(both.DangerousSpan);
        ofStation.DangerousSpan.CopyTo(both.DangerousSpan[ofToken.Length..]);
        var key = new SecretBuffer(BackupKeyId.KeyLength);
        // Whatever is thrown or typed stands where a salt stands: it can add, and never take away.
        HKDF.DeriveKey(HashAlgorithmName.SHA256, both.DangerousSpan, key.DangerousSpan, dice, Info);
        return key;
    }
}
