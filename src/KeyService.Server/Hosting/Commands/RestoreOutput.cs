using System.Diagnostics;
using System.Text.Json;
using KeyService.Crypto.Backups;
using KeyService.Hsm;
using KeyService.Hsm.Restore;
using KeyService.Server.Restore;
using KeyService.Server.Storage;

namespace KeyService.Server.Hosting;

/// <summary>What <c>restore</c> says: progress on stderr, or as lines of JSON on stdout; at the end what stands, what is lost and what to do next.</summary>
internal sealed class RestoreOutput(bool json) : IProgress<RestoreProgress>
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    private long _said;
    private long _stageBegan = Stopwatch.GetTimestamp();
    private long? _first;

    public void Stage(string what)
    {
        (_stageBegan, _first, _said) = (Stopwatch.GetTimestamp(), null, 0);
        if (json)
            Write(new { @event = "stage", stage = what });
        else
            Console.Error.WriteLine($"keyservice: {what}");
    }

    public void Report(RestoreProgress value)
    {
        // What an earlier run did is no rate of this one.
        _first ??= value.Versions;
        if (value.Versions != value.Of && _said != 0 && Stopwatch.GetElapsedTime(_said) < Every)
            return;
        _said = Stopwatch.GetTimestamp();
        if (json)
        {
            Write(new { @event = "progress", versions = value.Versions, of = value.Of });
            return;
        }
        var seconds = Stopwatch.GetElapsedTime(_stageBegan).TotalSeconds;
        var rate = seconds > 0.5 ? $", {(value.Versions - _first) / seconds:F0} a second" : "";
        Console.Error.WriteLine($"keyservice: {value.Versions} of {value.Of} versions{rate}");
    }

    /// <summary>It has ended before; said for whoever was interrupted before it could read so.</summary>
    public void Stands(Restoration restoration)
    {
        if (!json)
            return;
        Write(new
        {
            @event = "stands",
            installation = Convert.ToHexStringLower(restoration.InstallationId),
            log = Convert.ToHexStringLower(restoration.LogId),
            token = restoration.TokenId,
            bundle = restoration.LastSequence,
            digest = Convert.ToHexStringLower(restoration.LastDigest),
            finished = restoration.FinishTime!.Value.UtcDateTime.ToString("O"),
        });
    }

    public void Restored(
        RestoredInstallation restored, BundleChain chain, HsmToken hsm, FirstAdministrator administrator, ServerConfiguration configuration, TimeSpan took)
    {
        var (restoration, keys) = restored;
        if (json)
        {
            Write(new
            {
                @event = "restored",
                installation = Convert.ToHexStringLower(restoration.InstallationId),
                log = Convert.ToHexStringLower(restoration.LogId),
                token = hsm.TokenId,
                backup_key = chain.BackupKeyId,
                bundle = chain.Newest.Header.Sequence,
                digest = Convert.ToHexStringLower(chain.Newest.Digest),
                reaches_to = UnixTime.FromNanoseconds(chain.Newest.Header.MadeAtUnixNanoseconds).UtcDateTime.ToString("O"),
                keys = keys.Keys,
                versions = keys.Versions,
                destroyed = keys.Destroyed,
                left_out = chain.OmittedCount,
                administrator = administrator.Name,
                seconds = Math.Round(took.TotalSeconds, 3),
            });
            return;
        }
        Console.Out.WriteLine($"keyservice: restored installation {Convert.ToHexStringLower(restoration.InstallationId)} into {configuration.StoreName} on token {hsm.Info.TokenLabel} ({hsm.TokenId}) in {took.TotalSeconds:F1} s");
        Console.Out.WriteLine($"  {keys.Keys} keys with {keys.Versions} versions, {keys.Destroyed} of them destroyed; every other one was read back and opened");
        Console.Out.WriteLine($"  it reaches to {UnixTime.FromNanoseconds(chain.Newest.Header.MadeAtUnixNanoseconds):u} (bundle {chain.Newest.Header.Sequence}): versions made later are lost, with what they alone encrypted");
        if (chain.OmittedCount > 0)
            Console.Out.WriteLine($"  {chain.OmittedCount} versions were left out when the bundles were made: look for older bundles that hold them");
        Console.Out.WriteLine($"  no restored version encrypts any more; each key is rotated by itself when the service runs");
        Console.Out.WriteLine($"  the audit log begins anew as keyservice/{Convert.ToHexStringLower(restoration.LogId)}; the log before is where it was exported to");
        Console.Out.WriteLine($"next: keyservice serve --config {configuration.FilePath}; as {administrator.Name}, make principals and grants again and install the roster");
        Console.Out.WriteLine("  again; have a full bundle made (keyservice backup export); give witnesses and sinks the new log (docs/operations.md, \"Restore onto a new token\")");
    }

    private static void Write<T>(T line) => Console.Out.WriteLine(JsonSerializer.Serialize(line));
}
