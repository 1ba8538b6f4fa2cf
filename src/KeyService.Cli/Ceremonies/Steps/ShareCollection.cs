using KeyService.Cli.CommandLine;
using KeyService.Crypto;
using KeyService.Crypto.Shares;

namespace KeyService.Cli.Ceremonies;

/// <summary>A quorum of custodians brings the backup key together again. What is wrong with a share is said by its name, and nothing is imported.</summary>
internal static class ShareCollection
{
    /// <summary>For a step that needs the key which another process had, and for restores.</summary>
    public static void Recall(CeremonyRun run, string step)
    {
        var record = run.Plan.Genesis is null && run.RecordedFact(TokenSteps.BackupKeyFact) is null ? null : ShareRecord.Of(run, step);
        if (record is null)
        {
            run.Deviate(step, "There is no transcript of the ceremony that made the shares: what is typed is judged by itself.");
        }
        var count = ShareRecord.WordCount;
        run.Shares.ForEach(share => share.Dispose());
        run.Shares.Clear();
        var needed = record?.Threshold ?? 2;
        foreach (var custodian in run.Holders)
        {
            if (run.Shares.Count == needed)
            {
                break;
            }
            if (run.Desk.Ask($"{custodian.FullName} opens the bag and sits down at the screen; {run.Shares.Count} of {(record is null && run.Shares.Count == 0 ? "?" : needed)} shares are here. Enter to begin, skip if there is no share.") == "skip")
            {
                continue;
            }
            var share = ShareEntry.Read(run.Desk, $"The share of {custodian.FullName}", count, out var problem);
            problem ??= Misfit(run, record, share!);
            if (problem is not null)
            {
                share?.Dispose();
                run.Deviate(step, $"The share of {custodian.FullName} is not taken: {problem}.");
                continue;
            }
            run.Shares.Add(share!);
            needed = share!.MemberThreshold;
            run.Observe(step, $"{custodian.FullName} brought share {share.MemberIndex + 1} of set {share.Set.Identifier}.");
        }
        if (run.Shares.Count < needed)
        {
            throw new CliError(ExitCode.NotVerified, "TOO_FEW_SHARES", $"{run.Shares.Count} shares are here, and {needed} are needed. Nothing was imported.",
                "Fetch the other custodians, or alternates who hold a share; fewer never do.");
        }
        var key = SecretSharing.Combine(run.Shares, default, out var fault, out _);
        if (key is null)
        {
            throw new CliError(ExitCode.NotVerified, "SHARES_REFUSED", $"The shares do not give a key ({fault}). Nothing was imported.",
                "One of them was made for another key. Compare each with its bag and its record, and try with another custodian's.");
        }
        var id = Convert.ToHexStringLower(BackupKeyId.Of(key));
        if (record is not null && id != record.BackupKeyId)
        {
            key.Dispose();
            throw new CliError(ExitCode.NotVerified, "OTHER_KEY", $"The shares give backup key {id}, and it must be {record.BackupKeyId}. Nothing was imported.",
                "They are of another set. Compare the bags with the transcript.");
        }
        run.BackupKey = key;
        run.Observe(step, $"The shares give backup key {id}.");
    }

    private static string? Misfit(CeremonyRun run, ShareRecord? record, Share share)
    {
        if (run.Shares.Find(other => other.MemberIndex == share.MemberIndex) is not null)
        {
            return $"share {share.MemberIndex + 1} is here already";
        }
        if (record is null)
        {
            return run.Shares is [var first, ..] && first.Set != share.Set ? $"{ShareSteps.Describe(share)}, and the others are of set {first.Set.Identifier}" : null;
        }
        var recorded = record.Shares.FirstOrDefault(each => each.Index == share.MemberIndex + 1);
        return share.Set.Identifier != record.Set || recorded is null ? $"{ShareSteps.Describe(share)}, and set {record.Set} is needed"
            : ShareDigest.Of(share).AsSpan().SequenceEqual(recorded.Digest) ? null
            : $"share {recorded.Index} is not as it was handed out to {recorded.Custodian}";
    }
}
